//! Page sizes and page tokens. A token is the place where the next page begins and a hash of the query that it belongs to.

use uuid::Uuid;

use crate::gateway::failure::Failure;
use crate::gateway::validate::cut;
use crate::protocol::record::RequestHash;
use crate::store::transactions::Cursor;

/// Rows of a page when nothing is said.
const SIZE_DEFAULT: u32 = 50;
/// Rows of a page at most.
const SIZE_MAX: u32 = 1_000;

/// Bytes of a token.
pub(in crate::gateway) const TOKEN_LENGTH: usize = 112;

/// The page size asked for.
pub(super) fn size(asked: u32) -> Result<u32, Failure> {
    match asked {
        0 => Ok(SIZE_DEFAULT),
        1..=SIZE_MAX => Ok(asked),
        _ => Err(Failure::Invalid(format!("page_size {asked} is above the limit of {SIZE_MAX}"))),
    }
}

/// Writes a token: four numbers in hexadecimal.
pub(in crate::gateway) fn token(query: RequestHash, place: &Cursor) -> String {
    format!("{:032x}{:016x}{:032x}{:032x}", query.0.as_u128(), place.seq, place.last.as_u128(), place.id.as_u128())
}

/// Reads a token; an empty one is the beginning.
pub(in crate::gateway) fn place(query: RequestHash, token: &str) -> Result<Cursor, Failure> {
    if token.is_empty() {
        return Ok(Cursor::START);
    }
    let wrong = || Failure::Invalid(format!("page_token {:?} is not a token of this query", cut(token)));
    if token.len() != TOKEN_LENGTH || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let number = |from: usize, to: usize| u128::from_str_radix(&token[from..to], 16).map_err(|_| wrong());
    if number(0, 32)? != query.0.as_u128() {
        return Err(wrong());
    }
    let seq = i64::try_from(number(32, 48)?).map_err(|_| wrong())?;
    Ok(Cursor { seq, last: Uuid::from_u128(number(48, 80)?), id: Uuid::from_u128(number(80, 112)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_by_its_own_query_only() {
        let (mine, other) = (RequestHash::of(&[b"a"]), RequestHash::of(&[b"b"]));
        for at in [Cursor { seq: 7, last: Uuid::from_u128(3), id: Uuid::from_u128(9) }, Cursor::START] {
            let text = token(mine, &at);
            assert_eq!(place(mine, &text), Ok(at));
            assert!(place(other, &text).is_err());
            assert!(place(mine, &text[1..]).is_err() && place(mine, &text.replace('0', "+")).is_err());
        }
        assert!(place(mine, &"é".repeat(56)).is_err());
        assert_eq!(place(mine, ""), Ok(Cursor::START));
        assert_eq!((size(0), size(1), size(1_000)), (Ok(50), Ok(1), Ok(1_000)));
        assert_eq!(size(1_001), Err(Failure::Invalid("page_size 1001 is above the limit of 1000".into())));
    }
}
