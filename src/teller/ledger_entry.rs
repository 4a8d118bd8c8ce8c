//! Posts a ledger entry of the orders contract: one posting between accounts that are opened when they are first named,
//! and one effect however often it is requested.

use smallvec::{SmallVec, smallvec};
use uuid::Uuid;

use super::call::Call;
use super::failure::Failure;
use super::ledger::{Answer, Command, Ledger, Request};
use super::validate::{self, cut};
use crate::billing::order::decimal;
use crate::money::{Amount, Currency, CurrencyCode, Rounding};
use crate::protocol::movement::Transfer;
use crate::protocol::record::{Api, KeyHash, Kind, RequestedPosting, TransactionId};
use crate::store::currencies::CurrencyRow;
use crate::store::operators::Doing;

/// Bytes of an account's name. Its id has the currency behind it.
pub const NAME_MAX: usize = 100;
/// Bytes of an amount.
const AMOUNT_MAX: usize = 64;
/// What stands for no currency, and the decimals of one that is first named here.
const NO_CURRENCY: &str = "XXX";
const EXPONENT: i16 = 2;

/// An entry as its caller wrote it, in the words of the contract.
#[derive(Clone, Debug)]
pub struct LedgerEntry {
    pub txn_id: String,
    /// The name of the account that is debited.
    pub account_dr: String,
    /// The name of the account that is credited.
    pub account_cr: String,
    pub amount: String,
    pub currency: String,
}

/// Posts an entry, and returns when the outcome is durable. A repeat is answered as the first was, for ever.
///
/// # Errors
/// `Invalid`, naming field, value and limit; `FailedPrecondition` when an account would be opened in a currency that is
/// not in use, or a currency would be one too many; else as [`Ledger::post`].
pub async fn post(ledger: &Ledger, call: &Call, entry: &LedgerEntry) -> Result<Answer, Failure> {
    let deadline = call.deadline(ledger);
    let txn_id = checked(entry)?;
    let currency = currency(ledger, call, &entry.currency).await.map_err(|failure| failure.with_key(true))?;
    let amount = amount(entry, currency)?;
    let postings: SmallVec<[_; 1]> = smallvec![RequestedPosting {
        debit: account(&entry.account_dr, currency),
        credit: account(&entry.account_cr, currency),
        amount,
        currency: currency.code.to_string(),
        exponent: currency.exponent,
    }];
    let reference = txn_id.to_string();
    let id = id(&call.tenant, txn_id, entry, (amount, currency));
    let attempt = ledger.attempt_under(KeyHash::own(id));
    let identity = Transfer::request(Kind::TRANSFER, &postings, Some(&reference), None);
    let request = Request {
        id: Some(id),
        attempt: Some(attempt.clone()),
        reference: Some(reference), // the legs of a transaction are listed by it
        correlation: call.correlation.clone(),
        ..Request::new(call.tenant.clone(), Api::Orders, identity, call.maker.clone(), deadline)
    };
    let work = async {
        let permit = ledger.enter()?;
        let command = Command { request, movement: Box::new(Transfer { kind: Kind::TRANSFER }), postings };
        command.permitted()?;
        for posting in &command.postings {
            for account in [&posting.debit, &posting.credit] {
                ledger.open_system(&command.request, account, currency).await?;
            }
        }
        ledger.post(&command, permit).await
    };
    let posted = work.await;
    ledger.certain(Some(&*attempt), posted).await
}

/// The id of the account of this name in this currency. A code has no colon, so two names never have one id.
fn account(name: &str, currency: Currency) -> String {
    format!("{name}:{}", currency.code)
}

/// What tells a repeat. No part has a U+0000, so they cannot run into each other.
fn id(tenant: &str, txn_id: Uuid, entry: &LedgerEntry, (amount, currency): (Amount, Currency)) -> TransactionId {
    let (debit, credit) = (&entry.account_dr, &entry.account_cr);
    let parts = format!("{txn_id}\0{debit}\0{credit}\0{}\0{}", amount.minor_units(), currency.code);
    TransactionId::of_message("ledger entry", tenant, &parts)
}

/// Checks all but amount and currency, and reads the `txn_id`.
fn checked(entry: &LedgerEntry) -> Result<Uuid, Failure> {
    let LedgerEntry { txn_id, account_dr, account_cr, .. } = entry;
    if txn_id.is_empty() {
        return Err(Failure::Invalid("txn_id is required".into()));
    }
    let txn_id =
        Uuid::try_parse(txn_id).map_err(|_| Failure::Invalid(format!("txn_id {:?} is not a UUID", cut(txn_id))))?;
    name("account_dr", account_dr)?;
    name("account_cr", account_cr)?;
    if account_dr == account_cr {
        return Err(Failure::Invalid(format!(
            "account_cr {:?} is the account_dr as well: an entry is between two accounts",
            cut(account_cr)
        )));
    }
    Ok(txn_id)
}

/// A currency by its code in any case, made when it is first named; none is `XXX`, as ISO 4217 has it.
async fn currency(ledger: &Ledger, call: &Call, text: &str) -> Result<Currency, Failure> {
    validate::text("currency", text, validate::CURRENCY_MAX)?;
    let code = Some(text.trim().to_uppercase()).filter(|code| !code.is_empty()).unwrap_or_else(|| NO_CURRENCY.into());
    if let Some(currency) = ledger.currency(&code).await? {
        return Ok(currency);
    }
    if CurrencyCode::parse(&code).is_none() {
        return Err(Failure::Invalid(format!("currency {:?} is not 2 to 12 letters and digits", cut(text))));
    }
    let by = call.operator("first named by an entry")?;
    let doing = Doing { tenant: &call.tenant, by: &by, correlation: call.correlation.as_deref() };
    let new = CurrencyRow { name: code.clone(), code, exponent: EXPONENT, fiat: false, active: true, metadata: None };
    let (row, _) = ledger.create_currency(new, &doing).await?;
    row.currency().ok_or(Failure::Guard)
}

