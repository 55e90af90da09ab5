//! PROCESS worker.
