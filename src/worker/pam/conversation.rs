//! What PAM's modules ask and say: the conversation function (pam_conv(3)) and the rules for answers.
//!
//! - The first hidden prompt is answered with the password of PASS, whatever it says.
//! - A visible prompt before it that wants the user's name ("login:") is answered with the name.
//! - Every other prompt goes to the client as `331 <prompt>`, and the next PASS answers it. The password itself
//!   is never sent a second time.
//! - Information and errors are kept as clean lines for the client.

use std::ffi::{CStr, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use pam::ffi;

use crate::ipc::messages::Password;
use crate::system::memory::wipe;

/// Lines of text that are kept for the client, and the bytes of each.
const MAX_LINES: usize = 32;
const MAX_LINE: usize = 256;

/// Somebody who can be asked a question while PAM waits for the answer.
pub trait Conversation {
    /// Shows the texts, asks, and waits for the answer. `None`: there will be no answer, and the login fails.
    fn ask(&mut self, texts: Vec<String>, prompt: &str) -> Option<Password>;
}

/// What one PAM call may use to answer.
pub struct Question<'a> {
    password: Option<&'a Password>,
    conversation: &'a mut dyn Conversation,
}

impl<'a> Question<'a> {
    /// `password` answers the first hidden prompt.
    pub fn new(password: Option<&'a Password>, conversation: &'a mut dyn Conversation) -> Question<'a> {
        Question { password, conversation }
    }
}

/// What the conversation function works with; PAM holds its address as `appdata_ptr`.
pub struct Talk {
    user: String,
    texts: Vec<String>,
    question: Option<NonNull<Question<'static>>>,
}

/// Nothing can be answered: the module is told PAM_CONV_ERR.
#[derive(Debug, PartialEq, Eq)]
struct GaveUp;

impl Talk {
    /// For the login of this user.
    pub fn new(user: &str) -> Talk {
        Talk { user: user.into(), texts: Vec::new(), question: None }
    }

    /// Lends what answers to the next call (or takes it back). The pointer must stay valid until it is taken back.
    pub fn put(&mut self, question: Option<NonNull<Question<'static>>>) {
        self.question = question;
    }

    /// What was said since the last time.
    pub fn take_texts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.texts)
    }

    fn note(&mut self, text: &[u8]) {
        let room = MAX_LINES - self.texts.len();
        self.texts.extend(clean_lines(text).take(room));
    }

    fn answer(
        &mut self,
        style: c_int,
        text: &[u8],
        question: Option<&mut Question<'_>>,
    ) -> Result<Option<Password>, GaveUp> {
        match style {
            ffi::PAM_TEXT_INFO | ffi::PAM_ERROR_MSG => {
                self.note(text);
                return Ok(None);
            }
            ffi::PAM_PROMPT_ECHO_ON | ffi::PAM_PROMPT_ECHO_OFF => {}
            _ => return Err(GaveUp),
        }
        let question = question.ok_or(GaveUp)?;
        let answer = if style == ffi::PAM_PROMPT_ECHO_OFF && question.password.is_some() {
            question.password.take().cloned()
        } else if style == ffi::PAM_PROMPT_ECHO_ON && question.password.is_some() && wants_name(text) {
            Some(Password::new(self.user.as_bytes().to_vec()))
        } else {
            let prompt = clean_lines(text).last().unwrap_or_else(|| "Answer, please.".into());
            question.conversation.ask(self.take_texts(), &prompt)
        };
        // Modules get a C string of bounded length, or nothing: never a part of what was sent.
        let fits = |answer: &Password| {
            let bytes = answer.as_bytes();
            bytes.len() < ffi::PAM_MAX_RESP_SIZE as usize && !bytes.contains(&0)
        };
        answer.filter(fits).map(Some).ok_or(GaveUp)
    }
}

fn wants_name(prompt: &[u8]) -> bool {
    let prompt = String::from_utf8_lossy(prompt).to_lowercase();
    let prompt = prompt.trim_matches(|character: char| character == ':' || character.is_whitespace());
    matches!(prompt, "login" | "user" | "username" | "user name" | "login name") || prompt.ends_with(" login")
}

