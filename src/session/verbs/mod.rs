//! The verbs of a session: the table, and a file for each subject. A further verb is a row and a function.

mod connection;
mod data;
mod directories;
mod files;
mod listings;
mod transfers;

use super::Session;
use crate::protocol::verb::{Entry, Run, Verb};

/// Every verb, by subject; within a subject in the order of the RFCs.
pub const VERBS: &[Verb<Session>] = &[
    // Who and how.
    Verb::new("USER", Run::Text(connection::user), "959", "USER <name>: say who you are").for_anybody(),
    Verb::new("PASS", Run::OptionalText(connection::pass), "959", "PASS <password>: prove it").for_anybody(),
    Verb::new("ACCT", Run::OptionalText(connection::acct), "959", "ACCT <account>: not needed").for_anybody(),
    Verb::new("REIN", Run::Bare(connection::rein), "959", "REIN: log out, to log in again"),
    Verb::new("SMNT", Run::OptionalText(connection::not_implemented), "959", "SMNT <path>: not implemented"),
    Verb::new("QUIT", Run::Bare(connection::quit), "959", "QUIT: end the session").for_anybody(),
    Verb::new("BYE", Run::Bare(connection::quit), "959", "BYE: another name of QUIT").for_anybody(),
    Verb::new("NOOP", Run::Bare(connection::noop), "959", "NOOP: do nothing").for_anybody().during_transfer(),
    Verb::new("SYST", Run::Bare(connection::syst), "959", "SYST: the kind of system").for_anybody(),
    Verb::new("HELP", Run::OptionalText(connection::help), "959", "HELP [<verb>]: what there is")
        .for_anybody(),
    Verb::new(
        "SITE HELP",
        Run::OptionalText(connection::site_help),
        "959",
        "SITE HELP [<verb>]: what SITE has",
    ),
    Verb::new("FEAT", Run::Bare(listings::feat), "2389", "FEAT: what goes beyond RFC 959").for_anybody(),
    Verb::new("OPTS UTF8", Run::OptionalText(connection::opts_utf8), "2640", "OPTS UTF8 ON: names are UTF-8")
        .for_anybody()
        .announced("UTF8"),
    Verb::new(
        "OPTS MLST",
        Run::OptionalText(listings::opts_mlst),
        "3659",
        "OPTS MLST [<facts>]: choose facts",
    ),
    Verb::new("STAT", Run::OptionalText(connection::stat), "959", "STAT [<path>]: the state, or a listing")
        .for_anybody()
        .during_transfer(),
    // Data.
    Verb::new("TYPE", Run::Text(connection::representation), "959", "TYPE A|I: text or bytes"),
    Verb::new("MODE", Run::Text(connection::mode), "959", "MODE S: as a stream"),
    Verb::new("STRU", Run::Text(connection::structure), "959", "STRU F: as files"),
    Verb::new("ALLO", Run::Text(connection::allo), "959", "ALLO <bytes>: is there room"),
    Verb::new("PASV", Run::Bare(data::pasv), "959", "PASV: listen for a data connection"),
    Verb::new("P@SW", Run::Bare(data::pasv), "959", "P@SW: PASV as some routers write it"),
    Verb::new("EPSV", Run::OptionalText(data::epsv), "2428", "EPSV [1|2|ALL]: listen for a data connection")
        .announced("EPSV"),
    Verb::new("PORT", Run::Text(data::port), "959", "PORT <h1,h2,h3,h4,p1,p2>: connect there"),
    Verb::new("EPRT", Run::Text(data::eprt), "2428", "EPRT <|protocol|address|port|>: connect there")
        .announced("EPRT"),
    Verb::new("ABOR", Run::Bare(connection::abor), "959", "ABOR: end the transfer that is going on")
        .during_transfer(),
    // Directories.
    Verb::new("PWD", Run::Bare(directories::pwd), "959", "PWD: the working directory"),
    Verb::new("XPWD", Run::Bare(directories::pwd), "775", "XPWD: old name of PWD"),
    // The syntax of paths has a feature of its own, which belongs to no verb more than to this one.
    Verb::new("CWD", Run::Path(directories::cwd), "959", "CWD <path>: change the working directory")
        .needs('e')
        .announced("TVFS"),
    Verb::new("XCWD", Run::Path(directories::cwd), "775", "XCWD <path>: old name of CWD").needs('e'),
    Verb::new("CDUP", Run::Bare(directories::cdup), "959", "CDUP: go to the parent directory").needs('e'),
    Verb::new("XCUP", Run::Bare(directories::cdup), "775", "XCUP: old name of CDUP").needs('e'),
    Verb::new("MKD", Run::Path(directories::mkd), "959", "MKD <path>: make a directory").needs('m'),
    Verb::new("XMKD", Run::Path(directories::mkd), "775", "XMKD <path>: old name of MKD").needs('m'),
    Verb::new("RMD", Run::Path(directories::rmd), "959", "RMD <path>: remove a directory").needs('d'),
    Verb::new("XRMD", Run::Path(directories::rmd), "775", "XRMD <path>: old name of RMD").needs('d'),
    // Listings.
    Verb::new("LIST", Run::OptionalText(listings::list), "959", "LIST [<path>]: a listing for people")
        .needs('l'),
    Verb::new("NLST", Run::OptionalText(listings::nlst), "959", "NLST [<path>]: a listing of names")
        .needs('l'),
    Verb::new("MLSD", Run::OptionalText(listings::mlsd), "3659", "MLSD [<path>]: a listing for programs")
        .needs('l'),
    Verb::new("MLST", Run::PathOrCwd(listings::mlst), "3659", "MLST [<path>]: the facts of one name")
        .needs('l')
        .announced(MLST_FEATURE),
    // Files.
    Verb::new("RETR", Run::Path(transfers::retr), "959", "RETR <path>: send me this file").needs('r'),
    Verb::new("STOR", Run::Path(transfers::stor), "959", "STOR <path>: take this file").needs('w'),
    Verb::new(
        "STOU",
        Run::OptionalText(transfers::stou),
        "959",
        "STOU [<name>]: take this file, under a new name",
    )
    .needs('w'),
    Verb::new("APPE", Run::Path(transfers::appe), "959", "APPE <path>: take what belongs at the end")
        .needs('a'),
    Verb::new("REST", Run::Text(transfers::rest), "3659", "REST <offset>: where the next transfer begins")
        .announced("REST STREAM"),
    Verb::new("SIZE", Run::Path(files::size), "3659", "SIZE <path>: the size in bytes")
        .needs('l')
        .announced("SIZE"),
    Verb::new("MDTM", Run::Path(files::mdtm), "3659", "MDTM <path>: the time of the last change")
        .needs('l')
        .announced("MDTM"),
    Verb::new(
        "MFMT",
        Run::WordAndPath(files::mfmt),
        "draft-somers-ftp-mfxx",
        "MFMT <time> <path>: set that time",
    )
    .needs('T')
    .announced("MFMT"),
    Verb::new("DELE", Run::Path(files::dele), "959", "DELE <path>: remove a file").needs('d'),
    Verb::new("RNFR", Run::Path(files::rnfr), "959", "RNFR <path>: rename this").needs('f'),
    Verb::new("RNTO", Run::Path(files::rnto), "959", "RNTO <path>: to that").needs('f'),
    Verb::new(
        "SITE CHMOD",
        Run::WordAndPath(files::chmod),
        "959",
        "SITE CHMOD <mode> <path>: set the permissions",
    )
    .needs('M'),
];

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
    fn permissions_are_letters_of_the_configuration() {
        for verb in VERBS {
            assert!(verb.permission.is_none_or(|letter| "elradfmwMT".contains(letter)), "{}", verb.name);
        }
    }
}
