//! QR codes, drawn without any style or script.

use qrcode::{Color, QrCode};
use std::fmt::Write as _;

/// A QR code as one path of dark squares.
pub struct Code {
    /// Width and height, with the margin that scanners need.
    pub size: usize,
    pub path: String,
}

impl Code {
    /// `None`: the text is too long for one.
    pub fn new(text: &str) -> Option<Self> {
        let code = QrCode::new(text).ok()?;
        let (width, colors) = (code.width(), code.to_colors());
        let mut path = String::new();
        for (at, color) in colors.into_iter().enumerate() {
            if color == Color::Dark {
                let _ = write!(path, "M{} {}h1v1h-1z", at % width + 4, at / width + 4);
            }
        }
        Some(Self { size: width + 8, path })
    }
}
