//! What README.md, ARCHITECTURE.md and .env.example say holds for the functions as they are shipped.
#![expect(clippy::unwrap_used, reason = "tests")]

mod repository;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use repository::{arguments, functions, root};
use serde_json::Value;
use shared::{
    metrics::{Feed, Flush, Http, Ingest, Metrics, Purge},
    testing::{Database, Function, Node, Redis, eventually, get, send},
};

const README: &str = include_str!("../../README.md");
const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");
/// Those without a default: what stands in the example is one.
const REQUIRED: [&str; 2] = ["DATABASE_URL", "REDIS_URL"];
const SECRET: &str = "correcthorsebatterystaple";

type Settings = BTreeMap<String, String>;

fn example() -> Settings {
    let file = dotenvy::from_path_iter(root().join(".env.example")).unwrap();
    file.collect::<Result<_, _>>().unwrap()
}

fn with<'a>(settings: &'a Settings, others: &'a [(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let settings = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    settings.chain(others.iter().copied()).collect()
}

/// The settings in force that `function` names in its first log line. Without a thread to run on
/// it ends there, so that nothing listens on the address of the example.
fn in_force(function: &str, settings: &Settings) -> BTreeMap<String, Value> {
    let log = Function::refusal(function, &with(settings, &[("NUM_THREADS", "0")]));
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let starting = lines.into_iter().find(|line| line["message"] == "starting").unwrap();
    let settings: BTreeMap<String, Value> =
        serde_json::from_str(starting["settings"].as_str().unwrap()).unwrap();
    settings.into_iter().map(|(name, value)| (name.to_uppercase(), value)).collect()
}

/// The functions that read each setting.
fn readers() -> BTreeMap<String, BTreeSet<String>> {
    let mut readers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for function in functions() {
        for setting in in_force(&function, &example()).into_keys() {
            readers.entry(setting).or_default().insert(function.clone());
        }
    }
    readers
}

