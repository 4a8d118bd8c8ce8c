//! The baselines are right: what they paid is in their books, once, and the books balance.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use florin_load::baseline::{self, Answer, Command, Direct, Handler, books};
use florin_load::grpc::{Dial, GrpcPayer};
use florin_load::mix::{Chooser, Mix};
use florin_load::outcome::Outcome;
use florin_load::record::Figures;
use florin_load::run::{Payer, Timing, closed};
use florin_load::{address, seed};
use florin_servers::postgres::{Durability, PrivatePostgres};

const ACCOUNTS: u32 = 50;
const TIMING: Timing = Timing { warm_up: Duration::from_millis(50), run: Duration::from_millis(400) };

async fn run<P: Payer>(payer: P) -> Figures {
    let payer = Arc::new(payer);
    let mut all = None;
    for mix in [Mix::Uniform, Mix::HotPayee, Mix::HotPayer] {
        let figures = closed(payer.clone(), &Chooser::new(mix, ACCOUNTS, 3).unwrap(), 40, TIMING).await.unwrap();
        assert_eq!(figures.errors, 0, "{figures}");
        assert!(figures.paid > 0);
        match &mut all {
            None => all = Some(figures),
            Some(all) => all.outcomes.merge(&figures.outcomes),
        }
    }
    all.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_baseline_pays_each_payment_once_and_its_books_balance() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().to_owned();
    let postgres = tokio::task::spawn_blocking(move || PrivatePostgres::start(&path, Durability::Throwaway).unwrap())
        .await
        .unwrap();
    for system in ["sql", "plpgsql", "sql-grpc"] {
        let url = postgres.url(&system.replace('-', "_"));
        let options = address::database(&url).unwrap();
        baseline::create(&url, ACCOUNTS, seed::PREFIX).await.unwrap();
        let figures = match system {
            "sql" => {
                let handler = baseline::sql(&options).await.unwrap();
                used_keys_and_poor_payers_move_nothing(&handler).await;
                run(Direct::new(handler, seed::PREFIX)).await
            }
            "plpgsql" => {
                let handler = baseline::plpgsql(&options).await.unwrap();
                used_keys_and_poor_payers_move_nothing(&handler).await;
                run(Direct::new(handler, seed::PREFIX)).await
            }
            _ => {
                let serving = baseline::serve("127.0.0.1:0".parse().unwrap(), baseline::sql(&options).await.unwrap())
                    .await
                    .unwrap();
                let endpoint = address::grpc(&format!("http://{}", serving.address)).unwrap();
                let dial = Dial { endpoint, connections: 2, clients: 64, prefix: seed::PREFIX.to_owned() };
                run(GrpcPayer::connect(&dial).await.unwrap()).await
            }
        };
        let before = i64::from(system != "sql-grpc"); // the one payment of the other check
        let books = books(&options).await.unwrap();
        assert_eq!(books.payments - before, i64::try_from(figures.outcomes.of(Outcome::Paid)).unwrap(), "{system}");
    }
    tokio::task::spawn_blocking(move || drop(postgres)).await.unwrap();
}

async fn used_keys_and_poor_payers_move_nothing(handler: &impl Handler) {
    let name = |n| format!("{}{n}", seed::PREFIX);
    let (payer, payee) = (name(0), name(1));
    for (key, cents, answer) in
        [("one", 5, Answer::Paid), ("one", 5, Answer::Duplicate), ("two", 2 * seed::OPENING_CENTS, Answer::Declined)]
    {
        assert_eq!(handler.handle(&Command::new(key, &payer, &payee, cents, "USD")).await.unwrap(), answer, "{key}");
    }
    assert_eq!(handler.handle(&Command::new("three", &payer, "nobody", 1, "USD")).await.unwrap(), Answer::Declined);
}
