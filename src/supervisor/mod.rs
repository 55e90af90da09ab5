//! PROCESS supervisor.