/// The cells of the first table under a heading, its head left out.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let section = text.split_once(&format!("\n## {heading}\n")).unwrap().1;
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// What stands between backticks, blocks of code left out.
fn quoted(text: &str) -> Vec<&str> {
    let prose = text.split("\n```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

/// The functions that a cell names, or all of them.
fn named(cell: &str) -> BTreeSet<String> {
    match cell {
        "every function" => functions(),
        _ => quoted(cell).into_iter().flat_map(matching).collect(),
    }
}

/// The functions of this name, which may end in `*`.
fn matching(name: &str) -> BTreeSet<String> {
    match name.strip_suffix('*') {
        Some(beginning) => {
            functions().into_iter().filter(|name| name.starts_with(beginning)).collect()
        }
        None => BTreeSet::from([name.to_owned()]),
    }
}

#[test]
fn the_example_holds_every_setting_with_its_default() {
    let example = example();
    // BIND and PORT are set to nothing rather than left out, since a test's own would fill in.
    let defaults: Settings = example
        .iter()
        .map(|(name, value)| {
            let kept = REQUIRED.contains(&name.as_str());
            (name.clone(), if kept { value.clone() } else { String::new() })
        })
        .collect();
    for function in functions() {
        assert_eq!(in_force(&function, &example), in_force(&function, &defaults), "{function}");
    }
    // The one that cannot be told from the log, since it ends the function there.
    assert_eq!(example["NUM_THREADS"], "");
    let read: BTreeSet<String> = readers().into_keys().collect();
    let listed: BTreeSet<String> = example.into_keys().collect();
    assert_eq!(read, listed, "each is read by some function, and no function reads others");
}

#[test]
fn what_is_required_is_asked_for_by_name() {
    for function in functions() {
        for name in REQUIRED.iter().filter(|name| readers()[**name].contains(&function)) {
            let mut settings = example();
            settings.remove(*name);
            let log = Function::refusal(&function, &with(&settings, &[]));
            assert!(log.contains(&format!("{name} is required, but not set")), "{log}");
        }
    }
}

#[tokio::test]
async fn every_function_starts_with_the_example() {
    let (database, example) = (Database::new().url("tetcore"), example());
    let redis = Redis::shared().url();
    let own = [
        ("DATABASE_URL", database.as_str()),
        ("REDIS_URL", &redis),
        ("BIND", "127.0.0.1"),
        ("PORT", "0"),
    ];
    let settings = with(&example, &own);
    for name in functions() {
        let Some(arguments) = arguments(&name) else {
            Function::run(&name, &settings, &[]);
            continue;
        };
        let function = Function::start_with(&name, &settings, arguments);
        eventually("it is ready", async || {
            (function.get("/readyz").await.status == 200).then_some(())
        })
        .await;
        assert!(function.stop().await.success(), "{name}");
    }
}

#[test]
fn the_readme_lists_every_setting_its_default_and_its_readers() {
    let mut readers = readers();
    let expected: BTreeMap<String, (String, BTreeSet<String>)> = example()
        .into_iter()
        .map(|(name, value)| {
            let readers = readers.remove(&name).unwrap_or_default();
            let default = match value.as_str() {
                _ if REQUIRED.contains(&name.as_str()) => "required".to_owned(),
                "" => "–".to_owned(),
                value => format!("`{value}`"),
            };
            (format!("`{name}`"), (default, readers))
        })
        .collect();
    let listed: BTreeMap<_, _> = table(README, "Settings")
        .into_iter()
        .map(|row| (row[0].clone(), (row[1].clone(), named(&row[2]))))
        .collect();
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn the_readme_lists_every_route_its_parameters_and_its_answer() {
    let (database, redis) = (Database::new().url("tetcore"), Redis::shared().url());
    let settings = [("DATABASE_URL", database.as_str()), ("REDIS_URL", &redis)];
    let mut listed = BTreeSet::new();
    let mut described = BTreeSet::new();
    for name in functions() {
        let Some(arguments) = arguments(&name) else {
            continue;
        };
        let function = Function::start_with(&name, &settings, arguments);
        let document = function.get("/openapi.json").await.json();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let methods = methods.as_object().unwrap().keys();
            described.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
        }
        for row in table(README, "Routes") {
            if !named(&row[1]).contains(&name) {
                continue;
            }
            for route in quoted(&row[0]) {
                let (method, path) = route.split_once(' ').unwrap();
                if method == "WS" {
                    assert_eq!(function.get(path).await.status, 426, "{name} {route}");
                } else if row[1] == "`dashboard`" {
                    let page = function.get(&path.replace("{*path}", "database")).await;
                    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8", "{route}");
                } else if row[1] == "every function" {
                    eventually("it answers", async || {
                        (function.get(path).await.status == 200).then_some(())
                    })
                    .await;
                } else {
                    let operation = &document["paths"][path][method.to_lowercase()];
                    assert_described(route, operation, &row[2], &row[3]);
                    assert!(described.remove(route), "{route} is listed twice");
                }
                if row[1] != "every function" {
                    listed.insert((name.clone(), path.to_owned()));
                }
                let nowhere = format!("{}/no/such/path", path.trim_end_matches('/'));
                assert_eq!(function.get(&nowhere).await.status, 404, "{name} {nowhere}");
            }
        }
    }
    assert!(described.is_empty(), "the README says nothing of {described:?}");
    assert_eq!(listed, deployed_routes(), "README and terraform/functions.json");
}

/// Asserts that an operation takes what the README says, and that its answer has these members.
fn assert_described(route: &str, operation: &Value, takes: &str, answer: &str) {
    let query = operation["parameters"].as_array().into_iter().flatten().filter_map(|parameter| {
        let name = parameter["name"].as_str().unwrap();
        (parameter["in"] == "query" && name != "format").then_some(name)
    });
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    let mut described: Vec<&str> = query.chain(members(body)).collect();
    for form in body["oneOf"].as_array().into_iter().flatten() {
        // The members of the other form are null in this one.
        described.extend(members(form).filter(|name| form["properties"][name]["type"] != "null"));
    }
    assert_eq!(quoted(takes), described, "{route}");

    let Some((_, listed)) = answer.split_once('{') else {
        return;
    };
    let listed: Vec<&str> = listed.split_once('}').unwrap().0.split(", ").collect();
    let success = ["200", "201"].into_iter().find_map(|status| operation["responses"].get(status));
    let schema = &success.unwrap()["content"]["application/json"]["schema"];
    let document = schema.get("items").unwrap_or(schema);
    assert_eq!(listed, members(document).collect::<Vec<_>>(), "{route}");
}

/// The names of an object's members, in the order of its schema.
fn members(schema: &Value) -> impl Iterator<Item = &str> {
    schema["properties"]
        .as_object()
        .into_iter()
        .flat_map(|members| members.keys())
        .map(String::as_str)
}

/// The function and path of each route that a deployment knows.
fn deployed_routes() -> BTreeSet<(String, String)> {
    let catalogue = fs::read_to_string(root().join("terraform/functions.json")).unwrap();
    let catalogue: BTreeMap<String, Value> = serde_json::from_str(&catalogue).unwrap();
    assert_eq!(catalogue.keys().cloned().collect::<BTreeSet<_>>(), functions());
    catalogue
        .iter()
        .flat_map(|(name, entry)| {
            let routes = entry["routes"].as_array().into_iter().flatten();
            routes.map(|route| (name.clone(), route.as_str().unwrap().to_owned()))
        })
        .collect()
}

#[tokio::test]
async fn no_log_and_no_answer_tells_a_secret() {
    let redis = Redis::start();
    let set: String = redis.command(&["CONFIG", "SET", "requirepass", SECRET]);
    assert_eq!(set, "OK");
    let with_password = |url: &str, user: &str| {
        let address = url.split_once("://").unwrap().1;
        let address = address.split_once('@').map_or(address, |(_, address)| address);
        format!("{}://{user}:{SECRET}@{address}", url.split_once("://").unwrap().0)
    };
    let database = Database::new();
    let good = (
        with_password(&database.url("tetcore"), "tetcore"),
        with_password(&redis.url(), "default"),
    );
    let wrong_user =
        (with_password(&database.url("x"), "nobody"), with_password(&redis.url(), "x"));
    let needs_servers: BTreeSet<String> = {
        let mut readers = readers();
        REQUIRED.iter().flat_map(|name| readers.remove(*name).unwrap_or_default()).collect()
    };
    let unreachable = (
        format!("postgres://tetcore:{SECRET}@127.0.0.1:1/tetcore"),
        format!("redis://:{SECRET}@127.0.0.1:1/"),
    );
    for (database_url, redis_url) in [&good, &wrong_user, &unreachable] {
        let reachable = redis_url == &good.1;
        let settings = [
            ("DATABASE_URL", database_url.as_str()),
            ("REDIS_URL", redis_url),
            ("INGEST_TOKENS", SECRET),
            ("API_TOKENS", SECRET),
            ("RUST_LOG", "trace"),
        ];
        for name in functions() {
            let Some(arguments) = arguments(&name) else {
                if !reachable {
                    assert_discreet(&Function::refusal(&name, &settings));
                }
                continue;
            };
            let function = Function::start_with(&name, &settings, arguments);
            if reachable || !needs_servers.contains(&name) {
                eventually("it is ready", async || {
                    (function.get("/readyz").await.status == 200).then_some(())
                })
                .await;
            } else {
                eventually("it complains", async || {
                    let ready = function.get("/readyz").await.status == 200;
                    let complains = function.log().contains("WARN");
                    (!ready && complains).then_some(())
                })
                .await;
            }
            for path in [
                "/",
                "/readyz",
                "/metrics",
                "/openapi.json",
                "/nodes",
                "/nodes/logs?peer_id=p",
                "/stats/db",
            ] {
                let token = format!("Bearer {SECRET}");
                let answer = get(function.address(), path, &[("authorization", &token)]).await;
                assert_discreet(&answer.text());
            }
            if name == "ws-ingest" {
                if reachable {
                    let path = format!("/{SECRET}/audit");
                    Node::connect(function.address(), &path).await.send("not json").await;
                    eventually("the node is heard", async || {
                        (function.metric("ingest_received_messages_total").await > 0).then_some(())
                    })
                    .await;
                }
                let path = format!("/{SECRET}x/audit");
                let refusal = Node::connect_with(function.address(), &path, "").await.err();
                assert_discreet(&refusal.unwrap());
            }
            function.signal("-TERM");
            eventually("it says farewell", async || {
                function.log().contains("asked to stop").then_some(())
            })
            .await;
            assert_discreet(&function.log());
        }
    }
}

/// What nobody outside needs to know: languages, libraries, statements, tables and places of files.
const INTERNALS: [&str; 20] = [
    "rust",
    "tokio",
    "hyper",
    "serde",
    "postgres",
    "redis",
    "websockets",
    "panic",
    "backtrace",
    ".rs",
    ".sql",
    "/src",
    "/target",
    "/home",
    "select ",
    "insert ",
    "relation",
    "log_rows",
    "peer_connections",
    "127.0.0.1",
];

#[tokio::test]
async fn no_error_tells_what_is_inside() {
    let json = ("content-type", "application/json");
    let asked = [
        ("GET", vec![], ""),
        ("GET", vec![("accept", "image/png")], ""),
        ("GET", vec![("upgrade", "websocket"), ("connection", "upgrade")], ""),
        ("DELETE", vec![], ""),
        ("POST", vec![], ""),
        ("POST", vec![json], r#"{"a":"#),
        ("POST", vec![json], r#"{"setup":{}}"#),
        ("POST", vec![json], r#"{"benchmark_id":"'"}"#),
    ];
    let others =
        ["/", "/audit", "/feed", "/nowhere", "/healthz/x", "/readyz", "/%00/..", "/dashboard/x"];
    for reachable in [true, false] {
        let mut statuses = BTreeSet::new();
        for name in functions() {
            let Some(arguments) = arguments(&name) else {
                continue;
            };
            let database = Database::new();
            let role = if name.ends_with("-flush") || name == "purge-job" {
                "tetcore"
            } else {
                "tetcore_query"
            };
            let urls = if reachable {
                (database.url(role), Redis::shared().url())
            } else {
                ("postgres://127.0.0.1:1/none".to_owned(), "redis://127.0.0.1:1/".to_owned())
            };
            let settings = [("DATABASE_URL", urls.0.as_str()), ("REDIS_URL", &urls.1)];
            let function = Function::start_with(&name, &settings, arguments);
            if reachable {
                eventually("it is ready", async || {
                    (function.get("/readyz").await.status == 200).then_some(())
                })
                .await;
                // It may not read any more what it asks for, which is our fault, not the client's.
                let sql = "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM tetcore_query";
                database.owner().await.batch_execute(sql).await.unwrap();
            }
            let described = function.get("/openapi.json").await.json();
            let paths = described["paths"].as_object().unwrap().keys().flat_map(|path| {
                let path = path.replace("{id}", "1").replace("{peer_id}", "p");
                ["", "?limit=0", "?peer_id=p", "?peer_id=p&peer_id=%27"]
                    .map(|query| path.clone() + query)
            });
            for path in paths.chain(others.map(str::to_owned)) {
                for (method, headers, body) in &asked {
                    let answer = send(function.address(), method, &path, headers, *body).await;
                    if answer.status.is_success() {
                        continue;
                    }
                    statuses.insert(answer.status.as_u16());
                    let told = format!("{:?} {}", answer.headers, answer.text()).to_lowercase();
                    for internal in INTERNALS {
                        assert!(!told.contains(internal), "{name} {method} {path}: {told}");
                    }
                    for header in ["server", "via", "x-powered-by"] {
                        assert!(!answer.headers.contains_key(header), "{name} {method} {path}");
                    }
                }
            }
        }
        let fault = if reachable { 500 } else { 503 };
        let expected = BTreeSet::from([400, 404, 405, 406, 415, 422, 426, fault]);
        assert!(statuses.is_superset(&expected), "{statuses:?}");
    }
}

#[test]
fn no_refusal_tells_a_secret() {
    let example = example();
    for (name, value) in [
        ("DATABASE_URL", format!("postgres://me:{SECRET}@host:port/db")),
        ("DATABASE_URL", format!("postgres://me:{SECRET}@host/db?sslmode=prefer")),
        ("DATABASE_URL", format!("postgres://me:{SECRET}@host/db?colour=red")),
        ("DATABASE_URL", format!("postgres://me:{SECRET}@[::1/db")),
        ("DATABASE_URL", format!("mysql://me:{SECRET}@host/db")),
        ("DATABASE_URL", format!("host=h user=me password={SECRET} port=x")),
        ("DATABASE_URL", format!("host=h user=me password='{SECRET}")),
        ("REDIS_URL", format!("redis://:{SECRET}@host:port/")),
        ("REDIS_URL", format!("redis://:{SECRET}@host/db")),
        ("REDIS_URL", format!("http://:{SECRET}@host/")),
        ("REDIS_URL", format!("redis://:{SECRET}@")),
        ("DATABASE_READ_URL", format!("postgres://me:{SECRET}@host:port/db")),
        ("OLD_DATABASE_URL", format!("postgres://me:{SECRET}@host:port/db")),
        ("INGEST_TOKENS", format!("one,{SECRET}/two")),
        ("API_TOKENS", format!("one,{SECRET}/two")),
    ] {
        for function in &readers()[name] {
            let log = Function::refusal(function, &with(&example, &[(name, &value)]));
            assert!(log.contains(name), "{function} does not say that it is {name}: {log}");
            assert_discreet(&log);
        }
    }
}

#[track_caller]
fn assert_discreet(text: &str) {
    assert!(!text.contains(SECRET), "{text}");
}

/// Every metric of every function; labelled ones show once they have a label.
fn metrics() -> BTreeSet<String> {
    let metrics = Metrics::default();
    let (ingest, flush) = (Ingest::new(&metrics), Flush::new(&metrics));
    let (purge, http, feed) = (Purge::new(&metrics), Http::new(&metrics), Feed::new(&metrics));
    for labelled in [
        ingest.rejected,
        ingest.dropped,
        ingest.clock_replaced,
        ingest.connections_closed,
        ingest.refused,
        ingest.push_retries,
        flush.transactions,
        purge.runs,
        http.answers,
        feed.closed,
    ] {
        labelled.with_label_values(&["any"]).inc();
    }
    let text = String::from_utf8(metrics.render()).unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// All text files of ours below a folder, with their paths; those of npm are others'.
fn files(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("node_modules") {
                files(&path, found);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.insert(path, text);
        }
    }
}

#[tokio::test]
async fn every_name_in_the_documents_exists() {
    let owner = Database::new().owner().await;
    let names = "SELECT relname::text FROM pg_class UNION SELECT attname::text FROM pg_attribute
                 UNION SELECT rolname::text FROM pg_roles";
    let in_database: BTreeSet<String> =
        owner.query(names, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let (metrics, root) = (metrics(), root());
    let mut sources = BTreeMap::new();
    for folder in ["shared", "functions", "migrations", "scripts"] {
        files(&root.join(folder), &mut sources);
    }
    let is_file =
        |name: &str| root.join(name).exists() || sources.keys().any(|path| path.ends_with(name));
    let defines = |text: &str, name: &str| {
        [
            format!("fn {name}("),
            format!("fn {name}<"),
            format!("function {name}("),
            format!("function {name}<"),
            format!("FUNCTION {name}("),
            format!("\n{name}() {{"),
        ]
        .iter()
        .any(|definition| text.contains(definition))
    };
    for (document, text) in [("README.md", README), ("ARCHITECTURE.md", ARCHITECTURE)] {
        for name in quoted(text) {
            let known = if let Some((file, test)) = name.split_once(".rs::") {
                let path = root.join(format!("{file}.rs"));
                fs::read_to_string(path).is_ok_and(|text| defines(&text, test))
            } else if let Some(function) = name.strip_suffix("()") {
                let function = function.rsplit("::").next().unwrap();
                sources.values().any(|text| defines(text, function))
            } else if looks_like_file(name) {
                is_file(name)
            } else if looks_like_metric(name) {
                metrics.contains(name) || in_database.contains(name)
            } else {
                true
            };
            assert!(known, "{document} speaks of `{name}`");
        }
    }
}

#[test]
fn what_is_guaranteed_is_held_by_tests() {
    let section = README.split_once("\n## Guarantees\n").unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| test |"));
    let mut held = 0;
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        if cell == "no test, and no promise" {
            continue;
        }
        let mut names = quoted(cell).into_iter().filter(|name| name.contains('/')).peekable();
        assert!(names.peek().is_some(), "nothing holds this: {row}");
        for name in names {
            if let Some((file, test)) = name.split_once("::") {
                let text = fs::read_to_string(root().join(file)).unwrap();
                let before = text.split_once(&format!("fn {test}(")).unwrap().0;
                let above = before.lines().rev().skip_while(|line| *line == "async ");
                let mut attributes = above.take_while(|line| line.starts_with("#["));
                let runs = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
                assert!(attributes.any(runs), "`{name}` is no test");
            } else {
                assert!(root().join(name).exists(), "{name}");
            }
            held += 1;
        }
    }
    assert!(held > 50, "{held}");
}

fn looks_like_file(name: &str) -> bool {
    let folders = ["shared/", "functions/", "migrations/", "scripts/", ".ci/"];
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    !name.contains([' ', '*', '…', '<'])
        && (folders.iter().any(|folder| name.starts_with(folder))
            || matches!(extension, Some("rs" | "sql" | "sh" | "md")))
}

fn looks_like_metric(name: &str) -> bool {
    let stages = [
        "ingest_",
        "queue_",
        "flush_",
        "database_",
        "purge_",
        "compact_",
        "http_",
        "tetcore_",
        "peer_",
    ];
    stages.iter().any(|stage| name.starts_with(stage))
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// A rate over time does not see the first of what had no series before.
#[test]
fn labels_that_the_functions_use_are_there_from_the_start() {
    const MARKS: [&str; 10] = [
        "#[error(\"",
        "with_label_values(&[\"",
        "count_refusal(\"",
        "End::Client(\"",
        "CloseCode::Again, \"",
        "CloseCode::Away, \"",
        "CloseCode::Normal, \"",
        "CloseCode::Policy, \"",
        "CloseCode::Protocol, \"",
        "CloseCode::Size, \"",
    ];
    let metrics = Metrics::default();
    let _stages =
        (Ingest::new(&metrics), Flush::new(&metrics), Purge::new(&metrics), Feed::new(&metrics));
    let text = String::from_utf8(metrics.render()).unwrap();
    let mut sources = BTreeMap::new();
    files(&root().join("functions"), &mut sources);
    sources.retain(|path, _| path.extension().is_some_and(|extension| extension == "rs"));
    let message = root().join("shared/src/message.rs");
    sources.insert(message.clone(), fs::read_to_string(message).unwrap());
    let mut used = BTreeSet::new();
    for (source, mark) in sources.values().flat_map(|source| MARKS.map(|mark| (source, mark))) {
        used.extend(source.split(mark).skip(1).filter_map(|rest| rest.split('"').next()));
    }
    assert!(used.len() > 20, "{used:?}");
    for value in used {
        assert!(text.contains(&format!("=\"{value}\"}} 0\n")), "`{value}` has no series at 0");
    }
}

#[test]
fn every_alert_has_a_runbook() {
    let rules = fs::read_to_string(root().join("terraform/compose/alerts.yml")).unwrap();
    let values = |key: &'static str| {
        let lines = rules.lines().map(str::trim);
        lines.filter_map(move |line| line.strip_prefix(key)).map(str::trim)
    };
    let alerts: Vec<&str> = values("- alert:").collect();
    let operations = README.split_once("\n## Operations\n").unwrap().1;
    let operations = operations.split("\n## ").next().unwrap();
    let runbooks: Vec<&str> =
        operations.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(alerts, runbooks, "the README has the runbooks in the order of the rules");
    let pointers: Vec<String> =
        alerts.iter().map(|alert| format!("README.md#{}", alert.to_lowercase())).collect();
    assert_eq!(values("runbook:").collect::<Vec<_>>(), pointers);
}

/// A connection that the function ends first may get one more request on the way, which then fails.
#[test]
fn functions_keep_idle_connections_for_longer_than_balancers_do() {
    let balancer = fs::read_to_string(root().join("terraform/balancer.tf")).unwrap();
    let setting = balancer.lines().find_map(|line| line.trim().strip_prefix("idle_timeout"));
    let seconds = setting.unwrap().trim_start_matches([' ', '=']).parse().unwrap();
    assert!(Duration::from_secs(seconds) < shared::http::IDLE_TIMEOUT);
}

#[tokio::test]
async fn an_error_looks_as_the_readme_shows() {
    let (before, block) = README.split_once("```json\n").unwrap();
    let shown: Value = serde_json::from_str(block.split_once("```").unwrap().0).unwrap();
    let path = *quoted(before).iter().rfind(|quoted| quoted.starts_with('/')).unwrap();
    let settings = [("DATABASE_URL", "postgres://127.0.0.1:1/none")];
    assert_eq!(Function::start("query-nodes", &settings).get(path).await.json(), shown);
}
