//! What typst sets, before it is a PDF: the text as it was given, and which glyphs stand for it.

#[path = "../tests/pdf/documents.rs"]
#[expect(dead_code, reason = "the tests of the PDF use the rest")]
mod documents;

use typst::layout::{Frame, FrameItem};

use crate::language::Labels;
use crate::view::View;
use crate::{Document, Language, Renderer};

/// The words without what is between them, and those with a glyph that no font has.
fn set(document: &Document) -> (String, Vec<String>) {
    let texts = serde_json::to_vec(&View::of(document)).unwrap();
    let pages = Renderer::new().pages(document, texts).unwrap();
    let (mut text, mut missing) = (String::new(), Vec::new());
    for page in pages.pages() {
        read(&page.frame, &mut text, &mut missing);
    }
    (text, missing)
}

fn read(frame: &Frame, text: &mut String, missing: &mut Vec<String>) {
    for (_, item) in frame.items() {
        match item {
            FrameItem::Group(group) => read(&group.frame, text, missing),
            FrameItem::Text(item) => {
                text.push_str(&item.text);
                missing.extend(item.glyphs.iter().any(|glyph| glyph.id == 0).then(|| item.text.to_string()));
            }
            _ => {}
        }
    }
}

#[test]
fn every_language_has_its_labels_and_a_glyph_for_each_of_their_characters() {
    for language in Language::ALL {
        let mut document = documents::short(language);
        document.paid = 1;
        document.note = Some("-".to_owned());
        document.corrects = Some("INV-1".to_owned());
        let (text, missing) = set(&document);
        assert_eq!(missing, [""; 0], "{language:?}");
        let labels = serde_json::to_value(Labels::of(language)).unwrap();
        for (name, label) in labels.as_object().unwrap() {
            let of_a_credit_note = ["credit_note", "credited"].contains(&name.as_str());
            for word in label.as_str().unwrap_or_default().split([' ', '-']).filter(|_| !of_a_credit_note) {
                assert!(text.contains(word), "{language:?}: {name}, {word}, is not in {text}");
            }
        }
    }
}

#[test]
fn names_of_every_script_have_their_glyphs_in_a_latin_document_also_in_bold() {
    for name in [
        "Łukasz Nguyễn Đỗ Þórðr",
        "Ελένη Παπαδοπούλου",
        "Михаил Щербаков",
        "مكتب النور للاستشارات",
        "پگاه چوپانی",
        "श्री राजेश कुमार",
        "株式会社東京精密機器",
        "北京龙腾贸易有限公司",
        "臺灣積體電路",
        "주식회사 한빛전자",
        "㈱髙﨑商店",
    ] {
        let mut document = documents::short(Language::English);
        document.buyer.name = name.to_owned();
        document.lines[0].description = name.to_owned();
        assert_eq!(set(&document).1, [""; 0], "{name}");
    }
}
