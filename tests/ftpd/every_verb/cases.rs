//! What is said of each verb and which codes must come back, in the order of the table. `"150 226"`: a data connection
//! is made before, and there are two replies.

/// What is said of one verb.
pub struct Case {
    pub verb: &'static str,
    /// Said before, whatever the replies.
    pub before: &'static [&'static str],
    /// What the verb alone is answered with.
    pub bare_codes: &'static str,
    pub right: &'static str,
    pub right_codes: &'static str,
    pub silly: &'static str,
    pub silly_codes: &'static str,
    /// What somebody who has not logged in is told after the right argument, if the verb is for anybody.
    pub stranger_codes: &'static str,
    /// What somebody is told who lacks the permission.
    pub forbidden_codes: &'static str,
}

/// A verb that takes no argument.
const fn bare(verb: &'static str, codes: &'static str) -> Case {
    Case { right_codes: codes, bare_codes: codes, ..takes(verb, "", "") }
}

/// A verb that must have an argument.
const fn takes(verb: &'static str, right: &'static str, codes: &'static str) -> Case {
    Case {
        verb,
        before: &[],
        bare_codes: "501",
        right,
        right_codes: codes,
        silly: "\0",
        silly_codes: "501",
        stranger_codes: "530",
        forbidden_codes: "550",
    }
}

impl Case {
    /// The argument may be left out, and this comes back.
    const fn or_none(self, codes: &'static str) -> Case {
        Case { bare_codes: codes, ..self }
    }

    /// What is silly here, and what comes back.
    const fn silly(self, argument: &'static str, codes: &'static str) -> Case {
        Case { silly: argument, silly_codes: codes, ..self }
    }

    /// What is said before.
    const fn after(self, before: &'static [&'static str]) -> Case {
        Case { before, ..self }
    }

    /// What comes back where the permission lacks, if what is said before is refused already.
    const fn forbidden(self, codes: &'static str) -> Case {
        Case { forbidden_codes: codes, ..self }
    }

    /// What comes back before the login.
    const fn strangers(self, codes: &'static str) -> Case {
        Case { stranger_codes: codes, ..self }
    }
}

