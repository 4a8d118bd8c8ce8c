//! What typst may see while it sets one document: two templates, one file of texts, one logo, eight fonts. It has no
//! clock, and nothing outside of it can be named.

use std::sync::LazyLock;

use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};

/// Where a family has two weights, the regular one stands first.
pub const FONTS: [(&str, &[u8]); 8] = [
    ("NotoSans-Regular.ttf", include_bytes!("../fonts/NotoSans-Regular.ttf")),
    ("NotoSans-Bold.ttf", include_bytes!("../fonts/NotoSans-Bold.ttf")),
    ("NotoSansArabic-Regular.ttf", include_bytes!("../fonts/NotoSansArabic-Regular.ttf")),
    ("NotoSansArabic-Bold.ttf", include_bytes!("../fonts/NotoSansArabic-Bold.ttf")),
    ("NotoSansDevanagari-Regular.ttf", include_bytes!("../fonts/NotoSansDevanagari-Regular.ttf")),
    ("NotoSansDevanagari-Bold.ttf", include_bytes!("../fonts/NotoSansDevanagari-Bold.ttf")),
    ("NotoSansCJK-Regular.otf", include_bytes!("../fonts/NotoSansCJK-Regular.otf")),
    ("NotoSansCJK-Bold.otf", include_bytes!("../fonts/NotoSansCJK-Bold.otf")),
];

static INVOICE: LazyLock<Source> = LazyLock::new(|| source("invoice.typ", include_str!("template/invoice.typ")));
static GST_BILL: LazyLock<Source> = LazyLock::new(|| source("gst_bill.typ", include_str!("template/gst_bill.typ")));
static COMMON: LazyLock<Source> = LazyLock::new(|| source("common.typ", include_str!("template/common.typ")));
static TEXTS: LazyLock<FileId> = LazyLock::new(|| id("texts.json"));
static LOGO: LazyLock<FileId> = LazyLock::new(|| id("logo"));

/// What all documents share.
pub struct Shelf {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
}

impl Shelf {
    pub fn new() -> Self {
        let fonts: Vec<Font> = FONTS.iter().flat_map(|(_, bytes)| Font::iter(Bytes::new(*bytes))).collect();
        let book = LazyHash::new(FontBook::from_fonts(&fonts));
        Self { library: LazyHash::new(Library::default()), book, fonts }
    }
}

/// What one document adds.
pub struct DocumentWorld<'a> {
    pub shelf: &'a Shelf,
    pub is_gst_bill: bool,
    pub texts: Bytes,
    pub logo: Option<Bytes>,
}

impl World for DocumentWorld<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.shelf.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.shelf.book
    }

    fn main(&self) -> FileId {
        if self.is_gst_bill { GST_BILL.id() } else { INVOICE.id() }
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        let known = [&INVOICE, &GST_BILL, &COMMON].into_iter().find(|source| source.id() == id);
        known.map(|source| Source::clone(source)).ok_or(FileError::AccessDenied)
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        let logo = self.logo.as_ref().filter(|_| id == *LOGO);
        let file = if id == *TEXTS { Some(&self.texts) } else { logo };
        file.cloned().ok_or(FileError::AccessDenied)
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.shelf.fonts.get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

fn source(name: &str, text: &str) -> Source {
    Source::new(id(name), text.to_owned())
}

#[expect(clippy::expect_used, reason = "the names stand in this file")]
fn id(name: &str) -> FileId {
    RootedPath::new(VirtualRoot::Project, VirtualPath::new(name).expect("a plain name is a path")).intern()
}
