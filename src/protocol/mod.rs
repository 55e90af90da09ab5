//! FTP as text: lines, commands, replies, addresses and the shape of the verb table. Pure: nothing here makes a
//! system call, and nothing but std is used.

pub mod address;
pub mod civil;
pub mod command;
pub mod glob;
pub mod introductions;
pub mod line;
pub mod message;
pub mod path;
pub mod protection;
pub mod proxy;
pub mod reply;
pub mod verb;
