//! Page sizes and page tokens. A token is the cursor of the next page with a hash of the query that it belongs to.

use uuid::Uuid;

use crate::protocol::record::RequestHash;
use crate::store::transactions::Cursor;
use crate::teller::failure::Failure;
use crate::teller::validate::cut;

/// Rows of a page when the caller does not say.
pub const SIZE_DEFAULT: u32 = 50;
/// Rows of a page at most.
const SIZE_MAX: u32 = 1_000;

/// Bytes of a token: four numbers in hexadecimal.
pub const TOKEN_LENGTH: usize = 96;

/// A page token as a caller gave it.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// The name of the field over this wire, for errors.
    pub field: &'static str,
    /// Empty: the first page.
    pub text: &'a str,
}

impl Token<'_> {
    /// The cursor in the token.
    ///
    /// # Errors
    /// `Invalid`: it is not a token of this query.
    pub fn place(self, query: RequestHash) -> Result<Cursor, Failure> {
        place(query, self.text).ok_or_else(|| {
            Failure::Invalid(format!("{} {:?} is not a token of this query", self.field, cut(self.text)))
        })
    }
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

/// Writes a token: four numbers in hexadecimal.
pub fn token(query: RequestHash, place: &Cursor) -> String {
    format!("{:032x}{:016x}{:016x}{:032x}", query.0.as_u128(), place.seq, place.row, place.id.as_u128())
}

/// Reads a token; an empty one is [`Cursor::START`]. `None`: it is not a token of this query.
fn place(query: RequestHash, token: &str) -> Option<Cursor> {
    if token.is_empty() {
        return Some(Cursor::START);
    }
    if token.len() != TOKEN_LENGTH || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let number = |from: usize, to: usize| u128::from_str_radix(&token[from..to], 16).ok();
    if number(0, 32)? != query.0.as_u128() {
        return None;
    }
    let signed = |from: usize, to: usize| i64::try_from(number(from, to)?).ok();
    Some(Cursor { seq: signed(32, 48)?, row: signed(48, 64)?, id: Uuid::from_u128(number(64, TOKEN_LENGTH)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_by_its_own_query_only() {
        let (mine, other) = (RequestHash::of(&[b"a"]), RequestHash::of(&[b"b"]));
        for at in [Cursor { seq: 7, row: 3, id: Uuid::from_u128(9) }, Cursor::START] {
            let text = token(mine, &at);
            assert_eq!(place(mine, &text), Some(at));
            assert!(place(other, &text).is_none());
            assert!(place(mine, &text[1..]).is_none() && place(mine, &format!("+{}", &text[1..])).is_none());
        }
        assert!(place(mine, &"é".repeat(TOKEN_LENGTH / 2)).is_none());
        assert_eq!(place(mine, ""), Some(Cursor::START));
        let wrong = Token { field: "page_token", text: "x" }.place(mine);
        assert_eq!(wrong, Err(Failure::Invalid("page_token \"x\" is not a token of this query".into())));
        assert_eq!((size(0), size(1), size(1_000)), (Ok(50), Ok(1), Ok(1_000)));
        assert_eq!(size(1_001), Err(Failure::Invalid("limit 1001 is above 1000, the largest page".into())));
    }
}
