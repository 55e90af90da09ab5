//! The verbs of a session: the table, and a file for each subject. A further verb is a row and a function.

mod connection;
mod copies;
mod data;
mod directories;
mod extensions;
mod facts;
mod files;
mod hashes;
mod listings;
mod preparations;
mod site;
mod transfers;

use super::Session;
use crate::protocol::verb::{Entry, Run, Verb};

/// Every verb.
pub const VERBS: &[Verb<Session>] =
    &joined::<{ OF_RFCS.len() + extensions::VERBS.len() }>(OF_RFCS, extensions::VERBS);

/// Those of the RFCs, by subject; within a subject in the order of the RFCs.
const OF_RFCS: &[Verb<Session>] = &[
    // Who and how.
    Verb::new("HOST", Run::Text(connection::host), "7151 3", "HOST <name>: choose a virtual host")
        .replies("220 502 503 504")
        .for_anybody()
        .announced("HOST"),
    Verb::new("USER", Run::Text(connection::user), "959 4.1.1", "USER <name>: say who you are")
        .replies("232 331")
        .for_anybody(),
    Verb::new("PASS", Run::OptionalText(connection::pass), "959 4.1.1", "PASS <password>: prove it")
        .replies("230 331 503")
        .for_anybody(),
    Verb::new("ACCT", Run::OptionalText(connection::acct), "959 4.1.1", "ACCT <account>: not needed")
        .replies("202")
        .for_anybody(),
    Verb::new("REIN", Run::Bare(connection::rein), "959 4.1.1", "REIN: log out, to log in again")
        .replies("220")
        .for_anybody(),
    Verb::new(
        "SMNT",
        Run::OptionalText(connection::not_implemented),
        "959 4.1.1",
        "SMNT <path>: not implemented",
    )
    .replies("502"),
    Verb::new("QUIT", Run::Bare(connection::quit), "959 4.1.1", "QUIT: end the session")
        .replies("221")
        .for_anybody(),
    Verb::new("BYE", Run::Bare(connection::quit), "959 4.1.1", "BYE: another name of QUIT")
        .replies("221")
        .for_anybody(),
    Verb::new("NOOP", Run::Bare(connection::noop), "959 4.1.3", "NOOP: do nothing")
        .replies("200")
        .for_anybody()
        .during_transfer(),
    Verb::new("SYST", Run::Bare(connection::syst), "959 4.1.3", "SYST: the kind of system")
        .replies("215")
        .for_anybody(),
    Verb::new("HELP", Run::OptionalText(connection::help), "959 4.1.3", "HELP [<verb>]: what there is")
        .replies("214 502")
        .for_anybody(),
    Verb::new(
        "SITE HELP",
        Run::OptionalText(connection::site_help),
        "959 4.1.3",
        "SITE HELP [<verb>]: what SITE has",
    )
    .replies("214 502"),
    Verb::new("FEAT", Run::Bare(listings::feat), "2389 3", "FEAT: what goes beyond RFC 959")
        .replies("211")
        .for_anybody(),
    Verb::new("LANG", Run::OptionalText(preparations::lang), "2640 4", "LANG [<language>]: that of replies")
        .replies("200 504")
        .for_anybody()
        .announced("LANG EN*"),
    Verb::new(
        "OPTS UTF8",
        Run::OptionalText(preparations::opts_utf8),
        "2640",
        "OPTS UTF8 [ON|OFF]: names are UTF-8",
    )
    .replies("200")
    .for_anybody()
    .announced("UTF8"),
    Verb::new(
        "OPTS MLST",
        Run::OptionalText(listings::opts_mlst),
        "3659 7.9",
        "OPTS MLST [<facts>]: choose facts",
    )
    .replies("200"),
    Verb::new(
        "STAT",
        Run::OptionalText(connection::stat),
        "959 4.1.3",
        "STAT [<path>]: the state, or a listing",
    )
    .replies("211 213 450 451 550 553")
    .for_anybody()
    .during_transfer(),
    // TLS.
    Verb::new("AUTH", Run::Text(connection::auth), "4217 4", "AUTH TLS: speak TLS")
        .replies("234 421 502 503 504")
        .for_anybody()
        .announced("AUTH TLS"),
    Verb::new("PBSZ", Run::Text(connection::pbsz), "4217 8", "PBSZ 0: what comes before PROT")
        .replies("200 503")
        .for_anybody()
        .announced("PBSZ"),
    Verb::new("PROT", Run::Text(connection::prot), "4217 9", "PROT P|C: protect data connections, or not")
        .replies("200 503 504 534 536")
        .for_anybody()
        .announced("PROT"),
    Verb::new("CCC", Run::Bare(connection::ccc), "4217 12", "CCC: go on without TLS")
        .replies("200 533 534")
        .announced("CCC"),
    // Data.
    Verb::new("TYPE", Run::Text(connection::representation), "959 4.1.2", "TYPE A|I: text or bytes")
        .replies("200 504"),
    Verb::new("MODE", Run::Text(connection::mode), "959 4.1.2", "MODE S|Z: as a stream, or compressed")
        .replies("200 504")
        .announced("MODE Z"),
    Verb::new(
        "OPTS MODE",
        Run::Text(connection::opts_mode_z),
        "draft-preston-ftpext-deflate",
        "OPTS MODE Z LEVEL <0-9>: how much to compress",
    )
    .replies("200"),
    Verb::new("STRU", Run::Text(connection::structure), "959 4.1.2", "STRU F: as files").replies("200 504"),
    Verb::new("ALLO", Run::Text(connection::allo), "959 4.1.3", "ALLO <bytes>: is there room")
        .replies("202 451 550 552"),
    Verb::new("PASV", Run::Bare(data::pasv), "959 4.1.2", "PASV: listen for a data connection")
        .replies("227 425 502 503"),
    Verb::new("P@SW", Run::Bare(data::pasv), "959 4.1.2", "P@SW: PASV as some routers write it")
        .replies("227 425 502 503"),
    Verb::new(
        "EPSV",
        Run::OptionalText(data::epsv),
        "2428 3",
        "EPSV [1|2|ALL]: listen for a data connection",
    )
    .replies("200 229 425 503 522")
    .announced("EPSV"),
    Verb::new("PORT", Run::Text(data::port), "959 4.1.2", "PORT <h1,h2,h3,h4,p1,p2>: connect there")
        .replies("200 502 503"),
    Verb::new("EPRT", Run::Text(data::eprt), "2428 2", "EPRT <|protocol|address|port|>: connect there")
        .replies("200 502 503 522")
        .announced("EPRT"),
    Verb::new("ABOR", Run::Bare(connection::abor), "959 4.1.3", "ABOR: end the transfer that is going on")
        .replies("225 226")
        .during_transfer(),
    // Directories.
    Verb::new("PWD", Run::Bare(directories::pwd), "959 4.1.3", "PWD: the working directory").replies("257"),
    Verb::new("XPWD", Run::Bare(directories::pwd), "775", "XPWD: old name of PWD").replies("257"),
    // The syntax of paths has a feature of its own, which belongs to no verb more than to this one.
    Verb::new("CWD", Run::Path(directories::cwd), "959 4.1.1", "CWD <path>: change the working directory")
        .replies("250")
        .needs('e')
        .announced("TVFS"),
    Verb::new("XCWD", Run::Path(directories::cwd), "775", "XCWD <path>: old name of CWD")
        .replies("250")
        .needs('e'),
    Verb::new("CDUP", Run::Bare(directories::cdup), "959 4.1.1", "CDUP: go to the parent directory")
        .replies("250")
        .needs('e'),
    Verb::new("XCUP", Run::Bare(directories::cdup), "775", "XCUP: old name of CDUP")
        .replies("250")
        .needs('e'),
    Verb::new("MKD", Run::Path(directories::mkd), "959 4.1.3", "MKD <path>: make a directory")
        .replies("257 452 552")
        .needs('m'),
    Verb::new("XMKD", Run::Path(directories::mkd), "775", "XMKD <path>: old name of MKD")
        .replies("257 452 552")
        .needs('m'),
    Verb::new("RMD", Run::Path(directories::rmd), "959 4.1.3", "RMD <path>: remove a directory")
        .replies("250")
        .needs('d'),
    Verb::new("XRMD", Run::Path(directories::rmd), "775", "XRMD <path>: old name of RMD")
        .replies("250")
        .needs('d'),
    // Listings.
    Verb::new("LIST", Run::OptionalText(listings::list), "959 4.1.3", "LIST [<path>]: a listing for people")
        .replies("150 226 425 426 521 522")
        .needs('l'),
    Verb::new("NLST", Run::OptionalText(listings::nlst), "959 4.1.3", "NLST [<path>]: a listing of names")
        .replies("150 226 425 426 521 522")
        .needs('l'),
    Verb::new("MLSD", Run::OptionalText(listings::mlsd), "3659 7", "MLSD [<path>]: a listing for programs")
        .replies("150 226 425 426 521 522")
        .needs('l'),
    Verb::new("MLST", Run::PathOrCwd(listings::mlst), "3659 7", "MLST [<path>]: the facts of one name")
        .replies("250")
        .needs('l')
        .announced(MLST_FEATURE),
    // Files.
    Verb::new("RETR", Run::Path(transfers::retr), "959 4.1.3", "RETR <path>: send me this file")
        .replies("150 226 425 426 504 521 522 554")
        .needs('r'),
    Verb::new("STOR", Run::Path(transfers::stor), "959 4.1.3", "STOR <path>: take this file")
        .replies("150 226 425 426 452 503 504 521 522 552 554")
        .needs('w'),
    Verb::new(
        "STOU",
        Run::OptionalText(transfers::stou),
        "959 4.1.3",
        "STOU [<name>]: take this file, under a new name",
    )
    .replies("150 226 425 426 452 503 521 522 552")
    .needs('c'),
    Verb::new("APPE", Run::Path(transfers::appe), "959 4.1.3", "APPE <path>: take what belongs at the end")
        .replies("150 226 425 426 452 503 521 522 552")
        .needs('a'),
    Verb::new("REST", Run::Text(transfers::rest), "3659 5", "REST <offset>: where the next transfer begins")
        .replies("350 504")
        .announced("REST STREAM"),
    Verb::new("SIZE", Run::Path(files::size), "3659 4", "SIZE <path>: the size in bytes")
        .replies("213")
        .needs('l')
        .announced("SIZE"),
    Verb::new("MDTM", Run::Path(files::mdtm), "3659 3", "MDTM <path>: the time of the last change")
        .replies("213")
        .needs('l')
        .announced("MDTM"),
    Verb::new(
        "MFMT",
        Run::WordAndPath(facts::mfmt),
        "draft-somers-ftp-mfxx 3",
        "MFMT <time> <path>: set that time",
    )
    .replies("213")
    .needs('T')
    .announced("MFMT"),
    Verb::new(
        "MFF",
        Run::WordAndPath(facts::mff),
        "draft-somers-ftp-mfxx 5",
        "MFF <fact=value;...> <path>: set facts",
    )
    .replies("213 450 451 504 550 552 553")
    .announced("MFF Modify;UNIX.group;UNIX.mode;"),
    Verb::new(
        "MFCT",
        Run::Text(facts::mfct),
        "draft-somers-ftp-mfxx 4",
        "MFCT <time> <path>: not implemented",
    )
    .replies("502"),
    Verb::new("DELE", Run::Path(files::dele), "959 4.1.3", "DELE <path>: remove a file")
        .replies("250")
        .needs('d'),
    Verb::new("RNFR", Run::Path(files::rnfr), "959 4.1.3", "RNFR <path>: rename this")
        .replies("350")
        .needs('f'),
    Verb::new("RNTO", Run::Path(files::rnto), "959 4.1.3", "RNTO <path>: to that")
        .replies("250 452 503 552")
        .needs('f'),
];

