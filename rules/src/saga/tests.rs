//! Sagas as tables and as properties: their world is a string of letters, one for each thing that happens to them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::money::Amount;

const POLICY: Policy = Policy {
    attempts_max: 3,
    delay_min: Duration::from_millis(200),
    delay_max: Duration::from_millis(700),
    pending_max: Duration::from_secs(100),
};

type Log = Vec<(Fact, DateTime<Utc>)>;

fn order(workflow: Workflow) -> Order {
    let counter = "provider:test:USD".into();
    let (instrument, reference) = ("ba_1".into(), Some("rent".into()));
    Order {
        workflow,
        account: "alice".into(),
        counter,
        amount: Amount::from(12_50),
        currency: "USD".into(),
        exponent: 2,
        instrument,
        reference,
    }
}

/// A saga being run by whoever runs it, with what happens to it as letters: d(one), p(ending), r(efused), n(ot done),
/// u(nknown), c(rash), an operator's R(etry), resolved as D(one) or U(ndone). The operator is not heard unless the saga
/// is stuck.
struct Run {
    saga: Saga,
    log: Log,
    now: DateTime<Utc>,
}

impl Run {
    fn new(workflow: Workflow) -> Self {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Self { saga: Saga::new(order(workflow), now), log: vec![(Fact::Started(order(workflow)), now)], now }
    }

    fn through(workflow: Workflow, letters: &str) -> Self {
        let mut run = Self::new(workflow);
        letters.chars().for_each(|letter| run.step(letter));
        run
    }

    fn write(&mut self, fact: Fact) {
        self.saga.apply(&fact, self.now).unwrap();
        self.log.push((fact, self.now));
    }

    fn step(&mut self, letter: char) {
        let (by, reason) = ("ops".to_owned(), "looked".to_owned());
        match (self.saga.next(&POLICY), letter) {
            (Next::Stuck, 'R') => self.write(Fact::Retried { by, reason }),
            (Next::Stuck, 'D') if self.saga.may_resolve(Resolution::Done).is_ok() => {
                self.write(Fact::Resolved { how: Resolution::Done, by, reason })
            }
            (Next::Stuck, 'U') => self.write(Fact::Resolved { how: Resolution::Undone, by, reason }),
            (Next::Act { task, not_before }, letter) => {
                self.now = self.now.max(not_before) + TimeDelta::milliseconds(1);
                if task.step.is_providers() && task.call != Call::Poll {
                    self.write(Fact::Attempted { step: task.step, undo: task.undo, attempt: task.attempt });
                }
                let reply = match letter {
                    'd' => Reply::Done { reference: Some("po_9".into()) },
                    'p' => Reply::Pending,
                    'r' => Reply::Refused("account closed".into()),
                    'n' => Reply::NotDone("connection refused".into()),
                    'u' => Reply::Unknown("no answer within 5 s".into()),
                    _ => return, // a crash, or an operator whom nobody hears
                };
                match self.saga.fact(reply, &POLICY, self.now) {
                    Some(fact) => self.write(fact),
                    None => self.now = self.saga.poll_at(&POLICY, self.now),
                }
            }
            _ => {}
        }
    }

    fn trace(&self) -> String {
        self.log[1..].iter().map(|(fact, _)| fact.brief()).collect::<Vec<_>>().join(", ")
    }
}

