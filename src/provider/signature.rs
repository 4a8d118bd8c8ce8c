//! The signature of a request: HMAC-SHA-256 (RFC 2104) over the time when it was sent, its method, its path and its
//! body.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The header that carries it.
pub(super) const HEADER: &str = "florin-signature";

/// The value of the header `Florin-Signature`, for a request sent at `unix` seconds.
///
/// # Panics
/// Never: HMAC takes keys of any length.
pub fn signature(secret: &SecretString, unix: i64, method: &str, path: &str, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes keys of any length");
    for part in [unix.to_string().as_bytes(), b".", method.as_bytes(), b".", path.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().iter().fold(format!("t={unix},v1="), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value was computed with Python's `hmac` and `hashlib`.
    #[test]
    fn a_signature_is_what_others_compute() {
        let signed = signature(&SecretString::from("Jefe"), 1_800_000_000, "POST", "/v1/operations", br#"{"key":"k"}"#);
        assert_eq!(signed, "t=1800000000,v1=5526fce02aa3e7e59bf8b61fb1e844237c34a9ef4c11bc2a00758256379002e1");
    }
}
