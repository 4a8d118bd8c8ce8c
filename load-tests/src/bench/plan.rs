//! What is run, in order.

use crate::history::Place;
use crate::mix::Mix;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Florin, through payment.v1, florin.v1 and REST.
    Florin,
    /// One SQL transaction per payment, straight to the database.
    Sql,
    /// One PL/pgSQL call per payment, straight to the database.
    Plpgsql,
    /// The first behind payment.v1.
    SqlGrpc,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// So many payments in flight.
    Closed(Mix),
    /// florin.v1, 100 payments per message; in flight are messages.
    Batch100,
    /// Payments due at half the rate of uniform with 256 in flight, of the same round.
    OpenHalfPeak,
    /// So many transfers in flight over REST.
    Rest,
    /// So many payments in flight, each first held and then captured.
    HoldCapture,
    /// So many questions for a balance in flight.
    Balance,
    /// One page of 50 entries after the other, of an account with a long history.
    Entries(Place),
    /// The same of its transactions, over REST.
    Transactions(Place),
}

impl Workload {
    /// How the payments spread.
    pub fn mix(self) -> Mix {
        match self {
            Self::Closed(mix) => mix,
            _ => Mix::Uniform,
        }
    }
}

/// Runs of several systems, one after the other.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is asked for.
    pub workload: Workload,
    /// How much of it at a time.
    pub in_flight: usize,
    /// Of whom.
    pub systems: &'static [System],
}

/// Payments per message of `batch100`.
pub const BATCH: usize = 100;

const ALL: &[System] = &[System::Florin, System::Sql, System::Plpgsql, System::SqlGrpc];
const FLORIN: &[System] = &[System::Florin];

/// One round. The open loop comes right after its peak, and so does what is compared with it; balances come last of
/// these: their accounts are active.
pub fn cases(quick: bool) -> Vec<Case> {
    let in_flights: &[usize] = if quick { &[256] } else { &[1, 64, 256, 1_024] };
    let mut cases = Vec::new();
    for mix in [Mix::Uniform, Mix::HotPayee, Mix::HotPayer] {
        for &in_flight in in_flights {
            cases.push(Case { workload: Workload::Closed(mix), in_flight, systems: ALL });
            if (mix, in_flight) == (Mix::Uniform, 256) {
                cases.push(Case { workload: Workload::OpenHalfPeak, in_flight, systems: FLORIN });
                cases.push(Case { workload: Workload::Batch100, in_flight: 16, systems: FLORIN });
                for workload in [Workload::Rest, Workload::HoldCapture, Workload::Balance] {
                    cases.push(Case { workload, in_flight, systems: FLORIN });
                }
                for place in [Place::Newest, Place::Oldest] {
                    for workload in [Workload::Entries(place), Workload::Transactions(place)] {
                        cases.push(Case { workload, in_flight: 1, systems: FLORIN });
                    }
                }
            }
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_round_has_every_case_and_the_quick_one_only_256() {
        let runs = |quick| cases(quick).iter().map(|case| case.systems.len()).sum::<usize>();
        assert_eq!((runs(false), runs(true)), (3 * 4 * 4 + 9, 3 * 4 + 9));
        let closed = |case: &Case| matches!(case.workload, Workload::Closed(_));
        assert!(cases(true).iter().filter(|case| closed(case)).all(|case| case.in_flight == 256));
        for workload in [Workload::Rest, Workload::HoldCapture, Workload::Balance] {
            for quick in [false, true] {
                let ours: Vec<Case> = cases(quick).into_iter().filter(|case| case.workload == workload).collect();
                assert!(matches!(&ours[..], [Case { in_flight: 256, systems: FLORIN, .. }]), "{ours:?}");
            }
        }
        let full = cases(false);
        let open = full.iter().position(|case| case.workload == Workload::OpenHalfPeak).unwrap();
        assert_eq!((full[open - 1].workload, full[open - 1].in_flight), (Workload::Closed(Mix::Uniform), 256));
    }
}
