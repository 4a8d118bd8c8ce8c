//! Writes sample PDFs: `cargo run -p florin-pdf --example samples -- FOLDER`.

#[path = "../tests/pdf/documents.rs"]
mod documents;

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use florin_pdf::{Language, Renderer};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| ".".into()));
    let renderer = Renderer::new();
    let mut samples = vec![
        ("en".to_owned(), documents::english()),
        ("ar".to_owned(), documents::arabic()),
        ("gst".to_owned(), documents::gst_bill()),
    ];
    samples.extend(Language::ALL.map(|language| (format!("short-{}", language.code()), documents::short(language))));
    for (name, document) in samples {
        let path = folder.join(format!("invoice-{name}.pdf"));
        let pdf = renderer.render(&document)?;
        fs::write(&path, &pdf)?;
        println!("{} has {} bytes", path.display(), pdf.len());
    }
    Ok(())
}