fn clean_lines(text: &[u8]) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(text).into_owned();
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| {
            let mut clean = String::new();
            for character in line.chars().filter(|character| !character.is_control()) {
                if clean.len() + character.len_utf8() > MAX_LINE {
                    break;
                }
                clean.push(character);
            }
            clean.trim_end().to_string()
        })
        .filter(|line| !line.is_empty())
        .collect();
    lines.into_iter()
}

/// The function that PAM calls.
///
/// # Safety
/// As pam_conv(3) says: `count` messages, room for a pointer to the replies, and `data` is a `Talk` to which
/// nobody else has a reference during the call.
pub unsafe extern "C" fn converse(
    count: c_int,
    messages: *mut *const ffi::pam_message,
    replies: *mut *mut ffi::pam_response,
    data: *mut c_void,
) -> c_int {
    // SAFETY: passed on as it came.
    let answered = catch_unwind(AssertUnwindSafe(|| unsafe { answer_all(count, messages, data) }));
    match answered {
        Ok(Ok(answered)) if !replies.is_null() => {
            // SAFETY: PAM gives a place for the pointer; from here on the replies are the module's to free.
            unsafe { *replies = answered.give_away() };
            ffi::PAM_SUCCESS
        }
        Ok(_) | Err(_) => ffi::PAM_CONV_ERR,
    }
}

/// # Safety
/// As `converse`.
unsafe fn answer_all(
    count: c_int,
    messages: *mut *const ffi::pam_message,
    data: *mut c_void,
) -> Result<Replies, GaveUp> {
    if !(1..=ffi::PAM_MAX_NUM_MSG).contains(&count) || messages.is_null() || data.is_null() {
        return Err(GaveUp);
    }
    // SAFETY: `data` is what pam_start was given, a `Talk` that lives until after pam_end.
    let talk = unsafe { &mut *data.cast::<Talk>() };
    let mut question = talk.question;
    let mut replies = Replies::new(count as usize).ok_or(GaveUp)?;
    for at in 0..count as usize {
        // SAFETY: Linux-PAM passes an array of `count` pointers, each to a message with a C string.
        let (style, text) = unsafe {
            let message = *messages.add(at);
            if message.is_null() {
                return Err(GaveUp);
            }
            let text = (*message).msg;
            let text = if text.is_null() { &[][..] } else { CStr::from_ptr(text).to_bytes() };
            ((*message).msg_style, text)
        };
        // SAFETY: `Transaction::asking` lends the question for exactly the duration of the call that is running.
        let question = question.as_mut().map(|question| unsafe { question.as_mut() });
        if let Some(answer) = talk.answer(style, text, question)? {
            replies.set(at, &answer).ok_or(GaveUp)?;
        }
    }
    Ok(replies)
}

/// Replies in memory of malloc(3), as PAM wants them. Wiped and freed unless they are given away.
struct Replies {
    array: *mut ffi::pam_response,
    count: usize,
}

impl Replies {
    fn new(count: usize) -> Option<Replies> {
        // SAFETY: calloc(3) has no preconditions; zeroes are null pointers, which is a valid reply.
        let array = unsafe { libc::calloc(count, size_of::<ffi::pam_response>()) };
        (!array.is_null()).then_some(Replies { array: array.cast(), count })
    }

