//! Words, texts and signs of a query, each with its place.

/// What a piece is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or a word of the language.
    Word,
    Text,
    Number,
    /// `7d`, `12h`, `30m`.
    Span,
    Sign,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    /// Of a text what is between its quotes.
    pub text: String,
    /// Line and column, from 1.
    pub at: (usize, usize),
}

const SIGNS: [&str; 14] = ["==", "=~", "!=", "!~", ">=", "<=", "=", ">", "<", "|", ",", "(", ")", "!"];

/// Takes a query apart; comments are left out.
///
/// # Errors
/// The message of a query that cannot be read.
pub(super) fn tokens(query: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    for (n, line) in query.lines().enumerate() {
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let at = (n + 1, line.len() - rest.len() + 1);
            if c.is_whitespace() {
                rest = rest.trim_start();
                continue;
            }
            if rest.starts_with("//") {
                break;
            }
            let (kind, text, length) = piece(rest, c).ok_or_else(|| unreadable(&c.to_string(), at))?;
            found.push(Token { kind, text, at });
            rest = &rest[length..];
        }
    }
    Ok(found)
}

fn piece(rest: &str, first: char) -> Option<(Kind, String, usize)> {
    if first == '"' || first == '\'' {
        return text(rest, first);
    }
    if first.is_alphabetic() || first == '_' {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        return Some((Kind::Word, rest[..end].to_owned(), end));
    }
    if first.is_ascii_digit() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let word = &rest[..end];
        let kind = if word.bytes().all(|byte| byte.is_ascii_digit()) { Kind::Number } else { Kind::Span };
        let good = kind == Kind::Number || word.trim_start_matches(|c: char| c.is_ascii_digit()).len() == 1;
        return good.then(|| (kind, word.to_owned(), end));
    }
    let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign))?;
    Some((Kind::Sign, (*sign).to_owned(), sign.len()))
}

fn text(rest: &str, quote: char) -> Option<(Kind, String, usize)> {
    let mut text = String::new();
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => {
                text.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            c if c == quote => return Some((Kind::Text, text, at + 1)),
            c => text.push(c),
        }
    }
    None
}

/// Microsoft's words for what cannot be parsed.
pub(super) fn unreadable(what: &str, (line, column): (usize, usize)) -> String {
    format!("Query could not be parsed at '{what}' on line [{line},{column}]. Fix syntax errors in your query.")
}
