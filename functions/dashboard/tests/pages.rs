//! How the pages are served: from what is built in or from a folder, and to whom they are safe.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use shared::testing::{Answer, Function, get, request};

const PAGES: [&str; 8] = [
    "/dashboard",
    "/dashboard/",
    "/dashboard/nodes/12D3KooWRealalice",
    "/dashboard/profiling?peer=a&kind=raw",
    "/dashboard/reputation",
    "/dashboard/benchmarks",
    "/dashboard/benchmarks/7",
    "/dashboard/database",
];

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers[name].to_str().unwrap()
}

/// What the document loads.
fn loaded(page: &str) -> Vec<String> {
    let quoted = page.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with("/dashboard/")).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_page_is_the_document_and_what_it_loads_is_there() {
    let function = Function::start("dashboard", &[]);
    let page = function.get("/dashboard").await.text();
    for path in PAGES {
        let answer = function.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, page.clone()), "{path}");
        assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8", "{path}");
        assert_eq!(header(&answer, "cache-control"), "no-cache", "{path}");
    }
    let loaded = loaded(&page);
    let mut types = Vec::new();
    for path in &loaded {
        let answer = function.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(header(&answer, "cache-control"), "public, max-age=31536000, immutable");
        types.push(header(&answer, "content-type").to_owned());
    }
    types.sort_unstable();
    types.dedup();
    assert_eq!(
        types,
        ["image/svg+xml", "text/css; charset=utf-8", "text/javascript; charset=utf-8"]
    );
}

#[tokio::test]
async fn nothing_else_is_there() {
    let function = Function::start("dashboard", &[]);
    for path in [
        "/",
        "/dashboard/index.html",
        "/dashboard/app-AAAAAAAA.js",
        "/dashboard/nodes",
        "/dashboard/nodes/a/b",
        "/dashboard/../Cargo.toml",
        "/dashboard/..%2fCargo.toml",
        "/dashboard/%2e%2e/Cargo.toml",
        "/dashboards",
    ] {
        function.get(path).await.assert_problem(404, None, "no such path");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let answer = request(function.address(), method, "/dashboard", &[]).await;
        answer.assert_problem(405, None, "GET, HEAD, OPTIONS");
    }
}

#[tokio::test]
async fn every_answer_says_that_nothing_foreign_may_run() {
    let function = Function::start("dashboard", &[]);
    let page = function.get("/dashboard").await.text();
    let script = loaded(&page).into_iter().find(|path| path.contains("/app-")).unwrap();
    for path in ["/dashboard", &script, "/dashboard/nowhere", "/healthz"] {
        let answer = function.get(path).await;
        let policy = header(&answer, "content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split("; ").any(|known| known == rule), "{rule} in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        assert_eq!(header(&answer, "referrer-policy"), "no-referrer");
        assert!(!header(&answer, "x-request-id").is_empty());
    }
    assert!(!page.contains("<script>") && !page.contains("<style") && !page.contains("style="));
}

#[tokio::test]
async fn files_are_compressed_and_known_again() {
    let function = Function::start("dashboard", &[]);
    let page = function.get("/dashboard").await.text();
    let script = loaded(&page).into_iter().find(|path| path.contains("/app-")).unwrap();
    let plain = function.get(&script).await;
    let zipped = get(function.address(), &script, &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(header(&zipped, "content-encoding"), "gzip");
    assert_eq!(zipped.unzipped(), plain.body);
    assert!(zipped.body.len() * 2 < plain.body.len(), "{} bytes", zipped.body.len());

    for path in ["/dashboard", &script] {
        let answer = function.get(path).await;
        let tag = header(&answer, "etag");
        let again = get(function.address(), path, &[("if-none-match", tag)]).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{path}");
        let head = request(function.address(), "HEAD", path, &[]).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
        assert_eq!(header(&head, "content-length"), answer.body.len().to_string(), "{path}");
    }
}

#[tokio::test]
async fn a_folder_may_be_served_instead() {
    let folder = tempfile::tempdir().unwrap();
    let assets = folder.path().join("assets");
    fs::create_dir_all(assets.join("within")).unwrap();
    fs::write(assets.join("index.html"), "<p>ours</p>").unwrap();
    fs::write(assets.join("a.css"), "p {}").unwrap();
    fs::write(assets.join("b-0123ABCD.js"), "1").unwrap();
    fs::write(assets.join("within/c.txt"), "within").unwrap();
    fs::write(folder.path().join("secret.txt"), "secret").unwrap();

    let function = Function::start("dashboard", &[("ASSETS_PATH", assets.to_str().unwrap())]);
    assert_eq!(function.get("/dashboard/database").await.text(), "<p>ours</p>");
    for (path, cache) in [
        ("/dashboard/a.css", "no-cache"),
        ("/dashboard/b-0123ABCD.js", "public, max-age=31536000, immutable"),
    ] {
        let answer = function.get(path).await;
        assert_eq!((answer.status.as_u16(), header(&answer, "cache-control")), (200, cache));
    }
    for path in [
        "/dashboard/../secret.txt",
        "/dashboard/%2e%2e/secret.txt",
        "/dashboard/..%2fsecret.txt",
        "/dashboard/..%5csecret.txt",
        "/dashboard//secret.txt",
        "/dashboard/within/c.txt",
        "/dashboard/within%2fc.txt",
        "/dashboard/within/../a.css",
    ] {
        function.get(path).await.assert_problem(404, None, "no such path");
    }
}

#[test]
fn a_folder_that_cannot_be_served_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let missing = format!("{path}/missing");
    for (path, expected) in [(missing.as_str(), "No such file"), (path, "there is no index.html")] {
        let log = Function::refusal("dashboard", &[("ASSETS_PATH", path)]);
        assert!(log.contains("ASSETS_PATH") && log.contains(expected), "{log}");
    }
    fs::write(folder.path().join("index.html"), "").unwrap();
    fs::write(folder.path().join("{a}.js"), "").unwrap();
    let log = Function::refusal("dashboard", &[("ASSETS_PATH", path)]);
    assert!(log.contains("{a}.js"), "{log}");
}
