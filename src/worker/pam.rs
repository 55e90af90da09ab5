//! PAM, made safe: one `Transaction` from pam_start(3) to pam_end(3). What PAM asks and says is in `conversation`.
//!
//! The bindings are the raw ones of the `pam` crate; its own safe interface authenticates the wrong user.
#![allow(unsafe_code)]

mod conversation;

pub use conversation::Conversation;

use std::ffi::{CStr, CString, OsString, c_char, c_int, c_uint, c_void};
use std::fmt;
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr::{self, NonNull};

use pam::ffi;

use crate::ipc::messages::Password;
use conversation::{Question, Talk, converse};

/// A PAM call that said no, for the log.
#[derive(Debug)]
pub struct Refusal {
    doing: &'static str,
    code: c_int,
    reason: String,
}

/// What a person who gave the right password may be told about why it is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// The account itself.
    Account,
    /// The password must be changed first, which FTP cannot do.
    Password,
}

impl Refusal {
    /// Whether it was because something has expired.
    pub fn expired(&self) -> Option<Expired> {
        match self.code {
            ffi::PAM_ACCT_EXPIRED => Some(Expired::Account),
            ffi::PAM_NEW_AUTHTOK_REQD | ffi::PAM_AUTHTOK_EXPIRED => Some(Expired::Password),
            _ => None,
        }
    }

    fn before_pam(doing: &'static str, code: c_int, reason: &str) -> Refusal {
        Refusal { doing, code, reason: reason.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PAM {}: {} ({})", self.doing, self.reason, self.code)
    }
}

/// One login with PAM. Dropping it closes the PAM session if one is open, deletes the credentials and ends the
/// transaction, each exactly once, and only in the process that began it: a copy that a fork made ends silently.
pub struct Transaction {
    handle: *mut ffi::pam_handle_t,
    talk: NonNull<Talk>,
    process: u32,
    last: c_int,
    credentials: bool,
    session: bool,
}

impl Transaction {
    /// Begins. `directory` holds the service files instead of /etc/pam.d; libpam can do that since 1.4.
    /// Nothing is asked yet.
    pub fn start(
        service: &str,
        directory: Option<&Path>,
        user: &str,
        peer: IpAddr,
    ) -> Result<Transaction, Refusal> {
        let text = |bytes: &[u8]| {
            CString::new(bytes)
                .map_err(|_| Refusal::before_pam("start", ffi::PAM_BUF_ERR, "a NUL byte in a name"))
        };
        let service = text(service.as_bytes())?;
        let name = text(user.as_bytes())?;
        let directory = directory.map(|directory| text(directory.as_os_str().as_bytes())).transpose()?;
        // The address without the IPv6 wrapping of a dual-stack listener: modules compare it with networks.
        let peer = text(peer.to_canonical().to_string().as_bytes())?;

        let talk = NonNull::from(Box::leak(Box::new(Talk::new(user))));
        let conversation = ffi::pam_conv { conv: Some(converse), appdata_ptr: talk.as_ptr().cast() };
        let mut handle = ptr::null_mut();
        let code = match &directory {
            // SAFETY: the strings end with NUL and outlive the call, which copies them and the conversation;
            // `talk` lives until after pam_end.
            None => unsafe { ffi::pam_start(service.as_ptr(), name.as_ptr(), &conversation, &mut handle) },
            Some(directory) => match start_confdir() {
                // SAFETY: as above; `start` is libpam's function of this name.
                Some(start) => unsafe {
                    start(service.as_ptr(), name.as_ptr(), &conversation, directory.as_ptr(), &mut handle)
                },
                None => ffi::PAM_SYMBOL_ERR,
            },
        };
        if code != ffi::PAM_SUCCESS || handle.is_null() {
            // SAFETY: made by Box above, and PAM, which has not begun, keeps no copy.
            drop(unsafe { Box::from_raw(talk.as_ptr()) });
            let reason = match code {
                ffi::PAM_SYMBOL_ERR => "this libpam is too old for a directory of its own (pam-directory)",
                _ => "cannot begin; is the service file there?",
            };
            return Err(Refusal::before_pam("start", code, reason));
        }
        let mut transaction = Transaction {
            handle,
            talk,
            process: std::process::id(),
            last: ffi::PAM_SUCCESS,
            credentials: false,
            session: false,
        };
        transaction.set(ffi::PAM_RHOST, peer.as_ptr().cast())?;
        transaction.set(ffi::PAM_RUSER, name.as_ptr().cast())?;
        transaction.set(ffi::PAM_TTY, c"ftp".as_ptr().cast())?;
        // Where there is a function, libpam calls it instead of sleeping.
        transaction.set(ffi::PAM_FAIL_DELAY, no_delay as *const c_void)?;
        Ok(transaction)
    }

