//! What may be held of an account that has no floor.

use super::*;

/// An account without limits.
fn account(balance: i128, held: i128) -> Account<u32> {
    let (debits, credits) = ((-balance).max(0), balance.max(0));
    Account::new(Totals { debits, credits, held, version: 1 }, super::super::Guards::NONE)
}

fn hold(amount: i128) -> Leg {
    Leg::with_hold(0, 0, amount)
}

// Fails when `decide` does not count what is held (the sum is not written: the database refuses it), or counts committed
// holds alone.
#[test]
fn what_is_held_stays_an_amount_and_can_be_captured() {
    let beyond = Decision::Refuse(Rejection::LimitExceeded { ceiling: MAX });
    let short = |available, requested| {
        Decision::Refuse(Rejection::InsufficientFunds { available, requested, before_floor: available - MAX })
    };
    for (balance, held, leg, decision) in [
        (MAX, 0, hold(MAX), Decision::Admit),
        (MAX, MAX - 5, hold(5), Decision::Admit),
        (MAX, MAX - 5, hold(6), beyond),
        (MAX, MAX, hold(1), beyond),
        (MAX, MAX, Leg::net(1, 0), Decision::Admit), // what is held does not bound what is paid
        (0, MAX - 5, hold(5), Decision::Admit),
        (0, MAX - 5, hold(6), short(5, 6)),
        (0, MAX, Leg::net(1, 0), short(0, 1)), // the captures would leave less than -MAX
        (-MAX, 0, hold(1), short(0, 1)),
        (0, MAX, Leg::with_hold(MAX, 0, -MAX), Decision::Admit), // its capture
    ] {
        assert_eq!(account(balance, held).decide(leg), decision, "{leg:?} of {balance} with {held} held");
    }
    let mut busy = account(MAX, MAX - 5);
    busy.open(1, hold(3));
    assert_eq!(busy.decide(hold(2)), Decision::Admit);
    assert_eq!(busy.decide(hold(3)), Decision::Wait);
    assert!(busy.close(&1));
    assert_eq!(busy.decide(hold(5)), Decision::Admit);
}
