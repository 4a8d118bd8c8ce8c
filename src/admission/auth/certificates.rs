//! What client certificates grant: a table of subjects, each with its tenant and scopes.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::protocol::record::DEFAULT_TENANT;
use crate::store::api_keys::{Scope, Scopes};
use crate::teller::validate;

/// Lines of the table.
const LINES_MAX: usize = 10_000;
/// The attribute `commonName` of a subject, as DER writes its OID.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

/// Who is granted what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `CN:name`, `DNS:name` or `URI:name`.
    name: String,
    tenant: Arc<str>,
    scopes: Scopes,
}

/// The table; without one every certificate that the CA signed has all scopes, for the default tenant. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Subjects(Arc<RwLock<Option<Vec<Subject>>>>);

/// Reads a table. A line is `CN:name tenant scope,scope`; empty ones and those that begin with `#` say nothing.
///
/// # Errors
/// The first line that is wrong, and why.
pub fn read(text: &str) -> Result<Vec<Subject>, String> {
    let lines = text.lines().map(str::trim).enumerate();
    let mut subjects: Vec<Subject> = Vec::new();
    for (n, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let subject = subject(line).map_err(|why| format!("line {}: {why}", n + 1))?;
        if subjects.iter().any(|known| known.name == subject.name) {
            return Err(format!("line {}: {} has a line already", n + 1, subject.name));
        }
        if subjects.len() == LINES_MAX {
            return Err(format!("line {}: there are more than {LINES_MAX} subjects, which is the limit", n + 1));
        }
        subjects.push(subject);
    }
    Ok(subjects)
}

fn subject(line: &str) -> Result<Subject, String> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(tenant), Some(scopes), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("it must read: subject tenant scope,scope".into());
    };
    if !["CN:", "DNS:", "URI:"].iter().any(|kind| name.strip_prefix(kind).is_some_and(|name| !name.is_empty())) {
        return Err(format!("{name:?} is no subject: one begins with CN:, DNS: or URI:"));
    }
    validate::tenant(tenant).map_err(|why| format!("tenant {tenant:?}: {why}"))?;
    let scopes = scopes.split(',').map(str::parse::<Scope>).collect::<Result<Scopes, _>>()?;
    Ok(Subject { name: name.to_owned(), tenant: tenant.into(), scopes })
}

impl Subjects {
    /// In place of what was there.
    pub fn set(&self, table: Option<Vec<Subject>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// What this certificate, in DER, grants: the first line that names it counts. `None`: none does.
    pub fn find(&self, der: &[u8]) -> Option<(Arc<str>, Scopes)> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(subjects) = &*table else { return Some((DEFAULT_TENANT.into(), Scopes::all())) };
        let names = names(der);
        let found = subjects.iter().find(|subject| names.contains(&subject.name));
        found.map(|subject| (subject.tenant.clone(), subject.scopes))
    }
}

/// What a certificate calls its owner. One that cannot be read calls it nothing.
fn names(der: &[u8]) -> Vec<String> {
    let der = CertificateDer::from(der);
    let Ok(certificate) = EndEntityCert::try_from(&der) else { return Vec::new() };
    let dns = certificate.valid_dns_names().map(|name| format!("DNS:{name}"));
    let uris = certificate.valid_uri_names().map(|name| format!("URI:{name}"));
    let common = common_name(certificate.subject()).map(|name| format!("CN:{name}"));
    dns.chain(uris).chain(common).collect()
}

/// The common name of a subject: RelativeDistinguishedNames, each a SET of SEQUENCEs of an OID and a text. One that has
/// several names has none.
fn common_name(subject: &[u8]) -> Option<&str> {
    let mut found = None;
    let mut rest = subject;
    while !rest.is_empty() {
        let (set, after) = element(rest, 0x31)?;
        rest = after;
        let mut attributes = set;
        while !attributes.is_empty() {
            let (attribute, after) = element(attributes, 0x30)?;
            attributes = after;
            let Some(value) = attribute.strip_prefix(&COMMON_NAME) else { continue };
            // UTF8String or PrintableString
            let (text, []) = element(value, 0x0c).or_else(|| element(value, 0x13))? else { return None };
            let text = std::str::from_utf8(text).ok().filter(|text| !text.is_empty())?;
            if found.replace(text).is_some() {
                return None;
            }
        }
    }
    found
}

/// What the first element holds, if it has this tag, and what follows it. Lengths of up to 65,535 are read.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (head, rest) = der.split_at_checked(2)?;
    if head[0] != tag {
        return None;
    }
    let (length, rest) = match head[1] {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), rest.get(2..)?),
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A relative distinguished name of one attribute.
    fn attribute(oid: &[u8], text: &[u8]) -> Vec<u8> {
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
        let value = [oid, &[0x0c, length(text)], text].concat();
        let sequence = [&[0x30, length(&value)], value.as_slice()].concat();
        [&[0x31, length(&sequence)], sequence.as_slice()].concat()
    }

    #[test]
    fn the_common_name_of_a_subject_is_its_only_one() {
        let organization = [0x06, 0x03, 0x55, 0x04, 0x0a];
        let (till, shop) = (attribute(&COMMON_NAME, b"till"), attribute(&organization, b"shop"));
        for subject in [[till.clone(), shop.clone()].concat(), [shop.clone(), till.clone()].concat()] {
            assert_eq!(common_name(&subject), Some("till"));
        }
        let two = [till.clone(), attribute(&COMMON_NAME, b"other")].concat();
        for subject in [&shop[..], &two, &attribute(&COMMON_NAME, b""), &attribute(&COMMON_NAME, b"\xff"), &till[1..]] {
            assert_eq!(common_name(subject), None, "{subject:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_name_or_none(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = common_name(&bytes);
            let _ = names(&bytes);
            let table = Subjects::default();
            table.set(Some(Vec::new()));
            prop_assert!(table.find(&bytes).is_none());
        }
    }
}