    /// Is this the password? Modules may ask more through `conversation`. An empty password is never right.
    pub fn authenticate(
        &mut self,
        password: &Password,
        conversation: &mut dyn Conversation,
    ) -> Result<(), Refusal> {
        let question = Question::new(Some(password), conversation);
        // SAFETY: the handle is live.
        self.asking(question, "authenticate", |handle| unsafe {
            ffi::pam_authenticate(handle, ffi::PAM_DISALLOW_NULL_AUTHTOK)
        })
    }

    /// May this account be used now?
    pub fn account(&mut self, conversation: &mut dyn Conversation) -> Result<(), Refusal> {
        let question = Question::new(None, conversation);
        // SAFETY: the handle is live.
        self.asking(question, "account", |handle| unsafe {
            ffi::pam_acct_mgmt(handle, ffi::PAM_DISALLOW_NULL_AUTHTOK)
        })
    }

    /// Who this is: modules may have changed the name. `None`: a name that is not UTF-8, or none at all.
    pub fn user(&self) -> Option<String> {
        let mut item = ptr::null();
        // SAFETY: the handle is live and `item` is a place for a pointer.
        let code = unsafe { ffi::pam_get_item(self.handle, ffi::PAM_USER, &mut item) };
        if code != ffi::PAM_SUCCESS || item.is_null() {
            return None;
        }
        // SAFETY: PAM_USER is a string that PAM keeps until the next call; it is copied here.
        let name = unsafe { CStr::from_ptr(item.cast()) };
        name.to_str().ok().map(str::to_string)
    }

    /// Gives this process what goes with the login (Kerberos tickets, groups): to be called when it has the
    /// groups of the account, before the session opens.
    pub fn establish_credentials(&mut self) -> Result<(), Refusal> {
        // SAFETY: the handle is live.
        let code = unsafe { ffi::pam_setcred(self.handle, ffi::PAM_ESTABLISH_CRED) };
        self.checked("credentials", code)?;
        self.credentials = true;
        Ok(())
    }

    /// Opens the session: limits, keyring, umask and login id change in this process, for its children to inherit.
    pub fn open_session(&mut self) -> Result<(), Refusal> {
        // SAFETY: the handle is live.
        let code = unsafe { ffi::pam_open_session(self.handle, 0) };
        self.checked("session", code)?;
        self.session = true;
        Ok(())
    }

    /// The environment that the modules want the session to have.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut variables = Vec::new();
        // SAFETY: the handle is live. The list and its strings are ours to free, each by free(3); the list ends
        // with a null pointer.
        unsafe {
            let list = ffi::pam_getenvlist(self.handle);
            let mut place = list;
            while !place.is_null() && !(*place).is_null() {
                variables.extend(variable(CStr::from_ptr(*place).to_bytes()));
                libc::free((*place).cast());
                place = place.add(1);
            }
            libc::free(list.cast());
        }
        variables
    }

    /// What the modules have said since the last time, for the client: clean lines, few and short.
    pub fn take_texts(&mut self) -> Vec<String> {
        // SAFETY: `talk` lives as long as `self`, and no PAM call is running that could use it, too.
        unsafe { self.talk.as_mut() }.take_texts()
    }

    fn set(&mut self, item: c_int, value: *const c_void) -> Result<(), Refusal> {
        // SAFETY: the handle is live; the callers pass what this item wants: strings (copied by PAM) and, for
        // PAM_FAIL_DELAY, a function with the signature that pam_fail_delay(3) gives.
        let code = unsafe { ffi::pam_set_item(self.handle, item, value) };
        self.checked("start", code)
    }

