//! What functions say of themselves at `/openapi.json` is well-formed, and true.
#![expect(clippy::unwrap_used, reason = "tests")]

mod repository;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::Write as _,
    process::{Command, Stdio},
};

use jsonschema::Validator;
use repository::{arguments, functions, root};
use serde_json::{Map, Value, json};
use shared::testing::{Answer, Database, Function, Redis};

/// A row for each list of each function, all of peer `peer` or number 1.
const ROWS: &str = r#"
    INSERT INTO peer_connections (id, ip_addr, peer_id, created_at, audit, name, node_id, last_seen)
    VALUES (1, '192.0.2.1', 'peer', now(), false, 'n', node_id('peer'), now());
    INSERT INTO nodes (id, peer_id, peer_connection_id, connected_at, last_seen)
    SELECT node_id, peer_id, id, created_at, last_seen FROM peer_connections;
    INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
    VALUES (now(), 1, node_id('peer'), false, 'tracing.event', '{"target": "t"}'), ('2026-01-01Z', 1, node_id('peer'), true, NULL, '{}');
    INSERT INTO reputation_reports (node_id, audit, reported_at, remote_ids, remote_peers, reputations, connected)
    VALUES (node_id('peer'), false, now(), ARRAY[node_id('peer')], '{peer}', '{-5}', '{true}');
    INSERT INTO host_systems (description, os, cpu_qty, cpu_clock, ram_mb, disk_info) VALUES ('', '', 1, 1, 1, '');
    INSERT INTO benchmarks (setup) VALUES ('{}');
    INSERT INTO benchmarks (benchmark_spec, chain_spec, description, host_system_id, ts_start) VALUES ('1', '{}', '', 1, now());
    INSERT INTO benchmark_events (benchmark_id, name, phase, created_at) VALUES (1, 'a', 'b', now() - interval '1 day'), (1, 'a', 'b', now() + interval '1 day')"#;

/// All functions that serve, on a database with [`ROWS`], by their names.
async fn serving() -> BTreeMap<String, Function> {
    let database = Database::new();
    database.owner().await.batch_execute(ROWS).await.unwrap();
    database.note_rows().await;
    let (url, redis) = (database.url("tetcore"), Redis::shared().url());
    let settings = [("DATABASE_URL", url.as_str()), ("REDIS_URL", &redis)];
    functions()
        .into_iter()
        .filter_map(|name| {
            let function = Function::start_with(&name, &settings, arguments(&name)?);
            Some((name, function))
        })
        .collect()
}

/// A method of a path, as a function describes it.
struct Operation {
    function: String,
    method: String,
    path: String,
    described: Value,
}

impl Operation {
    fn all(function: &str, document: &Value) -> Vec<Self> {
        let paths = document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().iter().map(|(method, described)| Self {
                    function: function.to_owned(),
                    method: method.clone(),
                    path: path.clone(),
                    described: described.clone(),
                })
            })
            .collect()
    }

    fn parameters(&self) -> &[Value] {
        self.described["parameters"].as_array().unwrap()
    }

    /// What a successful answer's body is like.
    fn answer(&self) -> Validator {
        let status = if self.method == "post" { "201" } else { "200" };
        compile(&self.described["responses"][status]["content"]["application/json"]["schema"])
    }

    /// The path, with what it needs to find a row, and these parameters besides.
    fn target(&self, others: &[(&str, &str)]) -> String {
        let mut path = self.path.clone();
        let mut query = Vec::new();
        for parameter in self.parameters() {
            let name = parameter["name"].as_str().unwrap();
            let value = match name {
                "id" => "1",
                "peer_id" => "peer",
                _ => {
                    assert_eq!(parameter["required"], false, "{name} of {path}");
                    continue;
                }
            };
            match parameter["in"].as_str().unwrap() {
                "path" => path = path.replace(&format!("{{{name}}}"), value),
                _ => query.push(format!("{name}={value}")),
            }
        }
        query.extend(others.iter().map(|(name, value)| format!("{name}={value}")));
        format!("{path}?{}", query.join("&"))
    }
}

fn compile(schema: &Value) -> Validator {
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    options.build(schema).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

#[track_caller]
fn assert_fits(schema: &Validator, value: &Value, what: &str) {
    let errors: Vec<String> = schema.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:?} in {value}");
}

/// All functions, and all operations that they describe.
async fn described() -> (BTreeMap<String, Function>, Vec<Operation>) {
    let functions = serving().await;
    let mut operations = Vec::new();
    for (name, function) in &functions {
        let answer = function.get("/openapi.json").await;
        assert_eq!(answer.status, 200, "{name}");
        operations.extend(Operation::all(name, &answer.json()));
    }
    assert!(operations.len() >= 15, "{}", operations.len());
    (functions, operations)
}

