//! What all JSON functions have in common, seen on one or two of them: formats, caching, other
//! origins, request ids, tokens, and what somebody might smuggle into a header.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use shared::testing::{Answer, Database, Function, eventually, get, metric, request, send};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Nodes 1 to `$1`.
const NODES: &str = "
    WITH connection AS (
        INSERT INTO peer_connections (id, ip_addr, peer_id, created_at, audit, name, chain, node_id, last_seen)
        SELECT number, '192.0.2.1', 'peer' || number, '2026-01-01Z', false, 'a \"b\", c', 'dev', node_id('peer' || number), '2026-01-02Z'
        FROM generate_series(1, $1::int) AS number
        RETURNING id, peer_id, created_at, last_seen
    )
    INSERT INTO nodes (id, peer_id, peer_connection_id, connected_at, last_seen)
    SELECT node_id(peer_id), peer_id, id, created_at, last_seen FROM connection";

/// One message of node 1's.
const MESSAGE: &str = r#"
    WITH row AS (
        INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
        VALUES ('2026-01-01Z', 1, node_id('peer1'), false, NULL, '{"n": [1, {"a": "x,\"y\"\n"}], "big": 1e30}')
        RETURNING *
    )
    SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg)) FROM row"#;

async fn with_nodes(count: i32) -> Database {
    let database = Database::new();
    database.owner().await.execute(NODES, &[&count]).await.unwrap();
    database
}

fn start(name: &str, database: &Database, settings: &[(&str, &str)]) -> Function {
    let role = if name == "host-systems" { "tetcore_admin" } else { "tetcore_query" };
    let url = database.url(role);
    Function::start(name, &[&[("DATABASE_URL", url.as_str())], settings].concat())
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}

/// The bytes that come back for these, until the server closes the connection.
async fn raw(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_list_comes_in_the_format_that_is_asked_for() {
    let database = with_nodes(2).await;
    let function = start("query-nodes", &database, &[]);
    let rows = function.get("/nodes").await.rows();
    for (format, accept, media_type) in [
        ("", "application/json", "application/json"),
        ("", "text/html, */*;q=0.8", "application/json"),
        ("", "application/x-ndjson", "application/x-ndjson"),
        ("", "application/json;q=0.1, application/x-ndjson;q=0.2", "application/x-ndjson"),
        ("", "text/*", "text/csv"),
        ("?format=json", "text/csv", "application/json"),
        ("?format=ndjson", "text/csv", "application/x-ndjson"),
        ("?format=csv", "image/png", "text/csv"),
        ("?limit=2&format=csv&chain=dev", "application/json", "text/csv"),
    ] {
        let path = format!("/nodes{format}");
        let answer = get(function.address(), &path, &[("accept", accept)]).await;
        assert_eq!(answer.status, 200, "{path} {accept}: {}", answer.text());
        assert_eq!(header(&answer, "content-type"), Some(media_type), "{path} {accept}");
        assert_eq!(header(&answer, "vary"), Some("accept, accept-encoding"));
        let text = answer.text();
        match media_type {
            "application/json" => assert_eq!(answer.rows(), rows),
            "application/x-ndjson" => {
                let lines = text.strip_suffix('\n').unwrap().split('\n');
                let lines: Vec<Value> =
                    lines.map(|line| serde_json::from_str(line).unwrap()).collect();
                assert_eq!(lines, rows);
            }
            _ => assert_eq!(
                text,
                "id,ip_addr,peer_id,created_at,audit,name,chain,version,authority,startup_time,implementation,last_seen\r\n\
                 2,192.0.2.1,peer2,2026-01-01T00:00:00,false,\"a \"\"b\"\", c\",dev,,,,,2026-01-02T00:00:00\r\n\
                 1,192.0.2.1,peer1,2026-01-01T00:00:00,false,\"a \"\"b\"\", c\",dev,,,,,2026-01-02T00:00:00\r\n"
            ),
        }
    }
}

#[tokio::test]
async fn json_within_a_cell_of_csv_is_json() {
    let database = with_nodes(1).await;
    database.owner().await.execute(MESSAGE, &[]).await.unwrap();
    let function = start("query-node-logs", &database, &[]);
    let path = "/nodes/logs?peer_id=peer1&format=csv";
    assert_eq!(
        function.get(path).await.text(),
        "ip_addr,peer_id,msg,created_at,logs\r\n\
         192.0.2.1,peer1,,2026-01-01T00:00:00,\"{\"\"n\"\": [1, {\"\"a\"\": \"\"x,\\\"\"y\\\"\"\\n\"\"}], \"\"big\"\": 1000000000000000000000000000000}\"\r\n"
    );
}

#[tokio::test]
async fn an_empty_list_has_a_header_in_csv_only() {
    let function = start("query-node-logs", &Database::new(), &[]);
    for (format, expected) in
        [("json", "[]"), ("ndjson", ""), ("csv", "ip_addr,peer_id,msg,created_at,logs\r\n")]
    {
        let answer = function.get(&format!("/nodes/logs?peer_id=a&format={format}")).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, expected));
    }
}

