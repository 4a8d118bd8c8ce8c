//! Random sequences of everything that moves or holds money, by one client and by several, against a simple model.

mod model;

use std::sync::Mutex;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use florin::money::Amount;
use florin::protocol::movement::Refund;
use florin::protocol::record::{Api, Maker, RequestHash, RequestedPosting, TransactionId};
use florin::store::verify::verify;
use florin::teller::ledger::{Answer, Command, Request};
use florin_wire::florin_v1 as pb;
use futures::future::join_all;
use smallvec::smallvec;
use tonic::Code;
use uuid::Uuid;

use self::model::{ACCOUNTS, EUROS, Model, OPENING, Part, RATE, Step, USERS, step};
use crate::gateway::native::post;
use crate::harness::cases::try_all;
use crate::harness::{Florin, until};

/// Sequences of each half.
const CASES: u32 = 8;
const STEPS: usize = 60;
const CLIENTS: usize = 4;
/// How long a hold lasts that is to expire at once.
const AT_ONCE: TimeDelta = TimeDelta::milliseconds(40);

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Done {
        id: String,
        cents: i64,
    },
    Declined(pb::DeclineCode),
    /// The account takes no such change.
    Refused,
}

fn text(cents: i64) -> String {
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

fn cents(text: &str) -> i64 {
    text.replace('.', "").parse().unwrap()
}

impl Fate {
    fn of(transaction: Option<pb::Transaction>, cents: i64) -> Self {
        let transaction = transaction.unwrap();
        match transaction.decline {
            Some(decline) => Self::Declined(decline.code()),
            None => Self::Done { id: transaction.id, cents },
        }
    }
}

/// Accounts of their own on a Florin that several cases share.
struct Case<'a> {
    florin: &'a Florin,
    name: String,
    model: Mutex<Model>,
}

impl<'a> Case<'a> {
    async fn open(florin: &'a Florin) -> Self {
        let case = Self { florin, name: Uuid::new_v4().to_string(), model: Mutex::new(Model::new()) };
        let model = case.now();
        for (n, account) in model.accounts.iter().enumerate() {
            let kind = if n < USERS { pb::AccountKind::User } else { pb::AccountKind::External };
            let request = pb::CreateAccountRequest {
                id: case.account(n),
                kind: kind.into(),
                currency: account.currency.into(),
                min_balance: account.floor.map(text),
                max_balance: account.ceiling.map(text),
                ..pb::CreateAccountRequest::default()
            };
            florin.native.clone().create_account(request).await.unwrap();
        }
        let rate = pb::AddRateRequest {
            base: "USD".into(),
            quote: "EUR".into(),
            rate: RATE.into(),
            source: "test".into(),
            ..Default::default()
        };
        florin.native.clone().add_rate(rate).await.unwrap();
        for to in 0..USERS {
            case.follow(&Step::Move { kind: "topup", from: Model::bank(to), to, cents: OPENING }).await;
        }
        case
    }

    fn account(&self, n: usize) -> String {
        format!("{}-{n}", self.name)
    }

    fn now(&self) -> Model {
        self.model.lock().unwrap().clone()
    }

    /// The step with what it picks from what there is now; none when there is nothing.
    fn picked(&self, step: &Step) -> Option<Step> {
        let (mut step, model) = (step.clone(), self.now());
        match &mut step {
            Step::Refund { pick, .. } => *pick = pick.checked_rem(model.payments.len())?,
            Step::Reverse { pick } => *pick = model.pick_undoable(*pick)?,
            Step::Capture { pick, .. } | Step::Void { pick } => *pick = pick.checked_rem(model.holds.len())?,
            _ => {}
        }
        Some(step)
    }

