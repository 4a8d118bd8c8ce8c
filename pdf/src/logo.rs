//! Which pictures are taken: none that costs much more than its bytes, and none that leads elsewhere.

use typst::foundations::Bytes;
use typst::visualize::{ExchangeFormat, RasterImage, SvgImage};

use crate::error::PdfError;
use crate::limits::{LOGO_BYTES_MAX, LOGO_ELEMENTS_MAX, LOGO_PIXELS_MAX};

const FIELD: &str = "seller.logo";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Levels of an SVG.
const DEPTH_MAX: usize = 32;
/// Stops of all gradients of an SVG: each shape may repeat all of them.
const STOPS_MAX: usize = 100;
/// Bytes of a PNG's colour profile, which is compressed: up to a thousand times as many in memory.
const PROFILE_BYTES_MAX: usize = 16 * 1024;

/// Shapes and their paint. What repeats or nests what it draws (`use`, `pattern`, `mask`, `clipPath`), is made of pixels
/// (`filter`), needs fonts or other files is not among them.
const SVG_ELEMENTS: &[&str] = &[
    "svg",
    "g",
    "path",
    "rect",
    "circle",
    "ellipse",
    "line",
    "polyline",
    "polygon",
    "defs",
    "linearGradient",
    "radialGradient",
    "stop",
    "style",
    "title",
    "desc",
    "metadata",
];

/// The format by its name in typst.
pub fn format(logo: &[u8]) -> &'static str {
    if logo.starts_with(PNG) { "png" } else { "svg" }
}

/// Whether this picture can stand at the head of a document.
///
/// # Errors
/// What it is, and what it may be.
pub fn check(logo: &[u8]) -> Result<(), PdfError> {
    if logo.len() > LOGO_BYTES_MAX {
        return Err(PdfError::field(FIELD, format!("{} bytes", logo.len()), format!("at most {LOGO_BYTES_MAX}")));
    }
    if format(logo) == "png" { png(logo) } else { svg(logo) }
}

/// The first chunk, IHDR, starts at byte 8 and has width and height at byte 16.
fn png(logo: &[u8]) -> Result<(), PdfError> {
    let number = |at: usize| logo.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes);
    let (Some(b"IHDR"), Some(width), Some(height)) = (logo.get(12..16), number(16), number(20)) else {
        return Err(PdfError::field(FIELD, "a broken PNG", "a PNG or an SVG"));
    };
    if u64::from(width) * u64::from(height) > LOGO_PIXELS_MAX {
        let limit = format!("at most {LOGO_PIXELS_MAX} pixels");
        return Err(PdfError::field(FIELD, format!("{width} by {height} pixels"), limit));
    }
    if profile_bytes(logo) > PROFILE_BYTES_MAX {
        let limit = format!("at most {PROFILE_BYTES_MAX} bytes of it");
        return Err(PdfError::field(FIELD, "a PNG with a large colour profile", limit));
    }
    // Typst remembers what it decodes, so the template does not decode it again.
    let decoded = RasterImage::plain(Bytes::new(logo.to_vec()), ExchangeFormat::Png);
    decoded.map_err(|error| PdfError::field(FIELD, format!("a broken PNG ({error})"), "a PNG or an SVG"))?;
    Ok(())
}

/// The length of the chunk iCCP. Each chunk has its length, its name, its data and four bytes more.
fn profile_bytes(logo: &[u8]) -> usize {
    let mut rest = logo.get(PNG.len()..).unwrap_or_default();
    while let Some((header, data)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, name @ ..] = *header;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if &name == b"iCCP" {
            return length;
        }
        rest = data.get(length.saturating_add(4)..).unwrap_or_default();
    }
    0
}

fn svg(logo: &[u8]) -> Result<(), PdfError> {
    let Some(text) = str::from_utf8(logo).ok().filter(|text| text.trim_start_matches('\u{feff}').starts_with('<'))
    else {
        return Err(PdfError::field(FIELD, "neither", "a PNG or an SVG"));
    };
    // No DTD, so no entities that grow.
    let tree = roxmltree::Document::parse(text).map_err(|error| {
        PdfError::field(FIELD, format!("an unreadable SVG ({error})"), "well-formed, without a DTD")
    })?;
    let elements = tree.descendants().filter(roxmltree::Node::is_element);
    if elements.clone().count() > LOGO_ELEMENTS_MAX {
        return Err(PdfError::field(FIELD, "a large SVG", format!("of at most {LOGO_ELEMENTS_MAX} elements")));
    }
    for element in elements {
        let name = element.tag_name().name();
        let in_metadata = element.ancestors().any(|above| above.has_tag_name("metadata"));
        if !in_metadata && !SVG_ELEMENTS.contains(&name) {
            let value = format!("an SVG with the element <{name}>");
            return Err(PdfError::field(FIELD, value, format!("an SVG of {}", SVG_ELEMENTS.join(", "))));
        }
        if element.ancestors().count() > DEPTH_MAX {
            return Err(PdfError::field(FIELD, "a deep SVG", format!("of at most {DEPTH_MAX} levels")));
        }
        // A filter may stand in a style, without an element of its own, and a backslash may hide its name.
        let style = if name == "style" { element.text() } else { element.attribute("style") };
        if element.has_attribute("filter")
            || style.is_some_and(|style| style.contains(['\\']) || style.contains("filter"))
        {
            return Err(PdfError::field(FIELD, "an SVG with a filter", "an SVG of shapes alone"));
        }
    }
    let stops = tree.descendants().filter(|node| node.tag_name().name() == "stop").count();
    if stops > STOPS_MAX {
        return Err(PdfError::field(FIELD, format!("an SVG with {stops} stops"), format!("of at most {STOPS_MAX}")));
    }
    let decoded = SvgImage::new(Bytes::new(logo.to_vec()));
    decoded.map_err(|_| PdfError::field(FIELD, "an SVG without a size or a shape", "an SVG that can be drawn"))?;
    Ok(())
}