pub const CASES: &[Case] = &[
    // Who and how.
    takes("HOST", "ftp.example.org", "503").silly("\0", "503").strangers("502"),
    takes("USER", "alice", "331").silly("\u{1b}[2J", "331").strangers("331"),
    takes("PASS", "wonderland", "503").or_none("503").silly("\0", "503").strangers("503"),
    takes("ACCT", "sales", "202").or_none("202").silly("\0", "202").strangers("202"),
    bare("REIN", "220").silly("now", "501").strangers("220"),
    takes("SMNT", "/dev/sda1", "502").or_none("502").silly("\0", "502"),
    bare("QUIT", "221").silly("now", "501").strangers("221"),
    bare("BYE", "221").silly("now", "501").strangers("221"),
    bare("NOOP", "200").silly("now", "501").strangers("200"),
    bare("SYST", "215").silly("now", "501").strangers("215"),
    takes("HELP", "STOR", "214").or_none("214").silly("\0", "502").strangers("214"),
    takes("SITE HELP", "CHMOD", "214").or_none("214").silly("\0", "502"),
    bare("FEAT", "211").silly("now", "501").strangers("211"),
    takes("LANG", "EN", "200").or_none("200").silly("\0", "504").strangers("200"),
    takes("OPTS UTF8", "ON", "200").or_none("200").silly("MAYBE", "501").strangers("200"),
    takes("OPTS MODE", "Z LEVEL 6", "200").silly("Z LEVEL ten", "501").strangers("200"),
    takes("OPTS MLST", "type;size;", "200").or_none("200").silly(";;nonsense;;", "200"),
    takes("STAT", "file", "213").or_none("211").silly("missing", "550").strangers("501"),
    // TLS, which is not configured where these are said.
    takes("AUTH", "TLS", "502").silly("NONSENSE", "502").strangers("502"),
    takes("PBSZ", "0", "503").silly("many", "503").strangers("503"),
    takes("PROT", "P", "503").silly("X", "503").strangers("503"),
    bare("CCC", "533").silly("now", "501"),
    // Data.
    takes("TYPE", "A", "200").silly("X", "504"),
    takes("MODE", "S", "200").silly("X", "504"),
    takes("STRU", "F", "200").silly("X", "504"),
    takes("ALLO", "7", "202").silly("many", "501"),
    bare("PASV", "227").silly("now", "501"),
    bare("P@SW", "227").silly("now", "501"),
    takes("EPSV", "1", "229").or_none("229").silly("nonsense", "501"),
    takes("PORT", "127,0,0,1,200,1", "200").silly("1,2,3", "501"),
    takes("EPRT", "|1|127.0.0.1|51201|", "200").silly("|9|x|y|", "522"),
    bare("ABOR", "225").silly("now", "501"),
    // Directories.
    bare("PWD", "257").silly("now", "501"),
    bare("XPWD", "257").silly("now", "501"),
    takes("CWD", "directory", "250"),
    takes("XCWD", "directory", "250"),
    bare("CDUP", "250").silly("now", "501"),
    bare("XCUP", "250").silly("now", "501"),
    takes("MKD", "new", "257"),
    takes("XMKD", "new", "257"),
    takes("RMD", "empty", "250"),
    takes("XRMD", "empty", "250"),
    // Listings.
    takes("LIST", "directory", "150 226").or_none("150 226").silly("\0", "553"),
    takes("NLST", "directory", "150 226").or_none("150 226").silly("\0", "553"),
    takes("MLSD", "directory", "150 226").or_none("150 226").silly("\0", "553"),
    takes("MLST", "file", "250").or_none("250"),
    // Files.
    takes("RETR", "file", "150 226"),
    takes("STOR", "new", "150 226"),
    takes("STOU", "new", "150 226").or_none("150 226"),
    takes("APPE", "file", "150 226"),
    takes("REST", "3", "350").silly("-3", "501"),
    takes("SIZE", "file", "213"),
    takes("MDTM", "file", "213"),
    takes("MFMT", "20200102030405 file", "213").silly("yesterday file", "501"),
    takes("MFF", "Modify=20200102030405;UNIX.mode=600; file", "213").silly("Size=5; file", "504"),
    takes("MFCT", "20200102030405 file", "502").silly("yesterday", "502"),
    takes("DELE", "file", "250"),
    takes("RNFR", "file", "350"),
    takes("RNTO", "new", "250").after(&["RNFR file"]).forbidden("503"),
    // What comes before a transfer.
    takes("CLNT", "lftp", "200").silly("\0", "200").strangers("200"),
    takes("CSID", "Name=lftp;", "200").silly("\0", "200").strangers("200"),
    takes("AVBL", "directory", "213").or_none("213"),
    takes("PRET", "RETR file", "200").silly("PRET PRET", "504"),
    // Digests.
    takes("HASH", "file", "213"),
    takes("OPTS HASH", "MD5", "200").or_none("200").silly("ROT13", "501"),
    takes("RANG", "1 2", "350").silly("2 1", "501"),
    takes("XCRC", "file", "250"),
    takes("XMD5", "file 0 3", "250").silly("\"file", "501"),
    takes("XSHA", "file", "250"),
    takes("XSHA1", "file", "250"),
    takes("XSHA256", "\"file\"", "250"),
    takes("XSHA512", "file", "250"),
    takes("MD5", "file", "251"),
    // SITE.
    takes("SITE CHMOD", "u+x,go= file", "200").silly("999 file", "501"),
    takes("SITE CHGRP", "staff file", "200").silly("nobody-knows file", "550"),
    takes("SITE UTIME", "20200102030405 file", "200").silly("yesterday file", "501"),
    takes("SITE UMASK", "027", "200").or_none("200").silly("999", "501"),
    takes("SITE IDLE", "60", "200").or_none("200").silly("0", "501"),
    bare("SITE TIME", "200").silly("now", "501"),
    bare("SITE QUOTA", "200").silly("now", "501"),
    takes("SITE SYMLINK", "file link", "250").silly("one two three", "501"),
    takes("SITE MKDIR", "new/and/newer", "257"),
    takes("SITE RMDIR", "directory", "250"),
    takes("SITE COPY", "file copy", "250").silly("one", "501"),
    takes("SITE CPFR", "file", "350"),
    takes("SITE CPTO", "copy", "250").after(&["SITE CPFR file"]),
];
