//! A mail as bytes. What others wrote stands in its headers: on one line and of a bounded length, or it is refused.

use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, message};

use super::{ATTACHMENT_BYTES_MAX, Attachment, Mail};
use crate::documents::words::{masked, short};

/// Characters of an address (RFC 5321: 64, `@`, 255) and of a message id.
const ADDRESS_MAX: usize = 320;

/// # Errors
/// Why this can be no mail, with the field.
pub fn built(from: Mailbox, mail: &Mail) -> Result<Message, String> {
    let to = Mailbox::new(Some(short(&mail.to_name)).filter(|name| !name.is_empty()), address(&mail.to)?);
    let builder = Message::builder()
        .message_id(Some(message_id(&mail.message_id)?))
        .from(from)
        .to(to)
        .subject(short(&mail.subject))
        .raw_header(automatic());
    let body = MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone());
    let body = match &mail.attachment {
        Some(attachment) => MultiPart::mixed().multipart(body).singlepart(attached(attachment)?),
        None => body,
    };
    builder.multipart(body).map_err(|error| format!("the mail cannot be made: {error}"))
}

fn address(to: &str) -> Result<Address, String> {
    let refused = |why: &str| format!("to {} is no mail address: {why}", short(&masked(to)));
    if to.chars().count() > ADDRESS_MAX {
        return Err(refused(&format!("more than {ADDRESS_MAX} characters")));
    }
    if to.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(refused("blanks or control characters"));
    }
    to.parse().map_err(|error: lettre::address::AddressError| refused(&error.to_string()))
}

/// In the angle brackets that the header has.
fn message_id(id: &str) -> Result<String, String> {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_+=/".contains(&b));
    match id.split_once('@') {
        Some((left, right)) if part(left) && part(right) && id.len() <= ADDRESS_MAX => Ok(format!("<{id}>")),
        _ => Err(format!("message_id {:?} is not left@right of letters, digits and . - _ + = /", short(id))),
    }
}

fn attached(attachment: &Attachment) -> Result<SinglePart, String> {
    let bytes = attachment.bytes.len();
    if bytes > ATTACHMENT_BYTES_MAX {
        return Err(format!("attachment of {bytes} bytes is longer than {ATTACHMENT_BYTES_MAX} bytes"));
    }
    let content_type = ContentType::parse(&attachment.content_type)
        .map_err(|_| format!("content type {:?} of the attachment is none", short(&attachment.content_type)))?;
    Ok(message::Attachment::new(short(&attachment.name)).body(attachment.bytes.to_vec(), content_type))
}

/// Nobody's absence is answered to a program (RFC 3834).
fn automatic() -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn mail() -> Mail {
        Mail {
            message_id: "invoice-7@florin".into(),
            to: "ada@example.com".into(),
            to_name: "Ada".into(),
            subject: "Invoice".into(),
            text: "text".into(),
            html: "<p>html</p>".into(),
            attachment: None,
        }
    }

    fn sent(mail: &Mail) -> Result<String, String> {
        let from = "Billing <billing@example.com>".parse().unwrap();
        built(from, mail).map(|message| String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn no_text_adds_a_header() {
        let evil = "x\r\nBcc: eve@example.com\n\nbody";
        let attachment = Attachment { name: evil.into(), content_type: "text/plain".into(), bytes: Bytes::new() };
        let bytes =
            sent(&Mail { to_name: evil.into(), subject: evil.into(), attachment: Some(attachment), ..mail() }).unwrap();
        assert!(!bytes.lines().any(|line| line.starts_with("Bcc")), "{bytes}");
        assert!(bytes.contains("Subject: x Bcc: eve@example.com body\r\n"), "{bytes}");
    }

    #[test]
    fn headers_carry_every_script_and_say_what_wrote_them() {
        let bytes =
            sent(&Mail { subject: "\u{8acb}\u{6c42}\u{66f8}".into(), to_name: "J\u{f6}rg, M.".into(), ..mail() })
                .unwrap();
        for line in
            ["Message-ID: <invoice-7@florin>", "Auto-Submitted: auto-generated", "From: Billing <billing@example.com>"]
        {
            assert!(bytes.contains(line), "{line}: {bytes}");
        }
        assert!(bytes.is_ascii() && bytes.contains("Subject: =?utf-8?b?"), "{bytes}");
    }

    #[test]
    fn what_can_be_no_mail_is_named_with_its_field_and_without_the_person() {
        let long = format!("{}@example.com", "a".repeat(400));
        let longest = format!("ada@{}", "x".repeat(5_000_000));
        let attachment = |content_type: &str, bytes: usize| {
            let bytes = Bytes::from(vec![0; bytes]);
            Some(Attachment { name: "a".into(), content_type: content_type.into(), bytes })
        };
        for (wrong, why) in [
            (Mail { to: "adaexample.com".into(), ..mail() }, "to *** is no mail address"),
            (Mail { to: "ada@exa mple.com".into(), ..mail() }, "to a***@exa mple.com is no mail address: blanks"),
            (Mail { to: "ada@example.com\r\nRCPT TO:<eve@example.com>".into(), ..mail() }, "blanks or control"),
            (Mail { to: long, ..mail() }, "more than 320 characters"),
            (Mail { to: longest, ..mail() }, "more than 320 characters"),
            (Mail { to: "ada@".into(), ..mail() }, "to a***@ is no mail address"),
            (Mail { message_id: "7".into(), ..mail() }, "message_id \"7\" is not"),
            (Mail { message_id: "7>@florin".into(), ..mail() }, "message_id \"7>@florin\" is not"),
            (Mail { attachment: attachment("pdf", 1), ..mail() }, "content type \"pdf\""),
            (
                Mail { attachment: attachment("application/pdf", ATTACHMENT_BYTES_MAX + 1), ..mail() },
                "attachment of 10485761 bytes is longer than 10485760 bytes",
            ),
        ] {
            let said = sent(&wrong).unwrap_err();
            assert!(said.contains(why) && !said.contains("ada@") && said.len() < 400, "{said}");
        }
    }
}