    /// Takes the step; it must become of it what the model says.
    async fn follow(&self, step: &Step) {
        let Some(step) = self.picked(step) else { return };
        let (before, fate) = (self.now(), self.take(&step).await);
        let broken = before.broken(&step);
        match (&fate, &step) {
            (Fate::Done { id, .. }, Step::Authorize { expires: true, .. }) => {
                until("the hold has expired", async || self.hold(id).await.remaining == "0.00").await
            }
            (Fate::Refused, Step::Status { account, status }) => {
                assert!(!before.takes(*account, *status), "{step:?} was refused: {before:?}")
            }
            (Fate::Refused, Step::Floor { account, .. } | Step::Ceiling { account, .. }) => {
                assert!(!before.takes(*account, pb::AccountStatus::Active), "{step:?} was refused: {before:?}");
            }
            (Fate::Done { .. }, Step::Status { account, status }) => {
                assert!(before.takes(*account, *status), "{step:?} was done: {before:?}")
            }
            _ => {}
        }
        match fate {
            Fate::Done { id, cents } => {
                assert!(broken.is_empty(), "{step:?} was done, and breaks {broken:?}: {before:?}");
                self.model.lock().unwrap().book(&step, &id, cents);
            }
            Fate::Declined(code) => assert!(
                broken.contains(&code),
                "{step:?} was declined with {code:?}, and breaks {broken:?}: {before:?}"
            ),
            Fate::Refused => {}
        }
    }

    /// Takes the step beside others; what becomes of it, becomes.
    async fn try_out(&self, step: &Step) {
        let Some(step) = self.picked(step) else { return };
        if let Fate::Done { id, cents } = self.take(&step).await {
            self.model.lock().unwrap().book(&step, &id, cents);
        }
    }

    async fn take(&self, step: &Step) -> Fate {
        let (mut native, model) = (self.florin.native.clone(), self.now());
        match *step {
            Step::Move { kind, from, to, cents } => {
                let (debit, credit, amount) = (self.account(from), self.account(to), text(cents));
                let mut request = post("", &[(&debit, &credit, &amount)]);
                request.postings[0].currency = model.accounts[from].currency.into();
                request.kind = kind.into();
                Fate::of(self.florin.post(request).await.unwrap().transaction, cents)
            }
            Step::Refund { pick, cents } => self.refund(&model, pick, cents).await,
            Step::Reverse { pick } => {
                let (id, .., cents) = model.undoable(pick).unwrap();
                let request = pb::ReverseTransactionRequest { id: id.into(), ..Default::default() };
                Fate::of(native.reverse_transaction(request).await.unwrap().into_inner().transaction, cents)
            }
            Step::Exchange { from, cents } => {
                let request = pb::ExchangeRequest {
                    source_account_id: self.account(from),
                    destination_account_id: self.account(EUROS),
                    amount: text(cents),
                    currency: "USD".into(),
                    destination_currency: "EUR".into(),
                    ..pb::ExchangeRequest::default()
                };
                Fate::of(native.exchange(request).await.unwrap().into_inner().transaction, cents)
            }
            Step::Authorize { from, to, cents, expires } => {
                let request = pb::AuthorizeHoldRequest {
                    source_account_id: self.account(from),
                    destination_account_id: self.account(to),
                    amount: text(cents),
                    currency: model.accounts[from].currency.into(),
                    expires_at: if expires { (Utc::now() + AT_ONCE).to_rfc3339() } else { String::new() },
                    ..pb::AuthorizeHoldRequest::default()
                };
                Fate::of(native.authorize_hold(request).await.unwrap().into_inner().transaction, cents)
            }
            Step::Capture { pick, part } => {
                let (amount, last) = match part {
                    Part::Some(cents) => (text(cents), false),
                    Part::Final(cents) => (text(cents), true),
                    Part::Rest => (String::new(), false),
                };
                let request = pb::CaptureHoldRequest {
                    hold_id: model.holds[pick].id.clone(),
                    amount,
                    r#final: last,
                    ..Default::default()
                };
                let transaction = native.capture_hold(request).await.unwrap().into_inner().transaction;
                let captured = transaction
                    .as_ref()
                    .and_then(|transaction| transaction.postings.first())
                    .map_or(0, |posting| cents(&posting.amount));
                Fate::of(transaction, captured)
            }
            Step::Void { pick } => {
                let request = pb::VoidHoldRequest { hold_id: model.holds[pick].id.clone(), ..Default::default() };
                Fate::of(native.void_hold(request).await.unwrap().into_inner().transaction, 0)
            }
            Step::Floor { account, floor } => {
                self.change(account, |change| change.min_balance = Some(pb::Limit { amount: floor.map(text) })).await
            }
            Step::Ceiling { account, ceiling } => {
                self.change(account, |change| change.max_balance = Some(pb::Limit { amount: ceiling.map(text) })).await
            }
            Step::Status { account, status } => self.change(account, |change| change.status = status.into()).await,
        }
    }

