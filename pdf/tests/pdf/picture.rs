//! How a document looks: as the pictures in docs/images.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use florin_pdf::Document;
use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_syntax::Pdf;
use hayro::vello_cpu::Pixmap;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{RenderCache, RenderSettings, render};

use crate::{documents, pdf};

/// Pixels for a point: a page of A4 is 785 wide.
const SCALE: f32 = 1.32;
/// Of a colour, by how much a pixel may differ: edges are smoothed as the processor does it.
const DIFFERENCE_MAX: u8 = 48;
/// Of a thousand pixels, how many may differ by more.
const DIFFERENT_MAX: usize = 2;

/// The first page.
fn drawn(document: &Document) -> Pixmap {
    let pdf = Pdf::new(pdf(document)).unwrap();
    let settings = RenderSettings { x_scale: SCALE, y_scale: SCALE, bg_color: WHITE, ..RenderSettings::default() };
    render(&pdf.pages()[0], &RenderCache::new(), &InterpreterSettings::default(), &settings)
}

/// `UPDATE_PICTURES=1` writes them anew: look at them before you commit them.
#[test]
fn two_documents_look_as_their_pictures() {
    for (name, document) in [("en", documents::english()), ("ar", documents::arabic())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/images/invoice-{name}.png"));
        let drawn = drawn(&document);
        if std::env::var_os("UPDATE_PICTURES").is_some() {
            fs::write(&path, drawn.clone().into_png().unwrap()).unwrap();
        }
        let stored = Pixmap::from_png(Cursor::new(fs::read(&path).unwrap())).unwrap();
        assert_eq!((drawn.width(), drawn.height()), (stored.width(), stored.height()), "{name}");
        let (drawn, stored) = (drawn.data_as_u8_slice(), stored.data_as_u8_slice());
        let differs = |(a, b): (&[u8], &[u8])| a.iter().zip(b).any(|(a, b)| a.abs_diff(*b) > DIFFERENCE_MAX);
        let different = drawn.chunks(4).zip(stored.chunks(4)).filter(|pair| differs(*pair)).count();
        assert!(different * 1_000 <= DIFFERENT_MAX * drawn.len() / 4, "{name}: {different} pixels differ");
    }
}
