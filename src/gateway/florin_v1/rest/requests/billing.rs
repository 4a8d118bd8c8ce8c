//! The bodies of billing, and their fields.

use super::{CURRENCY, DESCRIPTION, KEY, METADATA, PART, REASON, REFERENCE, RequiredText};
use crate::billing::order::{NAME_BYTES_MAX, SKU_BYTES_MAX};
use crate::gateway::http::shape::{
    Amount, Field, Flag, List, NewBytes, NewText, Required, Text, TextList, Whole, bodies,
};
use crate::teller::native::customers::{ADDRESS_LINES_MAX, EMAIL_MAX, ID_MAX, LANGUAGE_MAX, TEXT_MAX};
use crate::teller::native::entities::{FORMAT_MAX, LOGO_MAX, ZONE_MAX};
use crate::teller::native::invoices::drafts::{CUSTOMER_MAX, DECIMAL_MAX, DRAFT_LINES_MAX, DUE_DAYS_MAX, ENTITY_MAX};
use crate::teller::native::invoices::payments::INVOICES_MAX;
use crate::teller::native::invoices::reads::INVOICE_ID_MAX;
use crate::teller::native::names;
use crate::teller::native::tax_rates::PERCENT_MAX;
use crate::teller::validate::{ACCOUNT_MAX, CURRENCY_MAX, DESCRIPTION_MAX};

/// Bytes of a day's text.
const DAY_MAX: usize = 10;
const DAY: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
const DECIMAL: &str = "^[0-9]{1,20}(\\.[0-9]{1,18})?$";

const fn text(name: &'static str, bytes_max: usize, about: &'static str) -> Field<Text> {
    Field::new(name, Text::of(bytes_max), about)
}

const fn new_text(name: &'static str, bytes_max: usize, about: &'static str) -> Field<NewText> {
    Field::new(name, NewText::of(bytes_max), about)
}

// of invoices
pub const CUSTOMER_ID: RequiredText =
    Field::new(names::CUSTOMER_ID.rest, Required(Text::of(CUSTOMER_MAX)), "Who gets it.");
pub const ENTITY_ID: Field<Text> =
    text(names::ENTITY_ID.rest, ENTITY_MAX, "Who issues it; the settings say it unless given.");
pub const LINES: Field<List<NewInvoiceLine>> = Field::new("lines", List::of(DRAFT_LINES_MAX), "What is sold.");
pub const LINE_DESCRIPTION: RequiredText =
    Field::new("description", Required(Text::of(DESCRIPTION_MAX).such_as("Consulting")), "What it is, in words.");
pub const SKU: Field<Text> = text("sku", SKU_BYTES_MAX, "Its code.");
pub const QUANTITY: RequiredText =
    Field::new("quantity", Required(Text::of(DECIMAL_MAX).like(DECIMAL).such_as("2")), "How many: decimal text.");
pub const UNIT_PRICE: RequiredText = Field::new(
    names::UNIT_PRICE.rest,
    Required(Text::of(DECIMAL_MAX).like(DECIMAL).such_as("49.99")),
    "What one costs, in the currency's unit: decimal text.",
);
pub const TAX_CATEGORY: Field<Text> =
    text(names::TAX_CATEGORY.rest, NAME_BYTES_MAX, "By which its tax rate is found, with the region.");
pub const PRICES_INCLUDE_TAX: Field<Flag> =
    Field::new(names::PRICES_INCLUDE_TAX.rest, Flag, "Whether prices contain the tax.");
pub const DISCOUNT: Field<Amount> =
    Field::new("discount", Amount, "Off the whole document; with the tax if prices include it.");
pub const DUE_DAYS: Field<Whole> = Field::new(
    names::DUE_DAYS.rest,
    Whole { max: DUE_DAYS_MAX, example: 30 },
    "From its date to its due date; the entity's unless given.",
);
pub const NOTE: Field<Text> = text("note", DESCRIPTION_MAX, "What else it says.");
pub const REGION: Field<Text> =
    text("region", NAME_BYTES_MAX, "Whose taxes it has: the customer's, or else the entity's, unless given.");
pub const VERSION: Field<Whole> = Field::new(
    "version",
    Whole { max: i32::MAX.unsigned_abs(), example: 1 },
    "The version that is replaced; refused if it has changed since. Whatever it is unless given.",
);
pub const FROM_CREDIT: Field<Flag> =
    Field::new(names::FROM_CREDIT.rest, Flag, "Paid from the customer's credit, and from no account.");
pub const PAYER: Field<Text> =
    text(names::SOURCE_ACCOUNT_ID.rest, ACCOUNT_MAX, "Whose money; without one it is paid from outside.");
pub const PAYEE: Field<Text> =
    text(names::DESTINATION_ACCOUNT_ID.rest, ACCOUNT_MAX, "Who is paid; without one it goes to outside.");
