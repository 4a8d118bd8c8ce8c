//! The client commands against a server that answers by the payer's name.

use clap::Parser;
use florin_wire::payment_v1::payment_service_server::{PaymentService, PaymentServiceServer};
use florin_wire::payment_v1::{
    AuthorizePaymentRequest, AuthorizePaymentResponse, GetAccountBalanceRequest, GetAccountBalanceResponse,
    GetPaymentRequest, GetPaymentResponse, PaymentError, PaymentErrorCode, PaymentStatus,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::*;

struct Scripted;

#[tonic::async_trait]
impl PaymentService for Scripted {
    async fn authorize_payment(
        &self,
        request: Request<AuthorizePaymentRequest>,
    ) -> Result<Response<AuthorizePaymentResponse>, Status> {
        if request.metadata().get("x-api-key").is_none_or(|key| key != "flk_k") {
            return Err(Status::unauthenticated("who are you"));
        }
        let request = request.into_inner();
        assert_eq!((request.amount_cents, request.currency.as_str()), (1_250, "USD"));
        let answer = |status: PaymentStatus, error| {
            let status = status.into();
            Ok(Response::new(AuthorizePaymentResponse {
                payment_id: "01".into(),
                status,
                error,
                processed_at: "now".into(),
            }))
        };
        let short =
            PaymentError { code: PaymentErrorCode::InsufficientFunds.into(), message: "Insufficient funds".into() };
        match request.payer_account_id.as_str() {
            "rich" => answer(PaymentStatus::Authorized, None),
            "again" => answer(PaymentStatus::Duplicate, None),
            "poor" => answer(PaymentStatus::Declined, Some(short)),
            _ => Err(Status::unavailable("outcome unknown")),
        }
    }

    async fn get_payment(&self, _: Request<GetPaymentRequest>) -> Result<Response<GetPaymentResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_account_balance(
        &self,
        request: Request<GetAccountBalanceRequest>,
    ) -> Result<Response<GetAccountBalanceResponse>, Status> {
        match request.into_inner().account_id {
            account_id if account_id == "rich" => Ok(Response::new(GetAccountBalanceResponse {
                account_id,
                available_balance_cents: 5,
                pending_balance_cents: 0,
                currency: "USD".into(),
            })),
            account_id => Err(Status::not_found(format!("Account balance for {account_id} not found"))),
        }
    }
}

#[derive(Parser)]
struct Pay {
    #[command(flatten)]
    args: Args,
}

#[derive(Parser)]
struct Balance {
    #[command(flatten)]
    args: super::super::balance::Args,
}

async fn scripted_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tonic::transport::Server::builder().add_service(PaymentServiceServer::new(Scripted));
    #[expect(clippy::disallowed_methods, reason = "a test's server ends with the test's runtime")]
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

#[tokio::test]
async fn the_exit_code_tells_how_it_went() {
    let server = scripted_server().await;
    for (payer, amount, key, want) in [
        ("rich", "12.50", "flk_k", Ok(ExitCode::SUCCESS)),
        ("again", "12.5", "flk_k", Ok(ExitCode::SUCCESS)),
        ("poor", "12.50", "flk_k", Ok(ExitCode::from(2))),
        ("odd", "12.50", "flk_k", Err("--key my-key: it is never paid twice")),
        ("rich", "12.50", "flk_other", Err("UNAUTHENTICATED: who are you")),
        ("rich", "12.505", "flk_k", Err("more decimals than USD allows")),
    ] {
        let line = [
            "pay",
            payer,
            "shop",
            amount,
            "USD",
            "--key",
            "my-key",
            "--json",
            "--server",
            server.as_str(),
            "--api-key",
            key,
        ];
        match (run(Pay::parse_from(line).args).await, want) {
            (Ok(code), Ok(want)) => assert_eq!(format!("{code:?}"), format!("{want:?}"), "{payer}"),
            (Err(failure), Err(want)) => assert!(failure.text().contains(want), "{}", failure.text()),
            (Ok(code), Err(want)) => panic!("{payer} ended with {code:?}, not {want}"),
            (Err(failure), Ok(_)) => panic!("{payer}: {}", failure.text()),
        }
    }
}

#[tokio::test]
async fn a_balance_is_shown_or_the_error_named() {
    let server = scripted_server().await;
    let balance = |account: &str| {
        super::super::balance::run(Balance::parse_from(["balance", account, "--server", server.as_str()]).args)
    };
    assert!(balance("rich").await.is_ok());
    assert!(
        balance("ghost")
            .await
            .is_err_and(|failure| failure.text().contains("NOT_FOUND: Account balance for ghost not found"))
    );
}

#[tokio::test]
async fn nobody_there_is_said_with_a_hint() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let args = Pay::parse_from(["pay", "a", "b", "12.50", "USD", "--server", address.as_str()]).args;
    let said = run(args).await.err().unwrap().text();
    assert!(said.contains(&format!("no answer from {address}")) && said.contains("florin dev"), "{said}");
}
