//! Whatever somebody sends, it is refused or kept: no fault, and nothing of it comes back as markup. Every call of the API with each of its
//! parameters and fields, and every form of every page, as they describe themselves.

use crate::acting_pages::device;
use crate::api::{Program, described};
use crate::api_calls::{body_of, filled};
use crate::app::{Reply, TestApp, Visitor};
use crate::pages::case;
use axum::http::{StatusCode, header};
use scraper::{ElementRef, Html, Selector};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use watchfloor::model::{Product, Role};

const MARKUP: &str = "\"'><script>alert(1)</script>";

/// A sample of each kind; the long one has ten thousand signs.
pub fn samples() -> Vec<String> {
    let mut samples: Vec<String> = [
        "\0",
        "a\0b",
        MARKUP,
        "' or 1=1; --",
        "%",
        "\\",
        "a\r\nSet-Cookie: sid=x",
        "\u{202e}txt.exe",
        "\u{0661}\u{0662}\u{0663}",
        "-1",
        "1e400",
        "9223372036854775808",
        "-9223372036854775808",
        "0000-00-00",
        "+999999-12-31T23:59:60Z",
        "../../../etc/passwd",
        "{{7*7}}${7*7}",
        "=cmd|' /C calc'!A0",
        "[]",
        "null",
        "\u{1F4A9}\u{200D}\u{FE0F}",
        "00000000-0000-0000-0000-000000000000",
    ]
    .map(str::to_owned)
    .to_vec();
    samples.push("x".repeat(10_000));
    samples
}

/// Some of them, and NUL always: others for each `turn`.
fn some(turn: usize) -> impl Iterator<Item = String> {
    samples().into_iter().enumerate().filter(move |(n, _)| *n == 0 || n % 4 == turn % 4).map(|(_, sample)| sample)
}

pub fn judge(reply: &Reply, what: &str) {
    assert!(!reply.status.is_server_error(), "{what}: {} {}", reply.status, reply.html);
    let is_page = reply.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    assert!(!is_page || !reply.html.contains("<script>alert(1)"), "{what}: it comes back as markup");
}