    /// Runs a call that may ask; `question` is within reach of the callback for exactly that long.
    fn asking(
        &mut self,
        mut question: Question<'_>,
        doing: &'static str,
        call: impl FnOnce(*mut ffi::pam_handle_t) -> c_int,
    ) -> Result<(), Refusal> {
        // SAFETY: `talk` lives as long as `self`; no other reference to it exists here or after the call.
        unsafe { (*self.talk.as_ptr()).put(Some(NonNull::from(&mut question).cast())) };
        let code = call(self.handle);
        // SAFETY: as above.
        unsafe { (*self.talk.as_ptr()).put(None) };
        self.checked(doing, code)
    }

    fn checked(&mut self, doing: &'static str, code: c_int) -> Result<(), Refusal> {
        self.last = code;
        if code == ffi::PAM_SUCCESS {
            return Ok(());
        }
        // SAFETY: the handle is live; the answer is a constant string of libpam, or null for a code that it
        // does not know.
        let reason = unsafe {
            let reason = ffi::pam_strerror(self.handle, code);
            if reason.is_null() {
                String::new()
            } else {
                CStr::from_ptr(reason).to_string_lossy().into_owned()
            }
        };
        Err(Refusal { doing, code, reason })
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // SAFETY: the handle is live and is not used after this; `talk` was made by Box and outlives pam_end,
        // whose modules may still say something.
        unsafe {
            if std::process::id() == self.process {
                if self.session {
                    self.last = ffi::pam_close_session(self.handle, 0);
                }
                if self.credentials {
                    self.last = ffi::pam_setcred(self.handle, ffi::PAM_DELETE_CRED);
                }
                ffi::pam_end(self.handle, self.last);
            } else {
                ffi::pam_end(self.handle, self.last | ffi::PAM_DATA_SILENT);
            }
            drop(Box::from_raw(self.talk.as_ptr()));
        }
    }
}

type StartConfdir = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const ffi::pam_conv,
    *const c_char,
    *mut *mut ffi::pam_handle_t,
) -> c_int;

/// pam_start_confdir(3), where this libpam has it: looked up when it is needed, so that a build against a new
/// libpam still starts with an old one.
fn start_confdir() -> Option<StartConfdir> {
    // SAFETY: a lookup by name among the libraries that are loaded.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"pam_start_confdir".as_ptr()) };
    // SAFETY: a function of this name is libpam's, which has this signature; null becomes None.
    unsafe { std::mem::transmute::<*mut c_void, Option<StartConfdir>>(found) }
}

/// The delay after a failure is the same for all causes and so the caller's; libpam has nothing to wait for.
extern "C" fn no_delay(_verdict: c_int, _microseconds: c_uint, _data: *mut c_void) {}

fn variable(entry: &[u8]) -> Option<(OsString, OsString)> {
    let equals = entry.iter().position(|&byte| byte == b'=').filter(|&at| at > 0)?;
    let (name, value) = (entry[..equals].to_vec(), entry[equals + 1..].to_vec());
    Some((OsString::from_vec(name), OsString::from_vec(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> Option<(OsString, OsString)> {
        Some((name.into(), value.into()))
    }

    #[test]
    fn a_variable_is_split_at_its_first_equals_sign() {
        assert_eq!(variable(b"KRB5CCNAME=FILE:/tmp/x=y"), pair("KRB5CCNAME", "FILE:/tmp/x=y"));
    }

    #[test]
    fn an_empty_value_is_a_value() {
        assert_eq!(variable(b"EMPTY="), pair("EMPTY", ""));
    }

    #[test]
    fn what_has_no_name_is_not_a_variable() {
        assert_eq!(variable(b"=x"), None);
        assert_eq!(variable(b"NAME"), None);
        assert_eq!(variable(b""), None);
    }

    #[test]
    fn a_name_with_a_nul_byte_never_reaches_pam() {
        let started = Transaction::start("ftpd", None, "al\0ice", IpAddr::from([127, 0, 0, 1]));
        assert!(started.is_err());
    }

    #[test]
    fn refusals_say_what_has_expired() {
        let refusal = |code| Refusal::before_pam("account", code, "");
        assert_eq!(refusal(ffi::PAM_ACCT_EXPIRED).expired(), Some(Expired::Account));
        assert_eq!(refusal(ffi::PAM_NEW_AUTHTOK_REQD).expired(), Some(Expired::Password));
        assert_eq!(refusal(ffi::PAM_AUTH_ERR).expired(), None);
    }
}
