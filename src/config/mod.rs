//! What an administrator may say.
