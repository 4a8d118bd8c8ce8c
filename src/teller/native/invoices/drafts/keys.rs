//! Idempotency keys of drafts: a key is its draft's for as long as there is the draft, also once it is issued.

use super::{Drafted, NewInvoice, NewLine, get};
use crate::protocol::record::RequestHash;
use crate::store::billing::drafts::{self as store, Key};
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, read_failure};

/// The draft that was written under the key, as it is now; `None`: there is no key, or it is free.
///
/// # Errors
/// `KeyReused`: another draft was asked for; what kept it from being read.
pub async fn replayed(ledger: &Ledger, call: &Call, key: Option<&Key>) -> Result<Option<Drafted>, Failure> {
    let Some(key) = key else { return Ok(None) };
    let found = store::under(&ledger.parts().pool, &call.tenant, &key.text).await;
    let Some((id, request)) = found.map_err(|error| read_failure(&error))? else { return Ok(None) };
    if request != key.request {
        return Err(Failure::KeyReused);
    }
    Ok(Some(Drafted { invoice: get(ledger, &call.tenant, &id.to_string()).await?, replayed: true }))
}

/// Tells a repeat from another draft under the same key.
pub fn identity(asked: &NewInvoice) -> RequestHash {
    let NewInvoice { entity, customer, currency, lines, prices_include_tax, discount, due_days, note, region } = asked;
    let days = due_days.map(|days| days.to_string());
    let mut parts = vec![
        &b"draft"[..],
        given(entity.as_deref()),
        customer.as_bytes(),
        currency.as_bytes(),
        if *prices_include_tax { b"gross" } else { b"net" },
        given(discount.as_deref()),
        given(days.as_deref()),
        given(note.as_deref()),
        given(region.as_deref()),
    ];
    for NewLine { description, sku, quantity, unit_price, tax_category } in lines {
        parts.extend([description, quantity, unit_price].map(|text| text.as_bytes()));
        parts.extend([given(sku.as_deref()), given(tax_category.as_deref())]);
    }
    RequestHash::of(&parts)
}

/// What is absent counts as an empty text, as over gRPC.
fn given(text: Option<&str>) -> &[u8] {
    text.unwrap_or_default().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_draft_tells_it_from_another() {
        let line =
            NewLine { description: "tea".into(), quantity: "1".into(), unit_price: "2".into(), ..NewLine::default() };
        let one = NewInvoice {
            customer: "c".into(),
            currency: "USD".into(),
            lines: vec![line.clone()],
            ..NewInvoice::default()
        };
        let text = || Some("x".to_owned());
        let others = [
            NewInvoice { entity: text(), ..one.clone() },
            NewInvoice { customer: "d".into(), ..one.clone() },
            NewInvoice { currency: "EUR".into(), ..one.clone() },
            NewInvoice { prices_include_tax: true, ..one.clone() },
            NewInvoice { discount: text(), ..one.clone() },
            NewInvoice { due_days: Some(0), ..one.clone() },
            NewInvoice { note: text(), ..one.clone() },
            NewInvoice { region: text(), ..one.clone() },
            NewInvoice { lines: vec![line.clone(), line.clone()], ..one.clone() },
            NewInvoice { lines: vec![NewLine { sku: text(), ..line.clone() }], ..one.clone() },
            NewInvoice { lines: vec![NewLine { quantity: "2".into(), ..line.clone() }], ..one.clone() },
            NewInvoice { lines: vec![NewLine { unit_price: "1".into(), ..line.clone() }], ..one.clone() },
            NewInvoice { lines: vec![NewLine { tax_category: text(), ..line.clone() }], ..one.clone() },
            NewInvoice { lines: vec![NewLine { description: "cup".into(), ..line }], ..one.clone() },
        ];
        let mut hashes: Vec<_> = others.iter().chain([&one]).map(identity).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), others.len() + 1);
        assert_eq!(identity(&one), identity(&one.clone()));
    }
}