#[tokio::test]
async fn every_format_has_pages() {
    let database = with_nodes(50).await;
    for (settings, query) in [(vec![("MAX_RESPONSE_BYTES", "1_500")], ""), (vec![], "&limit=7")] {
        let function = start("query-nodes", &database, &settings);
        for format in ["ndjson", "csv"] {
            let mut next = Some(format!("/nodes?format={format}{query}"));
            let (mut rows, mut pages) = (Vec::new(), 0);
            while let Some(path) = next {
                let answer = function.get(&path).await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                assert!(query.contains("limit") || answer.body.len() <= 1500);
                let text = answer.text();
                rows.extend(text.lines().skip(usize::from(format == "csv")).map(str::to_owned));
                pages += 1;
                next = answer.next();
            }
            assert!(pages > 3, "{format}: {pages}");
            assert_eq!(rows.len(), 50);
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(rows.len(), 50, "each once");
        }
    }
}

#[tokio::test]
async fn a_format_that_there_is_not_is_refused() {
    let function = start("query-nodes", &Database::new(), &[]);
    for (query, expected) in [
        ("format=xml", "`json`, `ndjson` or `csv`"),
        ("format=", "`json`, `ndjson` or `csv`"),
        ("format", "`json`, `ndjson` or `csv`"),
        ("format=JSON", "`json`, `ndjson` or `csv`"),
        ("format=csv&format=csv", "more than once"),
    ] {
        let answer = function.get(&format!("/nodes?{query}")).await;
        answer.assert_problem(400, Some("format"), expected);
    }
    for accept in ["image/png", "text/csv;q=0", "application/xml, text/html"] {
        let answer = get(function.address(), "/nodes", &[("accept", accept)]).await;
        answer.assert_problem(406, None, "application/json, application/x-ndjson or text/csv");
    }
    // What is no list is JSON, whatever is asked for.
    let function = start("query-db-stats", &Database::new(), &[]);
    let answer = get(function.address(), "/stats/version", &[("accept", "text/csv")]).await;
    assert_eq!(header(&answer, "content-type"), Some("application/json"));
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let database = with_nodes(30).await;
    let function = start("query-nodes", &database, &[]);
    let address = function.address();
    let whole = function.get("/nodes").await;
    assert_eq!(header(&whole, "cache-control"), Some("no-cache"));
    let tag = header(&whole, "etag").unwrap();
    let strong = tag.strip_prefix("W/").unwrap();
    assert!(strong.starts_with('"') && strong.ends_with('"') && strong.len() > 10, "{tag}");
    for known in [tag, strong, "*", &format!("\"other\", {tag}"), &format!("W/\"x\",{strong}")] {
        for method in ["GET", "HEAD"] {
            let headers = [("if-none-match", known), ("accept-encoding", "gzip")];
            let answer = request(address, method, "/nodes", &headers).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0), "{method} {known}");
            assert_eq!(header(&answer, "etag"), Some(tag));
            assert_eq!(header(&answer, "cache-control"), Some("no-cache"));
            assert_eq!(header(&answer, "vary"), Some("accept, accept-encoding"));
            assert_eq!(header(&answer, "content-type"), None);
        }
    }
    for unknown in ["\"other\"", "W/\"\"", "", "\"", &tag[..tag.len() - 2]] {
        let answer = get(address, "/nodes", &[("if-none-match", unknown)]).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &whole.body), "{unknown}");
    }
    // Other bytes have another tag; compressed ones are the same, and other instances agree.
    for path in ["/nodes?format=csv", "/nodes?limit=5"] {
        assert_ne!(header(&function.get(path).await, "etag"), Some(tag), "{path}");
    }
    let zipped = get(address, "/nodes", &[("accept-encoding", "gzip")]).await;
    assert_eq!(
        (header(&zipped, "content-encoding"), header(&zipped, "etag")),
        (Some("gzip"), Some(tag))
    );
    let other = start("query-nodes", &database, &[]);
    assert_eq!(header(&other.get("/nodes").await, "etag"), Some(tag));

    let sql = "UPDATE nodes SET last_seen = now() WHERE peer_id = 'peer7'";
    database.owner().await.execute(sql, &[]).await.unwrap();
    let answer = get(address, "/nodes", &[("if-none-match", tag)]).await;
    assert_eq!(answer.status, 200);
    assert_ne!(header(&answer, "etag"), Some(tag));

    for path in ["/nodes?limit=0", "/nowhere"] {
        let answer = get(address, path, &[("if-none-match", "*")]).await;
        assert!(answer.status.is_client_error(), "{path}");
        assert_eq!(header(&answer, "cache-control"), Some("no-store"), "{path}");
        assert_eq!(header(&answer, "etag"), None, "{path}");
    }
}

