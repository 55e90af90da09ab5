//! PROCESS frontend.
