//! A TCP proxy between Florin and PostgreSQL that can hold bytes back, swallow them, cut connections, refuse new ones
//! and stall.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::money::spawn;

/// What happens to the bytes of one direction of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// They go through.
    Pass,
    /// They wait, and go through later.
    Hold,
    /// They are lost; the connection looks alive.
    Swallow,
}

struct Link {
    requests: watch::Sender<Flow>,
    answers: watch::Sender<Flow>,
    task: JoinHandle<()>,
}

struct Shared {
    target: String,
    /// What new connections begin with, in both directions.
    fresh: Mutex<Flow>,
    links: Mutex<Vec<Link>>,
}

/// The proxy; it passes everything on until told otherwise.
pub struct Proxy {
    /// The database's URL by way of the proxy.
    pub url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// A proxy in front of the server that this URL names.
    pub async fn start(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (authority, path) = rest.split_once('/').expect("a database in the URL");
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        let target = if host.contains(':') { host.to_owned() } else { format!("{host}:5432") };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("{scheme}://{}{address}/{path}", user.map(|user| format!("{user}@")).unwrap_or_default());
        let shared = Arc::new(Shared { target, fresh: Mutex::new(Flow::Pass), links: Mutex::default() });
        let accepting = Mutex::new(Some(spawn(accept(listener, shared.clone()))));
        Self { url, address, shared, accepting }
    }

    /// Client's bytes on today's connections, from now on; those made later are not concerned.
    pub fn requests(&self, flow: Flow) {
        for link in &*self.shared.links.lock().unwrap() {
            link.requests.send_replace(flow);
        }
    }

    /// Server's bytes on today's connections, from now on.
    pub fn answers(&self, flow: Flow) {
        for link in &*self.shared.links.lock().unwrap() {
            link.answers.send_replace(flow);
        }
    }

    /// Nothing moves any more, on any connection, also new ones.
    pub fn stall(&self) {
        self.hold_new();
        self.requests(Flow::Hold);
        self.answers(Flow::Hold);
    }

    /// Connections made from now on hear nothing and are not heard.
    pub fn hold_new(&self) {
        *self.shared.fresh.lock().unwrap() = Flow::Hold;
    }

    /// New connections work again; the stalled ones stay as they are for ever, as after a firewall forgot them.
    pub fn pass_new(&self) {
        *self.shared.fresh.lock().unwrap() = Flow::Pass;
    }

    /// Ends today's connections.
    pub fn cut(&self) {
        for link in self.shared.links.lock().unwrap().drain(..) {
            link.task.abort();
        }
    }

    /// Ends today's connections and refuses new ones.
    pub async fn close(&self) {
        let accepting = self.accepting.lock().unwrap().take();
        if let Some(accepting) = accepting {
            accepting.abort();
            let _ = accepting.await; // cancelled: the listener is gone
        }
        self.cut();
    }

    /// Accepts again.
    pub async fn open(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        *self.accepting.lock().unwrap() = Some(spawn(accept(listener, self.shared.clone())));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
        }
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let fresh = *shared.fresh.lock().unwrap();
        let (requests, to_server) = watch::channel(fresh);
        let (answers, to_client) = watch::channel(fresh);
        let target = shared.target.clone();
        let task = spawn(async move {
            let Ok(server) = TcpStream::connect(target).await else { return };
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let (client_out, client_in) = client.into_split();
            let (server_out, server_in) = server.into_split();
            tokio::join!(pump(client_out, server_in, to_server), pump(server_out, client_in, to_client));
        });
        shared.links.lock().unwrap().push(Link { requests, answers, task });
    }
}

/// Reads eagerly, so that nothing is lost when the reader's side closes while its bytes are held.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut flow: watch::Receiver<Flow>) {
    let (mut held, mut open, mut buffer) = (Vec::new(), true, vec![0; 64 << 10]);
    loop {
        let now = *flow.borrow_and_update();
        match now {
            Flow::Pass => {
                if to.write_all(&held).await.is_err() {
                    return;
                }
                held.clear();
            }
            Flow::Hold => {}
            Flow::Swallow => held.clear(),
        }
        if !open && held.is_empty() {
            let _ = to.shutdown().await; // the other side may have gone first
            return;
        }
        tokio::select! {
            read = from.read(&mut buffer), if open => match read {
                Ok(0) | Err(_) => open = false,
                Ok(n) => held.extend_from_slice(&buffer[..n]),
            },
            changed = flow.changed() => if changed.is_err() { return },
        }
    }
}