    async fn change(&self, account: usize, fill: impl FnOnce(&mut pb::UpdateAccountRequest)) -> Fate {
        let mut request = pb::UpdateAccountRequest { id: self.account(account), ..pb::UpdateAccountRequest::default() };
        fill(&mut request);
        match self.florin.update(request).await {
            Ok(_) => Fate::Done { id: String::new(), cents: 0 },
            Err(status) if status.code() == Code::FailedPrecondition => Fate::Refused,
            Err(status) => panic!("{status:?}"),
        }
    }

    /// As the APIs give payments back that have refunds by that name: what is left of the payment only the database
    /// knows.
    async fn refund(&self, model: &Model, pick: usize, cents: i64) -> Fate {
        let (paid, ledger, key) = (&model.payments[pick], &self.florin.ledger, Uuid::new_v4().to_string());
        let posting = RequestedPosting {
            debit: self.account(paid.to),
            credit: self.account(paid.from),
            amount: Amount::from(cents),
            currency: model.accounts[paid.to].currency.into(),
            exponent: 2,
        };
        let (payment, limit) = (TransactionId(Uuid::parse_str(&paid.id).unwrap()), Amount::from(paid.cents));
        let identity = RequestHash::of(&[key.as_bytes()]);
        let request = Request::new("default".into(), Api::FlorinV1, identity, Maker::default(), ledger.deadline(None));
        let command = Command {
            request: Request { key: Some(key), ..request },
            movement: Box::new(Refund { payment, limit, is_rest: false, is_doubtful: false }),
            postings: smallvec![posting],
        };
        match ledger.post(&command, ledger.enter().unwrap()).await.unwrap() {
            Answer::Completed { id, .. } => Fate::Done { id: id.0.to_string(), cents },
            Answer::Declined { code, .. } => Fate::Declined(pb::DeclineCode::try_from(code as i32).unwrap()),
        }
    }

    async fn hold(&self, id: &str) -> pb::Hold {
        self.florin
            .native
            .clone()
            .get_hold(pb::GetHoldRequest { id: id.into() })
            .await
            .unwrap()
            .into_inner()
            .hold
            .unwrap()
    }

    /// Balances, what is held and what is available are the model's; the books hold by themselves.
    async fn compare(&self) {
        let model = self.now();
        for (n, expected) in model.accounts.iter().enumerate() {
            let found = self.florin.account(&self.account(n)).await;
            let expected = (expected.balance, expected.held, expected.balance - expected.held);
            assert_eq!(
                (cents(&found.balance), cents(&found.held), cents(&found.available)),
                expected,
                "account {n}: {found:?} {model:?}"
            );
        }
        self.check().await;
    }

