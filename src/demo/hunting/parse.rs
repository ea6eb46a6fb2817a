//! The part of the query language that the stand-in understands: `Table | where … | project … | take n | top n by c | summarize count() by c
//! | count | sort by c`, and `print x = 1`.

use super::lexer::{Kind, Token, tokens, unreadable};
use chrono::TimeDelta;

/// A whole query.
#[derive(Debug)]
pub(super) enum Query {
    Table(String, Vec<Stage>),
    Print(Vec<(String, Value)>),
}

#[derive(Debug)]
pub(super) enum Stage {
    Where(Condition),
    /// New name, column.
    Project(Vec<(String, String)>),
    Take(usize),
    /// Columns, each with whether it falls.
    Sort(Vec<(String, bool)>),
    Top(usize, String, bool),
    /// Name of the count, columns.
    Summarize(String, Vec<String>),
    Count,
}

impl Stage {
    /// As Microsoft's messages name it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Where(_) => "where",
            Self::Project(_) => "project",
            Self::Take(_) => "take",
            Self::Sort(_) => "sort",
            Self::Top(..) => "top",
            Self::Summarize(..) => "summarize",
            Self::Count => "count",
        }
    }
}

#[derive(Debug)]
pub(super) enum Condition {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Is(String, Comparison, Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    EqualInAnyCase,
    NotEqualInAnyCase,
    Has,
    Contains,
    StartsWith,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Bool(bool),
    /// So long ago.
    Ago(TimeDelta),
}

/// Reads a query.
///
/// # Errors
/// The message of a query that cannot be read.
pub(super) fn parse(query: &str) -> Result<Query, String> {
    let mut reader = Reader { tokens: tokens(query)?, next: 0 };
    let first = reader.word()?;
    let parsed = if first == "print" {
        Query::Print(reader.list(|reader| {
            let name = reader.word()?;
            reader.sign("=")?;
            Ok((name, reader.value()?))
        })?)
    } else {
        let mut stages = Vec::new();
        while reader.is("|") {
            stages.push(reader.stage()?);
        }
        Query::Table(first, stages)
    };
    if reader.next < reader.tokens.len() { Err(reader.wrong()) } else { Ok(parsed) }
}

struct Reader {
    tokens: Vec<Token>,
    next: usize,
}

impl Reader {
    fn wrong(&self) -> String {
        match self.tokens.get(self.next) {
            Some(token) => unreadable(&token.text, token.at),
            None => unreadable("<EOF>", self.tokens.last().map_or((1, 1), |last| (last.at.0, last.at.1 + last.text.len()))),
        }
    }

    fn take(&mut self, kind: &Kind) -> Result<String, String> {
        let token = self.tokens.get(self.next).filter(|token| token.kind == *kind).ok_or_else(|| self.wrong())?;
        self.next += 1;
        Ok(token.text.clone())
    }

    fn word(&mut self) -> Result<String, String> {
        self.take(&Kind::Word)
    }

    fn number(&mut self) -> Result<usize, String> {
        let here = self.next;
        let parsed = self.take(&Kind::Number)?.parse();
        parsed.map_err(|_| {
            self.next = here;
            self.wrong()
        })
    }

    /// Takes a word or a sign, if it comes next.
    fn is(&mut self, text: &str) -> bool {
        let found = self.tokens.get(self.next).is_some_and(|token| token.text == text && matches!(token.kind, Kind::Word | Kind::Sign));
        self.next += usize::from(found);
        found
    }

