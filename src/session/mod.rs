//! PROCESS session.
