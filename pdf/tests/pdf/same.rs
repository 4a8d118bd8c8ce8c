//! The same bytes everywhere.

use std::fs;
use std::path::Path;
use std::thread;

use florin_pdf::{Language, Renderer};
use sha2::{Digest, Sha256};

use crate::{documents, pdf};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// They change with a font, a template or a version of typst. Look at the samples before you take new ones over.
#[test]
fn two_documents_have_the_bytes_they_had() {
    for (name, document, pinned) in [
        ("english", documents::english(), "91b9a84703895fcc1ff76c2c334286c3f5d99aa64009b19e3b705c4409134150"),
        ("arabic", documents::arabic(), "c91de22198ec0a570ff3f5b6bb357a59014886d8e2a837b25004e4d2b2d7fb52"),
    ] {
        assert_eq!(sha256(&pdf(&document)), pinned, "{name}");
    }
}

#[test]
fn threads_renderers_and_what_was_made_before_do_not_matter() {
    let document = documents::short(Language::Japanese);
    let first = pdf(&document);
    assert_eq!(sha256(&first), sha256(&pdf(&document)), "once more");
    thread::scope(|scope| {
        let made = [Language::Hindi, Language::German, Language::French].map(|before| {
            let document = &document;
            scope.spawn(move || {
                let renderer = Renderer::new();
                renderer.render(&documents::short(before)).unwrap();
                renderer.render(document).unwrap()
            })
        });
        for made in made {
            assert_eq!(sha256(&first), sha256(&made.join().unwrap()), "by another thread and renderer");
        }
    });
}

#[test]
fn the_date_of_creation_is_the_day_of_issue_and_the_id_follows_the_content() {
    let document = documents::short(Language::English);
    let bytes = pdf(&document);
    let created = b"(D:20260312000000Z)";
    assert!(bytes.windows(created.len()).any(|window| window == created));
    let id = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.split("xmpMM:DocumentID>").nth(1).map(str::to_owned)
    };
    let mut other = document;
    other.due += 1;
    assert!(id(&bytes).is_some());
    assert_ne!(id(&bytes), id(&pdf(&other)));
}

#[test]
fn fonts_are_those_that_were_checked_in() {
    for (name, pinned) in [
        ("NotoSans-Regular.ttf", "6a582b639e310b4a0055d2cf5f342b7f66bf8e8df08bb7506ad225610e14be42"),
        ("NotoSans-Bold.ttf", "9b3b30e793535c6a38ac9e34dc60fc80fc63bc4a88d13a52d0bad5033607a94c"),
        ("NotoSansArabic-Regular.ttf", "7eed90ec09ff4daa5bd6250c65ff384eb6e9d9cb7b6faa3cab2151caab57e4ea"),
        ("NotoSansArabic-Bold.ttf", "7ab33964db17a7f440ba73cfc04f6ff95c7d9a12330186b917a3794aa20feef3"),
        ("NotoSansDevanagari-Regular.ttf", "f69ef2a98c29904780e958d9e76ee9551fb751ebadc68421f7ebae0e80c119b0"),
        ("NotoSansDevanagari-Bold.ttf", "2cb1dba2a3351288bd1051669c2a6a588996643cb5894d9700d16034f37a6ed5"),
        ("NotoSansCJK-Regular.otf", "610813cf9d6909535128ddffc4f6a10e199d3a77ce9e01d9791b2cb94b733416"),
        ("NotoSansCJK-Bold.otf", "6c27ac882d4523b6d1c4ebe4c777d5982e888cb7d864d61ae603823782e6c15c"),
    ] {
        let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fonts").join(name)).unwrap();
        assert_eq!(sha256(&bytes), pinned, "{name}");
    }
}
