//! What crosses a process boundary: links and the messages on them, and memory that is shared. No policy lives here.

pub mod bytes;
pub mod control;
pub mod events;
pub mod ledger;
pub mod link;
pub mod measures;
pub mod messages;
pub mod occurrences;
pub mod page;
pub mod password;
mod values;
