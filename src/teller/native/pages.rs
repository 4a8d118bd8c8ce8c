//! Page sizes and page tokens. A token is the cursor of the next page, sealed for the query that it belongs to: nobody
//! can read it, or make one up.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::protocol::record::RequestHash;
use crate::store::secrets;
use crate::store::transactions::Cursor;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, read_failure};
use crate::teller::validate::cut;

/// Rows of a page when the caller does not say.
pub const SIZE_DEFAULT: u32 = 50;
/// Rows of a page at most.
const SIZE_MAX: u32 = 1_000;

/// Bytes of a cursor: two numbers and an id.
const CURSOR_BYTES: usize = 32;
/// Bytes of a token: nonce, cursor and tag, in hexadecimal.
pub const TOKEN_LENGTH: usize = 2 * (NONCE_LEN + CURSOR_BYTES + MAX_TAG_LEN);

/// A page token as a caller gave it.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// The name of the field over this wire, for errors.
    pub field: &'static str,
    /// Empty: the first page.
    pub text: &'a str,
}

/// The size of a page; 0 is the default.
///
/// # Errors
/// `Invalid`, naming the limit.
pub fn size(asked: u32) -> Result<u32, Failure> {
    match asked {
        0 => Ok(SIZE_DEFAULT),
        1..=SIZE_MAX => Ok(asked),
        _ => Err(Failure::Invalid(format!("limit {asked} is above {SIZE_MAX}, the largest page"))),
    }
}

/// Seals tokens and opens them.
#[derive(Clone, Debug)]
pub struct Seal(LessSafeKey);

/// The seal, once it was read.
#[derive(Debug, Default)]
pub struct LastSeal(OnceCell<Seal>);

/// The seal of this database: another process opens what this one sealed.
///
/// # Errors
/// What kept its key from being read.
pub async fn seal(ledger: &Ledger) -> Result<Seal, Failure> {
    let parts = ledger.parts();
    let read = || async {
        let secret = secrets::page_tokens(&parts.pool).await.map_err(|error| read_failure(&error))?;
        Seal::new(&secret).ok_or(Failure::Guard)
    };
    parts.memory.seal.0.get_or_try_init(read).await.cloned()
}

/// The cursor in a token, as [`Seal::open`] reads it. The seal is needed only for what can be one.
///
/// # Errors
/// Those of [`Seal::open`] and [`seal`].
pub async fn opened(ledger: &Ledger, query: RequestHash, token: Token<'_>) -> Result<Cursor, Failure> {
    match token.text {
        "" => Ok(Cursor::START),
        text if !has_shape(text) => Err(token.refused()),
        _ => seal(ledger).await?.open(query, token),
    }
}

/// Whether a text can be a token.
fn has_shape(text: &str) -> bool {
    text.len() == TOKEN_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Token<'_> {
    fn refused(self) -> Failure {
        Failure::Invalid(format!("{} {:?} is not a token of this query", self.field, cut(self.text)))
    }
}

impl Seal {
    /// `None`: the secret is not of 32 bytes.
    fn new(secret: &[u8]) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM, secret).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    /// Writes a token of this query.
    ///
    /// # Panics
    /// When the system has no random bytes.
    pub fn token(&self, query: RequestHash, place: &Cursor) -> String {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).expect("the system has random bytes");
        let Cursor { seq, row, id } = place;
        let mut sealed = [&seq.to_be_bytes()[..], &row.to_be_bytes(), id.as_bytes()].concat();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(query.0.as_bytes()), &mut sealed)
            .expect("a cursor is short enough");
        nonce.iter().chain(&sealed).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The cursor in a token; an empty one is [`Cursor::START`].
    ///
    /// # Errors
    /// `Invalid`: it is not a token of this query.
    pub fn open(&self, query: RequestHash, token: Token<'_>) -> Result<Cursor, Failure> {
        if token.text.is_empty() {
            return Ok(Cursor::START);
        }
        self.opened(query, token.text).ok_or_else(|| token.refused())
    }

    fn opened(&self, query: RequestHash, token: &str) -> Option<Cursor> {
        if !has_shape(token) {
            return None;
        }
        let byte = |at: usize| u8::from_str_radix(&token[2 * at..2 * at + 2], 16).ok();
        let bytes: Vec<u8> = (0..TOKEN_LENGTH / 2).map(byte).collect::<Option<_>>()?;
        let (nonce, mut sealed) = (bytes[..NONCE_LEN].try_into().ok()?, bytes[NONCE_LEN..].to_vec());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let cursor = self.0.open_in_place(nonce, Aad::from(query.0.as_bytes()), &mut sealed).ok()?;
        let (numbers, id) = cursor.split_at_checked(16)?;
        let (seq, row) = numbers.split_at(8);
        Some(Cursor {
            seq: i64::from_be_bytes(seq.try_into().ok()?),
            row: i64::from_be_bytes(row.try_into().ok()?),
            id: Uuid::from_slice(id).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Fails when a token can be read, changed or made up, or is taken by another query or another database.
    #[test]
    fn a_token_is_read_back_by_its_own_query_only_and_says_nothing_to_anybody_else() {
        let (mine, other) = (RequestHash::of(&[b"a"]), RequestHash::of(&[b"b"]));
        let seal = Seal::new(&[7; 32]).unwrap();
        let id = Uuid::from_u128(0x0192_2b3c_4d5e_7f60_8a9b_0c1d_2e3f_4a5b);
        for at in [Cursor { seq: 7, row: 3, id }, Cursor { seq: -7, row: i64::MIN, id: Uuid::nil() }, Cursor::START] {
            let text = seal.token(mine, &at);
            assert_eq!(text.len(), TOKEN_LENGTH);
            assert_eq!(seal.opened(mine, &text), Some(at));
            assert_ne!(seal.token(mine, &at), text, "two of one place have nothing in common");
            for part in [id.simple().to_string(), format!("{:016x}", at.row), mine.0.simple().to_string()] {
                assert!(!text.contains(&part), "{part} can be read in {text}");
            }
            assert!(seal.opened(other, &text).is_none());
            assert!(Seal::new(&[8; 32]).unwrap().opened(mine, &text).is_none());
            for n in 0..TOKEN_LENGTH {
                let changed = if &text[n..=n] == "0" { "1" } else { "0" };
                assert!(seal.opened(mine, &format!("{}{changed}{}", &text[..n], &text[n + 1..])).is_none(), "{n}");
            }
            assert!(
                seal.opened(mine, &text[1..]).is_none() && seal.opened(mine, &format!("+{}", &text[1..])).is_none()
            );
        }
        for made_up in
            ["é".repeat(TOKEN_LENGTH / 2), "0".repeat(TOKEN_LENGTH), "0".repeat(96), "f".repeat(TOKEN_LENGTH)]
        {
            assert!(seal.opened(mine, &made_up).is_none(), "{made_up}");
        }
        assert_eq!(seal.open(mine, Token { field: "page_token", text: "" }), Ok(Cursor::START));
        let wrong = seal.open(mine, Token { field: "page_token", text: "x" });
        assert_eq!(wrong, Err(Failure::Invalid("page_token \"x\" is not a token of this query".into())));
        assert_eq!((size(0), size(1), size(1_000)), (Ok(50), Ok(1), Ok(1_000)));
        assert_eq!(size(1_001), Err(Failure::Invalid("limit 1001 is above 1000, the largest page".into())));
    }
}
