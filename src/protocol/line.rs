//! Lines out of the bytes of a control connection: RFC 959 5.3 on top of Telnet (RFC 854, RFC 2640 3.1).

/// Interpret as command, and the commands that follow it.
const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const BEGIN_SUBNEGOTIATION: u8 = 250;
const END_SUBNEGOTIATION: u8 = 240;

/// Answers to options are kept up to this many bytes: nobody who asks more has to be told.
const MAX_ANSWERS: usize = 96;

/// A line as it is sent, with its end: what takes it apart finds this text.
pub fn as_sent(text: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(text.len() + 2);
    for &byte in text {
        match byte {
            IAC => sent.extend([IAC, IAC]),
            b'\r' => sent.extend(*b"\r\0"),
            _ => sent.push(byte),
        }
    }
    sent.extend(*b"\r\n");
    sent
}

/// A line that was longer than the limit; it was skipped whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// What the next byte means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    CarriageReturn,
    Command,
    Option(u8),
    Subnegotiation,
    SubnegotiationCommand,
}

/// Collects the bytes of one line. Ends of line are LF and CR LF; CR NUL is a CR that belongs to the text.
/// Telnet's commands are removed and its offers refused.
#[derive(Debug)]
pub struct LineBuffer {
    limit: usize,
    text: Vec<u8>,
    state: State,
    too_long: bool,
    complete: bool,
    answers: Vec<u8>,
}

impl LineBuffer {
    /// A buffer for lines of at most `limit` bytes, without their end.
    pub fn new(limit: usize) -> LineBuffer {
        LineBuffer {
            limit,
            text: Vec::new(),
            state: State::Text,
            too_long: false,
            complete: false,
            answers: Vec::new(),
        }
    }

