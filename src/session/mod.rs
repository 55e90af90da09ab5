//! PROCESS session.

pub mod authorize;
pub mod error;
pub mod files;
mod temporary;
pub mod upload;
