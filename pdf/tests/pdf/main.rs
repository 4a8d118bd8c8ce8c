//! From a document to the bytes, and back to their text.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod documents;
mod limits;
mod picture;
mod same;
mod text;

use std::sync::LazyLock;

use florin_pdf::{Document, Renderer};
use pdf_extract::{MediaBox, OutputDev, OutputError, Transform, output_doc};

static RENDERER: LazyLock<Renderer> = LazyLock::new(Renderer::new);

fn pdf(document: &Document) -> Vec<u8> {
    RENDERER.render(document).unwrap()
}

/// Without white space, and without the spaces of no width that let long words break: a PDF has places, not spaces.
fn squeezed(text: &str) -> String {
    text.chars().filter(|char| !char.is_whitespace() && *char != '\u{200b}').collect()
}

/// The text of each page, squeezed.
fn pages(document: &Document) -> Vec<String> {
    let pages = pdf_extract::extract_text_from_mem_by_pages(&pdf(document)).unwrap();
    pages.iter().map(|page| squeezed(page)).collect()
}

#[track_caller]
fn assert_has(document: &Document, texts: &[&str]) {
    let found = pages(document).concat();
    for text in texts {
        assert!(found.contains(&squeezed(text)), "{:?}: no {text} in {found}", document.language);
    }
}

/// Characters that begin right of the margin of a page of 595 points.
fn outside(document: &Document) -> String {
    let mut found = Outside(String::new());
    output_doc(&pdf_extract::Document::load_mem(&pdf(document)).unwrap(), &mut found).unwrap();
    found.0
}

struct Outside(String);

impl OutputDev for Outside {
    fn begin_page(&mut self, _: u32, _: &MediaBox, _: Option<(f64, f64, f64, f64)>) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn output_character(&mut self, at: &Transform, _: f64, _: f64, _: f64, char: &str) -> Result<(), OutputError> {
        if at.m31 > 541.0 {
            self.0.push_str(char);
        }
        Ok(())
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}
