//! The rows of verbs that go beyond the RFCs: digests, SITE, and what clients have got used to. The other rows are in
//! the table of `verbs`.

use super::{copies, facts, hashes, preparations, site};
use crate::protocol::verb::{Run, Verb};
use crate::session::Session;

/// The draft of CSID, AVBL and others.
const PETERSON: &str = "draft-peterson-streamlined-ftp-command-extensions";
/// No document says it; this is what servers do and clients expect.
const CUSTOM: &str = "custom";

/// By subject.
pub const VERBS: &[Verb<Session>] = &[
    // What client and server are like, and what comes before a transfer.
    Verb::new("CLNT", Run::Text(preparations::clnt), CUSTOM, "CLNT <name>: what the client is called")
        .replies("200")
        .for_anybody()
        .announced("CLNT"),
    Verb::new("CSID", Run::Text(preparations::csid), PETERSON, "CSID <facts>: what client and server are")
        .replies("200")
        .for_anybody()
        .announced("CSID"),
    Verb::new(
        "AVBL",
        Run::PathOrCwd(preparations::avbl),
        PETERSON,
        "AVBL [<path>]: how much can be stored there",
    )
    .replies("213")
    .needs('c')
    .announced("AVBL"),
    Verb::new(
        "PRET",
        Run::Text(preparations::pret),
        CUSTOM,
        "PRET <command>: what the next transfer will be",
    )
    .replies("200 450 451 504 550 553")
    .announced("PRET"),
    // Digests.
    Verb::new(
        "HASH",
        Run::Text(hashes::hash),
        "draft-bryan-ftpext-hash 3",
        "HASH <path>: the digest of a file",
    )
    .replies("213 226 426 554")
    .needs('r')
    .announced("HASH SHA-256*;SHA-512;SHA-1;MD5;CRC32"),
    Verb::new(
        "OPTS HASH",
        Run::OptionalText(hashes::opts_hash),
        "draft-bryan-ftpext-hash 3",
        "OPTS HASH [<algorithm>]: which digest HASH makes",
    )
    .replies("200"),
    Verb::new(
        "RANG",
        Run::Text(hashes::rang),
        "draft-bryan-ftp-range 3",
        "RANG <first> <last>: the bytes that the next HASH or RETR is about",
    )
    .replies("350")
    .announced("RANG STREAM"),
    Verb::new("XCRC", Run::Text(hashes::xcrc), CUSTOM, "XCRC <path> [<start> <end>]: the CRC32")
        .replies("226 250 426 554")
        .needs('r')
        .announced("XCRC"),
    Verb::new("XMD5", Run::Text(hashes::xmd5), CUSTOM, "XMD5 <path> [<start> <end>]: the MD5 digest")
        .replies("226 250 426 554")
        .needs('r')
        .announced("XMD5"),
    Verb::new("XSHA", Run::Text(hashes::xsha1), CUSTOM, "XSHA <path> [<start> <end>]: the SHA-1 digest")
        .replies("226 250 426 554")
        .needs('r')
        .announced("XSHA"),
    Verb::new("XSHA1", Run::Text(hashes::xsha1), CUSTOM, "XSHA1 <path> [<start> <end>]: the SHA-1 digest")
        .replies("226 250 426 554")
        .needs('r')
        .announced("XSHA1"),
    Verb::new(
        "XSHA256",
        Run::Text(hashes::xsha256),
        CUSTOM,
        "XSHA256 <path> [<start> <end>]: the SHA-256 digest",
    )
    .replies("226 250 426 554")
    .needs('r')
    .announced("XSHA256"),
    Verb::new(
        "XSHA512",
        Run::Text(hashes::xsha512),
        CUSTOM,
        "XSHA512 <path> [<start> <end>]: the SHA-512 digest",
    )
    .replies("226 250 426 554")
    .needs('r')
    .announced("XSHA512"),
    Verb::new(
        "MD5",
        Run::Text(hashes::md5),
        "draft-twine-ftpmd5",
        "MD5 <path>: the MD5 digest, with the name",
    )
    .replies("226 251 426")
    .needs('r')
    .announced("MD5"),
    // SITE.
    Verb::new(
        "SITE CHMOD",
        Run::WordAndPath(facts::chmod),
        CUSTOM,
        "SITE CHMOD <mode> <path>: set the permissions",
    )
    .replies("200")
    .needs('M')
    .announced("SITE CHMOD"),
    Verb::new(
        "SITE CHGRP",
        Run::WordAndPath(facts::chgrp),
        CUSTOM,
        "SITE CHGRP <group> <path>: set the group",
    )
    .replies("200 552")
    .needs('M')
    .announced("SITE CHGRP"),
    Verb::new("SITE UTIME", Run::Text(facts::utime), CUSTOM, "SITE UTIME <time> <path>: set the time")
        .replies("200")
        .needs('T')
        .announced("SITE UTIME"),
    Verb::new(
        "SITE UMASK",
        Run::OptionalText(facts::site_umask),
        CUSTOM,
        "SITE UMASK [<mode>]: what new files do not get",
    )
    .replies("200")
    .needs('M')
    .announced("SITE UMASK"),
    Verb::new(
        "SITE IDLE",
        Run::OptionalText(site::idle),
        CUSTOM,
        "SITE IDLE [<seconds>]: how long you may be silent",
    )
    .replies("200")
    .announced("SITE IDLE"),
    Verb::new("SITE TIME", Run::Bare(site::time), CUSTOM, "SITE TIME: the server's clock, in UTC")
        .replies("200")
        .announced("SITE TIME"),
    Verb::new("SITE QUOTA", Run::Bare(site::quota), CUSTOM, "SITE QUOTA: what you have used and may use")
        .replies("200")
        .needs('l')
        .announced("SITE QUOTA"),
    Verb::new(
        "SITE SYMLINK",
        Run::Text(site::symlink),
        CUSTOM,
        "SITE SYMLINK <target> <link>: make a symbolic link",
    )
    .replies("250 452 552")
    .needs('c')
    .announced("SITE SYMLINK"),
    Verb::new(
        "SITE MKDIR",
        Run::Path(site::mkdir),
        CUSTOM,
        "SITE MKDIR <path>: make directories, down to this",
    )
    .replies("257 452 552")
    .needs('m')
    .announced("SITE MKDIR"),
    Verb::new(
        "SITE RMDIR",
        Run::Path(site::rmdir),
        CUSTOM,
        "SITE RMDIR <path>: remove a directory and all in it",
    )
    .replies("226 250 426")
    .needs('d')
    .announced("SITE RMDIR"),
    Verb::new("SITE COPY", Run::Text(copies::copy), CUSTOM, "SITE COPY <from> <to>: copy a file")
        .replies("226 250 426 452 552")
        .needs('w')
        .announced("SITE COPY"),
    Verb::new("SITE CPFR", Run::Path(copies::cpfr), CUSTOM, "SITE CPFR <path>: copy this")
        .replies("350")
        .needs('r'),
    Verb::new("SITE CPTO", Run::Path(copies::cpto), CUSTOM, "SITE CPTO <path>: to that")
        .replies("226 250 426 452 503 552")
        .needs('w'),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::digest::Algorithm;

    #[test]
    fn the_feature_of_hash_has_the_algorithms_there_are() {
        let hash = VERBS.iter().find(|verb| verb.name == "HASH").and_then(|verb| verb.feature);
        assert_eq!(hash, Some(Algorithm::ALL[0].feature()).as_deref());
    }
}
