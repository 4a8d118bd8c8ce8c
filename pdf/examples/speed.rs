//! Prints PDFs per second, of one page and of many lines: `cargo run --release -p florin-pdf --example speed`. For one
//! core: `RAYON_NUM_THREADS=1 taskset -c 0` before it.

#[path = "../tests/pdf/documents.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod documents;

use std::error::Error;
use std::time::Instant;

use florin_pdf::{Document, Language, PdfError, Renderer, limits};

const SECONDS: u64 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let renderer = Renderer::new();
    println!("fonts parsed in {} ms", started.elapsed().as_millis());
    for (name, document) in [
        ("one page", documents::short(Language::English)),
        ("one page, Arabic", documents::arabic()),
        ("one page, Japanese", documents::short(Language::Japanese)),
    ] {
        per_second(&renderer, name, document)?;
    }
    for (lines, chars) in [(56, 40), (2_000, 40), (limits::LINES_MAX, limits::LINES_CHARS_MAX / limits::LINES_MAX)] {
        let mut document = documents::english();
        document.lines = document.lines.iter().cycle().take(lines).cloned().collect();
        for line in &mut document.lines {
            line.description = line.description.chars().cycle().take(chars).collect();
        }
        let started = Instant::now();
        let pdf = renderer.render(&document)?;
        println!("{lines} lines: {} ms, {} kB", started.elapsed().as_millis(), pdf.len() / 1024);
    }
    Ok(())
}

/// Each document has a number of its own, as in life.
fn per_second(renderer: &Renderer, name: &str, mut document: Document) -> Result<(), PdfError> {
    renderer.render(&document)?;
    let started = Instant::now();
    let mut made: u64 = 0;
    while started.elapsed().as_secs() < SECONDS {
        document.number = format!("INV-{made}");
        renderer.render(&document)?;
        made += 1;
    }
    println!("{name}: {} a second", made / SECONDS);
    Ok(())
}
