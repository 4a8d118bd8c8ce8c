use proptest::prelude::*;

use super::*;

fn amount(units: i64) -> Amount {
    Amount::from(units)
}

/// Status, paid, credited, returned and written off of an invoice of 100.
fn balance(status: Status, [paid, credited, returned, written_off]: [i64; 4]) -> Balance {
    let [paid, credited, returned, written_off] = [paid, credited, returned, written_off].map(amount);
    Balance { status, total: amount(100), paid, credited, returned, written_off }
}

fn pay(units: i64) -> Command {
    Command::Pay { amount: amount(units) }
}

fn credit(units: i64) -> Command {
    Command::Credit { amount: amount(units) }
}

#[test]
fn commands_do_what_the_table_says() {
    use Command::{Issue, MarkUncollectible, Void, WriteOff};
    use Status::{Draft, Open, Paid, Uncollectible, Void as Voided};
    // before -> applied, excess, reinstated -> after
    for (before, command, moved, after) in [
        ((Draft, [0; 4]), Issue, [100, 0, 0], (Open, [0; 4])),
        ((Open, [0; 4]), pay(30), [30, 0, 0], (Open, [30, 0, 0, 0])),
        ((Open, [30, 0, 0, 0]), pay(70), [70, 0, 0], (Paid, [100, 0, 0, 0])),
        ((Open, [30, 0, 0, 0]), pay(90), [70, 20, 0], (Paid, [100, 0, 0, 0])),
        ((Open, [0; 4]), credit(40), [40, 0, 0], (Open, [0, 40, 0, 0])),
        ((Open, [0; 4]), credit(100), [100, 0, 0], (Paid, [0, 100, 0, 0])),
        ((Open, [80, 0, 0, 0]), credit(50), [20, 30, 0], (Paid, [80, 20, 30, 0])),
        ((Paid, [100, 0, 0, 0]), credit(25), [0, 25, 0], (Paid, [100, 0, 25, 0])),
        ((Paid, [100, 0, 25, 0]), credit(75), [0, 75, 0], (Paid, [100, 0, 100, 0])),
        ((Open, [30, 0, 0, 0]), WriteOff, [70, 0, 0], (Uncollectible, [30, 0, 0, 70])),
        ((Open, [30, 0, 0, 0]), MarkUncollectible, [0, 0, 0], (Uncollectible, [30, 0, 0, 0])),
        ((Uncollectible, [30, 0, 0, 0]), WriteOff, [70, 0, 0], (Uncollectible, [30, 0, 0, 70])),
        ((Uncollectible, [30, 0, 0, 0]), pay(70), [70, 0, 0], (Paid, [100, 0, 0, 0])),
        ((Uncollectible, [30, 0, 0, 70]), pay(20), [20, 0, 20], (Uncollectible, [50, 0, 0, 50])),
        ((Uncollectible, [50, 0, 0, 50]), pay(60), [50, 10, 50], (Paid, [100, 0, 0, 0])),
        ((Uncollectible, [30, 0, 0, 70]), credit(30), [0, 30, 0], (Uncollectible, [30, 0, 30, 70])),
        ((Open, [0; 4]), Void, [100, 0, 0], (Voided, [0; 4])),
        ((Uncollectible, [0; 4]), Void, [100, 0, 0], (Voided, [0; 4])),
        ((Uncollectible, [0, 0, 0, 100]), Void, [100, 0, 100], (Voided, [0; 4])),
    ] {
        let (before, after) = (balance(before.0, before.1), balance(after.0, after.1));
        let [applied, excess, reinstated] = moved.map(amount);
        assert_eq!(
            decide(&before, command),
            Ok(Settlement { applied, excess, reinstated, after }),
            "{before:?} {command:?}"
        );
    }
}

#[test]
fn what_is_not_allowed_is_refused_with_the_reason() {
    use Command::{Issue, MarkUncollectible, Void, WriteOff};
    use Status::{Draft, Open, Paid, Uncollectible, Void as Voided};
    for (status, commands) in [
        (Draft, &[pay(1), credit(1), WriteOff, Void, MarkUncollectible][..]),
        (Open, &[Issue]),
        (Paid, &[Issue, pay(1), WriteOff, Void, MarkUncollectible]),
        (Voided, &[Issue, pay(1), credit(1), WriteOff, Void, MarkUncollectible]),
        (Uncollectible, &[Issue, MarkUncollectible]),
    ] {
        for command in commands {
            let refused = Err(InvoiceRejection::Status { status });
            assert_eq!(decide(&balance(status, [0; 4]), *command), refused, "{command:?}");
        }
    }
    let above = |requested, limit| InvoiceRejection::AboveLimit { requested: amount(requested), limit: amount(limit) };
    let settled = |paid, credited| InvoiceRejection::Settled { paid: amount(paid), credited: amount(credited) };
    for (before, command, rejection) in [
        ((Open, [0; 4]), pay(0), InvoiceRejection::Amount { requested: amount(0) }),
        ((Open, [0; 4]), credit(-1), InvoiceRejection::Amount { requested: amount(-1) }),
        ((Open, [0; 4]), credit(101), above(101, 100)),
        ((Paid, [80, 20, 30, 0]), credit(51), above(51, 50)),
        ((Uncollectible, [30, 0, 0, 70]), credit(31), above(31, 30)),
        ((Uncollectible, [30, 0, 0, 70]), WriteOff, InvoiceRejection::NothingDue),
        ((Open, [1, 0, 0, 0]), Void, settled(1, 0)),
        ((Open, [0, 1, 0, 0]), Void, settled(0, 1)),
    ] {
        assert_eq!(decide(&balance(before.0, before.1), command), Err(rejection), "{before:?} {command:?}");
    }
    assert_eq!(above(51, 50).to_string(), "51 minor units are more than the 50 that are left of the invoice");
}