#[test]
fn sagas_go_as_the_table_says() {
    use Status::{Compensating, Completed, Failed, Processing, Stuck};
    use Workflow::{CardTopup, Payout};
    for (workflow, letters, trace, status) in [
        (Payout, "ddd", "done hold, attempt 1 of send, done send, done capture", Completed),
        (CardTopup, "dd", "attempt 1 of charge, done charge, done credit", Completed),
        // Too little money: nothing is to be undone.
        (Payout, "r", "failed hold", Failed),
        (CardTopup, "r", "attempt 1 of charge, failed charge", Failed),
        (Payout, "drd", "done hold, attempt 1 of send, failed send, done void", Failed),
        (
            Payout,
            "ddrdd",
            "done hold, attempt 1 of send, done send, failed capture, attempt 1 of recall, done recall, done void",
            Failed,
        ),
        (CardTopup, "drd", "attempt 1 of charge, done charge, failed credit, attempt 1 of refund, done refund", Failed),
        // What certainly did not happen is tried again, and then given up without a recall.
        (
            Payout,
            "dnnnd",
            "done hold, attempt 1 of send, failed send, attempt 2 of send, failed send, attempt 3 of send, failed send, done void",
            Failed,
        ),
        // What may have happened is recalled.
        (
            Payout,
            "duundd",
            "done hold, attempt 1 of send, unanswered send, attempt 2 of send, unanswered send, attempt 3 of send, unanswered send, \
             attempt 1 of recall, done recall, done void",
            Failed,
        ),
        (Payout, "dcd", "done hold, attempt 1 of send, attempt 2 of send, done send", Processing),
        // After a crash not even a refused connection is certain.
        (Payout, "dcn", "done hold, attempt 1 of send, attempt 2 of send, unanswered send", Processing),
        (Payout, "dppd", "done hold, attempt 1 of send, pending send, done send", Processing),
        (Payout, "dpr", "done hold, attempt 1 of send, pending send, failed send", Compensating),
        (
            Payout,
            "ddrr",
            "done hold, attempt 1 of send, done send, failed capture, attempt 1 of recall, failed recall",
            Stuck,
        ),
        (
            Payout,
            "ddrrDd",
            "done hold, attempt 1 of send, done send, failed capture, attempt 1 of recall, failed recall, resolved as done, done capture",
            Completed,
        ),
        (
            Payout,
            "ddrrUd",
            "done hold, attempt 1 of send, done send, failed capture, attempt 1 of recall, failed recall, resolved as undone, done void",
            Failed,
        ),
        (
            CardTopup,
            "drrRd",
            "attempt 1 of charge, done charge, failed credit, attempt 1 of refund, failed refund, retried, attempt 1 of refund, done refund",
            Failed,
        ),
    ] {
        let run = Run::through(workflow, letters);
        assert_eq!((run.trace().as_str(), run.saga.status()), (trace, status), "{workflow:?} {letters}");
    }
}

#[test]
fn what_is_pending_too_long_is_stuck_and_asked_for_again_when_retried() {
    let mut run = Run::through(Workflow::Payout, "dp");
    let mut polls = 0;
    while run.saga.status() != Status::Stuck {
        run.step('p');
        polls += 1;
        assert!(polls < 1_000, "polled for ever");
    }
    assert!(run.trace().ends_with("pending send, overdue send"), "{}", run.trace());
    let waited = run.now - run.log[run.log.len() - 2].1;
    assert!(waited >= TimeDelta::seconds(100) && waited < TimeDelta::seconds(101), "{waited}");
    run.step('R');
    let Next::Act { task, .. } = run.saga.next(&POLICY) else { panic!("{run:?}", run = run.trace()) };
    assert_eq!((task.call, task.attempt), (Call::AskFirst, 1));
    run.step('p');
    run.step('d');
    run.step('d');
    assert_eq!(run.saga.status(), Status::Completed);
}

#[test]
fn delays_double_up_to_their_limit() {
    let mut run = Run::through(Workflow::Payout, "d");
    let mut delays = Vec::new();
    for _ in 0..3 {
        run.step('n');
        let policy = Policy { attempts_max: 9, ..POLICY };
        let Next::Act { not_before, .. } = run.saga.next(&policy) else { break };
        delays.push((not_before - run.now).num_milliseconds());
    }
    assert_eq!(delays[..2], [200, 400]);
    assert_eq!(Run::through(Workflow::Payout, "d").saga.next(&POLICY), {
        let run = Run::through(Workflow::Payout, "d");
        let task = Task { step: Step::Send, undo: false, attempt: 1, call: Call::Do, round: 0, undoes: 0 };
        Next::Act { task, not_before: run.now }
    });
}

