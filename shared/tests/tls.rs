//! TLS to PostgreSQL and to Redis: the right certificate is taken, every other is refused, and
//! the log says why.
#![expect(clippy::unwrap_used, reason = "tests")]

use shared::testing::{Authority, Function, Node, Postgres, Redis, eventually};

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
    // For Redis, the system's roots count; this is how a system is told of one more.
    let redis_settings = [("REDIS_URL", redis_url.as_str()), ("SSL_CERT_FILE", &ca_file)];
    let ingest = Function::start("ws-ingest", &redis_settings);
    let flush_url = url("tetcore_flush");
    let settings = [&redis_settings[..], &[("DATABASE_URL", flush_url.as_str())]].concat();
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
    let (authority, other) = (Authority::new(), Authority::new());
    let (secure, plain) = (Postgres::start(), Postgres::start());
    secure.enable_tls(&authority, "localhost");
    let (known, unknown) = (authority.file(), other.file());
    let (secure, plain) = (secure.database().url("tetcore"), plain.database().url("tetcore"));
    let named = secure.replace("127.0.0.1", "localhost");
    for (url, ca_file, reason) in [
        (&named, &unknown, "UnknownIssuer"),
        (&secure, &known, "not valid for name"),
        (&plain, &known, "server does not support TLS"),
    ] {
        let url = format!("{url}?sslmode=verify-full&sslrootcert={}", ca_file.display());
        let function = Function::start("query-nodes", &[("DATABASE_URL", &url)]);
        assert_eq!(function.get("/readyz").await.status, 503);
        assert_eq!(function.get("/nodes").await.status, 503);
        // What a function says arrives a moment after it was said.
        eventually(reason, || std::future::ready(function.log().contains(reason).then_some(())))
            .await;
    }
    let missing = format!("{named}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem");
    let refusal = Function::refusal("query-nodes", &[("DATABASE_URL", &missing)]);
    assert!(refusal.contains("/nowhere/ca.pem"), "{refusal}");
}

#[tokio::test]
async fn a_redis_that_is_not_who_it_should_be_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let redis = Redis::start();
    let named = redis.enable_tls(&authority, "localhost");
    let addressed = named.replace("localhost", "127.0.0.1");
    for (url, trusted, reason) in
        [(&named, &other, "UnknownIssuer"), (&addressed, &authority, "not valid for name")]
    {
        let ca_file = trusted.file().display().to_string();
        let settings = [("REDIS_URL", url.as_str()), ("SSL_CERT_FILE", ca_file.as_str())];
        let function = Function::start("ws-ingest", &settings);
        assert_eq!(function.get("/readyz").await.status, 503);
        eventually(reason, || std::future::ready(function.log().contains(reason).then_some(())))
            .await;
    }
}
