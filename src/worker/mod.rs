//! PROCESS worker.

mod login;
mod pam;
mod policy;
pub(crate) mod virtual_users;
