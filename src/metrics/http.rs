//! As much of HTTP/1.1 as it takes to hand out one text (RFC 9110, RFC 9112): a request, its answer, the end.

use super::text::Format;

/// A longer request is none.
pub const LONGEST_REQUEST: usize = 8 * 1024;

/// Lines of a request beside the first.
const MOST_HEADERS: usize = 64;

/// Where the numbers are.
pub const PATH: &str = "/metrics";

/// What somebody asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// The rest of it has yet to come.
    Partial,
    /// The numbers; `whole`: with the text, not the head alone (HEAD).
    Numbers { format: Format, whole: bool },
    /// Something that is answered with this status.
    Refused { status: u16 },
}

/// What the bytes that have come ask for.
pub fn read(bytes: &[u8]) -> Request {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) if bytes.len() < LONGEST_REQUEST => return Request::Partial,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Request::Refused { status: 431 };
        }
        Err(_) => return Request::Refused { status: 400 },
    }
    let path = request.path.unwrap_or_default().split('?').next().unwrap_or_default();
    if path != PATH {
        return Request::Refused { status: 404 };
    }
    let whole = match request.method {
        Some("GET") => true,
        Some("HEAD") => false,
        _ => return Request::Refused { status: 405 },
    };
    let is_wanted = |header: &&httparse::Header<'_>| {
        header.name.eq_ignore_ascii_case("accept")
            && String::from_utf8_lossy(header.value)
                .to_ascii_lowercase()
                .contains("application/openmetrics-text")
    };
    let wanted = request.headers.iter().find(is_wanted).is_some();
    Request::Numbers { format: if wanted { Format::OpenMetrics } else { Format::Prometheus }, whole }
}

/// The answer with the numbers.
pub fn answer(format: Format, text: &str, whole: bool) -> Vec<u8> {
    let body = if whole { text } else { "" };
    message(200, "OK", &[("Content-Type", format.content_type())], text.len(), body)
}

/// The answer that there are none.
pub fn refusal(status: u16) -> Vec<u8> {
    let (reason, more): (_, &[_]) = match status {
        404 => ("Not Found", &[]),
        405 => ("Method Not Allowed", &[("Allow", "GET, HEAD")]),
        431 => ("Request Header Fields Too Large", &[]),
        503 => ("Service Unavailable", &[]),
        _ => ("Bad Request", &[]),
    };
    let body = format!("{reason}. The metrics of ftpd are at {PATH}\n");
    let mut headers = vec![("Content-Type", "text/plain; charset=utf-8")];
    headers.extend_from_slice(more);
    message(status, reason, &headers, body.len(), &body)
}

fn message(status: u16, reason: &str, headers: &[(&str, &str)], length: usize, body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} {reason}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"));
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_numbers_come_in_the_format_that_is_wanted() {
        let plain = read(b"GET /metrics?debug=1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(plain, Request::Numbers { format: Format::Prometheus, whole: true });
        let open =
            b"HEAD /metrics HTTP/1.1\r\nACCEPT: application/openmetrics-text;version=1.0.0,*/*\r\n\r\n";
        assert_eq!(read(open), Request::Numbers { format: Format::OpenMetrics, whole: false });
    }

    #[test]
    fn anything_else_is_refused() {
        let status = |bytes: &[u8]| match read(bytes) {
            Request::Refused { status } => status,
            other => panic!("{other:?}"),
        };
        assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), 404);
        assert_eq!(status(b"POST /metrics HTTP/1.1\r\n\r\n"), 405);
        assert_eq!(status(b"\x16\x03\x01 hello\r\n\r\n"), 400);
        assert_eq!(status(&[b"GET /metrics HTTP/1.1\r\nX: ", &[b'x'; LONGEST_REQUEST][..]].concat()), 431);
        assert_eq!(read(b"GET /metr"), Request::Partial);
    }

    proptest! {
        #[test]
        fn no_request_is_too_silly_to_be_answered(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
