//! What client and server say about themselves and about their language. It means the same before and after login.

use super::reply::{Code, Reply};

/// LANG [<language>]: replies are in English, whatever else is asked for (RFC 2640 4.1).
pub fn language(language: &[u8]) -> Reply {
    let language = language.trim_ascii().to_ascii_lowercase();
    let primary = language.split(|&byte| byte == b'-').next().unwrap_or_default();
    match primary {
        b"" | b"en" => Reply::new(Code::Ok, "Replies are in English."),
        _ => Reply::new(Code::NotImplementedForArgument, "Replies are in English only."),
    }
}

/// OPTS UTF8 [ON|OFF]: names are bytes, and RFC 2640 3.1 has them be UTF-8. Nothing is converted either way.
pub fn names(state: &[u8]) -> Reply {
    match state.trim_ascii().to_ascii_uppercase().as_slice() {
        b"" | b"ON" => Reply::new(Code::Ok, "Names are UTF-8."),
        b"OFF" => Reply::new(Code::Ok, "Names are sent as they are stored, byte for byte."),
        _ => Reply::new(Code::BadArgument, "Usage: OPTS UTF8 ON|OFF"),
    }
}

/// CLNT <name>: what the client is called makes no difference.
pub fn client() -> Reply {
    Reply::new(Code::Ok, "Noted.")
}

/// CSID <facts>: the server's own (draft-peterson-streamlined-ftp-command-extensions). Its version is its own affair.
pub fn server() -> Reply {
    Reply::new(Code::Ok, "Name=ftpd; CaseSensitive=1; DirSep=/;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_is_spoken_in_every_country() {
        for said in ["", "EN", "en-US", " en "] {
            assert_eq!(language(said.as_bytes()).code(), Code::Ok, "{said}");
        }
        for said in ["fr", "english", "x-en", "-"] {
            assert_ne!(language(said.as_bytes()).code(), Code::BadArgument, "{said}");
        }
        assert_eq!(language(b"FR-CA").code(), Code::NotImplementedForArgument);
    }

    #[test]
    fn utf_8_can_be_had_and_left() {
        assert_eq!(names(b"on").code(), Code::Ok);
        assert_eq!(names(b"OFF").code(), Code::Ok);
        assert_eq!(names(b"NLST").code(), Code::BadArgument);
    }
}