#[test]
fn an_operation_keeps_its_key_until_it_was_refused() {
    let key = |letters: &str| match Run::through(Workflow::Payout, letters).saga.next(&POLICY) {
        Next::Act { task, .. } => (task.key("s"), task.undoes("s")),
        other => panic!("{other:?}"),
    };
    assert_eq!(key("d"), ("s.send".into(), None));
    assert_eq!(key("du"), ("s.send".into(), None));
    assert_eq!(key("dc"), ("s.send".into(), None));
    assert_eq!(key("ddr"), ("s.recall".into(), Some("s.send".into())));
    // Unanswered to the end and tried again: it may be done, so it is the same operation.
    assert_eq!(key("ddruuuR"), ("s.recall".into(), Some("s.send".into())));
    // Refused and tried again: a provider answers a key once, so it is another one.
    assert_eq!(key("ddrrR"), ("s.recall.1".into(), Some("s.send".into())));
    assert_eq!(key("ddruuuRrR"), ("s.recall.1".into(), Some("s.send".into())));
}

#[test]
fn steps_in_the_ledger_are_not_done_by_hand() {
    let run = Run::through(Workflow::Payout, "drnnn");
    assert_eq!(run.saga.status(), Status::Stuck);
    assert_eq!(run.saga.at(), Some((Step::Hold, true)));
    assert!(run.saga.may_resolve(Resolution::Done).unwrap_err().contains("hold is a step in the ledger"));
    assert!(run.saga.may_resolve(Resolution::Undone).is_ok());
    assert!(Run::through(Workflow::Payout, "d").saga.may_resolve(Resolution::Undone).is_err());
}