pub const INVOICE_IDS: Field<TextList> = Field::new(
    names::INVOICE_IDS.rest,
    TextList { count_max: INVOICES_MAX, bytes_max: INVOICE_ID_MAX },
    "Paid before all others, in this order.",
);
pub const PAID: Field<Required<Amount>> = Field::new("amount", Required(Amount), "How much.");
pub const TO: Field<Text> =
    Field::new("to", Text::of(EMAIL_MAX).such_as("ann@example.com"), "An e-mail address; its customer's unless given.");

// of customers
pub const NEW_CUSTOMER_ID: Field<Text> = text("id", ID_MAX, "It gets one unless given.");
pub const EMAIL: Field<NewText> = new_text("email", EMAIL_MAX, "No two customers have the same.");
pub const FIRST_NAME: Field<NewText> = new_text(names::FIRST_NAME.rest, TEXT_MAX, "The first name.");
pub const MIDDLE_NAME: Field<NewText> = new_text(names::MIDDLE_NAME.rest, TEXT_MAX, "What stands between.");
pub const LAST_NAME: Field<NewText> = new_text(names::LAST_NAME.rest, TEXT_MAX, "The last name.");
pub const MOBILE: Field<NewText> = new_text("mobile", TEXT_MAX, "The number of a telephone.");
pub const BORN_ON: Field<NewText> = new_text(names::BORN_ON.rest, DAY_MAX, "A day such as 1990-12-31.");
pub const ADDRESS: Field<TextList> =
    Field::new("address", TextList { count_max: ADDRESS_LINES_MAX, bytes_max: TEXT_MAX }, "Its lines.");
pub const TAX_ID: Field<NewText> = new_text(names::TAX_ID.rest, TEXT_MAX, "The number at the tax office.");
pub const CUSTOMER_REGION: Field<NewText> = new_text("region", NAME_BYTES_MAX, "Whose taxes it pays.");
pub const LANGUAGE: Field<NewText> = new_text("language", LANGUAGE_MAX, "Of mails and documents; `en` unless given.");

// of entities
pub const ENTITY_NAME: RequiredText = Field::new("name", Required(Text::of(TEXT_MAX)), "What it is called.");
pub const PHONE: Field<NewText> = new_text("phone", TEXT_MAX, "On its documents.");
pub const ENTITY_EMAIL: Field<NewText> = new_text("email", EMAIL_MAX, "On its documents.");
pub const INVOICE_FORMAT: Field<Text> = Field::new(
    names::INVOICE_FORMAT.rest,
    Text::of(FORMAT_MAX).such_as("INV-{year}-{seq:6}"),
    "How its invoices are numbered; `INV-{year}-{seq:6}` unless given.",
);
pub const CREDIT_FORMAT: Field<Text> =
    text(names::CREDIT_FORMAT.rest, FORMAT_MAX, "How its credit notes are numbered; `CN-{year}-{seq:6}` unless given.");
pub const PAYMENT_DAYS: Field<Whole> = Field::new(
    names::PAYMENT_DAYS.rest,
    Whole { max: DUE_DAYS_MAX, example: 30 },
    "From an invoice's date to its due date; 30 unless given.",
);
pub const FISCAL_MONTH: Field<Whole> = Field::new(
    names::FISCAL_MONTH.rest,
    Whole { max: 12, example: 1 },
    "In which its fiscal year begins, 1 to 12; 1 unless given.",
);
pub const TIME_ZONE: Field<Text> = Field::new(
    names::TIME_ZONE.rest,
    Text::of(ZONE_MAX).such_as("Europe/Berlin"),
    "Whose days count: a name of IANA; `UTC` unless given.",
);
pub const BOOK_CURRENCY: Field<Text> =
    text(names::BOOK_CURRENCY.rest, CURRENCY_MAX, "Of its books; the currency of each document unless given.");
pub const ENTITY_REGION: Field<Text> = text("region", NAME_BYTES_MAX, "Of what names none.");
pub const MAILS_INVOICES: Field<Flag> = Field::new(
    names::MAILS_INVOICES.rest,
    Flag,
    "Whether customers with an e-mail address get invoices and credit notes when they are issued; false unless given.",
);
pub const LOGO: Field<NewBytes> = Field::new(
    "logo",
    NewBytes { bytes_max: LOGO_MAX },
    "On its documents: a PNG of up to 4 million pixels, or an SVG of shapes alone; up to 256 KiB. Unless given it stays; null takes it away.",
);

