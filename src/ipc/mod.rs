//! What crosses a process boundary: links and the messages on them. No policy lives here.

pub mod bytes;
pub mod events;
pub mod link;
pub mod messages;
pub mod password;
mod values;
