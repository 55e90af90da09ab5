//! What is known of a client's certificate after it was verified.

/// What a certificate says of its holder, who has proved to have its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Somebody has signed it whom the configuration trusts. Otherwise it may say what it likes.
    pub is_trusted: bool,
    /// The whole name, as in RFC 4514.
    pub subject: String,
    pub common_names: Vec<String>,
    /// User ids in the subject (RFC 4519 2.39).
    pub user_ids: Vec<String>,
    /// Mail addresses, of the subject and among its other names.
    pub emails: Vec<String>,
    pub dns_names: Vec<String>,
    /// User principal names.
    pub principals: Vec<String>,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
}

/// The bytes in hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