    fn sign(&mut self, text: &str) -> Result<(), String> {
        if self.is(text) { Ok(()) } else { Err(self.wrong()) }
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        let mut items = vec![item(self)?];
        while self.is(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn stage(&mut self) -> Result<Stage, String> {
        let here = self.next;
        Ok(match self.word()?.as_str() {
            "where" => Stage::Where(self.either()?),
            "project" => Stage::Project(self.list(|reader| {
                let name = reader.word()?;
                let column = if reader.is("=") { reader.word()? } else { name.clone() };
                Ok((name, column))
            })?),
            "take" | "limit" => Stage::Take(self.number()?),
            "sort" | "order" => {
                self.sign("by")?;
                Stage::Sort(self.list(Self::ordered)?)
            }
            "top" => {
                let n = self.number()?;
                self.sign("by")?;
                let (column, falling) = self.ordered()?;
                Stage::Top(n, column, falling)
            }
            "summarize" => self.summarize()?,
            "count" => Stage::Count,
            _ => {
                self.next = here;
                return Err(self.wrong());
            }
        })
    }

    /// Microsoft's order falls where nothing is said.
    fn ordered(&mut self) -> Result<(String, bool), String> {
        let column = self.word()?;
        let rising = self.is("asc");
        if !rising {
            self.is("desc");
        }
        Ok((column, !rising))
    }

    fn summarize(&mut self) -> Result<Stage, String> {
        let mut name = "count_".to_owned();
        if self.tokens.get(self.next + 1).is_some_and(|token| token.text == "=") {
            name = self.word()?;
            self.sign("=")?;
        }
        for part in ["count", "(", ")"] {
            self.sign(part)?;
        }
        let by = if self.is("by") { self.list(Self::word)? } else { Vec::new() };
        Ok(Stage::Summarize(name, by))
    }

    fn either(&mut self) -> Result<Condition, String> {
        let mut left = self.both()?;
        while self.is("or") {
            left = Condition::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Condition, String> {
        let mut left = self.one()?;
        while self.is("and") {
            left = Condition::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Condition, String> {
        if self.is("(") {
            let inner = self.either()?;
            self.sign(")")?;
            return Ok(inner);
        }
        let column = self.word()?;
        let signs = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("=~", Comparison::EqualInAnyCase),
            ("!~", Comparison::NotEqualInAnyCase),
            ("has", Comparison::Has),
            ("contains", Comparison::Contains),
            ("startswith", Comparison::StartsWith),
            ("<", Comparison::Less),
            ("<=", Comparison::LessOrEqual),
            (">", Comparison::Greater),
            (">=", Comparison::GreaterOrEqual),
        ];
        let comparison = signs.into_iter().find(|(sign, _)| self.is(sign)).map(|(_, comparison)| comparison);
        Ok(Condition::Is(column, comparison.ok_or_else(|| self.wrong())?, self.value()?))
    }

    fn value(&mut self) -> Result<Value, String> {
        let here = self.next;
        let token = self.tokens.get(here).cloned().ok_or_else(|| self.wrong())?;
        self.next += 1;
        let value = match (&token.kind, token.text.as_str()) {
            (Kind::Text, _) => Some(Value::Text(token.text)),
            (Kind::Number, digits) => digits.parse().ok().map(Value::Number),
            (Kind::Word, "true") => Some(Value::Bool(true)),
            (Kind::Word, "false") => Some(Value::Bool(false)),
            (Kind::Word, "ago") => {
                self.sign("(")?;
                let span = self.take(&Kind::Span)?;
                self.sign(")")?;
                length(&span).map(Value::Ago)
            }
            (Kind::Word, "now") => {
                self.sign("(")?;
                self.sign(")")?;
                Some(Value::Ago(TimeDelta::zero()))
            }
            _ => None,
        };
        value.ok_or_else(|| {
            self.next = here;
            self.wrong()
        })
    }
}

fn length(span: &str) -> Option<TimeDelta> {
    let number = |text: &str| text.parse::<u32>().ok().map(i64::from);
    match span.split_at_checked(span.len() - 1)? {
        (days, "d") => number(days).map(TimeDelta::days),
        (hours, "h") => number(hours).map(TimeDelta::hours),
        (minutes, "m") => number(minutes).map(TimeDelta::minutes),
        _ => None,
    }
}