    /// What holds whatever the order was.
    async fn check(&self) {
        let sql = "WITH mine AS (SELECT a.id, a.name, a.currency, b.* FROM accounts a JOIN balances_now b ON b.account = a.id WHERE starts_with(a.name, $1)) \
             SELECT 'debits and credits', a.currency FROM accounts a JOIN balances_now b ON b.account = a.id GROUP BY a.currency HAVING sum(b.debits) <> sum(b.credits) \
             UNION ALL SELECT 'floor', name FROM mine WHERE credits - debits - held < least(floor, floor_from) \
             UNION ALL SELECT 'ceiling', name FROM mine WHERE credits - debits > greatest(ceiling, ceiling_from) \
             UNION ALL SELECT 'closed', name FROM mine WHERE status = 3 AND (credits <> debits OR held <> 0) \
             UNION ALL SELECT 'taken', h.id::text FROM holds h JOIN mine m ON m.id = h.debit_account WHERE h.captured + h.voided > h.amount \
             UNION ALL SELECT 'given', r.payment::text FROM refunded r JOIN journal j ON j.id = r.payment AND j.n = 0 JOIN mine m ON m.id = j.debit_account \
               WHERE r.given > r.amount \
             UNION ALL SELECT 'held', m.name FROM mine m LEFT JOIN (SELECT debit_account, sum(amount - captured - voided) AS open FROM holds GROUP BY debit_account) h \
               ON h.debit_account = m.id WHERE m.held <> coalesce(h.open, 0)";
        let wrong: Vec<(String, String)> =
            sqlx::query_as(sql).bind(&self.name).fetch_all(&self.florin.database.pool).await.unwrap();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    /// At the end: `florin verify` finds nothing either.
    async fn verify(&self) {
        self.check().await;
        let report = verify(&self.florin.database.pool, |_, _, _| {}).await.unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

/// Mutations: what a capture lets go is not taken off what is held; a void of nothing succeeds; a floor that is set
/// does not bind, or does not count what is held; a refund is not counted; closing with money held; a chain of undoings
/// of which only the first link is counted.
#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_leaves_what_the_model_has() {
    let florin = Florin::start().await;
    try_all(CASES, &proptest::collection::vec(step(), STEPS / 2..STEPS), async |steps: Vec<Step>| {
        let case = Case::open(&florin).await;
        for step in &steps {
            case.follow(step).await;
            case.compare().await;
        }
        case.verify().await;
    });
    florin.stop().await;
}

/// Mutations: `hold_taken` or `refund_given` is no CHECK; an account's open legs do not count.
#[tokio::test(flavor = "multi_thread")]
async fn any_sequences_side_by_side_add_up() {
    let florin = Florin::start().await;
    try_all(CASES, &proptest::collection::vec(step(), STEPS..2 * STEPS), async |steps: Vec<Step>| {
        let case = Case::open(&florin).await;
        let (case, steps) = (&case, &steps);
        join_all((0..CLIENTS).map(async |client| {
            for step in steps.iter().skip(client).step_by(CLIENTS) {
                case.try_out(step).await;
            }
        }))
        .await;
        tokio::time::timeout(Duration::from_secs(10), case.add_up()).await.unwrap();
        case.verify().await;
    });
    florin.stop().await;
}

impl Case<'_> {
    /// Every effect that was acknowledged is there, and no other.
    async fn add_up(&self) {
        let model = self.now();
        assert!(model.payments.iter().all(|payment| payment.left() >= 0), "{model:?}");
        let due =
            "SELECT count(*) FROM holds WHERE expires_at <= now() + interval '1 minute' AND captured + voided < amount";
        until("what is due has expired", async || self.florin.database.count(due).await == 0).await;
        let mut held = [0; ACCOUNTS];
        for hold in &model.holds {
            let found = self.hold(&hold.id).await;
            assert_eq!(
                cents(&found.captured) + cents(&found.voided) + cents(&found.remaining),
                cents(&found.amount),
                "{found:?}"
            );
            held[hold.from] += cents(&found.remaining);
        }
        for (n, expected) in model.accounts.iter().enumerate() {
            let found = self.florin.account(&self.account(n)).await;
            assert_eq!(
                (cents(&found.balance), cents(&found.held)),
                (expected.balance, held[n]),
                "account {n}: {found:?} {model:?}"
            );
        }
    }
}
