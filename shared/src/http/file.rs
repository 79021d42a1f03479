//! Files as answers: typed by their names, compressed once.

use bytes::Bytes;

use super::answer::Answer;

/// For what is named for its content: under this name it will never be anything else.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Characters of the content's hash in such a name, as in `app-63YHTZBC.js`.
const HASH_LENGTH: usize = 8;

/// A file, ready to be answered.
#[derive(Clone, Debug)]
pub struct File(Answer);

impl File {
    /// These bytes, whose media type the end of the `name` tells.
    #[must_use]
    pub fn new(name: &str, bytes: impl Into<Bytes>) -> Self {
        let answer = Answer::new(bytes, media_type(name)).compressed();
        Self(if is_named_for_its_content(name) { answer.cached(FOR_EVER) } else { answer })
    }

    pub(super) fn answer(&self) -> Answer {
        self.0.clone()
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn is_named_for_its_content(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    stem.rsplit_once('-').is_some_and(|(_, hash)| {
        hash.len() == HASH_LENGTH
            && hash.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    })
}
