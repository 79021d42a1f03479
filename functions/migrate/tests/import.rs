//! What `migrate import` makes of databases of version 0.1.4.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::{Child, Output, Stdio};

use serde_json::{Value, json};
use shared::{
    db::Client,
    testing::{Database, Function, Pipeline, Redis, command, eventually, masked},
};

/// Less than some messages of `old/scene.sql` are old.
const EXPIRY: &str = "480";
const FOR_EVER: &str = "280_320";

/// An import from one database into another, both on the same server.
struct Import {
    old_url: String,
    url: String,
    log_expiry_h: &'static str,
}

impl Import {
    fn new(old: &Database, ours: &Database, log_expiry_h: &'static str) -> Self {
        Self { old_url: old.url("tetcore"), url: ours.url("tetcore"), log_expiry_h }
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let settings = [
            ("DATABASE_URL", self.url.as_str()),
            ("OLD_DATABASE_URL", &self.old_url),
            ("LOG_EXPIRY_H", self.log_expiry_h),
        ];
        command("migrate", &settings, &[&["import"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs to the end, which must be a success: the summary.
    fn run(&self) -> Value {
        let output = self.start(&[]).wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");
        let summary = summary(&output);
        assert_eq!((&summary["complete"], &summary["verified"]), (&json!(true), &json!(true)));
        summary
    }

    /// Runs to the end, which must not be a success: the log and, where there is one, the summary.
    fn fail(&self, arguments: &[&str]) -> (String, Value) {
        let output = self.start(arguments).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        (String::from_utf8_lossy(&output.stderr).into_owned(), summary(&output))
    }
}

fn summary(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().last().map_or(Value::Null, |line| serde_json::from_str(line).unwrap())
}

/// What a summary says of a table: rows read, stored, expired and incomplete.
fn counts(summary: &Value, table: &str) -> [i64; 4] {
    let table = &summary["tables"][table];
    let skipped = &table["skipped"];
    [&table["read"], &table["stored"], &skipped["expired"], &skipped["incomplete"]]
        .map(|count| count.as_i64().unwrap_or_else(|| panic!("{summary}")))
}

/// A new database that holds what these scripts make.
async fn old_database(scripts: &[&str]) -> (Database, Client) {
    let database = Database::empty();
    let client = database.owner().await;
    for script in scripts {
        client.batch_execute(script).await.unwrap();
    }
    (database, client)
}

async fn scene() -> (Database, Client) {
    old_database(&[include_str!("old/tables.sql"), include_str!("old/scene.sql")]).await
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// All that a database holds but for its books of imports, with the ids that rows have.
async fn state(client: &Client) -> Vec<String> {
    texts(
        client,
        "SELECT log::text FROM tetcore_logs AS log
         UNION ALL SELECT peer::text FROM peer_connections AS peer
         UNION ALL SELECT node::text FROM nodes AS node
         UNION ALL SELECT machine::text FROM host_systems AS machine
         UNION ALL SELECT run::text FROM benchmarks AS run
         UNION ALL SELECT event::text FROM benchmark_events AS event
         UNION ALL SELECT report::text FROM reputation_reports AS report
         UNION ALL SELECT part::text FROM log_partitions() AS part
         ORDER BY 1",
    )
    .await
}

/// Messages in their order, from `tetcore_logs` of either version.
fn messages(time: &str, condition: &str) -> String {
    format!(
        "SELECT concat_ws(' ', log.peer_connection_id, ({time})::timestamp, logs)
         FROM tetcore_logs AS log
         WHERE {condition}
         ORDER BY log.id"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_has_not_expired_is_taken_over() {
    let ours = Database::new();
    let owner = ours.owner().await;
    let (old, there) = scene().await;
    let import = Import::new(&old, &ours, EXPIRY);
    let summary = import.run();
    assert_eq!(counts(&summary, "tetcore_logs"), [23, 20, 2, 1]);
    assert_eq!(counts(&summary, "peer_connections"), [9, 9, 0, 0]);
    assert_eq!(counts(&summary, "host_systems"), [2, 2, 0, 0]);
    assert_eq!(counts(&summary, "benchmarks"), [2, 2, 0, 0]);
    assert_eq!(counts(&summary, "benchmark_events"), [3, 2, 0, 1]);
    assert_eq!(summary["tables"]["tetcore_logs"]["old_rows"], 23);

    // Times in UTC and JSON as they were, in the old order, connections under their numbers.
    let expected = messages(
        "created_at",
        "logs IS NOT NULL AND logs ->> 'becomes' IS DISTINCT FROM 'expired'",
    );
    let taken = messages("created_at AT TIME ZONE 'UTC'", "true")
        .replace("log.peer_connection_id", "nullif(log.peer_connection_id, 0)");
    assert_eq!(texts(&owner, &taken).await, texts(&there, &expected).await);
    let wrong = "SELECT log::text
                 FROM tetcore_logs AS log
                 LEFT JOIN peer_connections AS peer ON peer.id = peer_connection_id
                 WHERE (log.node_id, log.audit) IS DISTINCT FROM (node_id(peer_id), peer.audit)
                    OR log.node_id IS DISTINCT FROM peer.node_id
                    OR msg IS DISTINCT FROM CASE jsonb_typeof(logs -> 'msg') WHEN 'string' THEN logs ->> 'msg' END";
    assert_eq!(texts(&owner, wrong).await, [""; 0]);
    ours.assert_derived().await;

    let connections = "SELECT concat_ws(' ', id, ip_addr, peer_id, audit, name, authority, startup_time,
                           round(extract(epoch FROM now() - created_at) / 3600), round(extract(epoch FROM now() - last_seen) / 3600),
                           round(extract(epoch FROM now() - newest_log_at) / 3600))
                       FROM peer_connections ORDER BY id";
    assert_eq!(
        texts(&owner, connections).await,
        [
            "0 unknown t 2352 2352 2352",
            "1 10.0.0.1:30333 A f first of A f 1577836800001 1440 408 408",
            "2 10.0.0.1:30334 A f last of A t 1577836800002 72 0 -48",
            "3 10.0.0.2:30333 B t audit f 1577836800003 9600 720 720",
            "4 10.0.0.3:30333 f t 1577836800004 48 36 36",
            "5 10.0.0.4:30333 C f expired f 1577836800005 720 720",
            "6 10.0.0.5:30333 D f silent t 1577836800006 120 120",
            "7 unknown E f without an address f 1577836800007 24 1 1",
            "8 10.0.0.6:30333 f endless t 1577836800008 24 1 1",
            "9 10.0.0.7:30333 f nobody f 1577836800009 24 1 1",
            "77 unknown t 2400 2376 2376",
        ]
    );
    let nodes = "SELECT concat_ws(' ', nodes.peer_id, peer_connection_id, connected_at = created_at, nodes.last_seen = peer.last_seen)
                 FROM nodes JOIN peer_connections AS peer ON peer.id = peer_connection_id ORDER BY 1";
    assert_eq!(texts(&owner, nodes).await, ["A 2 t t", "B 3 t t", "C 5 t t", "D 6 t t", "E 7 t t"]);
    let reports = "SELECT concat_ws(' ', reporting_peer, remote_peers, reputations, connected)
                   FROM latest_reputation_reports ORDER BY 1";
    assert_eq!(texts(&owner, reports).await, ["A {C} {7} {f}", "B {A} {1} {t}"]);

    let benchmarks = "SELECT concat_ws(' ', id, setup, created_at) FROM benchmarks ORDER BY id";
    let expected =
        [r#"2 {"chain": "dev"} 2020-01-02 03:04:05.678901+00"#, "3 [] 2020-02-03 00:00:00+00"];
    assert_eq!(texts(&owner, benchmarks).await, expected);
    let events = "SELECT event::text FROM benchmark_events AS event ORDER BY id";
    let expected = [
        r#"(1,2,import,start,"2020-01-02 03:05:00+00")"#,
        r#"(2,2,import,end,"2020-01-02 03:06:00.5+00")"#,
    ];
    assert_eq!(texts(&owner, events).await, expected);
    let machines = "SELECT machine::text FROM host_systems AS machine ORDER BY id";
    let expected = ["(1,laptop,Debian,4,2600,16384,SSD)", "(5,server,Ubuntu,32,3000,262144,NVMe)"];
    assert_eq!(texts(&owner, machines).await, expected);
    let next = "INSERT INTO host_systems (description, os, cpu_qty, cpu_clock, ram_mb, disk_info)
                VALUES ('', '', 1, 1, 1, '') RETURNING id::bigint";
    assert_eq!(count(&owner, next).await, 6);

    // Only what is from beyond all connections lies in the catch-alls of the past.
    let in_catch_alls = "SELECT count(*) FROM log_rows WHERE tableoid::regclass::text LIKE '%past'";
    assert_eq!(count(&owner, in_catch_alls).await, 1);

    let before = state(&owner).await;
    let again = import.run();
    for table in ["tetcore_logs", "peer_connections", "benchmarks", "benchmark_events"] {
        assert_eq!(counts(&again, table), [0; 4]);
    }
    assert_eq!(state(&owner).await, before, "another run finds nothing");
    ours.assert_derived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_purge_removes_what_an_import_keeps_no_messages_of() {
    let ours = Database::new();
    let owner = ours.owner().await;
    let (old, _) = scene().await;
    let import = Import::new(&old, &ours, EXPIRY);
    import.run();
    let rows = "SELECT count(*) FROM tetcore_logs";
    let (stored, url) = (count(&owner, rows).await, ours.url("tetcore"));
    let purge = |log_expiry_h: &str| {
        let settings = [("DATABASE_URL", url.as_str()), ("LOG_EXPIRY_H", log_expiry_h)];
        let output = Function::output("purge-job", &settings, &[]);
        serde_json::from_str::<Value>(output.lines().last().unwrap()).unwrap()
    };
    let summary = purge(EXPIRY);
    assert_eq!((&summary["rows_removed"], &summary["peers_removed"]), (&json!(0), &json!(2)));
    assert_eq!(count(&owner, rows).await, stored);
    let nodes = "SELECT peer_id FROM nodes ORDER BY 1";
    assert_eq!(texts(&owner, nodes).await, ["A", "B", "E"]);
    ours.assert_derived().await;
    assert_eq!(counts(&import.run(), "peer_connections"), [0; 4], "they stay removed");
    assert_eq!(texts(&owner, nodes).await, ["A", "B", "E"]);

    // Three hours later, so to speak: what is audit stays, and what was sent since.
    purge("3");
    let others = "SELECT count(*) FROM tetcore_logs WHERE NOT audit AND created_at < now() - interval '3 hours'";
    assert_eq!(count(&owner, others).await, 0);
    assert_eq!(count(&owner, "SELECT count(*) FROM tetcore_logs WHERE audit").await, 6);
    assert_eq!(
        texts(&owner, "SELECT id::text FROM peer_connections AS peer ORDER BY peer.id").await,
        ["0", "2", "3", "7", "8", "9", "77"]
    );
    ours.assert_derived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn older_releases_are_understood() {
    let ours = Database::new();
    let owner = ours.owner().await;
    let (old, _) = old_database(&[include_str!("old/older.sql")]).await;
    let mut import = Import::new(&old, &ours, FOR_EVER);
    import.old_url += "?options=-csearch_path%3Danalytics";
    let summary = import.run();
    assert_eq!(counts(&summary, "substrate_logs"), [2, 2, 0, 0]);
    let tables: Vec<_> = summary["tables"].as_object().unwrap().keys().collect();
    assert_eq!(tables, ["benchmarks", "host_systems", "peer_connections", "substrate_logs"]);
    ours.assert_derived().await;
    let rows = "SELECT concat_ws(' ', log.created_at, msg, log.audit, ip_addr, peer_id, name, startup_time)
                FROM tetcore_logs AS log JOIN peer_connections AS peer ON peer.id = peer_connection_id ORDER BY log.id";
    assert_eq!(
        texts(&owner, rows).await,
        [
            "2021-06-07 08:09:11.25+00 system.interval f ::1 A",
            "2021-06-07 08:09:12+00 system.interval f ::1 A"
        ]
    );
    let machines = "SELECT machine::text FROM host_systems AS machine ORDER BY id";
    let expected = [r#"(4,laptop,"",4,2600,2147483647,"")"#, r#"(5,server,BSD,8,0,1,"")"#];
    assert_eq!(texts(&owner, machines).await, expected);
    let benchmarks = "SELECT concat_ws(' ', id, coalesce(setup, 'null'), benchmark_spec, chain_spec, description, host_system_id,
                                       ts_start, ts_end, created_at = ts_start)
                      FROM benchmarks ORDER BY id";
    assert_eq!(
        texts(&owner, benchmarks).await,
        [
            r#"1 null {"b": 2} {"a": 1} first 4 2021-06-07 00:00:00+00 2021-06-08 12:00:00+00 t"#,
            "2 null 2021-06-09 00:00:00+00 t"
        ]
    );
}

/// A script for so many messages, a numbered `n` in each, of so many nodes, by which every fifth of
/// 200 connections is audit. Two nodes did not say who they are, and three connections are lost.
/// With 120 hours none expires within the next minutes.
fn many_rows(rows: i64, nodes: i64) -> String {
    format!(
        r#"INSERT INTO peer_connections (ip_addr, peer_id, created_at, audit)
           SELECT '::1', CASE WHEN number > 2 THEN 'peer' || number % {nodes} END, now() - interval '9 days', number % 5 = 0
           FROM generate_series(1, 200) AS number;
           INSERT INTO tetcore_logs (created_at, peer_connection_id, logs)
           SELECT (now() AT TIME ZONE 'UTC') - (number % 1000 * 11 + 30) * interval '1 minute', 1 + number % 203,
                  CASE number % 100
                      WHEN 0 THEN format('{{"msg":"system.network_state","n":%s,"state":{{"peerset":{{"nodes":{{"p":{{"reputation":%s,"connected":true}}}}}}}}}}', number, number)
                      ELSE format('{{"msg":"m%s","n":%s,"target":"t%s"}}', number % 7, number, number % 9)
                  END::jsonb
           FROM generate_series(1, {rows}) AS number"#
    )
}

/// Awaits a session of migrate's whose last statement, or the present one, has `text` in it.
async fn await_statement(client: &Client, text: &str) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'migrate' AND strpos(query, '{text}') > 0"
    );
    eventually(text, async || (count(client, &sql).await > 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_goes_on_exactly_there() {
    const ROWS: i64 = 170_000;
    let ours = Database::new();
    let owner = ours.owner().await;
    let (old, there) = old_database(&[include_str!("old/tables.sql"), &many_rows(ROWS, 100)]).await;
    let import = Import::new(&old, &ours, "120");
    let progress = "SELECT coalesce(sum(stored + expired), 0)::bigint FROM imports WHERE table_name = 'tetcore_logs'";
    let mut done = 0;
    for moment in ["make_past_partitions", "COPY staged_logs", "INSERT INTO log_rows", "a commit"] {
        let mut run = import.start(&[]);
        if moment == "a commit" {
            eventually(moment, async || (count(&owner, progress).await > done).then_some(())).await;
        } else {
            await_statement(&owner, moment).await;
        }
        run.kill().unwrap();
        run.wait().unwrap();
        done = count(&owner, progress).await;
        ours.assert_derived().await;
    }
    // Asked to stop, it says how far it has come.
    let sessions = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'migrate'";
    eventually("the killed ones are forgotten", async || {
        (count(&owner, sessions).await == 0).then_some(())
    })
    .await;
    let done = count(&owner, progress).await;
    let run = import.start(&[]);
    eventually("more", async || (count(&owner, progress).await > done).then_some(())).await;
    let pid = run.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stopped = summary(&output);
    assert_eq!((&stopped["complete"], &stopped["verified"]), (&json!(false), &json!(false)));
    assert!(counts(&stopped, "tetcore_logs")[0] > 0, "{stopped}");
    ours.assert_derived().await;

    let last = import.run();
    let logs = &last["tables"]["tetcore_logs"];
    assert!((1..ROWS).contains(&counts(&last, "tetcore_logs")[0]), "{last}");
    assert_eq!((&logs["accounted"], &logs["old_rows"]), (&json!(ROWS), &json!(ROWS)));
    ours.assert_derived().await;
    // Each once: what expires, at what time, is told by the runs' horizons, within minutes.
    let stored = "SELECT count(*) FROM tetcore_logs";
    let distinct = "SELECT count(DISTINCT logs -> 'n') FROM tetcore_logs";
    let books = "SELECT stored FROM imports WHERE table_name = 'tetcore_logs'";
    let stored = count(&owner, stored).await;
    assert_eq!(count(&owner, distinct).await, stored);
    assert_eq!(count(&owner, books).await, stored);
    let clearly = |age: &str| {
        format!(
            "SELECT coalesce(sum((logs -> 'n')::bigint), 0)::bigint
             FROM tetcore_logs AS log
             LEFT JOIN peer_connections AS peer ON peer.id = peer_connection_id
             WHERE coalesce(peer.audit, true) OR log.created_at > {age}"
        )
    };
    let here = clearly("now() - interval '119 hours'");
    let then = clearly("now() AT TIME ZONE 'UTC' - interval '119 hours'");
    assert_eq!(count(&owner, &here).await, count(&there, &then).await);
    let late = "SELECT count(*) FROM tetcore_logs WHERE NOT audit AND created_at < now() - interval '121 hours'";
    assert_eq!(count(&owner, late).await, 0);
    let ordered = "SELECT count(*) FROM (SELECT (logs -> 'n')::bigint < lag((logs -> 'n')::bigint) OVER (ORDER BY id) AS wrong
                                         FROM tetcore_logs) AS rows WHERE wrong";
    assert_eq!(count(&owner, ordered).await, 0, "ids grow as they did");

    let before = count(&owner, "SELECT max(id) FROM tetcore_logs").await;
    assert_eq!(counts(&import.run(), "tetcore_logs"), [0; 4]);
    assert_eq!(count(&owner, "SELECT max(id) FROM tetcore_logs").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_and_purges_go_on_meanwhile() {
    const ROWS: i64 = 100_000;
    const SENT: i64 = 20_000;
    let ours = Database::new();
    let owner = ours.owner().await;
    // Of the seven nodes that send to us as well; what each connection sent comes late.
    let (old, _) = old_database(&[include_str!("old/tables.sql"), &many_rows(ROWS, 7)]).await;
    let import = Import::new(&old, &ours, "120");
    let (url, run) = (ours.url("tetcore"), import.start(&[]));
    let pipeline = Pipeline::start_on(ours, Redis::shared(), &[("DB_BATCH_SIZE", "100")]);
    let mut node = pipeline.node("/").await;
    let sending = tokio::spawn(async move {
        for burst in 0..SENT / 100 {
            let mut bytes = Vec::new();
            for number in burst * 100..burst * 100 + 100 {
                let payload = match number {
                    0..7 => format!(r#"{{"msg":"system.connected","network_id":"peer{number}"}}"#),
                    _ => format!(
                        r#"{{"msg":"system.network_state","target":"t{}","state":{{"peerset":{{"nodes":{{"p":{{"reputation":{number},"connected":true}}}}}}}}}}"#,
                        number % 50
                    ),
                };
                let message = format!(r#"{{"id":{},"payload":{payload}}}"#, number % 7);
                bytes.extend(masked(true, 2, message.as_bytes()));
            }
            node.raw(&bytes).await;
        }
        node
    });
    let settings = [("DATABASE_URL", url.as_str()), ("LOG_EXPIRY_H", "120")];
    let import = std::thread::spawn(move || run.wait_with_output().unwrap());
    let mut purges = 0;
    while !import.is_finished() {
        tokio::task::block_in_place(|| Function::run("purge-job", &settings, &[]));
        pipeline.database.assert_derived().await;
        purges += 1;
    }
    assert!(purges > 1);
    let output = import.join().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let [read, imported, ..] = counts(&summary(&output), "tetcore_logs");
    assert_eq!(read, ROWS);
    let _node = sending.await.unwrap();
    eventually("all is stored", async || {
        (pipeline.flush.metric("database_stored_messages").await == SENT).then_some(())
    })
    .await;
    pipeline.database.assert_derived().await;
    assert_eq!(count(&owner, "SELECT count(*) FROM tetcore_logs").await, SENT + imported);
    let lost = "SELECT count(*) FROM tetcore_logs
                WHERE NOT EXISTS (SELECT FROM peer_connections AS peer WHERE peer.id = peer_connection_id)";
    assert_eq!(count(&owner, lost).await, 0, "each has its connection");
    let connected = "SELECT count(*) FROM nodes WHERE peer_connection_id > 4294967296 AND last_seen > now() - interval '1 hour'";
    assert_eq!(count(&owner, connected).await, 7, "those that are connected point there");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_program_goes_on_to_write_comes_with_the_next_run() {
    let ours = Database::new();
    let owner = ours.owner().await;
    let (old, there) = scene().await;
    let import = Import::new(&old, &ours, EXPIRY);
    // A transaction with a smaller id than the greatest is still open when the import begins.
    let writer = old.owner().await;
    let log = |number: u32| {
        format!(
            r#"INSERT INTO tetcore_logs (logs, peer_connection_id) VALUES ('{{"number": {number}}}', 4)"#
        )
    };
    writer.batch_execute(&format!("BEGIN; {}", log(1))).await.unwrap();
    there.batch_execute(&log(2)).await.unwrap();
    let run = import.start(&[]);
    // It has seen what is there, and waits for the transaction.
    await_statement(&there, "txid_snapshot_xmin").await;
    there.batch_execute(&log(3)).await.unwrap();
    writer.batch_execute("COMMIT").await.unwrap();
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(counts(&summary(&output), "tetcore_logs")[0], 25);
    let numbers = "SELECT logs ->> 'number' FROM tetcore_logs WHERE logs ? 'number' ORDER BY id";
    assert_eq!(texts(&owner, numbers).await, ["1", "2"]);

    // Meanwhile the connection tells who it is, a new one comes, and the purge there has begun.
    there
        .batch_execute(
            "UPDATE peer_connections SET peer_id = 'late', name = 'known at last' WHERE id = 4;
             INSERT INTO peer_connections (ip_addr, peer_id) VALUES ('::1', 'new');
             DELETE FROM tetcore_logs WHERE logs ->> 'becomes' = 'expired'",
        )
        .await
        .unwrap();
    let next = import.run();
    assert_eq!(counts(&next, "tetcore_logs"), [1, 1, 0, 0]);
    assert_eq!(counts(&next, "peer_connections"), [1, 1, 0, 0]);
    assert_eq!(texts(&owner, numbers).await, ["1", "2", "3"]);
    let logs = "SELECT count(*) FROM tetcore_logs WHERE node_id = node_id('late')";
    assert_eq!(count(&owner, logs).await, 4, "those that came before as well");
    let node = "SELECT name FROM nodes JOIN peer_connections AS peer ON peer.id = peer_connection_id WHERE nodes.peer_id = 'late'";
    assert_eq!(texts(&owner, node).await, ["known at last"]);
    ours.assert_derived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_taken_are_changed_and_databases_are_told_apart() {
    let ours = Database::new();
    let owner = ours.owner().await;
    let (first, _) = scene().await;
    let (second, there) = scene().await;
    // Made here before: a machine 1 and benchmarks 1 and 2.
    owner
        .batch_execute(
            "INSERT INTO host_systems (description, os, cpu_qty, cpu_clock, ram_mb, disk_info) VALUES ('ours', '', 1, 1, 1, '');
             INSERT INTO benchmarks (setup, host_system_id) VALUES ('1', 1), ('2', 1)",
        )
        .await
        .unwrap();
    Import::new(&first, &ours, EXPIRY).run();
    let machines = "SELECT id || ' ' || description FROM host_systems ORDER BY id";
    assert_eq!(texts(&owner, machines).await, ["1 ours", "5 server", "6 laptop"]);
    let events =
        "SELECT concat_ws(' ', event.id, benchmark_id, setup) FROM benchmark_events AS event
                  JOIN benchmarks ON benchmarks.id = benchmark_id ORDER BY event.id";
    let expected = [r#"1 4 {"chain": "dev"}"#, r#"2 4 {"chain": "dev"}"#];
    assert_eq!(texts(&owner, events).await, expected);

    let import = Import::new(&second, &ours, EXPIRY);
    let (log, _) = import.fail(&[]);
    assert!(log.contains("--another"), "{log}");
    let output = import.start(&["--another"]).wait_with_output().unwrap();
    assert_eq!(counts(&summary(&output), "tetcore_logs"), [23, 20, 2, 1]);
    let connections = "SELECT count(*) FROM peer_connections WHERE id / 4294967296 = 1";
    assert_eq!(count(&owner, connections).await, 11);
    assert_eq!(count(&owner, "SELECT count(*) FROM tetcore_logs").await, 40);
    ours.assert_derived().await;
    // An event that comes later finds its benchmark under its new number.
    let event = "INSERT INTO benchmark_events VALUES (5, 2, 'import', 'late', '2020-01-02')";
    there.batch_execute(event).await.unwrap();
    assert_eq!(counts(&import.run(), "benchmark_events"), [1, 1, 0, 0]);
    let late = "SELECT setup::text FROM benchmark_events JOIN benchmarks ON benchmarks.id = benchmark_id WHERE phase = 'late'";
    assert_eq!(texts(&owner, late).await, [r#"{"chain": "dev"}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_that_do_not_hold_are_told() {
    let ours = Database::new();
    let owner = ours.owner().await;
    let (old, _) = scene().await;
    let import = Import::new(&old, &ours, EXPIRY);
    import.run();
    // As if one had been lost on the way.
    owner
        .batch_execute("UPDATE imports SET stored = stored - 1 WHERE table_name = 'tetcore_logs'")
        .await
        .unwrap();
    let (log, summary) = import.fail(&[]);
    assert!(log.contains("the counts do not hold"), "{log}");
    assert_eq!(summary["tables"]["tetcore_logs"]["verified"], false);
    assert_eq!(summary["tables"]["peer_connections"]["verified"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_imported_is_refused() {
    let (ours, empty, (old, _)) = (Database::new(), Database::empty(), scene().await);
    for (from, to, expected) in [
        (&empty, &ours, "there is no table of version 0.1.4"),
        (&ours, &ours, "in the old database is not of version 0.1.4"),
        (&old, &empty, "the database needs `migrate`"),
    ] {
        let (log, _) = Import::new(from, to, EXPIRY).fail(&[]);
        assert!(log.contains(expected), "{log}");
    }
    let url = ours.url("tetcore");
    let output = command("migrate", &[("DATABASE_URL", &url)], &["import"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("OLD_DATABASE_URL is required"));
}
