//! The orders contract: its service `ledger` over gRPC, and its REST calls.
#![allow(
    clippy::unwrap_used,
    clippy::inconsistent_digit_grouping,
    reason = "helpers of tests; cents are grouped as money"
)]

mod entries;
mod failures;
mod refusals;
mod rest;

use florin_wire::ledger as pb;
use florin_wire::ledger::ledger_service_client::LedgerServiceClient;
use tonic::Status;
use tonic::transport::Channel;

use crate::harness::Florin;

/// The `txn_id` of entries where it does not matter.
const TXN: &str = "6f9619ff-8b86-4011-b42d-00c04fc964ff";

/// A client of the service `ledger`.
#[derive(Clone)]
struct Entries(LedgerServiceClient<Channel>);

impl Entries {
    async fn of(florin: &Florin) -> Self {
        let channel = Channel::from_shared(format!("http://{}", florin.address)).unwrap().connect().await.unwrap();
        Self(LedgerServiceClient::new(channel))
    }

    async fn create(
        &self,
        request: impl tonic::IntoRequest<pb::CreateEntryRequest>,
    ) -> Result<pb::CreateEntryResponse, Status> {
        Ok(self.0.clone().create_entry(request).await?.into_inner())
    }

    /// It is in the books now, whoever brought it there.
    async fn inserted(&self, entry: &pb::CreateEntryRequest) {
        let answer = self.create(entry.clone()).await.unwrap();
        assert_eq!((answer.ok, answer.message.as_str()), (true, "inserted"), "{entry:?}");
    }

    /// Why it was refused.
    async fn refused(&self, entry: &pb::CreateEntryRequest) -> String {
        let answer = self.create(entry.clone()).await.unwrap();
        assert!(!answer.ok, "{entry:?}");
        answer.message
    }
}

fn entry(txn_id: &str, debit: &str, credit: &str, amount: &str, currency: &str) -> pb::CreateEntryRequest {
    let [txn_id, account_dr, account_cr, amount, currency] =
        [txn_id, debit, credit, amount, currency].map(str::to_owned);
    pb::CreateEntryRequest { entry: Some(pb::LedgerEntry { txn_id, account_dr, account_cr, amount, currency }) }
}

impl Florin {
    /// How many transfers took effect.
    async fn transactions(&self) -> i64 {
        self.database.count("SELECT count(*) FROM transactions WHERE status = 1 AND kind = 2").await
    }

    /// Its balance in minor units.
    async fn balance_of(&self, account: &str) -> i64 {
        let sql =
            "SELECT (credits - debits)::bigint FROM balances_now b JOIN accounts a ON a.id = b.account WHERE a.name = ";
        self.database.count(&format!("{sql}'{account}'")).await
    }
}
