//! Bytes as hexadecimal digits, two each, in small letters.

/// The digits of some bytes.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The 32 bytes of 64 digits, small or capital; `None` for anything else.
pub fn decode(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_what_is_not_64_digits_is_nothing() {
        let bytes: [u8; 32] = std::array::from_fn(|n| u8::try_from(n * 8).unwrap());
        let text = encode(&bytes);
        assert!(text.starts_with("0008101820"), "{text}");
        assert_eq!(decode(&text), Some(bytes));
        assert_eq!(decode(&text.to_uppercase()), Some(bytes));
        for bad in [
            "",
            &text[1..],
            &format!("{text}0"),
            &text.replacen("08", "0x", 1),
            &text.replacen("08", "+8", 1),
            &text.replacen("0008", "0é0", 1),
        ] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
