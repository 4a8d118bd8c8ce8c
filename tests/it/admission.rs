//! Who may call.

mod api_keys;
pub mod mutual_tls;
