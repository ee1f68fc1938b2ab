//! Style sheet and scripts, which lie in the program itself. Their address holds their digest, so a browser may keep them
//! for ever and still never has an old one.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use crate::model::hex;

/// A file that is sent as it is.
pub(super) struct Asset {
    kind: &'static str,
    content: &'static [u8],
    /// Its address.
    href: String,
}

impl Asset {
    fn new(name: &str, extension: &str, kind: &'static str, content: &'static [u8]) -> Self {
        let digest = hex::encode(&Sha256::digest(content)[..8]);
        Self { kind, content, href: format!("/ui/static/{name}.{digest}.{extension}") }
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

static ASSETS: LazyLock<[Asset; 6]> = LazyLock::new(|| {
    [
        Asset::new("mark", "svg", "image/svg+xml", include_bytes!("static/mark.svg")),
        Asset::new("dashboard", "css", "text/css; charset=utf-8", include_bytes!("static/dashboard.css")),
        // htmx 4.0.1 and two extensions of it: see static/LICENSE-htmx.
        Asset::new("htmx", "js", SCRIPT, include_bytes!("static/htmx.min.js")),
        Asset::new("hx-ptag", "js", SCRIPT, include_bytes!("static/hx-ptag.min.js")),
        Asset::new("hx-sse", "js", SCRIPT, include_bytes!("static/hx-sse.min.js")),
        Asset::new("dashboard", "js", SCRIPT, include_bytes!("static/dashboard.js")),
    ]
});

/// Where the mark of the pages is.
pub(super) fn mark() -> &'static str {
    &ASSETS[0].href
}

/// Where the style sheet is.
pub(super) fn style() -> &'static str {
    &ASSETS[1].href
}

/// Where the scripts are, in the order in which they run.
pub(super) fn scripts() -> impl Iterator<Item = &'static str> {
    ASSETS[2..].iter().map(|asset| asset.href.as_str())
}

pub(super) async fn send(Path(file): Path<String>) -> Response {
    let named = |asset: &&Asset| asset.href.strip_prefix("/ui/static/") == Some(file.as_str());
    let Some(asset) = ASSETS.iter().find(named) else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, asset.content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_changes_with_its_content() {
        let one = Asset::new("x", "js", SCRIPT, b"1");
        assert_eq!(one.href, Asset::new("x", "js", SCRIPT, b"1").href);
        assert_ne!(one.href, Asset::new("x", "js", SCRIPT, b"2").href);
        assert_eq!(scripts().count(), 4);
    }
}
