//! What histories are drawn from.

use super::*;

pub(super) fn status() -> impl Strategy<Value = Status> {
    prop_oneof![6 => Just(Status::Active), 1 => Just(Status::Suspended), 2 => Just(Status::Closed)]
}

/// An opening balance that its own guards allow; amounts are around `unit`, so that limits are met often.
pub(super) fn opening(unit: i128) -> impl Strategy<Value = (i128, Guards)> {
    let limits = (proptest::option::weighted(0.8, 0..=unit), proptest::option::weighted(0.5, 0..=unit), 0..=unit / 4);
    ((-unit..=unit), limits).prop_map(|(balance, (below, above, held))| {
        let held = held.min(balance + MAX);
        let floor = below.map(|below| (balance - held - below).max(-MAX));
        (
            balance,
            Guards { held, floor, ceiling: above.map(|above| (balance + above).min(MAX)), status: Status::Active },
        )
    })
}

pub(super) fn step(unit: i128) -> impl Strategy<Value = Step> {
    let posting = (0..ACCOUNTS, 1..ACCOUNTS, 1..=unit / 2)
        .prop_map(|(from, further, amount)| (from, (from + further) % ACCOUNTS, amount));
    let limit = proptest::option::weighted(0.7, -unit..=unit);
    prop_oneof![
        8 => proptest::collection::vec(posting, 1..=3).prop_map(Step::Post),
        3 => any::<u8>().prop_map(Step::Commit),
        2 => any::<u8>().prop_map(|n| Step::Release(n.into())),
        4 => any::<u8>().prop_map(|n| Step::Settle(n.into())),
        2 => (0..ACCOUNTS).prop_map(Step::Read),
        1 => (0..ACCOUNTS, status(), limit.clone(), limit).prop_map(|(account, status, floor, ceiling)| Step::Change(account, status, floor, ceiling)),
    ]
}
