//! What is done with a body, whatever the route: seen on `POST /host_systems`.

use shared::testing::{Answer, Database, Function, send};

/// The largest body that is read.
const MOST_BYTES: usize = 1_000_000;
const JSON: (&str, &str) = ("content-type", "application/json");

fn start() -> Function {
    Function::start("host-systems", &[("DATABASE_URL", &Database::new().url("tetcore_admin"))])
}

async fn post(function: &Function, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    send(function.address(), "POST", "/host_systems", headers, body.into()).await
}

/// A body that is taken, with this description, as it stands in JSON.
fn described(description: &str) -> String {
    format!(
        r#"{{"description":{description},"os":"","cpu_qty":1,"cpu_clock":1,"ram_mb":1,"disk_info":""}}"#
    )
}

#[tokio::test]
async fn what_is_no_json_is_a_bad_request() {
    let function = start();
    for body in [
        &b""[..],
        b" ",
        b"{",
        b"}",
        b"{\"os\"}",
        b"{'os':1}",
        b"{\"os\":01}",
        b"{\"os\":1,}",
        b"{\"os\":NaN}",
        b"nonsense",
        b"{}{}",
        b"{} x",
        b"\xef\xbb\xbf{}",
        b"{\"os\":\"\x01\"}",
        b"{\"os\":\"\xff\"}",
        b"\xc0\x80",
    ] {
        let answer = post(&function, &[JSON], body).await;
        answer.assert_problem(400, None, "JSON");
    }
}

#[tokio::test]
async fn what_is_json_and_no_object_is_refused() {
    let function = start();
    for body in ["null", "[]", "5", "true", "\"text\"", "[{}]"] {
        let answer = post(&function, &[JSON], body).await;
        answer.assert_problem(422, None, "expected a JSON object");
    }
}

#[tokio::test]
async fn what_postgresql_cannot_hold_is_refused() {
    let function = start();
    for body in [
        described(r#""a\u0000b""#),
        described(r#""\ud800""#),
        described(r#""\udc00\ud800""#),
        described("1e400000"),
        described("-1e400000"),
        described(&format!("{}{}", "[".repeat(200), "]".repeat(200))),
        r#"{"a\u0000b":1}"#.to_owned(),
    ] {
        let answer = post(&function, &[JSON], body.clone()).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    // What only looks like it.
    for (description, expected) in [
        (r#""\\u0000""#, "\\u0000"),
        (r#""\ud83d\ude00""#, "\u{1f600}"),
        (r#""\\ud800""#, "\\ud800"),
    ] {
        let answer = post(&function, &[JSON], described(description)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.json()["description"], expected);
    }
}

#[tokio::test]
async fn a_member_that_comes_twice_is_refused() {
    let body = described("\"a\"").replace("\"os\"", "\"description\":\"b\",\"os\"");
    let answer = post(&start(), &[JSON], body).await;
    answer.assert_problem(422, Some("description"), "duplicate");
}

#[tokio::test]
async fn only_plain_json_is_read() {
    let function = start();
    let body = described("\"a\"");
    for headers in [
        &[][..],
        &[("content-type", "")],
        &[("content-type", "text/plain")],
        &[("content-type", "application/jsonp")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "multipart/form-data; boundary=application/json")],
        &[JSON, ("content-encoding", "gzip")],
        &[JSON, ("content-encoding", "identity")],
    ] {
        let answer = post(&function, headers, body.clone()).await;
        answer.assert_problem(415, None, "application/json");
    }
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
    ] {
        let answer = post(&function, &[("content-type", content_type)], body.clone()).await;
        assert_eq!(answer.status, 201, "{content_type}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_large_body_is_read_and_a_larger_one_is_not() {
    let function = start();
    let of = |bytes: usize| {
        let rest = described("\"\"").len();
        described(&format!("\"{}\"", "x".repeat(bytes - rest)))
    };
    let answer = post(&function, &[JSON], of(MOST_BYTES)).await;
    assert_eq!(answer.status, 201);
    for bytes in [MOST_BYTES + 1, 2 * MOST_BYTES] {
        let answer = post(&function, &[JSON], of(bytes)).await;
        answer.assert_problem(413, None, "at most 1000000 bytes");
    }
    assert_eq!(function.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_body_of_get_is_not_read() {
    let function = start();
    let answer = send(function.address(), "GET", "/host_systems", &[], "nonsense").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "[]"));
}
