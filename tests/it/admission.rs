//! Who may call.

mod api_keys;
mod certificates;
pub mod mutual_tls;
mod redis_tls;
mod standing;