    fn set(&mut self, at: usize, answer: &Password) -> Option<()> {
        assert!(at < self.count, "a reply for each message");
        let bytes = answer.as_bytes();
        // SAFETY: malloc(3) of one byte more than is copied and terminated; `at` is inside the array.
        unsafe {
            let copy: *mut u8 = libc::malloc(bytes.len() + 1).cast();
            if copy.is_null() {
                return None;
            }
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), copy, bytes.len());
            *copy.add(bytes.len()) = 0;
            (*self.array.add(at)).resp = copy.cast();
        }
        Some(())
    }

    fn give_away(self) -> *mut ffi::pam_response {
        std::mem::ManuallyDrop::new(self).array
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        for at in 0..self.count {
            // SAFETY: inside the array; each answer is null or a C string of malloc, owned by this value.
            unsafe {
                let answer = (*self.array.add(at)).resp;
                if !answer.is_null() {
                    let length = CStr::from_ptr(answer).to_bytes().len();
                    wipe(std::slice::from_raw_parts_mut(answer.cast(), length));
                    libc::free(answer.cast());
                }
            }
        }
        // SAFETY: made by calloc, freed once.
        unsafe { libc::free(self.array.cast()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Client {
        asked: Vec<(Vec<String>, String)>,
        answers: Vec<&'static str>,
    }

    impl Conversation for Client {
        fn ask(&mut self, texts: Vec<String>, prompt: &str) -> Option<Password> {
            self.asked.push((texts, prompt.into()));
            (!self.answers.is_empty()).then(|| secret(self.answers.remove(0)))
        }
    }

    fn secret(text: &str) -> Password {
        Password::new(text.as_bytes().to_vec())
    }

    #[test]
    fn the_password_answers_the_first_hidden_prompt_and_the_client_the_second() {
        let password = secret("letmein");
        let mut client = Client { answers: vec!["123456"], ..Client::default() };
        let mut question = Question::new(Some(&password), &mut client);
        let mut talk = Talk::new("alice");
        let first = talk.answer(ffi::PAM_PROMPT_ECHO_OFF, b"Password: ", Some(&mut question));
        assert_eq!(first, Ok(Some(secret("letmein"))));
        assert_eq!(talk.answer(ffi::PAM_TEXT_INFO, b"Look at your\r\nphone.\x1b[1m", None), Ok(None));
        let second = talk.answer(ffi::PAM_PROMPT_ECHO_OFF, b"Code: ", Some(&mut question));
        assert_eq!(second, Ok(Some(secret("123456"))));
        assert_eq!(client.asked, [(vec!["Look at your".into(), "phone.[1m".into()], "Code:".into())]);
    }

    #[test]
    fn a_visible_prompt_for_the_name_is_answered_with_the_name() {
        let password = secret("letmein");
        let mut client = Client::default();
        let mut question = Question::new(Some(&password), &mut client);
        let mut talk = Talk::new("alice");
        for prompt in ["login: ", "Username:", "host login:"] {
            let answer = talk.answer(ffi::PAM_PROMPT_ECHO_ON, prompt.as_bytes(), Some(&mut question));
            assert_eq!(answer, Ok(Some(secret("alice"))), "{prompt}");
        }
        assert_eq!(talk.answer(ffi::PAM_PROMPT_ECHO_ON, b"Code:", Some(&mut question)), Err(GaveUp));
        assert_eq!(client.asked.len(), 1);
    }

    #[test]
    fn answers_that_a_c_string_cannot_hold_are_no_answers() {
        let long = "x".repeat(512);
        for bad in ["a\0b", long.as_str()] {
            let password = secret(bad);
            let mut client = Client::default();
            let mut question = Question::new(Some(&password), &mut client);
            let answer = Talk::new("a").answer(ffi::PAM_PROMPT_ECHO_OFF, b"Password:", Some(&mut question));
            assert_eq!(answer, Err(GaveUp));
        }
    }

    #[test]
    fn nothing_is_answered_outside_a_call_that_may_ask() {
        let mut talk = Talk::new("alice");
        assert_eq!(talk.answer(ffi::PAM_PROMPT_ECHO_OFF, b"Password:", None), Err(GaveUp));
        assert_eq!(talk.answer(7, b"?", None), Err(GaveUp));
    }

    #[test]
    fn texts_are_few_and_short() {
        let mut talk = Talk::new("alice");
        talk.note("long \u{e9}".repeat(1000).as_bytes());
        talk.note("line\n".repeat(1000).as_bytes());
        talk.note(b"more");
        let texts = talk.take_texts();
        assert_eq!(texts.len(), MAX_LINES);
        assert!(texts.iter().all(|line| line.len() <= MAX_LINE));
        assert!(talk.take_texts().is_empty());
    }
}
