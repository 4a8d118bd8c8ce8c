//! Stub until the seed lands.
use super::failure::Failure;
use super::ledger::Ledger;

/// Demo accounts.
///
/// # Errors
/// Never.
pub async fn demo(ledger: &Ledger, pool: &sqlx::PgPool) -> Result<Vec<(String, String)>, Failure> {
    use crate::store::accounts::*;
    let _ = ledger;
    for (name, floor) in [("acc-payer-001", -100000i128), ("acc-payee-002", -50000)] {
        let new = NewAccount {
            tenant: "default".into(),
            name: name.into(),
            kind: AccountKind::User,
            normal_side: NormalSide::Credit,
            currency: crate::money::CurrencyCode::parse("USD").expect("USD"),
            owner: String::new(),
            metadata: None,
            floor: Some(floor),
            ceiling: None,
        };
        create(pool, &new).await.map_err(|e| super::ledger::read_failure(&e))?;
    }
    Ok(vec![])
}