/// Two tables as one.
const fn joined<const COUNT: usize>(
    first: &[Verb<Session>],
    second: &[Verb<Session>],
) -> [Verb<Session>; COUNT] {
    let mut all = [first[0]; COUNT];
    let mut index = 1;
    while index < COUNT {
        all[index] = if index < first.len() { first[index] } else { second[index - first.len()] };
        index += 1;
    }
    all
}

/// What FEAT says of MLST before a client has chosen its facts; a test compares it with theirs.
const MLST_FEATURE: &str =
    "MLST type*;size*;modify*;create;perm*;unique*;UNIX.mode*;UNIX.owner*;UNIX.group*;UNIX.uid;UNIX.gid;";

/// The same without the functions, for the process that answers HELP and FEAT before there is a session.
pub const ENTRIES: &[Entry] = &entries();

const fn entries() -> [Entry; VERBS.len()] {
    let mut entries = [VERBS[0].entry(); VERBS.len()];
    let mut index = 1;
    while index < VERBS.len() {
        entries[index] = VERBS[index].entry();
        index += 1;
    }
    entries
}

/// Whether the argument of this verb must not be written down.
pub fn holds_secret(verb: &str) -> bool {
    matches!(verb, "PASS" | "ACCT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Permissions;
    use crate::protocol::reply::Code;

    #[test]
    fn names_are_unique_upper_case_and_stand_at_the_front_of_their_help() {
        for (index, verb) in VERBS.iter().enumerate() {
            assert_eq!(verb.name, verb.name.to_uppercase());
            assert!(
                VERBS[..index].iter().all(|other| other.name != verb.name),
                "{} is there twice",
                verb.name
            );
            assert!(verb.help.starts_with(verb.name) && verb.help.contains(": "), "{}", verb.help);
        }
    }

    #[test]
    fn the_feature_of_mlst_has_the_facts_there_are() {
        assert_eq!(MLST_FEATURE, format!("MLST {}", crate::session::facts::Facts::default().feature()));
    }

    #[test]
    fn every_row_says_its_replies_in_order() {
        for verb in VERBS {
            let codes: Vec<&str> = verb.replies.split(' ').collect();
            assert!(!verb.replies.is_empty() && codes.is_sorted(), "{}", verb.name);
            let known = |code: &&str| Code::ALL.iter().any(|known| known.number().to_string() == **code);
            assert!(codes.iter().all(known), "{}: {}", verb.name, verb.replies);
        }
    }

    #[test]
    fn permissions_are_letters_of_the_configuration() {
        for verb in VERBS {
            assert!(
                verb.permission.is_none_or(|letter| letter.to_string().parse::<Permissions>().is_ok()),
                "{}",
                verb.name
            );
        }
    }
}
