//! A fixed set of connections, handed out in order of asking. sqlx's own pool asks the server whether a connection
//! still lives whenever it comes back: a round trip per payment that would make the baselines look slower than they
//! must be.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The connections.
pub struct Connections {
    options: PgConnectOptions,
    free: Mutex<Vec<PgConnection>>,
    places: Semaphore,
}

/// One of them, until it is dropped.
pub struct Lent<'a> {
    connection: Option<PgConnection>,
    home: &'a Connections,
    sound: bool,
    _place: SemaphorePermit<'a>,
}

impl Connections {
    /// Opens so many.
    ///
    /// # Errors
    /// When one cannot be had.
    pub async fn open(options: &PgConnectOptions, n: usize) -> Result<Self> {
        let options = options.clone().disable_statement_logging();
        let mut free = Vec::with_capacity(n);
        for _ in 0..n {
            free.push(options.connect().await.context("the database cannot be reached")?);
        }
        Ok(Self { options, free: Mutex::new(free), places: Semaphore::new(n) })
    }

    /// Takes one, when it is one's turn.
    ///
    /// # Errors
    /// When one that broke cannot be opened again.
    pub async fn take(&self) -> Result<Lent<'_>, sqlx::Error> {
        let place = self.places.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match free {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(Lent { connection: Some(connection), home: self, sound: false, _place: place })
    }

    /// Closes them.
    pub async fn close(&self) {
        let free = std::mem::take(&mut *self.free.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in free {
            let _ = connection.close().await; // gone either way
        }
    }
}

impl Lent<'_> {
    /// Says that the connection is between transactions: only then it is used again. One that is dropped in the middle
    /// is thrown away.
    pub fn sound(mut self) {
        self.sound = true;
    }
}

impl Deref for Lent<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("there until dropped")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("there until dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(|_| self.sound) {
            self.home.free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}