#[tokio::test]
async fn what_is_made_is_not_cached() {
    let function = start("host-systems", &Database::new(), &[]);
    let body = json!({ "description": "", "os": "", "cpu_qty": 1, "cpu_clock": 1, "ram_mb": 1, "disk_info": "" });
    let headers = [("content-type", "application/json"), ("if-none-match", "*")];
    let answer =
        send(function.address(), "POST", "/host_systems", &headers, body.to_string()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(header(&answer, "etag"), None);
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let function = start("query-nodes", &with_nodes(30).await, &[]);
    let address = function.address();
    let paths =
        ["/nodes", "/nodes?format=csv", "/nodes?limit=0", "/nowhere", "/healthz", "/openapi.json"];
    for path in paths {
        for encoding in ["identity", "gzip"] {
            let headers = [("accept-encoding", encoding), ("x-request-id", "same")];
            let mut got = get(address, path, &headers).await;
            let mut head = request(address, "HEAD", path, &headers).await;
            assert_eq!((head.status, head.body.len()), (got.status, 0), "{path} {encoding}");
            assert_eq!(header(&head, "content-length"), Some(&*got.body.len().to_string()));
            got.headers.remove("date");
            head.headers.remove("date");
            assert_eq!(head.headers, got.headers, "{path} {encoding}");
        }
    }
}

#[tokio::test]
async fn options_tell_the_methods() {
    let database = Database::new();
    for (name, path, allowed) in [
        ("query-nodes", "/nodes", "GET, HEAD, OPTIONS"),
        ("query-nodes", "/nodes/", "GET, HEAD, OPTIONS"),
        ("query-nodes", "/openapi.json", "GET, HEAD, OPTIONS"),
        ("host-systems", "/host_systems", "GET, HEAD, POST, OPTIONS"),
        ("benchmarks", "/benchmarks/events", "POST, OPTIONS"),
        ("benchmarks", "/benchmarks/1/events", "GET, HEAD, OPTIONS"),
    ] {
        let function = start(name, &database, &[]);
        let answer = request(function.address(), "OPTIONS", path, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0), "{path}");
        assert_eq!(header(&answer, "allow"), Some(allowed), "{path}");
        assert_eq!(header(&answer, "access-control-allow-origin"), None, "{path}");
    }
    let function = start("query-nodes", &database, &[]);
    let answer = request(function.address(), "OPTIONS", "/nowhere", &[]).await;
    answer.assert_problem(404, None, "no such path");
}