#[test]
fn an_invoice_of_nothing_is_paid_when_it_is_issued() {
    let issued = decide(&Balance::draft(Amount::ZERO), Command::Issue).unwrap().after;
    assert_eq!((issued.status, issued.due()), (Status::Paid, Amount::ZERO));
    let no_credit = InvoiceRejection::AboveLimit { requested: amount(1), limit: Amount::ZERO };
    assert_eq!(decide(&issued, credit(1)), Err(no_credit));
}

#[test]
fn a_credit_is_split_into_net_and_tax_of_each_group() {
    let groups = |parts: &[(i64, i64)]| -> Vec<NetTax> {
        parts.iter().map(|(net, tax)| NetTax { net: amount(*net), tax: amount(*tax) }).collect()
    };
    for (credited, left, parts) in [
        (59_00, &[(100_00, 18_00)][..], &[(50_00, 9_00)][..]),
        (10_00, &[(100_00, 18_00)], &[(8_47, 1_53)]),
        (118_00, &[(100_00, 18_00)], &[(100_00, 18_00)]),
        (1, &[(1, 0), (1, 0)], &[(1, 0), (0, 0)]),
        (100_00, &[(200_00, 40_00), (100_00, 10_00)], &[(57_14, 11_43), (28_57, 2_86)]),
        (0, &[(5, 1)], &[(0, 0)]),
    ] {
        assert_eq!(split(amount(credited), &groups(left)), Ok(groups(parts)), "{credited} of {left:?}");
    }
    let above = InvoiceRejection::AboveLimit { requested: amount(7), limit: amount(6) };
    assert_eq!(split(amount(7), &groups(&[(5, 1)])), Err(above));
    assert!(split(amount(1), &[]).is_err() && split(amount(0), &[]).is_ok() && split(amount(-1), &[]).is_err());
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (-1i64..150).prop_map(pay),
        (-1i64..150).prop_map(credit),
        Just(Command::Issue),
        Just(Command::WriteOff),
        Just(Command::Void),
        Just(Command::MarkUncollectible),
    ]
}

proptest! {
    #[test]
    fn in_any_history_the_parts_make_the_total(
        total in 0i64..200,
        commands in prop::collection::vec(any_command(), 0..12),
    ) {
        let mut invoice = Balance::issued(amount(total));
        for command in commands {
            let Ok(settlement) = decide(&invoice, command) else { continue };
            let (before, after) = (invoice, settlement.after);
            invoice = after;
            let Balance { paid, credited, returned, written_off, .. } = after;
            for part in [paid, credited, returned, written_off, after.due(), after.creditable()] {
                prop_assert!(Amount::ZERO <= part && part <= after.total);
            }
            prop_assert!(after.returned <= after.paid);
            let is_owed = match after.status {
                Status::Open => true,
                Status::Uncollectible => after.written_off == Amount::ZERO,
                Status::Draft | Status::Paid | Status::Void => false,
            };
            prop_assert_eq!(after.due() != Amount::ZERO, is_owed);
            prop_assert!(before.status != Status::Void, "void is final");
            prop_assert!(before.status != Status::Paid || after.status == Status::Paid, "paid is final");
            let moved = settlement.applied.plus(settlement.excess).unwrap();
            match command {
                Command::Pay { amount } | Command::Credit { amount } => prop_assert_eq!(moved, amount),
                _ => prop_assert_eq!(settlement.excess, Amount::ZERO),
            }
        }
    }

    #[test]
    fn parts_never_pass_what_is_left_and_the_last_takes_the_rest(
        groups in prop::collection::vec((0i64..10_000, 0i64..2_000), 1..5),
        amounts in prop::collection::vec(0i64..5_000, 0..10),
    ) {
        let group = |(net, tax): &(i64, i64)| NetTax { net: amount(*net), tax: amount(*tax) };
        let mut left: Vec<NetTax> = groups.iter().map(group).collect();
        let all = |left: &[NetTax]| Amount::new(left.iter().map(|it| it.gross().unwrap().minor_units()).sum()).unwrap();
        for units in amounts.into_iter().map(amount).chain([Amount::MAX]) {
            let units = units.min(all(&left));
            let parts = split(units, &left).unwrap();
            prop_assert_eq!(all(&parts), units);
            for (left, part) in left.iter_mut().zip(parts) {
                prop_assert!(Amount::ZERO <= part.net && Amount::ZERO <= part.tax);
                *left = NetTax { net: left.net.minus(part.net).unwrap(), tax: left.tax.minus(part.tax).unwrap() };
                prop_assert!(Amount::ZERO <= left.net && Amount::ZERO <= left.tax);
            }
        }
        prop_assert_eq!(all(&left), Amount::ZERO);
    }
}
