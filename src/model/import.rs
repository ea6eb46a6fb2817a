//! Tenants from a CSV file: its [`COLUMNS`] in any order.

use super::registration::{Raw, Registration, Wrong};
use super::{Cloud, DirectoryId};
use std::collections::BTreeSet;

/// The columns; only `name` must be there.
pub const COLUMNS: [&str; 11] =
    ["name", "directory_id", "domain", "cloud", "apps", "tags", "group", "contacts", "notes", "endpoint_region", "cloud_apps_host"];
/// The most rows of one file.
pub const MOST_ROWS: usize = 5_000;

/// One row of the file.
#[derive(Clone, Debug)]
pub struct Row {
    /// As editors count them; the header is line 1.
    pub line: usize,
    /// As typed, for the preview.
    pub name: String,
    pub verdict: Verdict,
}

/// What would become of a row.
#[derive(Clone, Debug)]
pub enum Verdict {
    Good(Box<Registration>),
    Wrong(Vec<Wrong>),
    /// The file names this tenant or directory further up.
    Twice,
    /// The registry has this name or directory.
    Registered,
}

/// How many lines end in a text: by CR LF, LF, or CR alone, as the reader of rows takes them.
fn line_ends(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends = |at: usize| bytes[at] == b'\n' || (bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    (0..bytes.len()).filter(|at| ends(*at)).count()
}

/// Reads a whole file. Names and directories are compared without case, in the file and with `names` (lower case) and `directories`,
/// which stand in the registry.
///
/// # Errors
/// One sentence, if it is not such a file at all.
pub fn read(
    text: &str,
    known: &[(&str, Cloud)],
    names: &BTreeSet<String>,
    directories: &BTreeSet<DirectoryId>,
) -> Result<Vec<Row>, &'static str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains('\0') {
        return Err("This is not a text file.");
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let places = header(reader.headers().map_err(|_| "The header cannot be read.")?)?;
    let (mut seen_names, mut seen_directories) = (BTreeSet::new(), BTreeSet::new());
    let mut rows = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for record in reader.records() {
        let record = record.map_err(|_| "A row cannot be read: are the quotes in order?")?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        if rows.len() == MOST_ROWS {
            return Err("The file has more than 5,000 rows. Split it.");
        }
        let start = record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(counted);
        // A record may begin with the end of the line before it.
        let start = start + text.as_bytes()[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        line += line_ends(&text[counted..start]);
        counted = start;
        let raw = raw(&record, &places);
        let verdict = match raw.check(known) {
            Err(wrong) => Verdict::Wrong(wrong),
            Ok(good) => {
                let name = good.name.to_lowercase();
                let registered = names.contains(&name) || good.directory.is_some_and(|directory| directories.contains(&directory));
                let twice = !seen_names.insert(name) | good.directory.is_some_and(|directory| !seen_directories.insert(directory));
                match (registered, twice) {
                    (true, _) => Verdict::Registered,
                    (false, true) => Verdict::Twice,
                    (false, false) => Verdict::Good(Box::new(good)),
                }
            }
        };
        rows.push(Row { line, name: raw.name, verdict });
    }
    if rows.is_empty() { Err("The file has a header but no rows.") } else { Ok(rows) }
}

/// Where each of the [`COLUMNS`] stands.
fn header(header: &csv::StringRecord) -> Result<[Option<usize>; COLUMNS.len()], &'static str> {
    let mut places = [None; COLUMNS.len()];
    for (at, title) in header.iter().enumerate() {
        let title = title.to_ascii_lowercase().replace([' ', '-'], "_");
        let column = COLUMNS.iter().position(|column| *column == title).ok_or(
            "The header has a column that is not known. The columns are name, directory_id, domain, cloud, apps, tags, group, contacts, notes, \
             endpoint_region, cloud_apps_host.",
        )?;
        if places[column].replace(at).is_some() {
            return Err("The header names a column twice.");
        }
    }
    if places[0].is_none() {
        return Err("The first line must name the columns, and `name` must be among them.");
    }
    Ok(places)
}

fn raw(record: &csv::StringRecord, places: &[Option<usize>; COLUMNS.len()]) -> Raw {
    let field = |column: usize| places[column].and_then(|at| record.get(at)).unwrap_or_default().to_owned();
    let apps: Vec<String> = field(4).split([',', ';', ' ']).map(str::trim).filter(|app| !app.is_empty()).map(str::to_owned).collect();
    Raw {
        name: field(0),
        directory: field(1),
        domain: field(2),
        cloud: field(3),
        apps: (!apps.is_empty()).then_some(apps),
        tags: field(5),
        group: field(6),
        contacts: field(7),
        notes: field(8),
        region: field(9),
        cloud_apps_host: field(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPS: &[(&str, Cloud)] = &[("defender", Cloud::Commercial), ("writer", Cloud::Commercial)];

    fn verdicts(text: &str) -> Result<Vec<String>, &'static str> {
        let names = BTreeSet::from(["fabrikam".to_owned()]);
        let directories = BTreeSet::from([DirectoryId::parse("11111111-2222-3333-4444-555555555555").unwrap()]);
        let word = |row: Row| match row.verdict {
            Verdict::Good(good) => format!("{} good {}", row.line, good.apps.join("+")),
            Verdict::Wrong(wrong) => format!("{} {}", row.line, wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>().join("+")),
            Verdict::Twice => format!("{} twice", row.line),
            Verdict::Registered => format!("{} registered", row.line),
        };
        Ok(read(text, APPS, &names, &directories)?.into_iter().map(word).collect())
    }

    #[test]
    fn each_row_gets_its_own_verdict_whatever_the_order_of_columns_and_the_ends_of_lines() {
        let file = "\u{feff}Directory ID,name,apps,notes\r\n\
            AAAABBBB-0000-CCCC-1111-DDDD2222EEEE,Contoso,,\"two\r\nlines, \"\"quoted\"\"\"\r\n\
            aaaabbbb-0000-cccc-1111-dddd2222eeee,Woodgrove,,\r\n\
            ,CONTOSO,writer,\r\n\
            \r\n\
            ,Fabrikam,,\r\n\
            11111111-2222-3333-4444-555555555555,Litware,,\r\n\
            organizations,,nothing,\r\n\
            ,Short\r\n";
        let expected = [
            "2 good defender+writer",
            "4 twice",
            "5 twice",
            "7 registered",
            "8 registered",
            "9 name+directory+apps",
            "10 good defender+writer",
        ];
        assert_eq!(verdicts(file).unwrap(), expected);
        // A line may end in CR alone, in the middle of others.
        assert_eq!(
            verdicts("name\r\nContoso One,\rContoso Two\nContoso Three").unwrap(),
            ["2 good defender+writer", "3 good defender+writer", "4 good defender+writer"]
        );
    }

    #[test]
    fn what_is_not_such_a_file_is_refused_with_a_sentence() {
        for bad in ["", "name", "name\n", "PK\u{3}\u{4}\0\0", "title\nContoso", "name,name\na,b", "directory_id\nx", "name,\"oops\nContoso"]
        {
            assert!(verdicts(bad).is_err(), "{bad:?}");
        }
        assert!(verdicts(&format!("name\n{}", "x\n".repeat(MOST_ROWS + 1))).is_err());
    }
}
