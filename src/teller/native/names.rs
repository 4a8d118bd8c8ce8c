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

macro_rules! names {
    ($($name:ident: $grpc:literal, $rest:literal;)*) => {
        $(pub const $name: Name = Name { grpc: $grpc, rest: $rest };)*

        #[cfg(test)]
        const ALL: &[Name] = &[$($name),*];
    };
}

names! {
    ACCOUNT_ID: "account_id", "accountId";
    CREATED_FROM: "created_from", "createdFrom";
    CREATED_TO: "created_to", "createdTo";
    DESTINATION_ACCOUNT_ID: "destination_account_id", "destinationAccountId";
    DESTINATION_CURRENCY: "destination_currency", "destinationCurrency";
    EXPIRES_AT: "expires_at", "expiresAt";
    IDEMPOTENCY_KEY: "idempotency_key", "idempotencyKey";
    MAX_BALANCE: "max_balance", "maxBalance";
    MIN_BALANCE: "min_balance", "minBalance";
    OBSERVED_AT: "observed_at", "observedAt";
    PAGE_TOKEN: "page_token", "pageToken";
    RATE_ID: "rate_id", "rateId";
    SOURCE_ACCOUNT_ID: "source_account_id", "sourceAccountId";
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
