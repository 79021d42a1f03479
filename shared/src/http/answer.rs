//! A successful answer, and the response that it becomes.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body_util::Full;
use hyper::{
    HeaderMap, StatusCode, Uri,
    header::{self, HeaderValue},
};
use serde::Serialize;

use super::{Response, Result};

/// Bodies from this size on are compressed where the client takes gzip.
const GZIP_FROM: usize = 1024;
/// What is asked for again is answered from here on with 304 where it is still the same.
const REVALIDATE: &str = "no-cache";

/// A successful answer.
#[derive(Clone, Debug)]
pub struct Answer {
    status: StatusCode,
    body: Bytes,
    /// The body as gzip, where it was compressed before.
    gzip: Option<Bytes>,
    content_type: &'static str,
    cache: &'static str,
    next: Option<String>,
}

impl Answer {
    pub(super) fn new(body: impl Into<Bytes>, content_type: &'static str) -> Self {
        Self {
            status: StatusCode::OK,
            body: body.into(),
            gzip: None,
            content_type,
            cache: REVALIDATE,
            next: None,
        }
    }

    pub(super) fn text(body: impl Into<Bytes>) -> Self {
        Self::new(body, "text/plain; charset=utf-8")
    }

    pub(super) fn json(value: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value).map_err(anyhow::Error::from)?;
        Ok(Self::new(body, "application/json"))
    }

    /// With 201: something was made.
    pub(super) fn created(self) -> Self {
        Self { status: StatusCode::CREATED, ..self }
    }

    /// Compressed as far as it goes, for what is answered again and again.
    pub(super) fn compressed(self) -> Self {
        let gzip = is_worth_it(&self.body).then(|| compress(&self.body, Compression::best()));
        Self { gzip: gzip.flatten(), ..self }
    }

    /// Kept by browsers and proxies as `cache` says.
    pub(super) fn cached(self, cache: &'static str) -> Self {
        Self { cache, ..self }
    }

    /// With a link to what follows the place `next`.
    pub(super) fn followed_by(self, next: Option<String>) -> Self {
        Self { next, ..self }
    }

    /// The response to a request for `uri` with these `headers`.
    pub(super) fn into_response(self, uri: &Uri, asked: &HeaderMap) -> Response {
        let tag = (self.status == StatusCode::OK).then(|| entity_tag(&self.body));
        let unchanged = tag.as_deref().is_some_and(|tag| is_known(asked, tag));
        let compressed = if !unchanged && is_worth_it(&self.body) && accepts_gzip(asked) {
            self.gzip.or_else(|| compress(&self.body, Compression::fast()))
        } else {
            None
        };
        let encoded = compressed.is_some();
        let body = compressed.unwrap_or(self.body);

        let mut response = Response::default();
        *response.status_mut() = if unchanged { StatusCode::NOT_MODIFIED } else { self.status };
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cache));
        if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
            headers.insert(header::ETAG, tag);
        }
        if let Some(next) = self.next
            && let Ok(link) = HeaderValue::from_str(&next_link(uri, &next))
        {
            headers.insert(header::LINK, link);
        }
        if unchanged {
            return response;
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        if encoded {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        *response.body_mut() = Full::new(body);
        response
    }
}

/// Weak, since the compressed form shares it (RFC 9110, section 8.8.1). All instances of one
/// build agree on it.
fn entity_tag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// Whether the client says that it has the answer of this tag.
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == "*" || opaque(known) == opaque(tag))
}

/// The same request for what follows the place `next` (RFC 8288), in ASCII as a URI is: some
/// clients send other letters as they are.
fn next_link(uri: &Uri, next: &str) -> String {
    let mut link = format!("<{}?", uri.path());
    for parameter in uri.query().unwrap_or("").split('&') {
        // Its name may be percent-encoded, too.
        let name = form_urlencoded::parse(parameter.as_bytes()).next().map(|(name, _)| name);
        if name.is_some_and(|name| name != "cursor") {
            link.extend([parameter, "&"]);
        }
    }
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    link.extend(["cursor=", &next, ">; rel=\"next\""]);
    let ascii = |character: char| {
        if character.is_ascii() {
            return character.to_string();
        }
        let bytes = &mut [0; 4];
        form_urlencoded::byte_serialize(character.encode_utf8(bytes).as_bytes()).collect()
    };
    link.chars().map(ascii).collect()
}

fn accepts_gzip(asked: &HeaderMap) -> bool {
    asked
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            gzip && !parts.any(|part| part.replace(' ', "") == "q=0")
        })
}

fn is_worth_it(body: &[u8]) -> bool {
    body.len() >= GZIP_FROM
}

fn compress(body: &[u8], effort: Compression) -> Option<Bytes> {
    use std::io::Write as _;
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), effort);
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_asked_for_in_plain_letters_and_with_one_cursor() {
        for (asked, next) in [
            ("/nodes", "/nodes?cursor=1_a"),
            ("/nodes?", "/nodes?cursor=1_a"),
            ("/nodes?&name=a%20b&&limit=1&", "/nodes?name=a%20b&limit=1&cursor=1_a"),
            ("/nodes?cursor=0_f&limit=1&cursor", "/nodes?limit=1&cursor=1_a"),
            ("/nodes?%63urso%72=0_f&limit=1", "/nodes?limit=1&cursor=1_a"),
            ("/of/ä?name=😀%C3%A4", "/of/%C3%A4?name=%F0%9F%98%80%C3%A4&cursor=1_a"),
        ] {
            let link = next_link(&Uri::try_from(asked).unwrap(), "1_a");
            assert_eq!(link, format!("<{next}>; rel=\"next\""), "{asked}");
        }
    }
}
