use proptest::prelude::*;

use super::*;

/// What an account's journal has: the legs of a transaction that concern it (0: it was declined), and how many legs
/// are others'.
fn account(transactions: &[(i64, i64)]) -> (Vec<Done>, Vec<Refused>) {
    let (mut completed, mut declined, mut place) = (Vec::new(), Vec::new(), 1);
    for &(legs, others) in transactions {
        match legs {
            0 => declined.push((place, DateTime::UNIX_EPOCH)),
            _ => completed.extend((0..legs).map(|n| (place + others + n, place, DateTime::UNIX_EPOCH))),
        }
        place += legs + others + 1;
    }
    completed.reverse();
    declined.reverse();
    (completed, declined)
}

proptest! {
    /// Walking chunk by chunk, from the place after any candidate, finds each transaction once, the newest first;
    /// what has come since the beginning is passed over.
    #[test]
    fn the_merged_lists_are_walked_without_gap_or_repeat(
        transactions in prop::collection::vec((0i64..4, 0i64..3), 0..80), count in 1usize..20, newer in 0i64..30,
    ) {
        let (completed, declined) = account(&transactions);
        let mut expected: Vec<(i64, bool)> = completed.iter().map(|(_, place, _)| (*place, false)).collect();
        expected.extend(declined.iter().map(|(place, _)| (*place, true)));
        expected.sort_unstable();
        expected.dedup();
        expected.reverse();
        let begin = expected.first().map_or(0, |(place, _)| place - newer);
        expected.retain(|(place, _)| *place < begin);
        let (mut at, mut found, mut ends) = (Cursor { seq: begin, ..Cursor::START }, Vec::new(), false);
        while !ends {
            let chain: Vec<_> = completed.iter().filter(|(row, ..)| *row < at.row).take(count).copied().collect();
            let rest: Vec<_> = declined.iter().filter(|(place, _)| *place < at.seq).take(count).copied().collect();
            let mut chunk = merged(chain, rest, &Filter::default(), at, count);
            prop_assert!(chunk.ends || chunk.at != at, "no way forward from {at:?}");
            chunk.cut(chunk.candidates.len().div_ceil(2)); // as a page does that is full
            (at, ends) = (chunk.at, chunk.ends);
            found.extend(chunk.candidates.iter().map(|candidate| (candidate.after.seq, candidate.declined)));
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_list_that_had_to_stop_looking_goes_on_from_there() {
    let rows =
        [(9, Some(1), DateTime::UNIX_EPOCH), (7, Some(2), DateTime::UNIX_EPOCH), (4, None, DateTime::UNIX_EPOCH)];
    let chunk = listed(&rows, Cursor::START, 5);
    let places: Vec<(i64, bool)> =
        chunk.candidates.iter().map(|candidate| (candidate.after.seq, candidate.declined)).collect();
    assert_eq!((places, chunk.at.seq, chunk.looked, chunk.ends), (vec![(9, false), (7, true)], 4, LOOKS_COUNT, false));
    assert!(listed(&rows[..2], Cursor::START, 5).ends && !listed(&rows[..2], Cursor::START, 2).ends);
}