#[tokio::test]
async fn pages_of_allowed_origins_may_read_answers() {
    let (a, b) = ("https://a.example", "http://localhost:3000");
    let database = with_nodes(1).await;
    let listed = format!("{a}, {b}");
    for (allowed, origin, expected) in [
        ("", a, None),
        (listed.as_str(), a, Some(a)),
        (&listed, b, Some(b)),
        (&listed, "https://a.example.org", None),
        (&listed, "http://a.example", None),
        (&listed, "https://A.example", None),
        (&listed, "http://localhost:3001", None),
        (&listed, "null", None),
        (&listed, "https://a.example, http://localhost:3000", None),
        ("*", a, Some("*")),
        ("*", "null", Some("*")),
    ] {
        let settings = [("CORS_ALLOWED_ORIGINS", allowed)];
        let settings = if allowed.is_empty() { &[][..] } else { &settings };
        let function = start("query-nodes", &database, settings);
        let address = function.address();
        for path in ["/nodes", "/nodes?limit=0", "/healthz"] {
            let answer = get(address, path, &[("origin", origin)]).await;
            assert_eq!(header(&answer, "access-control-allow-origin"), expected, "{origin} {path}");
            let exposed = header(&answer, "access-control-expose-headers");
            assert_eq!(exposed.is_some(), expected.is_some());
            assert_eq!(header(&answer, "access-control-allow-credentials"), None);
            let varies = answer.headers.get_all("vary").iter().any(|vary| vary == "origin");
            assert_eq!(varies, allowed == listed, "{origin}: {allowed}");
        }
        let preflight = [("origin", origin), ("access-control-request-method", "GET")];
        let answer = request(address, "OPTIONS", "/nodes", &preflight).await;
        assert_eq!(answer.status, 204);
        assert_eq!(header(&answer, "access-control-allow-origin"), expected, "{origin}");
        let methods = expected.map(|_| "GET, HEAD, OPTIONS");
        assert_eq!(header(&answer, "access-control-allow-methods"), methods, "{origin}");
        let headers = header(&answer, "access-control-allow-headers");
        assert_eq!(
            headers.is_some_and(|headers| headers.contains("authorization")),
            expected.is_some()
        );
        // Without an origin there is nothing to allow.
        let answer = function.get("/nodes").await;
        assert_eq!(header(&answer, "access-control-allow-origin"), None);
    }
}

