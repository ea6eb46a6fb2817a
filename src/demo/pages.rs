//! The stand-in's few HTML pages: plain forms, no script, readable in light and dark and on a phone.

use super::call::Answer;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#c4c9d0;--soft:#5a6470;--act:#1f5fa8}\
@media(prefers-color-scheme:dark){:root{--line:#4a525c;--soft:#a9b4c0;--act:#8ab8f0}}\
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:44rem}\
body.wide{max-width:72rem}.note{border:1px dashed var(--line);padding:.5rem .75rem;color:var(--soft)}\
h1{font-size:1.4rem;line-height:1.25}h2{font-size:1.1rem}ul{padding-left:1.2rem}\
fieldset{border:1px solid var(--line);border-radius:4px;margin:1rem 0;padding:.5rem .75rem}\
label{display:block;padding:.25rem 0}button{font:inherit;padding:.4rem .9rem;border:1px solid var(--line);border-radius:4px;\
background:transparent;color:inherit;cursor:pointer}button.go{background:var(--act);border-color:var(--act);color:Canvas}\
button.link{border:0;padding:.4rem 0;color:var(--act);text-decoration:underline}.row{display:flex;flex-wrap:wrap;gap:.5rem}\
form.in{display:inline}.card{border:1px solid var(--line);border-radius:4px;padding:.5rem .75rem;margin:.75rem 0}\
small,.soft{color:var(--soft)}code{overflow-wrap:anywhere}";

/// Text for HTML, also inside a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A whole page. `title` is text, `main` is HTML.
pub(super) fn page(status: u16, wide: bool, title: &str, main: &str) -> Answer {
    let title = escape(title);
    let class = if wide { " class=\"wide\"" } else { "" };
    Answer::html(
        status,
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>{title} · Stand-in for Microsoft</title><style>{STYLE}</style></head><body{class}>\
             <p class=\"note\"><strong>Stand-in for Microsoft.</strong> Nothing here is real: no account, no password, no data leaves this machine.</p>\
             <main><h1>{title}</h1>{main}</main></body></html>"
        ),
    )
}

/// An error page that stays with Microsoft.
pub(super) fn dead_end(status: u16, title: &str, code: u32, sentence: &str) -> Answer {
    let main = format!("<p>{}</p><p class=\"soft\">AADSTS{code}</p>", escape(sentence));
    page(status, false, title, &main)
}
