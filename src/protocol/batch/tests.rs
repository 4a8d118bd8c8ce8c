use std::time::Instant;

use hashbrown::HashMap;
use proptest::prelude::*;

use super::*;
use crate::ledger::{Guards, Status, Totals};
use crate::money::Amount;
use crate::protocol::record::{Api, Kind, Posting, RequestHash};

fn record(postings: &[(i64, i64, i64)]) -> Record {
    let posting = |(debit, credit, amount): &(i64, i64, i64)| Posting {
        debit: AccountId(*debit),
        credit: AccountId(*credit),
        amount: Amount::from(*amount),
    };
    let body = Body::Postings(postings.iter().map(posting).collect());
    Record {
        body,
        ..Record::new(
            TransactionId::draw(),
            "default".into(),
            Api::FlorinV1,
            Kind::TRANSFER,
            RequestHash::of(&[]),
            Instant::now(),
        )
    }
}

fn known(account: i64) -> Known {
    Known {
        totals: Totals { debits: 7, credits: i128::from(account) * 1_000, held: 0, version: account },
        last: account,
    }
}

fn posted(known: Known) -> Posted {
    Posted { totals: known.totals, last: known.last, guards: Guards::NONE }
}

proptest! {
    /// Walking the rows forward from what was known, each balance-after is the running sum; from an account's last row
    /// the links lead through all of its rows, newest first, to the one that was known.
    #[test]
    fn balances_and_links_follow_each_other(rows in prop::collection::vec(prop::collection::vec((0i64..5, 0i64..5, 1i64..100), 0..4), 1..20)) {
        let records: Vec<Record> = rows.iter()
            .map(|postings| record(&postings.iter().map(|(d, c, a)| (*d, if d == c { c + 5 } else { *c }, *a)).collect::<Vec<_>>()))
            .collect();
        let batch = Batch::of(9, 8, records.iter().map(|record| (record, |id: AccountId| Some(posted(known(id.0))))));
        let mut running: HashMap<i64, Known> = HashMap::new();
        for n in 0..batch.len() {
            let place = journal::place(9, n);
            let rows = &batch.rows;
            let Some(amount) = rows.amounts[n] else { continue };
            for (account, prev, after, is_debit) in [
                (rows.debit[n], rows.debit_prevs[n], rows.debit_afters[n], true), (rows.credit[n], rows.credit_prevs[n], rows.credit_afters[n], false),
            ] {
                let now = running.entry(account.unwrap()).or_insert_with(|| known(account.unwrap()));
                prop_assert_eq!(prev, Some(now.last));
                now.last = place;
                now.totals.version += 1;
                if is_debit { now.totals.debits += amount } else { now.totals.credits += amount }
                prop_assert_eq!(after, Some(now.totals.credits - now.totals.debits));
            }
        }
        prop_assert_eq!(batch.after.len(), running.len());
        for (account, now) in &running {
            prop_assert_eq!(batch.after[&AccountId(*account)], *now);
        }
        prop_assert!(batch.outside.is_empty());
        // Each transaction's rows follow each other; one without postings has a row all the same.
        let mut at = 0;
        for record in &records {
            let Body::Postings(postings) = &record.body else { unreachable!() };
            for n in 0..postings.len().max(1) {
                prop_assert_eq!(batch.rows.ids[at], record.id.0);
                prop_assert_eq!(usize::try_from(batch.rows.ns[at]).unwrap(), n);
                prop_assert_eq!(usize::try_from(batch.rows.postings[at]).unwrap(), postings.len());
                prop_assert_eq!(batch.rows.requests[at].is_some(), n == 0);
                at += 1;
            }
            prop_assert_eq!(batch.balances_after(record.id).unwrap().len(), postings.len());
        }
        prop_assert_eq!(at, batch.len());
    }
}

#[test]
fn a_capture_takes_what_is_held_off_its_payer_and_a_void_moves_nothing() {
    let (hold, debit, credit) = (TransactionId::draw(), AccountId(1), AccountId(2));
    let take = |captured: i64, voided: i64| Rows::Take {
        hold,
        debit,
        credit,
        captured: Amount::from(captured),
        voided: Amount::from(voided),
    };
    let capture = Record { rows: vec![take(30, 5)], ..record(&[(1, 2, 30), (2, 3, 1)]) };
    let void = Record { rows: vec![take(0, 65)], ..record(&[]) };
    let held = |id: AccountId| {
        Some(posted(Known {
            totals: Totals { held: if id == debit { 100 } else { 0 }, ..known(id.0).totals },
            last: 4,
        }))
    };
    let batch = Batch::of(2, 1, [&capture, &void].into_iter().map(|record| (record, held)));
    assert_eq!(batch.rows.held, [Some(-35), None, Some(-65)]);
    assert_eq!(batch.rows.amounts, [Some(30), Some(1), None]);
    assert_eq!((batch.rows.debit[2], batch.rows.credit[2], batch.rows.credit_prevs[2]), (Some(1), Some(2), None));
    assert_eq!(batch.after[&debit].totals.held, 0);
    assert_eq!(batch.rows.debit_prevs[2], Some(journal::place(2, 0)));
    assert_eq!(batch.rows.debit_afters[2], Some(1_000 - 7 - 30), "letting go moves nothing");
}

/// What was admitted may come up to a limit, back towards one that it is past, and no further.
#[test]
fn a_batch_says_whom_it_would_leave_outside_the_limits() {
    let at = |balance: i128, floor: Option<i128>, ceiling: Option<i128>| Posted {
        totals: Totals { debits: 0, credits: balance, held: 0, version: 1 },
        last: 1,
        guards: Guards { status: Status::Active, floor, ceiling },
    };
    let payer = AccountId(1);
    let outside = |payer_is: Posted, amount: i64| {
        let payment = record(&[(1, 2, amount)]);
        let known = |id: AccountId| Some(if id == payer { payer_is } else { at(0, None, None) });
        Batch::of(2, 1, [(&payment, known)].into_iter()).outside
    };
    assert!(outside(at(100, Some(0), None), 100).is_empty());
    assert_eq!(outside(at(100, Some(0), None), 101), [payer]);
    assert_eq!(outside(at(100, Some(200), None), 1), [payer]);
    assert!(outside(at(100, None, Some(50)), 10).is_empty());
    let closed = Posted { guards: Guards { status: Status::Closed, ..Guards::NONE }, ..at(100, None, None) };
    assert_eq!(outside(closed, 1), [payer]);
    let payment = record(&[(2, 1, 5)]);
    let receives = |posted: Posted| {
        Batch::of(
            2,
            1,
            [(&payment, |id: AccountId| Some(if id == payer { posted } else { at(0, None, None) }))].into_iter(),
        )
        .outside
    };
    assert!(receives(at(100, None, Some(105))).is_empty() && receives(at(100, Some(200), None)).is_empty());
    assert_eq!(receives(at(100, None, Some(104))), [payer]);
    assert_eq!(receives(at(100, None, Some(50))), [payer]);
    let nobody = Batch::of(2, 1, [(&payment, |_: AccountId| None::<Posted>)].into_iter());
    assert_eq!(nobody.outside.len(), 2, "nobody approved");
}