/// Waits until the log tells of a request of this id.
async fn assert_logged(function: &Function, id: &str) {
    let entry = format!(r#""request_id":"{id}""#);
    eventually(&entry, || std::future::ready(function.log().contains(&entry).then_some(()))).await;
}

#[tokio::test]
async fn a_request_has_an_id_in_its_answer_and_in_the_log() {
    let database = Database::new();
    let function = start("query-nodes", &database, &[("RUST_LOG", "debug")]);
    let address = function.address();
    let long = "x".repeat(128);
    for given in ["a", "0198-ab_C.d=e;f:g", "Root=1-67891233-abcdef012345678912345678", &long] {
        for path in ["/nodes", "/nowhere", "/healthz"] {
            let answer = get(address, path, &[("x-request-id", given)]).await;
            assert_eq!(header(&answer, "x-request-id"), Some(given), "{path}");
        }
        assert_logged(&function, given).await;
    }
    let too_long = "x".repeat(129);
    let mut made = Vec::new();
    for odd in
        [None, Some(""), Some("a b"), Some("a\"b"), Some("a,b"), Some("<a>"), Some(&too_long)]
    {
        let headers: Vec<_> = odd.map(|odd| ("x-request-id", odd)).into_iter().collect();
        let answer = get(address, "/nodes", &headers).await;
        let id = header(&answer, "x-request-id").unwrap().to_owned();
        assert_eq!(id.len(), 36, "a UUID instead of {odd:?}: {id}");
        assert_logged(&function, &id).await;
        made.push(id);
    }
    made.sort_unstable();
    made.dedup();
    assert_eq!(made.len(), 7, "each has its own");
    let event = function.log_handle().event("answered");
    assert_eq!((&event["method"], &event["path"]), (&json!("GET"), &json!("/nodes")));
    assert_eq!((&event["status"], &event["request_id"]), (&json!(200), &json!("a")));

    // What only we can mend is logged under its id, too.
    let url = "postgres://tetcore_query@127.0.0.1:1/none";
    let function = Function::start("query-nodes", &[("DATABASE_URL", url)]);
    let answer = get(function.address(), "/nodes", &[("x-request-id", "mine")]).await;
    assert_eq!(answer.status, 503);
    assert_logged(&function, "mine").await;
    assert_eq!(function.log_handle().event("unavailable")["request_id"], "mine");
}

#[tokio::test]
async fn without_a_token_nothing_is_told() {
    let database = with_nodes(1).await;
    let settings = [("API_TOKENS", "first-token, second.token~"), ("CORS_ALLOWED_ORIGINS", "*")];
    let function = start("query-nodes", &database, &settings);
    let address = function.address();
    for authorization in
        ["Bearer first-token", "Bearer second.token~", "bearer first-token", "BEARER  first-token"]
    {
        let answer = get(address, "/nodes", &[("authorization", authorization)]).await;
        assert_eq!(answer.status, 200, "{authorization}");
        assert_eq!(answer.rows().len(), 1);
    }
    for authorization in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer first-toke",
        "Bearer first-token2",
        "Bearer First-token",
        "Bearer first-token, second.token~",
        "Bearer first-token second.token~",
        "first-token",
        "Basic first-token",
        "Basic Zmlyc3QtdG9rZW46",
        "Token first-token",
    ] {
        for (method, path) in [
            ("GET", "/nodes"),
            ("HEAD", "/nodes"),
            // Not even what would be wrong with a parameter.
            ("GET", "/nodes?limit=0"),
        ] {
            let headers = [("authorization", authorization)];
            let answer = request(address, method, path, &headers).await;
            assert_eq!(answer.status, 401, "{method} {path} {authorization}");
            assert_eq!(header(&answer, "www-authenticate"), Some("Bearer"));
            assert_eq!(answer.next(), None);
            if method == "GET" {
                answer.assert_problem(401, None, "Authorization: Bearer");
            }
        }
    }
    get(address, "/nodes?token=first-token", &[]).await.assert_problem(401, None, "Bearer");
    let counted =
        metric(&function.get("/metrics").await.text(), "http_answers_total{status=\"401\"}");
    assert_eq!(counted, 12 * 3 + 1, "each guess is counted");
    assert!(!function.log().contains("first-token"));
    // What tells nothing stays open, and a browser asks what it may ask before it shows a token.
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        assert_eq!(function.get(path).await.status, 200, "{path}");
    }
    let preflight = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
    let answer = request(address, "OPTIONS", "/nodes", &preflight).await;
    assert_eq!(answer.status, 204);

    let described = function.get("/openapi.json").await.json();
    assert_eq!(described["security"], json!([{ "token": [] }]));
    assert_eq!(
        described["components"]["securitySchemes"],
        json!({ "token": { "type": "http", "scheme": "bearer" } })
    );
    let open = start("query-nodes", &database, &[]).get("/openapi.json").await.json();
    assert_eq!((&open["security"], &open["components"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_post_needs_a_token_too() {
    let function = start("host-systems", &Database::new(), &[("API_TOKENS", "token")]);
    let body = json!({ "description": "", "os": "", "cpu_qty": 1, "cpu_clock": 1, "ram_mb": 1, "disk_info": "" });
    let answer = function.post("/host_systems", &body).await;
    answer.assert_problem(401, None, "Authorization: Bearer");
    let headers = [("content-type", "application/json"), ("authorization", "Bearer token")];
    let added = send(function.address(), "POST", "/host_systems", &headers, body.to_string()).await;
    assert_eq!((added.status.as_u16(), &added.json()["id"]), (201, &json!(1)), "the first one");
}

#[tokio::test]
async fn nothing_is_smuggled_into_a_header() {
    let database = with_nodes(3).await;
    let settings = [("CORS_ALLOWED_ORIGINS", "https://a.example")];
    let function = start("query-nodes", &database, &settings);
    let address = function.address();
    // Percent-encoded, it stays so in the link to the next page.
    let path = "/nodes?limit=1&chain=dev&name=%0d%0aset-cookie:a=b%0d%0a";
    assert_eq!(function.get(path).await.rows(), Vec::<Value>::new());
    let sql = "UPDATE peer_connections SET name = E'\\r\\nset-cookie:a=b\\r\\n'";
    database.owner().await.execute(sql, &[]).await.unwrap();
    let answer = function.get(path).await;
    assert_eq!(header(&answer, "set-cookie"), None);
    let next = answer.next().unwrap();
    assert!(next.starts_with(path), "{next}");
    assert_eq!(function.pages(path).await.concat().len(), 3);

    for (line, more) in [
        ("GET /nodes?name=a\r\nset-cookie:a=b HTTP/1.1", ""),
        ("GET /nodes?name=a b HTTP/1.1", ""),
        ("GET /nodes?name=>;rel HTTP/1.1", ""),
        ("GET /nodes HTTP/1.1", "x-request-id: a\rset-cookie: a=b\r\n"),
        ("GET /nodes HTTP/1.1", "origin: https://a.example\0\r\n"),
    ] {
        let request = format!("{line}\r\nhost: {address}\r\n{more}connection: close\r\n\r\n");
        let answer = raw(address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{line} {more}: {answer}");
        assert!(!answer.contains("set-cookie"), "{answer}");
    }
    // What is no plain id and no known origin is not passed on.
    let headers = "x-request-id: a b\r\norigin: https://a.example x\r\nconnection: close\r\n";
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n");
    let answer = raw(address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(!answer.contains("a b") && !answer.contains("a.example"), "{answer}");
    let request = b"GET /nodes?name=\xff\xfe HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = raw(address, request).await;
    assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(function.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_token_or_an_origin_that_cannot_be_is_refused_at_the_start() {
    let url = Database::new().url("tetcore_query");
    for (name, value) in [
        ("API_TOKENS", "a,,b"),
        ("API_TOKENS", "s3cret token"),
        ("CORS_ALLOWED_ORIGINS", "example.org"),
        ("CORS_ALLOWED_ORIGINS", "https://*.example.org"),
        ("CORS_ALLOWED_ORIGINS", "https://example.org/path"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example,*"),
        ("MAX_CONCURRENT_REQUESTS", "0"),
        ("DATABASE_READ_URL", "mysql://me:s3cret@host/db"),
    ] {
        let settings = [("DATABASE_URL", url.as_str()), (name, value)];
        let said = Function::refusal("query-nodes", &settings);
        assert!(said.contains(name) && !said.contains("s3cret"), "{name}={value}: {said}");
    }
}