fn is_said(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

#[tokio::test]
async fn each_document_is_well_formed() {
    for (name, function) in serving().await {
        let document = function.get("/openapi.json").await.json();
        assert_eq!(document["openapi"], "3.1.0", "{name}");
        let info = &document["info"];
        assert_eq!(info["title"], format!("Tetcore Analytics: {name}"));
        assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
        assert!(is_said(&info["license"]["name"]));
        for operation in Operation::all(&name, &document) {
            assert_well_formed(&operation);
        }
    }
}

fn assert_well_formed(operation: &Operation) {
    let Operation { method, path, described, .. } = operation;
    let what = format!("{method} {path}");
    assert!(["get", "post"].contains(&method.as_str()), "{what}");
    assert!(path.starts_with('/'), "{what}");
    for text in ["operationId", "summary", "description"] {
        assert!(is_said(&described[text]), "{text} of {what}");
    }

    let mut places = BTreeSet::new();
    for parameter in operation.parameters() {
        let (name, place) = (&parameter["name"], &parameter["in"]);
        assert!(is_said(name) && is_said(&parameter["description"]), "{name} of {what}");
        assert!(["path", "query"].contains(&place.as_str().unwrap()), "{name} of {what}");
        assert!(place == "query" || parameter["required"] == true, "{name} of {what}");
        assert!(places.insert((place.as_str().unwrap(), name.as_str().unwrap())), "{name} twice");
        compile(&parameter["schema"]);
    }
    let in_path = places.iter().filter(|(place, _)| *place == "path").map(|(_, name)| *name);
    let templates = path.split('/').filter_map(|segment| segment.strip_prefix('{'));
    let templates: BTreeSet<&str> =
        templates.map(|segment| segment.strip_suffix('}').unwrap()).collect();
    assert_eq!(in_path.collect::<BTreeSet<_>>(), templates, "{what}");

    let contents = |holder: &Value| -> Vec<Value> {
        let contents = holder["content"].as_object();
        contents.into_iter().flatten().map(|(_, content)| content["schema"].clone()).collect()
    };
    let success = if method == "post" { "201" } else { "200" };
    let responses = described["responses"].as_object().unwrap();
    for status in [success, "default"] {
        assert!(!contents(&responses[status]).is_empty(), "{status} of {what}");
    }
    for response in responses.values() {
        assert!(is_said(&response["description"]), "{what}");
        for schema in contents(response) {
            drop(compile(&schema));
        }
    }
    let body = &described["requestBody"];
    assert_eq!(body.is_object(), method == "post", "{what}");
    if method == "post" {
        assert_eq!(body["required"], true, "{what}");
        compile(&body["content"]["application/json"]["schema"]);
    }
}

#[tokio::test]
async fn each_operation_has_a_name_of_its_own() {
    let (_functions, operations) = described().await;
    let ids: BTreeSet<&str> = operations
        .iter()
        .map(|operation| operation.described["operationId"].as_str().unwrap())
        .collect();
    let routes: BTreeSet<(&str, &str)> =
        operations.iter().map(|operation| (&*operation.method, &*operation.path)).collect();
    assert_eq!((ids.len(), routes.len()), (operations.len(), operations.len()));
}

/// What a parameter of this schema may be.
fn samples(schema: &Value) -> Vec<String> {
    if let Some(names) = schema["enum"].as_array() {
        return names.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    }
    match (schema["type"].as_str().unwrap(), schema["format"].as_str(), schema["pattern"].as_str())
    {
        ("integer", ..) => vec![schema["minimum"].to_string(), schema["maximum"].to_string()],
        (_, Some("date-time"), _) => vec!["2026-01-01T00:00:00%2B01:00".to_owned()],
        (_, _, Some(pattern)) if pattern.contains('_') => {
            vec!["1767225600000000_00000000000000ff".to_owned()]
        }
        _ => vec!["a%20%C3%A9%26=%0A".to_owned(), String::new()],
    }
}

#[tokio::test]
async fn each_described_parameter_is_taken_and_no_other() {
    let (functions, operations) = described().await;
    for operation in operations.iter().filter(|operation| operation.method == "get") {
        let function = &functions[&operation.function];
        let mut documented = BTreeSet::new();
        for parameter in operation.parameters() {
            let name = parameter["name"].as_str().unwrap();
            documented.insert(name.to_owned());
            if ["id", "peer_id"].contains(&name) {
                continue;
            }
            for sample in samples(&parameter["schema"]) {
                let path = operation.target(&[(name, &sample)]);
                let answer = function.get(&path).await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            }
        }
        let answer = function.get(&operation.target(&[("nonsense", "")])).await;
        answer.assert_problem(400, Some("nonsense"), "unknown parameter");
        let problem = answer.json();
        let fits = compile(
            &operation.described["responses"]["default"]["content"]["application/problem+json"]["schema"],
        );
        assert_fits(&fits, &problem, &operation.path);
        // The problem lists those that are known, but for the one that all lists have.
        let detail = problem["detail"].as_str().unwrap();
        let known = detail.split('`').skip(3).step_by(2).map(str::to_owned);
        documented.remove("format");
        assert_eq!(known.collect::<BTreeSet<_>>(), documented, "{}: {detail}", operation.path);
    }
}

#[tokio::test]
async fn each_answer_is_as_described() {
    let (functions, operations) = described().await;
    for operation in operations.iter().filter(|operation| operation.method == "get") {
        let path = operation.target(&[]);
        let answer = functions[&operation.function].get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let document = answer.json();
        assert!(!document.as_array().is_some_and(Vec::is_empty), "{path} has no row");
        assert_fits(&operation.answer(), &document, &path);
    }
}

/// Bodies that each POST takes.
fn bodies(path: &str) -> Vec<Value> {
    match path {
        "/host_systems" => vec![json!({
            "description": "d", "os": "o", "cpu_qty": 0, "cpu_clock": 1, "ram_mb": i32::MAX, "disk_info": "",
        })],
        "/benchmarks" => vec![
            json!({ "setup": { "a": [1] } }),
            json!({
                "benchmark_spec": {}, "chain_spec": 1, "description": "", "host_system_id": 1,
                "ts_start": "2026-01-01T00:00:00Z", "ts_end": "2026-01-02T00:00:00Z",
            }),
        ],
        "/benchmarks/events" => vec![
            json!({ "benchmark_id": 1, "name": "n", "phase": "p" }),
            json!({ "benchmark_id": 1, "name": "n", "phase": "p", "created_at": "2026-01-01T00:00:00Z" }),
        ],
        other => panic!("a body for {other}"),
    }
}

#[tokio::test]
async fn each_body_that_fits_is_taken_and_each_that_does_not_is_refused() {
    let (functions, operations) = described().await;
    for operation in operations.iter().filter(|operation| operation.method == "post") {
        let (function, path) = (&functions[&operation.function], &operation.path);
        let body = &operation.described["requestBody"]["content"]["application/json"]["schema"];
        let taken = compile(body);
        for body in bodies(path) {
            assert_fits(&taken, &body, path);
            let answer: Answer = function.post(path, &body).await;
            assert_eq!(answer.status, 201, "{path} {body}: {}", answer.text());
            assert_fits(&operation.answer(), &answer.json(), path);
            let members: Vec<&String> = body.as_object().unwrap().keys().collect();
            for member in members.iter().map(|name| name.as_str()).chain(["nonsense"]) {
                for value in [json!(-1), json!("\0"), json!([]), Value::Null] {
                    let mut changed = body.clone();
                    changed[member] = value;
                    let expected = if taken.is_valid(&changed) { 201 } else { 422 };
                    let answer = function.post(path, &changed).await;
                    assert_eq!(answer.status, expected, "{path} {changed}: {}", answer.text());
                }
            }
        }
    }
}

/// The descriptions of all functions in one.
async fn whole() -> String {
    let mut paths = Map::new();
    for (name, function) in serving().await {
        let described = function.get("/openapi.json").await.json();
        for (path, methods) in described["paths"].as_object().unwrap() {
            assert!(paths.insert(path.clone(), methods.clone()).is_none(), "{name}: {path} again");
        }
    }
    let whole = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tetcore Analytics",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
    });
    format!("{whole:#}\n")
}

/// With UPDATE_OPENAPI set, the file becomes what it should be.
#[tokio::test]
async fn the_whole_is_what_the_functions_say() {
    let path = root().join("functions/openapi.json");
    let whole = whole().await;
    if env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, &whole).unwrap();
    }
    let mut diff = Command::new("diff")
        .arg("--unified")
        .args([path.as_os_str(), "-".as_ref()])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    diff.stdin.take().unwrap().write_all(whole.as_bytes()).unwrap();
    assert!(
        diff.wait().unwrap().success(),
        "functions/openapi.json is not what the functions say: UPDATE_OPENAPI=1 cargo test --package shared --test openapi"
    );
}