// of tax rates
pub const RATE_REGION: Field<Text> = text("region", NAME_BYTES_MAX, "Any unless given.");
pub const CATEGORY: Field<Text> = text("category", NAME_BYTES_MAX, "Any unless given.");
pub const TREATMENT: Field<Text> = Field::new(
    "treatment",
    Text::of(NAME_BYTES_MAX).like("^(standard|exempt|reverse_charge)$"),
    "`standard` unless given.",
);
pub const PERCENT: Field<Text> = Field::new(
    "percent",
    Text::of(PERCENT_MAX).like("^[0-9]{1,4}(\\.[0-9]{1,6})?$").such_as("19"),
    "From 0 to 1000, with up to 6 decimals: decimal text. Of what is not `standard` it is 0, or left out.",
);
pub const EFFECTIVE_FROM: RequiredText = Field::new(
    names::EFFECTIVE_FROM.rest,
    Required(Text::of(DAY_MAX).like(DAY).such_as("2027-01-01")),
    "The first day on which it counts.",
);

bodies! {
    /// What is sold.
    NewInvoiceLine { LINE_DESCRIPTION, SKU, QUANTITY, UNIT_PRICE, TAX_CATEGORY }

    /// An invoice to be drafted.
    CreateInvoiceRequest {
        ENTITY_ID, CUSTOMER_ID, CURRENCY, LINES, PRICES_INCLUDE_TAX, DISCOUNT, DUE_DAYS, NOTE, REGION, REASON,
        KEY.about("The same key drafts once."),
    }

    /// A draft in place of another.
    ReplaceInvoiceRequest {
        ENTITY_ID, CUSTOMER_ID, CURRENCY, LINES, PRICES_INCLUDE_TAX, DISCOUNT, DUE_DAYS, NOTE, REGION, REASON, VERSION,
    }

    /// A draft to be issued.
    IssueInvoiceRequest { KEY.about("The same key issues once."), REFERENCE, DESCRIPTION, REASON }

    /// A document to be sent by mail.
    SendInvoiceRequest { TO, KEY.about("The same key sends once; keys of mails are their own."), REASON }

    /// A payment of an invoice.
    PayInvoiceRequest {
        PAYER, FROM_CREDIT, PART.about("All that is due unless given."), KEY.about("The same key pays once."), REFERENCE,
        DESCRIPTION, METADATA,
    }

    /// An invoice to be made void.
    VoidInvoiceRequest { KEY.about("The same key does it once."), REFERENCE, DESCRIPTION, REASON }

    /// An invoice to be given up as lost.
    WriteOffInvoiceRequest { KEY.about("The same key does it once."), REFERENCE, DESCRIPTION, REASON }

    /// An invoice that nobody expects to be paid.
    MarkInvoiceUncollectibleRequest { KEY.about("The same key does it once."), REFERENCE, DESCRIPTION, REASON }

    /// An invoice to be credited.
    CreditInvoiceRequest {
        PART.about("Tax included; all that can be credited unless given."), KEY.about("The same key credits once."),
        REFERENCE, DESCRIPTION, REASON.about("Why; the credit note says it too."),
    }

    /// A payment of a customer.
    ReceivePaymentRequest {
        CUSTOMER_ID.about("Who pays."), CURRENCY, PAID, PAYER, INVOICE_IDS, KEY.about("The same key pays once."),
        REFERENCE, DESCRIPTION, METADATA,
    }

    /// Credit of a customer to be paid out.
    RefundCustomerRequest { CURRENCY, PAID, PAYEE, KEY.about("The same key pays once."), REFERENCE, DESCRIPTION, REASON }

    /// A customer to be made.
    CreateCustomerRequest {
        NEW_CUSTOMER_ID, EMAIL, FIRST_NAME, MIDDLE_NAME, LAST_NAME, MOBILE, BORN_ON, ADDRESS, TAX_ID, CUSTOMER_REGION,
        LANGUAGE, REASON,
    }

    /// What of a customer is to be changed: what is left out stays as it is, null takes away what was said.
    UpdateCustomerRequest {
        EMAIL, FIRST_NAME, MIDDLE_NAME, LAST_NAME, MOBILE, BORN_ON, ADDRESS, TAX_ID, CUSTOMER_REGION, LANGUAGE, REASON,
    }

    /// A customer whose personal data are to be erased.
    EraseCustomerRequest { REASON }

    /// All that is said of a legal entity.
    PutEntityRequest {
        ENTITY_NAME, ADDRESS, TAX_ID, PHONE, ENTITY_EMAIL, INVOICE_FORMAT, CREDIT_FORMAT, PAYMENT_DAYS, FISCAL_MONTH,
        TIME_ZONE, BOOK_CURRENCY, ENTITY_REGION, MAILS_INVOICES, LOGO, REASON,
    }

    /// A tax rate to be written down.
    AddTaxRateRequest { RATE_REGION, CATEGORY, TREATMENT, PERCENT, EFFECTIVE_FROM, REASON }
}
