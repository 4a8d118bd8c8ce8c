//! `i128` as NUMERIC in PostgreSQL's binary form: groups of four decimal digits, most significant first.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

/// A whole number in a NUMERIC column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numeric(pub i128);

const NUMERIC: Oid = Oid(1700);
const NUMERIC_ARRAY: Oid = Oid(1231);
const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xC000;

impl Type<Postgres> for Numeric {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(NUMERIC)
    }
}

impl PgHasArrayType for Numeric {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(NUMERIC_ARRAY)
    }
}

impl Encode<'_, Postgres> for Numeric {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let mut rest = self.0.unsigned_abs();
        let mut groups = [0u16; 10]; // 39 digits at most
        let mut count = 0usize;
        while rest > u128::from(u64::MAX) {
            groups[count] = u16::try_from(rest % 10_000)?;
            rest /= 10_000;
            count += 1;
        }
        let mut rest = u64::try_from(rest)?; // which divides many times faster
        while rest > 0 {
            groups[count] = u16::try_from(rest % 10_000)?;
            rest /= 10_000;
            count += 1;
        }
        let sign = if self.0 < 0 { NEGATIVE } else { 0 };
        buffer.extend(u16::try_from(count)?.to_be_bytes());
        buffer.extend(i16::try_from(count.saturating_sub(1))?.to_be_bytes()); // weight of the first group
        buffer.extend(sign.to_be_bytes());
        buffer.extend(0u16.to_be_bytes()); // decimals
        for group in groups[..count].iter().rev() {
            buffer.extend(group.to_be_bytes());
        }
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Numeric {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        if value.format() == sqlx::postgres::PgValueFormat::Text {
            return Ok(Self(value.as_str()?.parse()?));
        }
        read(value.as_bytes()?).map(Self)
    }
}

fn read(bytes: &[u8]) -> Result<i128, BoxDynError> {
    let word = |n: usize| -> Result<u16, BoxDynError> {
        Ok(u16::from_be_bytes(bytes.get(2 * n..2 * n + 2).ok_or("numeric: too short")?.try_into()?))
    };
    let (count, weight, sign) = (usize::from(word(0)?), i32::from(word(1)?.cast_signed()), word(2)?);
    if sign >= NOT_A_NUMBER {
        return Err("numeric: not a finite number".into());
    }
    let mut total: i128 = 0;
    for n in 0..usize::try_from(weight + 1).unwrap_or(0) {
        let group = if n < count { word(4 + n)? } else { 0 };
        total = total
            .checked_mul(10_000)
            .and_then(|t| t.checked_add(i128::from(group)))
            .ok_or("numeric: more than 38 digits")?;
    }
    let fraction = usize::try_from(weight + 1).unwrap_or(0);
    for n in fraction..count {
        if word(4 + n)? != 0 {
            return Err("numeric: has decimals where a whole number belongs".into());
        }
    }
    Ok(if sign == NEGATIVE { -total } else { total })
}

/// Whole numbers as an array argument.
pub fn numerics(values: &[i128]) -> Vec<Numeric> {
    values.iter().copied().map(Numeric).collect()
}

/// Whole numbers of a column that may be null, as an array argument.
pub fn optional_numerics(values: &[Option<i128>]) -> Vec<Option<Numeric>> {
    values.iter().map(|value| value.map(Numeric)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(value in any::<i128>()) {
            let value = value / 10; // 38 digits
            let mut buffer = PgArgumentBuffer::default();
            let _ = Numeric(value).encode_by_ref(&mut buffer).unwrap();
            prop_assert_eq!(read(&buffer).unwrap(), value);
        }
    }

    #[test]
    fn round_thousands_keep_their_zeros() {
        // PostgreSQL drops trailing zero groups: 10000 is the one group 1 with weight 1.
        assert_eq!(read(&[0, 1, 0, 1, 0, 0, 0, 0, 0, 1]).unwrap(), 10_000);
        assert!(read(&[0, 0, 0, 0, 0xC0, 0, 0, 0]).is_err());
    }
}