    /// Takes bytes up to and including one end of line, and says how many that were. That is 0 only for no bytes,
    /// or when a line waits to be taken.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        if self.complete {
            return 0;
        }
        for (index, &byte) in bytes.iter().enumerate() {
            self.put(byte);
            if self.complete {
                return index + 1;
            }
        }
        bytes.len()
    }

    /// The line, once its end has come.
    pub fn take(&mut self) -> Option<Result<Vec<u8>, TooLong>> {
        if !self.complete {
            return None;
        }
        self.complete = false;
        let text = std::mem::take(&mut self.text);
        if std::mem::take(&mut self.too_long) { Some(Err(TooLong)) } else { Some(Ok(text)) }
    }

    /// Whether a line has begun that is not complete yet.
    pub fn is_partial(&self) -> bool {
        !self.complete && (!self.text.is_empty() || self.too_long || self.state != State::Text)
    }

    /// What has to be sent to the client in answer to Telnet options: every one is refused.
    pub fn telnet_answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answers)
    }

    fn put(&mut self, byte: u8) {
        match self.state {
            State::Text => self.put_text(byte),
            State::CarriageReturn => {
                self.state = State::Text;
                match byte {
                    b'\n' => self.complete = true,
                    0 => self.keep(b'\r'),
                    _ => {
                        self.keep(b'\r');
                        self.put_text(byte);
                    }
                }
            }
            State::Command => {
                self.state = State::Text;
                match byte {
                    IAC => self.keep(IAC),
                    DONT | DO | WONT | WILL => self.state = State::Option(byte),
                    BEGIN_SUBNEGOTIATION => self.state = State::Subnegotiation,
                    END_SUBNEGOTIATION..BEGIN_SUBNEGOTIATION => {}
                    // No Telnet command: a client that does not double 255 in a name.
                    _ => {
                        self.keep(IAC);
                        self.put_text(byte);
                    }
                }
            }
            State::Option(request) => {
                self.state = State::Text;
                let answer = match request {
                    DO => WONT,
                    WILL => DONT,
                    _ => return,
                };
                if self.answers.len() < MAX_ANSWERS {
                    self.answers.extend([IAC, answer, byte]);
                }
            }
            State::Subnegotiation => {
                if byte == IAC {
                    self.state = State::SubnegotiationCommand;
                }
            }
            State::SubnegotiationCommand => {
                self.state = if byte == END_SUBNEGOTIATION { State::Text } else { State::Subnegotiation };
            }
        }
    }

    fn put_text(&mut self, byte: u8) {
        match byte {
            b'\n' => self.complete = true,
            b'\r' => self.state = State::CarriageReturn,
            IAC => self.state = State::Command,
            _ => self.keep(byte),
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.text.len() == self.limit {
            self.too_long = true;
            self.text.clear();
        }
        if !self.too_long {
            self.text.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(limit: usize, mut bytes: &[u8]) -> Vec<Result<Vec<u8>, TooLong>> {
        let mut buffer = LineBuffer::new(limit);
        let mut lines = Vec::new();
        while !bytes.is_empty() {
            let taken = buffer.feed(bytes);
            assert!(taken > 0);
            bytes = &bytes[taken..];
            lines.extend(buffer.take());
        }
        lines
    }

    #[test]
    fn lines_end_with_crlf_or_lf_alone() {
        assert_eq!(lines(99, b"NOOP\r\nQUIT\nNO"), [Ok(b"NOOP".to_vec()), Ok(b"QUIT".to_vec())]);
    }

    #[test]
    fn a_waiting_line_stops_the_feed_at_its_end() {
        let mut buffer = LineBuffer::new(99);
        assert_eq!(buffer.feed(b"NOOP\r\nQUIT\r\n"), 6);
        assert_eq!(buffer.feed(b"QUIT\r\n"), 0);
        assert_eq!(buffer.take(), Some(Ok(b"NOOP".to_vec())));
        assert_eq!(buffer.take(), None);
    }

    #[test]
    fn cr_nul_is_a_cr_of_the_text_and_a_lone_cr_too() {
        assert_eq!(lines(99, b"a\r\0b\rc\r\r\n"), [Ok(b"a\rb\rc\r".to_vec())]);
    }

    #[test]
    fn telnet_commands_vanish_and_offers_are_refused() {
        let mut buffer = LineBuffer::new(99);
        buffer.feed(b"\xff\xf4\xff\xf2AB\xff\xfd\x01O\xff\xfb\x03\xff\xfc\x07R\xff\xfa\x01x\xff\xf0\r\n");
        assert_eq!(buffer.take(), Some(Ok(b"ABOR".to_vec())));
        assert_eq!(buffer.telnet_answers(), b"\xff\xfc\x01\xff\xfe\x03");
        assert_eq!(buffer.telnet_answers(), b"");
    }

    #[test]
    fn byte_255_is_text_when_doubled_and_where_no_command_follows() {
        assert_eq!(lines(99, b"\xff\xffx\xffy\xff\r\n"), [Ok(b"\xffx\xffy\xff".to_vec())]);
    }

    #[test]
    fn a_line_over_the_limit_is_skipped_whole_and_reported_once() {
        assert_eq!(
            lines(4, b"1234\n12345\n123456789012345\nNOOP\r\n"),
            [Ok(b"1234".to_vec()), Err(TooLong), Err(TooLong), Ok(b"NOOP".to_vec())]
        );
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_the_bytes_arrive(bytes: Vec<u8>, cuts: Vec<u8>) {
            let whole = lines(16, &bytes);
            let mut buffer = LineBuffer::new(16);
            let mut pieces = Vec::new();
            let mut rest = &bytes[..];
            let mut cuts = cuts.iter().map(|cut| usize::from(*cut) + 1).chain(std::iter::repeat(3));
            while !rest.is_empty() {
                let piece = &rest[..cuts.next().unwrap().min(rest.len())];
                let taken = buffer.feed(piece);
                prop_assert!(taken > 0);
                rest = &rest[taken..];
                pieces.extend(buffer.take());
            }
            prop_assert_eq!(whole, pieces);
        }

        #[test]
        fn every_line_can_be_sent_again(bytes: Vec<u8>) {
            for line in lines(99, &bytes).into_iter().flatten() {
                prop_assert_eq!(lines(99, &as_sent(&line)), [Ok(line)]);
            }
        }

        #[test]
        fn plain_text_comes_out_as_it_went_in(texts in proptest::collection::vec("[ -~]{0,40}", 0..6)) {
            let sent: String = texts.iter().map(|text| format!("{text}\r\n")).collect();
            let expected: Vec<_> = texts.iter().map(|text| Ok(text.clone().into_bytes())).collect();
            prop_assert_eq!(lines(40, sent.as_bytes()), expected);
        }
    }
}