fn query(name: &str, value: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

async fn filled_app() -> TestApp {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    app.reading(tenant, Product::DefenderXdr, "ok", None).await;
    case(&app, tenant, "Something").await;
    device(&app, tenant, "lt-1").await;
    app
}

#[tokio::test]
async fn every_parameter_of_every_call_takes_bad_input_without_a_fault() {
    let app = filled_app().await;
    let program = Program::of(&app, Role::Admin, None).await;
    let description: Value = serde_json::from_str(&app.stranger().get("/api/v1/openapi.json").await.html).unwrap();
    let tenant = program.get("/tenants").await.1["data"][0]["id"].as_str().unwrap().to_owned();
    let mut tried = 0;
    for (method, path) in described(&app).await {
        let call = &description["paths"][format!("/api/v1{path}")][method.as_str().to_lowercase()];
        let at = filled(&path, &tenant);
        let names = call["parameters"].as_array().into_iter().flatten().filter(|parameter| parameter["in"] == "query");
        for name in names.filter_map(|parameter| parameter["name"].as_str()) {
            for sample in some(tried) {
                let question = format!("{at}{}{}", if at.contains('?') { '&' } else { '?' }, query(name, &sample));
                if question.len() < 8_000 {
                    let reply = program.answer(method.clone(), &question, body_of(&method, &path)).await;
                    judge(&reply, &format!("{method} {path} {name}={sample:?}"));
                    tried += 1;
                }
            }
        }
        for (field, schema) in fields_of(&description, call) {
            for sample in some(tried) {
                let value = if schema.to_string().contains("array") { json!([sample]) } else { json!(sample) };
                let mut body = body_of(&method, &path).unwrap_or_else(|| json!({}));
                body[&field] = value;
                judge(&program.answer(method.clone(), &at, Some(body)).await, &format!("{method} {path} {field}={sample:?}"));
                tried += 1;
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
}

/// The fields of a call's body, with what the description says of each.
fn fields_of(description: &Value, call: &Value) -> Vec<(String, Value)> {
    let schema = &call["requestBody"]["content"]["application/json"]["schema"];
    let one = schema["oneOf"].as_array().and_then(|all| all.iter().find(|one| one["$ref"].is_string())).unwrap_or(schema);
    let Some(name) = one["$ref"].as_str().and_then(|to| to.rsplit('/').next()) else { return Vec::new() };
    let properties = description["components"]["schemas"][name]["properties"].as_object();
    properties.into_iter().flatten().map(|(field, schema)| (field.clone(), schema.clone())).collect()
}

#[tokio::test]
async fn every_form_of_every_page_takes_bad_input_without_a_fault() {
    let app = filled_app().await;
    let mut visitor = app.sign_in(Role::Admin).await;
    let mut forms = 0;
    for page in pages(&visitor).await {
        let reply = visitor.get(&page).await.assert_success();
        let html = reply.html.clone();
        for form in forms_of(&html) {
            forms += 1;
            for (field, sample) in form.tries() {
                let what = format!("{} {} of {page}: {field}={sample:?}", form.method, form.action);
                let fields = form.filled(&field, &sample);
                let reply = if form.method == "post" {
                    visitor.post_form(&form.action, &fields).await
                } else {
                    let asked = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
                    visitor.get(&format!("{}?{asked}", form.action)).await
                };
                judge(&reply, &what);
                if visitor.get("/account").await.status != StatusCode::OK {
                    app.forget_attempts().await;
                    visitor = app.sign_in(Role::Admin).await; // the form ended this session, as it may
                }
            }
        }
    }
    assert!(forms > 40, "{forms}");
}

/// The main pages, and one of each kind that they lead to.
async fn pages(visitor: &Visitor) -> BTreeSet<String> {
    let begin = [
        "/",
        "/shift",
        "/incidents",
        "/alerts",
        "/tenants",
        "/devices",
        "/hunting",
        "/suppressions",
        "/account",
        "/admin/tenants",
        "/admin/tenants/new",
        "/admin/tenants/import",
        "/admin/users",
        "/admin/apps",
        "/admin/audit",
        "/admin/health",
        "/suppressions/new",
    ];
    let (mut pages, mut kinds): (BTreeSet<String>, BTreeSet<String>) = (begin.map(str::to_owned).into(), BTreeSet::new());
    for page in begin {
        let reply = visitor.get(page).await.assert_success();
        for link in Html::parse_document(&reply.html).select(&Selector::parse("main a[href^='/']").unwrap()) {
            let path = link.attr("href").unwrap().split(['?', '#']).next().unwrap();
            let kind: Vec<&str> = path.split('/').map(|part| if part.len() == 36 { "{}" } else { part }).collect();
            if kind.contains(&"{}") && !path.contains("export") && kinds.insert(kind.join("/")) {
                pages.insert(path.to_owned());
            }
        }
    }
    pages
}

/// What a form has in a field, and who fills it.
struct Field {
    name: String,
    value: String,
    kind: Kind,
}

#[derive(PartialEq)]
enum Kind {
    Hidden,
    Written,
    /// Sent only if somebody chose it.
    Ticked,
}

pub struct Form {
    method: String,
    pub action: String,
    fields: Vec<Field>,
}

impl Form {
    /// Each field that people fill, with each sample.
    pub fn tries(&self) -> Vec<(String, String)> {
        let samples = samples();
        let fits = |sample: &&String| self.method == "post" || sample.len() < 5_000;
        let open = self.fields.iter().filter(|field| field.kind != Kind::Hidden || field.name == "change");
        open.flat_map(|field| samples.iter().filter(fits).map(|sample| (field.name.clone(), sample.clone()))).collect()
    }

    pub fn filled<'a>(&'a self, field: &str, sample: &'a str) -> Vec<(&'a str, &'a str)> {
        let sent = self.fields.iter().filter(|one| one.kind != Kind::Ticked || one.name == field);
        sent.map(|one| (one.name.as_str(), if one.name == field { sample } else { one.value.as_str() })).collect()
    }
}

pub fn forms_of(html: &str) -> Vec<Form> {
    let document = Html::parse_document(html);
    let (forms, fields) = (Selector::parse("form").unwrap(), Selector::parse("input[name], select[name], textarea[name]").unwrap());
    let attr = |element: &ElementRef<'_>, name: &str| element.attr(name).unwrap_or_default().to_owned();
    let form = |form: ElementRef<'_>| {
        let all = form.select(&fields).map(|field| {
            let kind = match field.attr("type") {
                Some("hidden") => Kind::Hidden,
                Some("checkbox" | "radio") => Kind::Ticked,
                _ => Kind::Written,
            };
            Field { name: attr(&field, "name"), value: value_of(&field), kind }
        });
        Form {
            method: attr(&form, "method"),
            action: attr(&form, "action"),
            fields: all.filter(|field| field.name != "form_token").collect(),
        }
    };
    let all = document.select(&forms).map(form);
    all.filter(|form| !form.action.is_empty() && form.action != "/logout" && !form.action.contains("import")).collect()
}

/// What a browser would send.
fn value_of(field: &ElementRef<'_>) -> String {
    let option = |css: &str| field.select(&Selector::parse(css).unwrap()).next().and_then(|option| option.attr("value"));
    match field.value().name() {
        "select" => option("option[selected]").or_else(|| option("option")).unwrap_or_default().to_owned(),
        "textarea" => field.text().collect(),
        _ => field.attr("value").unwrap_or_default().to_owned(),
    }
}
