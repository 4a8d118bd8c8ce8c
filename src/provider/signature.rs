//! Signatures, HMAC-SHA-256 (RFC 2104): of a request over the time when it was sent, its method, its path and its body;
//! of an answer over the signature of its request, its status and its body. An answer to another request, or to this
//! one at another time, is therefore signed otherwise.

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
    let mac = mac(secret, &[unix.to_string().as_bytes(), method.as_bytes(), path.as_bytes(), body]);
    mac.finalize().into_bytes().iter().fold(format!("t={unix},v1="), |text, byte| text + &format!("{byte:02x}"))
}

/// Whether `header` (`v1=HEX`) signs an answer to the request with this signature. Takes as long whatever is wrong.
///
/// # Panics
/// Never: HMAC takes keys of any length.
pub(super) fn signs_answer(header: &str, secret: &SecretString, request: &str, status: u16, body: &[u8]) -> bool {
    let digits = header.strip_prefix("v1=").filter(|digits| digits.len() == 64 && digits.is_ascii());
    let byte = |at: usize| digits.and_then(|digits| u8::from_str_radix(&digits[at..at + 2], 16).ok());
    let Some(bytes) = (0..64).step_by(2).map(byte).collect::<Option<Vec<u8>>>() else { return false };
    mac(secret, &[request.as_bytes(), status.to_string().as_bytes(), body]).verify_slice(&bytes).is_ok()
}

/// Over the parts, with a full stop between each two.
fn mac(secret: &SecretString, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes keys of any length");
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            mac.update(b".");
        }
        mac.update(part);
    }
    mac
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

    /// The value was computed with Python's `hmac` and `hashlib`.
    // Fails when status, body or the request's signature is left out of what an answer signs.
    #[test]
    fn an_answer_is_signed_for_its_request_alone() {
        let (secret, request) = (SecretString::from("Jefe"), "t=1800000000,v1=5526");
        let body = br#"{"key":"k"}"#;
        let right = "v1=7eb12e088340928158227b4c6897bd9303d9465fca0821205bcc09ee5f9a0b4f";
        assert!(signs_answer(right, &secret, request, 200, body));
        assert!(!signs_answer(right, &secret, request, 202, body));
        assert!(!signs_answer(right, &secret, request, 200, b"{}"));
        assert!(!signs_answer(right, &secret, "t=1800000001,v1=5526", 200, body));
        assert!(!signs_answer(right, &SecretString::from("jefe"), request, 200, body));
        for wrong in ["", "v1=", &right[3..], &right[..66], &right.replace('1', "x"), &right.replace('a', "\u{e4}")] {
            assert!(!signs_answer(wrong, &secret, request, 200, body), "{wrong}");
        }
    }
}