/// Decimal text, also with an exponent and blanks around it, rounded half away from zero to the currency's decimals.
fn amount(entry: &LedgerEntry, currency: Currency) -> Result<Amount, Failure> {
    let text = entry.amount.trim();
    validate::required("amount", text, AMOUNT_MAX)?;
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let exact = decimal(number).ok_or_else(|| {
        Failure::Invalid(format!("amount {:?} is not a decimal number such as \"12.50\", below 10^20", cut(text)))
    })?;
    let amount = Rounding::HalfAwayFromZero.amount(&exact, currency.exponent);
    let amount = amount.map_err(|error| Failure::Invalid(format!("amount {:?}: {error}", cut(text))))?;
    if amount <= Amount::ZERO || text.starts_with('-') {
        return Err(Failure::Invalid(format!("amount {:?} is not above 0", cut(&entry.amount))));
    }
    Ok(amount)
}

/// Names of accounts may have any character that PostgreSQL can store.
fn name(field: &str, text: &str) -> Result<(), Failure> {
    if text.trim().is_empty() {
        return Err(Failure::Invalid(format!("{field} is required")));
    }
    validate::prose(field, text, NAME_MAX)?;
    if text.contains('\0') {
        return Err(Failure::Invalid(format!("{field} {:?} contains U+0000, which is not allowed", cut(text))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::CurrencyCode;

    const TXN: &str = "6f9619ff-8b86-d011-b42d-00c04fc964ff";

    fn currency(code: &str, exponent: u8) -> Currency {
        Currency { code: CurrencyCode::parse(code).unwrap(), exponent }
    }

    fn entry(txn_id: &str, account_dr: &str, account_cr: &str, amount: &str) -> LedgerEntry {
        let [txn_id, account_dr, account_cr, amount, currency] =
            [txn_id, account_dr, account_cr, amount, "USD"].map(str::to_owned);
        LedgerEntry { txn_id, account_dr, account_cr, amount, currency }
    }

    fn id_of(tenant: &str, entry: &LedgerEntry, currency: Currency) -> TransactionId {
        id(tenant, checked(entry).unwrap(), entry, (amount(entry, currency).unwrap(), currency))
    }

    #[test]
    fn a_repeat_is_told_by_all_five_fields_whatever_their_spelling() {
        let usd = currency("USD", 2);
        let first = id_of("default", &entry(TXN, "a", "b", "12.50"), usd);
        for (txn_id, amount) in
            [(TXN, "12.5"), (TXN, " 012.500"), (TXN, "1.25e1"), (TXN, "+12.499999"), (&*TXN.to_uppercase(), "12.50")]
        {
            assert_eq!(id_of("default", &entry(txn_id, "a", "b", amount), usd), first, "{txn_id} {amount}");
        }
        for (n, (tenant, other, currency)) in [
            ("default", entry(&TXN.replace("ff", "00"), "a", "b", "12.50"), usd),
            ("default", entry(TXN, "b", "a", "12.50"), usd),
            ("default", entry(TXN, "a", "c", "12.50"), usd),
            ("default", entry(TXN, "a", "b", "12.51"), usd),
            ("default", entry(TXN, "a", "b", "12.50"), currency("EUR", 2)),
            ("other", entry(TXN, "a", "b", "12.50"), usd),
        ]
        .into_iter()
        .enumerate()
        {
            assert_ne!(id_of(tenant, &other, currency), first, "{n}");
        }
        assert!(first.is_derived());
    }

    #[test]
    fn names_of_accounts_never_run_into_their_currencies() {
        let (usd, eur) = (currency("USD", 2), currency("EUR", 2));
        assert_eq!(account("cash", usd), "cash:USD");
        assert_ne!(account("cash:USD", eur), account("cash", usd));
        assert_eq!(account(&"x".repeat(NAME_MAX), currency("ABCDEFGHIJKL", 2)).len(), 113);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_value_and_its_limit() {
        let said = |entry: &LedgerEntry| {
            checked(entry).and_then(|_| amount(entry, currency("USD", 2))).unwrap_err().to_string()
        };
        for (entry, message) in [
            (entry("x", "a", "b", "1"), "txn_id \"x\" is not a UUID"),
            (entry(TXN, "", "b", "1"), "account_dr is required"),
            (entry(TXN, "a", "\0", "1"), "account_cr \"\\0\" contains U+0000, which is not allowed"),
            (entry(TXN, "a", "a", "1"), "account_cr \"a\" is the account_dr as well: an entry is between two accounts"),
            (entry(TXN, "a", "b", "0.00"), "amount \"0.00\" is not above 0"),
            (entry(TXN, "a", "b", "-1"), "amount \"-1\" is not above 0"),
            (entry(TXN, "a", "b", "0.004"), "amount \"0.004\" is not above 0"),
            (entry(TXN, "a", "b", "NaN"), "amount \"NaN\" is not a decimal number such as \"12.50\", below 10^20"),
        ] {
            assert_eq!(said(&entry), message);
        }
        assert!(said(&entry(TXN, &"x".repeat(101), "b", "1")).ends_with("is 101 bytes long, the limit is 100"));
        assert_eq!(said(&entry(TXN, " ", "\n", "1")), "account_dr is required");
    }
}
