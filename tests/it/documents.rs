//! Documents that leave the house, at a mail server that keeps what it gets and at an S3.

mod mail;
mod storage;

pub fn server(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} names a test server: run `make up`, or all tests by `make test`"))
}
