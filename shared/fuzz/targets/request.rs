//! Any path, query, `Accept` and body, as lines: no request is a fault of ours, what is wrong is
//! told as a problem, and the link to the next page is a request that is taken.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, Uri, header};
use libfuzzer_sys::fuzz_target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use shared::{
    http::{Cursor, Id, Natural, Number, Page, Routes, Time},
    message,
    metrics::Metrics,
};
use tokio::runtime::{self, Runtime};

/// Every kind of parameter that a function has.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    peer_id: String,
    msg: Option<String>,
    start_time: Option<Time>,
    end_time: Option<Time>,
    #[serde(default)]
    limit: Number<2, 3>,
    cursor: Option<Cursor>,
}

/// A parameter that stands in the path.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Numbered {
    id: Id,
}

#[derive(Clone, JsonSchema, Serialize)]
struct Row {
    peer_id: String,
    time: Option<Time>,
}

/// Every kind of member that a body has.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    #[schemars(with = "Value")]
    setup: Option<Box<RawValue>>,
    description: String,
    cpu_qty: Natural,
    ts_start: Option<Time>,
}

static ROUTES: LazyLock<Arc<Routes>> = LazyLock::new(|| {
    let routes = Routes::new("fuzz", &Metrics::default())
        .list("/rows", |params: List| {
            for time in [params.start_time, params.end_time].into_iter().flatten() {
                assert_eq!(again(&time), time);
            }
            if let Some(cursor) = params.cursor {
                assert_eq!(again(&cursor), cursor);
            }
            assert!(
                [&params.peer_id].into_iter().chain(&params.msg).all(|text| !text.contains('\0'))
            );
            let row = Row { peer_id: params.peer_id, time: params.start_time };
            let key =
                |row: &Row| Cursor { time: row.time.unwrap_or(Time(Default::default())).0, id: -1 };
            Page::new(params.limit.get(), params.cursor, key, move |_, rows| {
                let rows = vec![row.clone(); rows.try_into().unwrap()];
                async move { Ok(rows) }
            })
        })
        .get("/rows/{id}/times", async |params: Numbered| {
            assert!(params.id.0 > 0);
            Ok(params.id.0)
        })
        .post("/rows", async |body: Body| {
            assert!(body.cpu_qty.0 >= 0 && !body.description.contains('\0'));
            if let Some(setup) = body.setup {
                let mut wrapped = format!(r#"{{"setup":{setup}}}"#).into_bytes();
                assert!(!message::parse(&mut wrapped).unwrap().repaired);
            }
            Ok(body.ts_start.map(|time| again(&time)))
        });
    Arc::new(routes)
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| runtime::Builder::new_current_thread().enable_time().build().unwrap());

/// A value as it comes back after it was answered.
fn again<T: ToString + for<'de> Deserialize<'de>>(value: &T) -> T {
    serde_json::from_value(Value::String(value.to_string())).unwrap()
}

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (target, accept, body) = (line(), line(), line());
    let Ok(target) = Uri::try_from(target) else {
        return;
    };
    let method = if body.is_empty() { Method::GET } else { Method::POST };
    let mut next = ask(method, target, accept, body);
    // Each page leads to another one here.
    for _ in 0..2 {
        let Some(link) = next else {
            break;
        };
        next = ask(Method::GET, link.parse().unwrap(), accept, b"");
        assert!(next.is_some(), "{link}");
    }
});

/// What an answer says of the next page.
fn ask(method: Method, target: Uri, accept: &[u8], body: &[u8]) -> Option<String> {
    let mut request = Request::builder().method(method).uri(target);
    if !accept.is_empty() {
        request = request.header(header::ACCEPT, accept);
    }
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Full::new(Bytes::copy_from_slice(body))).ok()?;
    let response = RUNTIME.block_on(Arc::clone(&ROUTES).answer(request));
    let status = response.status();
    assert!(!status.is_server_error(), "{response:?}");
    let link = response.headers().get(header::LINK).map(|link| link.to_str().unwrap().to_owned());
    let body = RUNTIME.block_on(response.into_body().collect()).unwrap().to_bytes();
    if status.is_client_error() {
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], status.as_u16());
        if status == StatusCode::BAD_REQUEST
            && let Some(name) = problem["parameter"].as_str()
        {
            assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
        }
    }
    Some(link?.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?.to_owned())
}