#[test]
fn facts_are_written_as_json_that_does_not_change() {
    let json = |fact: &Fact| serde_json::to_string(fact).unwrap();
    assert_eq!(
        json(&Fact::Started(order(Workflow::Payout))),
        r#"{"fact":"started","workflow":"payout","account":"alice","counter":"provider:test:USD","amount":"1250","currency":"USD","exponent":2,"instrument":"ba_1","reference":"rent"}"#
    );
    assert_eq!(
        json(&Fact::Failed { step: Step::Send, undo: true, attempt: 2, reason: "no".into(), is_final: true }),
        r#"{"fact":"failed","step":"send","undo":true,"attempt":2,"reason":"no","is_final":true}"#
    );
    assert_eq!(
        json(&Fact::Done { step: Step::Capture, undo: false, reference: None }),
        r#"{"fact":"done","step":"capture","undo":false}"#
    );
    assert!(serde_json::from_str::<Fact>(r#"{"fact":"done","step":"nothing","undo":false}"#).is_err());
    assert!(
        serde_json::from_str::<Fact>(&json(&Fact::Started(order(Workflow::Payout))).replace("1250", "12.50")).is_err()
    );
}

/// Every fact that could be written about a saga, most of them out of place.
fn any_fact() -> impl Strategy<Value = Fact> {
    let step = prop::sample::select(vec![Step::Hold, Step::Send, Step::Capture, Step::Charge, Step::Credit]);
    (step, any::<bool>(), 0u32..5, any::<bool>(), 0u8..9).prop_map(|(step, undo, attempt, is_final, kind)| {
        let (by, reason) = ("ops".to_owned(), "why".to_owned());
        match kind {
            0 => Fact::Attempted { step, undo, attempt },
            1 => Fact::Done { step, undo, reference: None },
            2 => Fact::Pending { step, undo, attempt },
            3 => Fact::Unanswered { step, undo, attempt, reason, is_final },
            4 => Fact::Failed { step, undo, attempt, reason, is_final },
            5 => Fact::Overdue { step, undo, reason },
            6 => Fact::Retried { by, reason },
            7 => Fact::Resolved { how: if undo { Resolution::Done } else { Resolution::Undone }, by, reason },
            _ => Fact::Started(order(Workflow::CardTopup)),
        }
    })
}

fn any_run(letters: &'static str) -> impl Strategy<Value = Run> {
    let letters = prop::collection::vec(prop::sample::select(letters.chars().collect::<Vec<_>>()), 0..40);
    (any::<bool>(), letters).prop_map(|(payout, letters)| {
        let workflow = if payout { Workflow::Payout } else { Workflow::CardTopup };
        Run::through(workflow, &letters.into_iter().collect::<String>())
    })
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.trace())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Cut the log anywhere: what is left leads to the state that whoever wrote it was in. Mutation: a field of the
    /// state that no fact sets.
    #[test]
    fn any_part_of_a_log_leads_where_it_led(run in any_run("dddprnucRDU")) {
        let mut live = Saga::new(run.saga.order().clone(), run.log[0].1);
        for cut in 1..=run.log.len() {
            let json: Vec<_> = run.log[..cut].iter().map(|(fact, at)| (serde_json::to_string(fact).unwrap(), *at)).collect();
            let read = Saga::replay(json.iter().map(|(fact, at)| (serde_json::from_str(fact).unwrap(), *at))).unwrap();
            if cut > 1 {
                live.apply(&run.log[cut - 1].0, run.log[cut - 1].1).unwrap();
            }
            prop_assert_eq!(&read, &live);
            prop_assert_eq!(read.next(&POLICY), live.next(&POLICY));
            prop_assert_eq!(read.version(), cut);
        }
    }

    /// Whatever happened: once answers come, or never come, it ends or is stuck within a number of facts that is known
    /// beforehand.
    #[test]
    fn it_always_ends_or_is_stuck(mut run in any_run("dddprnucRDU"), at_last in prop::sample::select(vec!['d', 'p', 'r', 'n', 'u'])) {
        let before = run.log.len();
        for _ in 0..2_000 {
            run.step(at_last);
        }
        prop_assert!(matches!(run.saga.next(&POLICY), Next::Ended | Next::Stuck), "{:?}", run);
        prop_assert!(run.log.len() - before <= 5 * 2 * 3, "{} facts more", run.log.len() - before);
    }

    /// What is done, or may be, is undone from the last to the first, and nothing else; only then has a saga failed.
    #[test]
    fn exactly_what_is_done_is_undone_in_reverse(run in any_run("dddprnuc")) {
        let (mut done, mut undone) = (Vec::new(), Vec::new());
        for (fact, _) in &run.log {
            match fact {
                Fact::Done { step, undo: false, .. } | Fact::Unanswered { step, undo: false, is_final: true, .. } => done.push(*step),
                Fact::Done { step, undo: true, .. } => undone.push(*step),
                _ => {}
            }
        }
        done.reverse();
        match run.saga.status() {
            Status::Completed => {
                done.reverse();
                prop_assert_eq!(&done, run.saga.order().workflow.steps());
                prop_assert!(undone.is_empty());
            }
            Status::Failed => prop_assert_eq!(done, undone),
            Status::Processing => prop_assert!(undone.is_empty()),
            Status::Compensating | Status::Stuck => prop_assert_eq!(&done[..undone.len()], &undone[..]),
        }
    }

    /// A fact that cannot follow is refused and changes nothing; while a call to the provider is open, no other begins.
    #[test]
    fn what_cannot_follow_is_refused(mut run in any_run("dddprnucRDU"), facts in prop::collection::vec(any_fact(), 1..60)) {
        for fact in facts {
            let before = run.saga.clone();
            let open = before.at().filter(|_| matches!(run.log.last(), Some((Fact::Attempted { .. } | Fact::Pending { .. }, _))));
            match run.saga.apply(&fact, run.now) {
                Ok(()) => {
                    if let (Some(open), Fact::Attempted { step, undo, .. }) = (open, &fact) {
                        prop_assert_eq!(open, (*step, *undo));
                    }
                    prop_assert!(!matches!(before.next(&POLICY), Next::Ended), "{:?} after the end of {:?}", fact, run);
                    prop_assert_eq!(run.saga.version(), before.version() + 1);
                    run.log.push((fact, run.now));
                }
                Err(broken) => {
                    prop_assert_eq!(&run.saga, &before);
                    prop_assert_eq!(broken.n, before.version());
                }
            }
        }
    }
}
