//! What the topic `notify` says of a bill: who gets a mail about it, and where its PDF is (contract 3).

use serde::{Deserialize, Deserializer, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Of the PDF; empty: there is none.
    #[serde(default)]
    pub filepath: String,
    pub info: NoticeInfo,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoticeInfo {
    /// Of the customer.
    pub name: String,
    /// The customer's e-mail.
    pub send_to: String,
    /// Decimal text.
    #[serde(deserialize_with = "text_or_number")]
    pub total_amount: String,
    /// Such as `#17`.
    #[serde(rename = "invoiceID", deserialize_with = "text_or_number")]
    pub invoice_id: String,
    pub store_name: String,
}

impl Notice {
    /// Reads a message.
    ///
    /// # Errors
    /// In words, what is wrong with it: each text must be there, and may hold no U+0000.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let notice: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let NoticeInfo { name, send_to, total_amount, invoice_id, store_name } = &notice.info;
        if send_to.trim().is_empty() {
            return Err("info.sendTo must not be empty".into());
        }
        let texts = [&notice.filepath, name, send_to, total_amount, invoice_id, store_name];
        if texts.iter().any(|text| text.contains('\0')) {
            return Err("a text contains the character U+0000".into());
        }
        Ok(notice)
    }

    /// As it is published.
    ///
    /// # Panics
    /// Never: texts always encode.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("texts encode")
    }
}

fn text_or_number<'de, D: Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(serde_json::Number),
    }
    Ok(match Either::deserialize(value)? {
        Either::Text(text) => text,
        Either::Number(number) => number.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_read_as_it_is_written_and_what_is_none_is_told() {
        let text = r##"{"filepath":"/d/1.pdf","info":{"name":"Ada","sendTo":"a@b.c","totalAmount":"0.30","invoiceID":"#17","storeName":"MAX Stores"}}"##;
        let notice = Notice::parse(text.as_bytes()).unwrap();
        assert_eq!(notice.text(), text);
        assert_eq!(Notice::parse(text.replace("\"0.30\"", "30").as_bytes()).unwrap().info.total_amount, "30");
        for (from, to, why) in [
            ("\"sendTo\":\"a@b.c\"", "\"sendTo\":\" \"", "info.sendTo must not be empty"),
            ("\"sendTo\":\"a@b.c\",", "", "missing field `sendTo`"),
            ("Ada", "\\u0000", "U+0000"),
            ("{", "7", "expected struct Notice"),
        ] {
            let told = Notice::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
