//! Rows of an export as RFC 4180 has them: CRLF, quotes where they are needed.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula and runs it
//! (OWASP: CSV injection). A text that somebody else wrote therefore gets a single quote before it; numbers and times,
//! which we wrote, stay as they are.

use std::fmt;

use bytes::Bytes;
use csv::{Terminator, Writer, WriterBuilder};

/// One field of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// What others wrote: it never becomes a formula.
    Text(&'a str),
    /// Numbers, times and ids that we wrote: as they are.
    Plain(&'a str),
}

/// Rows of one table, collected until they are taken: a page of a table at a time needs the memory of a page.
pub struct Rows {
    columns: usize,
    writer: Writer<Vec<u8>>,
}

/// A row with more or fewer fields than its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of {given} fields stands under a header of {columns}")]
pub struct WrongColumns {
    pub given: usize,
    pub columns: usize,
}

const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

impl Rows {
    /// A table that begins with its header.
    pub fn new(header: &[&str]) -> Self {
        let mut rows = Self { columns: header.len(), writer: writer() };
        rows.write(header.iter().map(|name| (*name).to_owned()));
        rows
    }

    /// # Errors
    /// When the row has not as many fields as the header; nothing is written then.
    pub fn push(&mut self, row: &[Cell<'_>]) -> Result<(), WrongColumns> {
        if row.len() != self.columns {
            return Err(WrongColumns { given: row.len(), columns: self.columns });
        }
        self.write(row.iter().map(ToString::to_string));
        Ok(())
    }

    /// What was written since the last time, possibly nothing.
    pub fn take(&mut self) -> Bytes {
        let full = std::mem::replace(&mut self.writer, writer());
        full.into_inner().map(Bytes::from).expect("a vector takes every byte")
    }

    fn write(&mut self, fields: impl Iterator<Item = String>) {
        self.writer.write_record(fields).expect("a vector takes every byte");
    }
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) if begins_a_formula(text) => write!(f, "'{text}"),
            Self::Text(text) | Self::Plain(text) => f.write_str(text),
        }
    }
}

/// Also behind quotes that stand there already, so that whoever takes one quote away has the text as it was.
fn begins_a_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

fn writer() -> Writer<Vec<u8>> {
    WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new())
}

#[cfg(test)]
mod tests {
    use csv::ReaderBuilder;
    use proptest::prelude::*;

    use super::*;

    fn written(rows: &[&[Cell<'_>]], header: &[&str]) -> String {
        let mut csv = Rows::new(header);
        for row in rows {
            csv.push(row).unwrap();
        }
        String::from_utf8(csv.take().to_vec()).unwrap()
    }

    #[test]
    fn rows_end_with_crlf_and_are_quoted_where_needed() {
        let row = [Cell::Plain("1"), Cell::Text("a, \"b\""), Cell::Text("two\nlines"), Cell::Text("")];
        let csv = written(&[&row], &["id", "name", "note", "more"]);
        assert_eq!(csv, "id,name,note,more\r\n1,\"a, \"\"b\"\"\",\"two\nlines\",\r\n");
        assert_eq!(written(&[], &["id", "total"]), "id,total\r\n");
    }

    #[test]
    fn a_text_never_begins_a_formula_and_a_number_keeps_its_sign() {
        for (cell, shown) in [
            (Cell::Text("=1+1"), "'=1+1"),
            (Cell::Text("+49"), "'+49"),
            (Cell::Text("-1"), "'-1"),
            (Cell::Text("@SUM(A1)"), "'@SUM(A1)"),
            (Cell::Text("\t=1"), "'\t=1"),
            (Cell::Text("\r=1"), "'\r=1"),
            (Cell::Text("'=1"), "''=1"),
            (Cell::Text("a=1"), "a=1"),
            (Cell::Text("'tis"), "'tis"),
            (Cell::Plain("-11.80"), "-11.80"),
        ] {
            assert_eq!(cell.to_string(), shown);
        }
    }

    #[test]
    fn a_row_has_the_fields_of_its_header() {
        let mut csv = Rows::new(&["a", "b"]);
        csv.take();
        assert_eq!(csv.push(&[Cell::Plain("1")]), Err(WrongColumns { given: 1, columns: 2 }));
        assert!(csv.take().is_empty());
    }

    proptest! {
        #[test]
        fn what_is_read_back_is_what_was_written(
            rows in prop::collection::vec(prop::collection::vec("['=+@,;\"\r\n\t -a-c\u{e4}]{0,8}", 3), 0..8),
            pages in 1..4_usize,
        ) {
            let mut csv = Rows::new(&["a", "b", "c"]);
            let mut bytes = Vec::new();
            for (n, row) in rows.iter().enumerate() {
                csv.push(&row.iter().map(|text| Cell::Text(text)).collect::<Vec<_>>()).unwrap();
                if n % pages == 0 {
                    bytes.extend_from_slice(&csv.take());
                }
            }
            bytes.extend_from_slice(&csv.take());
            let mut read = ReaderBuilder::new().from_reader(&bytes[..]);
            let found: Vec<Vec<String>> = read
                .records()
                .map(|row| row.unwrap().iter().map(plain).collect())
                .collect();
            prop_assert_eq!(found, rows);
        }
    }

    /// As a program reads a field that we wrote as text.
    fn plain(field: &str) -> String {
        let bare = field.strip_prefix('\'').filter(|_| begins_a_formula(field));
        bare.unwrap_or(field).to_owned()
    }
}
