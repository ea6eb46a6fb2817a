//! Whether people can see what a text holds. The sentences repeat nothing of it.

/// A name that people can tell from others: no invisible characters, no letters of two alphabets in one word.
pub fn name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("A name is needed.");
    }
    line(name, 120)?;
    if !name.chars().any(char::is_alphanumeric) {
        return Err("A name needs a letter or a digit.");
    }
    if name.split(|c: char| !c.is_alphabetic()).any(mixes_alphabets) {
        return Err("A word of the name mixes letters of different alphabets.");
    }
    Ok(())
}

/// Latin letters beside Cyrillic or Greek ones, which look alike.
fn mixes_alphabets(word: &str) -> bool {
    let latin = word.chars().any(|c| matches!(c, 'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}'));
    latin && word.chars().any(|c| matches!(c, '\u{370}'..='\u{52f}'))
}

/// One line of at most `most` visible characters.
pub fn line(text: &str, most: usize) -> Result<(), &'static str> {
    if text.chars().count() > most {
        return Err(if most == 120 { "At most 120 characters." } else { "Too long." });
    }
    if text.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Err("Invisible characters are not allowed.");
    }
    let mut marks = 0;
    for c in text.chars() {
        marks = if is_combining(c) { marks + 1 } else { 0 };
        if marks > 4 {
            return Err("Too many accents on one letter.");
        }
    }
    Ok(())
}

/// Text of several lines, at most `most` characters.
pub fn text(text: &str, most: usize) -> Result<(), &'static str> {
    if text.chars().count() > most {
        return Err("Too long.");
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err("Control characters are not allowed.");
    }
    Ok(())
}

/// Zero-width, direction-changing and other characters that leave no mark on the page.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}'
    )
}

fn is_combining(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}
/// Words without what is empty around them, none of them empty, each once however it is written: as it is written first.
pub fn each_once<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    for word in words.map(str::trim).filter(|word| !word.is_empty()) {
        if !once.iter().any(|known| known.to_lowercase() == word.to_lowercase()) {
            once.push(word.to_owned());
        }
    }
    once
}
