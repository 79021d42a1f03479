//! TLS to PostgreSQL and to Redis: the right certificate is taken, every other is refused, and
//! the log says why.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use shared::testing::{Authority, Function, Node, Pipeline, Postgres, Redis, eventually};

/// Asserts that a function is not ready, and that its log says why.
async fn assert_refused(name: &str, settings: &[(&str, &str)], reasons: &[&str]) {
    let function = Function::start(name, settings);
    assert_eq!(function.get("/readyz").await.status, 503);
    // What a function says arrives a moment after it was said.
    eventually(&reasons.join(" and "), || {
        let log = function.log();
        std::future::ready(reasons.iter().all(|reason| log.contains(reason)).then_some(()))
    })
    .await;
}

/// A URL's parameters for a client's certificate.
fn own_certificate((certificate, key): &(PathBuf, PathBuf)) -> String {
    format!("&sslcert={}&sslkey={}", certificate.display(), key.display())
}

#[tokio::test]
async fn messages_travel_over_tls() {
    let authority = Authority::new();
    let (postgres, redis) = (Postgres::start(), Redis::start());
    postgres.enable_tls(&authority, "localhost");
    let redis_url = redis.enable_tls(&authority, "localhost");
    let ca_file = authority.file().display().to_string();
    let database = postgres.database();
    let url = |role: &str| {
        let url = database.url(role).replace("127.0.0.1", "localhost");
        format!("{url}?sslmode=verify-full&sslrootcert={ca_file}")
    };
    let with_file = format!("{redis_url}?sslrootcert={ca_file}");
    let ingest = Function::start("ws-ingest", &[("REDIS_URL", &with_file)]);
    // Without a file, the system's roots count; this is how a system is told of one more.
    let flush_url = url("tetcore_flush");
    let settings = [
        ("REDIS_URL", redis_url.as_str()),
        ("SSL_CERT_FILE", &ca_file),
        ("DATABASE_URL", &flush_url),
    ];
    let flush = Function::start("batch-flush", &settings);
    let nodes = Function::start("query-nodes", &[("DATABASE_URL", &url("tetcore_query"))]);
    for function in [&ingest, &flush, &nodes] {
        eventually("the function is ready", || async {
            function.get("/readyz").await.status.is_success().then_some(())
        })
        .await;
    }
    let mut node = Node::connect(ingest.address(), "/").await;
    node.send(r#"{"msg":"system.connected","network_id":"peer","name":"secret"}"#).await;
    let answer = eventually("the node is listed", || async {
        let nodes = nodes.get("/nodes").await.json();
        (nodes.as_array().unwrap().len() == 1).then_some(nodes)
    })
    .await;
    assert_eq!(answer[0]["name"], "secret");

    let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
               WHERE application_name IN ('batch-flush', 'query-nodes')";
    let encrypted: bool = database.owner().await.query_one(sql, &[]).await.unwrap().get(0);
    assert!(encrypted);
}

#[tokio::test]
async fn a_postgresql_that_is_not_who_it_should_be_is_refused() {
    let (authority, other, late) = (Authority::new(), Authority::new(), Authority::late());
    let (secure, expired, plain) = (Postgres::start(), Postgres::start(), Postgres::start());
    secure.enable_tls(&authority, "localhost");
    expired.enable_tls(&late, "localhost");
    let named =
        |server: &Postgres| server.database().url("tetcore").replace("127.0.0.1", "localhost");
    let addressed = secure.database().url("tetcore");
    let unknown = other.file().display().to_string();
    for (url, trusted, reasons) in [
        (named(&secure), &other, vec!["certificate of `localhost` is of none", &unknown]),
        (addressed, &authority, vec!["not for `127.0.0.1`, but for", "localhost"]),
        (named(&expired), &late, vec!["`localhost` has expired", "until 2020-02-20"]),
        (named(&plain), &authority, vec!["server does not support TLS"]),
    ] {
        let url = format!("{url}?sslmode=verify-full&sslrootcert={}", trusted.file().display());
        for name in ["query-nodes", "batch-flush"] {
            let settings = [("DATABASE_URL", url.as_str()), ("REDIS_URL", &Redis::shared().url())];
            assert_refused(name, &settings, &reasons).await;
        }
    }
}

#[tokio::test]
async fn a_redis_that_is_not_who_it_should_be_is_refused() {
    let (authority, other, late) = (Authority::new(), Authority::new(), Authority::late());
    let (secure, expired) = (Redis::start(), Redis::start());
    let named = secure.enable_tls(&authority, "localhost");
    let addressed = named.replace("localhost", "127.0.0.1");
    let expired = expired.enable_tls(&late, "localhost");
    let unknown = other.file().display().to_string();
    for (url, trusted, reasons) in [
        (named, &other, vec!["certificate of `localhost` is of none", &unknown]),
        (addressed, &authority, vec!["not for `127.0.0.1`, but for", "localhost"]),
        (expired, &late, vec!["`localhost` has expired", "until 2020-02-20"]),
    ] {
        let url = format!("{url}?sslrootcert={}", trusted.file().display());
        assert_refused("ws-ingest", &[("REDIS_URL", &url)], &reasons).await;
    }
}

#[tokio::test]
async fn who_has_no_certificate_where_one_is_asked_for_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (postgres, redis) = (Postgres::start(), Redis::start());
    postgres.enable_tls(&authority, "localhost");
    postgres.admit("hostssl all tetcore_flush 127.0.0.1/32 cert");
    let redis_url = redis.enable_tls(&authority, "localhost");
    redis.ask_for_certificates();
    let database = postgres.database();
    let database_url = database.url("tetcore_flush").replace("127.0.0.1", "localhost");
    let ca_file = authority.file().display().to_string();
    let database_url = format!("{database_url}?sslmode=verify-full&sslrootcert={ca_file}");
    let redis_url = format!("{redis_url}?sslrootcert={ca_file}");

    let known = own_certificate(&authority.client("tetcore_flush"));
    let unknown = own_certificate(&other.client("tetcore_flush"));
    for (own, database_says, redis_says) in [
        ("", "requires a valid client certificate", "CertificateRequired"),
        (&unknown, "UnknownCA", "UnknownCA"),
    ] {
        let url = format!("{database_url}{own}");
        let settings = [("DATABASE_URL", url.as_str()), ("REDIS_URL", &redis.url())];
        assert_refused("batch-flush", &settings, &[database_says]).await;
        let url = format!("{redis_url}{own}");
        assert_refused("ws-ingest", &[("REDIS_URL", &url)], &[redis_says]).await;
    }

    let (url, database_url) = (format!("{redis_url}{known}"), format!("{database_url}{known}"));
    let settings = [("REDIS_URL", url.as_str()), ("DATABASE_URL", &database_url)];
    let pipeline = Pipeline::start_on(database, &redis, &settings);
    pipeline.node("/").await.send(r#"{"msg":"a"}"#).await;
    assert_eq!(pipeline.settle(1).await, 1);
}

#[test]
fn a_file_that_cannot_be_used_is_named_at_the_start() {
    let authority = Authority::new();
    let (certificate, _) = authority.client("me");
    let certificate = certificate.display();
    for (parameters, reason) in [
        ("sslrootcert=/nowhere/ca.pem".to_owned(), "/nowhere/ca.pem"),
        ("sslrootcert=/dev/null".to_owned(), "no certificate authority to trust"),
        (format!("sslcert={certificate}"), "`sslcert` and `sslkey` are given together"),
        (format!("sslcert={certificate}&sslkey=/nowhere/key.pem"), "/nowhere/key.pem"),
    ] {
        let url = format!("postgres://localhost/none?sslmode=verify-full&{parameters}");
        let refusal = Function::refusal("query-nodes", &[("DATABASE_URL", &url)]);
        assert!(refusal.contains("DATABASE_URL") && refusal.contains(reason), "{refusal}");
        let url = format!("rediss://localhost?{parameters}");
        let refusal = Function::refusal("ws-ingest", &[("REDIS_URL", &url)]);
        assert!(refusal.contains("REDIS_URL") && refusal.contains(reason), "{refusal}");
    }
    for (function, name, url) in [
        ("query-nodes", "DATABASE_URL", "postgres://localhost/none?sslrootcert=/ca.pem"),
        ("ws-ingest", "REDIS_URL", "redis://localhost?sslrootcert=/ca.pem"),
        ("ws-ingest", "REDIS_URL", "rediss://localhost#insecure"),
    ] {
        let refusal = Function::refusal(function, &[(name, url)]);
        assert!(refusal.contains(name), "nothing is encrypted or verified by halves: {refusal}");
    }
}
