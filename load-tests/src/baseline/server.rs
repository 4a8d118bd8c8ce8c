//! The `sql` handler behind the same gRPC service: what a user would build instead. No limiter, no authentication, no
//! metrics, no publisher.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use florin_wire::payment_v1 as pb;
use florin_wire::payment_v1::payment_service_server::{PaymentService, PaymentServiceServer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::command::timestamp;
use super::{Answer, Command, Handler, Sql};

struct Service {
    handler: Sql,
}

#[tonic::async_trait]
impl PaymentService for Service {
    async fn authorize_payment(
        &self,
        request: Request<pb::AuthorizePaymentRequest>,
    ) -> Result<Response<pb::AuthorizePaymentResponse>, Status> {
        let asked = request.into_inner();
        if asked.idempotency_key.is_empty()
            || asked.amount_cents <= 0
            || asked.payer_account_id == asked.payee_account_id
        {
            return Err(Status::invalid_argument("a key, an amount above zero and two accounts are needed"));
        }
        let command = Command::new(
            &asked.idempotency_key,
            &asked.payer_account_id,
            &asked.payee_account_id,
            asked.amount_cents,
            &asked.currency,
        );
        let answer = self.handler.handle(&command).await.map_err(|error| Status::unavailable(error.to_string()))?;
        let (status, payment_id) = match answer {
            Answer::Paid => (pb::PaymentStatus::Authorized, command.aggregate),
            Answer::Duplicate => (pb::PaymentStatus::Duplicate, String::new()),
            Answer::Declined => (pb::PaymentStatus::Declined, String::new()),
        };
        let answer = pb::AuthorizePaymentResponse {
            payment_id,
            status: status.into(),
            error: None,
            processed_at: timestamp(command.at),
        };
        Ok(Response::new(answer))
    }

    async fn get_payment(&self, _: Request<pb::GetPaymentRequest>) -> Result<Response<pb::GetPaymentResponse>, Status> {
        Err(Status::unimplemented("a baseline only pays"))
    }

    async fn get_account_balance(
        &self,
        _: Request<pb::GetAccountBalanceRequest>,
    ) -> Result<Response<pb::GetAccountBalanceResponse>, Status> {
        Err(Status::unimplemented("a baseline only pays"))
    }
}

/// A running server; dropping it stops it.
pub struct Serving {
    /// Where it listens.
    pub address: SocketAddr,
    tasks: JoinSet<Result<(), tonic::transport::Error>>,
}

impl Serving {
    /// Waits until it ends, which it does only by an error.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn ended(mut self) -> Result<()> {
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// Serves on a loopback address; port 0: any free one.
///
/// # Errors
/// When the address is none of this machine's loopback, or cannot be had.
pub async fn serve(listen: SocketAddr, handler: Sql) -> Result<Serving> {
    ensure!(listen.ip().is_loopback(), "{listen} is not a loopback address");
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let connections = TcpListenerStream::new(listener).map(|stream| {
        let stream = stream?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    });
    let service = PaymentServiceServer::from_arc(Arc::new(Service { handler }));
    let mut tasks = JoinSet::new();
    tasks.spawn(Server::builder().add_service(service).serve_with_incoming(connections));
    Ok(Serving { address, tasks })
}
