//! The names of fields of more than one word, as each face of the native API spells them. A field of one word has one
//! spelling.

/// A field's name.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// Over gRPC, in snake case.
    pub grpc: &'static str,
    /// Over REST, in camel case.
    pub rest: &'static str,
}

impl Name {
    /// Over gRPC.
    pub fn in_grpc(self) -> &'static str {
        self.grpc
    }

    /// Over REST.
    pub fn in_rest(self) -> &'static str {
        self.rest
    }
}

/// How the wire of a call spells names.
pub type Spelling = fn(Name) -> &'static str;

macro_rules! names {
    ($($name:ident: $grpc:literal, $rest:literal;)*) => {
        $(pub const $name: Name = Name { grpc: $grpc, rest: $rest };)*

        #[cfg(test)]
        const ALL: &[Name] = &[$($name),*];
    };
}

names! {
    ACCOUNT_ID: "account_id", "accountId";
    BOOK_CURRENCY: "book_currency", "bookCurrency";
    BORN_ON: "born_on", "bornOn";
    CREATED_FROM: "created_from", "createdFrom";
    CREATED_TO: "created_to", "createdTo";
    CREDIT_FORMAT: "credit_format", "creditFormat";
    CUSTOMER_ID: "customer_id", "customerId";
    DESTINATION_ACCOUNT_ID: "destination_account_id", "destinationAccountId";
    DESTINATION_CURRENCY: "destination_currency", "destinationCurrency";
    DUE_DAYS: "due_days", "dueDays";
    DUE_TO: "due_to", "dueTo";
    EFFECTIVE_FROM: "effective_from", "effectiveFrom";
    ENTITY_ID: "entity_id", "entityId";
    EXPIRES_AT: "expires_at", "expiresAt";
    FIRST_NAME: "first_name", "firstName";
    FISCAL_MONTH: "fiscal_month", "fiscalMonth";
    FROM_CREDIT: "from_credit", "fromCredit";
    IDEMPOTENCY_KEY: "idempotency_key", "idempotencyKey";
    INVOICE_FORMAT: "invoice_format", "invoiceFormat";
    INVOICE_ID: "invoice_id", "invoiceId";
    INVOICE_IDS: "invoice_ids", "invoiceIds";
    LAST_NAME: "last_name", "lastName";
    MAILS_INVOICES: "mails_invoices", "mailsInvoices";
    MAX_BALANCE: "max_balance", "maxBalance";
    MIDDLE_NAME: "middle_name", "middleName";
    MIN_BALANCE: "min_balance", "minBalance";
    OBSERVED_AT: "observed_at", "observedAt";
    ORDER_ID: "order_id", "orderId";
    PAGE_TOKEN: "page_token", "pageToken";
    PAYMENT_DAYS: "payment_days", "paymentDays";
    PRICES_INCLUDE_TAX: "prices_include_tax", "pricesIncludeTax";
    RATE_ID: "rate_id", "rateId";
    SOURCE_ACCOUNT_ID: "source_account_id", "sourceAccountId";
    TAX_CATEGORY: "tax_category", "taxCategory";
    TAX_ID: "tax_id", "taxId";
    TIME_ZONE: "time_zone", "timeZone";
    UNIT_PRICE: "unit_price", "unitPrice";
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use florin_wire::DESCRIPTORS;

    /// protoc's own rule is what JSON of the messages is spelled by.
    #[test]
    fn both_spellings_are_of_one_name_of_the_contract() {
        let files = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
        let messages = files.iter().filter(|file| file.package() == "florin.v1").flat_map(|file| &file.message_type);
        let fields: Vec<_> = messages.flat_map(|message| &message.field).collect();
        for name in ALL {
            let field = fields.iter().find(|field| field.name() == name.grpc);
            assert_eq!(field.map(|field| field.json_name()), Some(name.rest), "{name:?}");
        }
    }
}
