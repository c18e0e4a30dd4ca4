//! A QR code, on a terminal and as an image.

use crate::error::Failure;
use qrcode::render::{svg, unicode};
use qrcode::{Color, EcLevel, QrCode};

/// Pixels of a module's side in an image: sharp on paper and on a telephone.
const MODULE: usize = 8;
/// Modules of white around it, as ISO/IEC 18004 asks for.
const QUIET: usize = 4;

/// A code.
pub struct Code(QrCode);

impl Code {
    /// Of a short text.
    ///
    /// # Errors
    /// Internal, for a text that does not fit any.
    pub fn of(text: &str) -> Result<Self, Failure> {
        QrCode::with_error_correction_level(text, EcLevel::M).map(Self).map_err(|e| Failure::internal(e.to_string()))
    }

    /// For a terminal, light on dark.
    #[must_use]
    pub fn text(&self) -> String {
        let mut drawn = self.0.render::<unicode::Dense1x2>();
        drawn.dark_color(unicode::Dense1x2::Light).light_color(unicode::Dense1x2::Dark).quiet_zone(true).build()
    }

    /// As an SVG image.
    #[must_use]
    pub fn svg(&self) -> String {
        let side = u32::try_from(MODULE).unwrap_or(8);
        self.0.render::<svg::Color<'_>>().module_dimensions(side, side).quiet_zone(true).build()
    }

    /// As a PNG image.
    ///
    /// # Errors
    /// Internal, when it cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>, Failure> {
        let (side, pixels) = self.pixels();
        let failed = |e: png::EncodingError| Failure::internal(format!("cannot encode the image: {e}"));
        let mut out = Vec::new();
        let size = u32::try_from(side).unwrap_or(u32::MAX);
        let mut encoder = png::Encoder::new(&mut out, size, size);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&pixels).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(out)
    }

    /// Side, and one grey byte a pixel.
    fn pixels(&self) -> (usize, Vec<u8>) {
        let modules = self.0.width();
        let side = (modules + 2 * QUIET) * MODULE;
        let dark = |x: usize, y: usize| {
            let inside = |n: usize| (n / MODULE).checked_sub(QUIET).filter(|m| *m < modules);
            matches!((inside(x), inside(y)), (Some(x), Some(y)) if self.0[(x, y)] == Color::Dark)
        };
        let pixels = (0..side * side).map(|n| if dark(n % side, n / side) { 0 } else { 0xFF }).collect();
        (side, pixels)
    }
}
