//! Which pictures are taken: none that costs much more than its bytes, and none that leads elsewhere.

use typst::foundations::Bytes;
use typst::visualize::{ExchangeFormat, RasterImage, SvgImage};

use crate::error::PdfError;
use crate::limits::{LOGO_BYTES_MAX, LOGO_ELEMENTS_MAX, LOGO_PIXELS_MAX};

const FIELD: &str = "seller.logo";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Shapes and their paint. What repeats (`use`, `pattern`), is made of pixels (`filter`), needs fonts or other files is
/// not among them.
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
    "clipPath",
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
    // Typst remembers what it decodes, so the template does not decode it again.
    let decoded = RasterImage::plain(Bytes::new(logo.to_vec()), ExchangeFormat::Png);
    decoded.map_err(|error| PdfError::field(FIELD, format!("a broken PNG ({error})"), "a PNG or an SVG"))?;
    Ok(())
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
        // A clip within a clip within a clip doubles what is drawn at each step.
        let clips = element.attribute("clip-path").is_some();
        if clips && element.ancestors().any(|above| above.tag_name().name() == "clipPath") {
            return Err(PdfError::field(FIELD, "an SVG with a clip in a clip", "an SVG with single clips"));
        }
    }
    let decoded = SvgImage::new(Bytes::new(logo.to_vec()));
    decoded.map_err(|_| PdfError::field(FIELD, "an SVG without a size or a shape", "an SVG that can be drawn"))?;
    Ok(())
}
