//! The JSON API, version 1: the same store functions as the pages, behind bearer tokens, described by OpenAPI 3.1.
//!
//! To add a call: a handler with `#[utoipa::path]` in the file of its group, and its name in that file's `routes()`. Its first
//! argument is `Bearer`, so that it cannot be reached without a token; `tests/it/api.rs` visits every described call without one.

mod acting;
mod alerts;
mod audit;
mod bearer;
mod bulk;
mod changes;
mod cloud_apps;
mod coverage;
mod devices;
mod hunts;
mod incidents;
mod invites;
mod listing;
mod lookups;
mod notes;
mod problem;
mod responding;
mod saved_queries;
mod suppressions;
mod tenants;
mod usage;

use crate::app::AppState;
use axum::Json;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::any;
use bearer::Bearer;
use problem::Problem;
pub use problem::of_pages;
use serde::Serialize;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Where the API is mounted.
pub const BASE: &str = "/api/v1";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Watchfloor API",
        description = "Tenants, consent, coverage, incidents and alerts of the customers in the token's scope.\n\n\
                       Lists answer `data`, `next_cursor` and `coverage`; errors are RFC 9457 problems; times are RFC 3339 in UTC.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "Watchfloor")
    ),
    security(("token" = [])),
    modifiers(&BearerScheme)
)]
struct Description;

struct BearerScheme;

impl utoipa::Modify for BearerScheme {
    fn modify(&self, openapi: &mut OpenApi) {
        let scheme =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API token: `watchfloor api-token create`")).build();
        openapi.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The calls, their description, and the description as a page.
pub fn routes() -> Router<AppState> {
    let (calls, description) = described().split_for_parts();
    let calls = calls
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .route("/api/v1/{*rest}", any(|| async { Problem::NotFound }));
    let docs =
        SwaggerUi::new("/api/docs").url("/api/v1/openapi.json", description).config(Config::from("/api/v1/openapi.json").use_base_layout());
    // Swagger UI writes its page with innerHTML and brings its pictures along.
    let policy = HeaderValue::from_static(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; \
         base-uri 'none'; frame-ancestors 'none'; object-src 'none'",
    );
    let docs = Router::from(docs).layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, policy));
    let docs = docs.layer(map_response(in_utf8));
    Router::new().merge(calls).merge(docs)
}

/// Names the character set of texts, which Swagger UI leaves out.
async fn in_utf8(mut response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_text = kind.starts_with("text/") || kind.ends_with("javascript") || kind.ends_with("+xml");
    if is_text && let Ok(kind) = HeaderValue::try_from(format!("{kind}; charset=utf-8")) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

fn described() -> OpenApiRouter<AppState> {
    let calls = OpenApiRouter::new()
        .routes(routes!(me))
        .merge(tenants::routes())
        .merge(invites::routes())
        .merge(coverage::routes())
        .merge(incidents::routes())
        .merge(bulk::routes())
        .merge(notes::routes())
        .merge(alerts::routes())
        .merge(responding::routes())
        .merge(lookups::routes())
        .merge(changes::routes())
        .merge(usage::routes())
        .merge(hunts::routes())
        .merge(saved_queries::routes())
        .merge(suppressions::routes())
        .merge(cloud_apps::routes())
        .merge(acting::routes())
        .merge(devices::routes())
        .merge(audit::routes());
    OpenApiRouter::with_openapi(Description::openapi()).nest(BASE, calls)
}

/// Who the token acts as.
#[derive(Serialize, ToSchema)]
struct Me {
    id: uuid::Uuid,
    login: String,
    name: String,
    /// admin, lead, responder, analyst or viewer
    role: String,
    /// Whether every tenant is in scope.
    all_tenants: bool,
    /// The tenants in scope, where not all are.
    tenants: Vec<uuid::Uuid>,
}

/// Who the token acts as, and for which tenants.
#[utoipa::path(get, path = "/me", tag = "account", responses((status = OK, body = Me), (status = UNAUTHORIZED, body = problem::ProblemBody, content_type = "application/problem+json")))]
async fn me(user: Bearer) -> Result<Json<Me>, Problem> {
    let tenants = user.tenants().unwrap_or_default().into_iter().map(|tenant| tenant.0).collect();
    Ok(Json(Me {
        id: user.id.0,
        login: user.login.clone(),
        name: user.name.clone(),
        role: user.role.to_string(),
        all_tenants: user.tenants().is_none(),
        tenants,
    }))
}
