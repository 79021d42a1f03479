//! What a run of purge-job removes, and what it leaves alone.
#![expect(clippy::unwrap_used, reason = "tests")]

mod job;

use std::{
    thread,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::{
    db::Client,
    testing::{Database, Function, Pipeline, Redis, eventually, masked},
};

use crate::job::{run, run_and_kill};

/// Runs purge-job on `database` to its end: the summary that it printed. A compaction packs what is
/// older than an hour.
fn purge(database: &Database, log_expiry_h: &str, arguments: &[&str]) -> Value {
    run(database, "1", log_expiry_h, arguments)
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// A database with the rows of `scene.sql`.
async fn scene() -> (Database, Client) {
    let database = Database::new();
    let owner = database.owner().await;
    owner.batch_execute(include_str!("scene.sql")).await.unwrap();
    (database, owner)
}

/// Asserts that only what `scene.sql` calls kept is left.
async fn assert_purged(database: &Database, owner: &Client) {
    let rows = texts(owner, "SELECT msg FROM tetcore_logs ORDER BY msg").await;
    assert!(rows.iter().all(|row| row.starts_with("kept")), "{rows:?}");
    assert_eq!(rows.len(), 9);
    let peers = texts(owner, "SELECT name FROM peer_connections ORDER BY id").await;
    assert!(peers.iter().all(|peer| peer.starts_with("kept")), "{peers:?}");
    assert_eq!(peers.len(), 6);
    let nodes = texts(owner, "SELECT peer_id || peer_connection_id FROM nodes ORDER BY 1").await;
    assert_eq!(nodes, ["A2", "C6", "E8", "F11"]);
    assert_eq!(count(owner, "SELECT count(*) FROM ingest_batches").await, 7);
    assert_eq!(count(owner, "SELECT count(*) FROM ingest_rejects").await, 3);
    database.assert_derived().await;
}

/// The parts of a summary that are the same for every run on the same data.
fn removed(summary: &Value) -> [u64; 6] {
    [
        "partitions_dropped",
        "rows_removed",
        "batches_removed",
        "rejects_removed",
        "peers_removed",
        "nodes_removed",
    ]
    .map(|key| summary[key].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_expired_goes() {
    let (database, owner) = scene().await;
    let summary = purge(&database, "1", &[]);
    assert_eq!(removed(&summary), [0, 3, 2, 3, 6, 2], "{summary}");
    assert_eq!(summary["complete"], true);
    assert!(summary["partitions_ahead_days"].as_i64().unwrap() >= 7);
    assert_purged(&database, &owner).await;
    assert_eq!(removed(&purge(&database, "1", &[])), [0; 6], "a second run finds nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_a_run_will_do_and_does_nothing() {
    let (database, owner) = scene().await;
    let state = "SELECT (SELECT string_agg(logs::text, ',' ORDER BY id) FROM tetcore_logs AS logs)
                     || (SELECT string_agg(peers::text, ',' ORDER BY id) FROM peer_connections AS peers)
                     || (SELECT string_agg(nodes::text, ',' ORDER BY id) FROM nodes)
                     || (SELECT string_agg(batches::text, ',' ORDER BY id) FROM ingest_batches AS batches)
                     || (SELECT string_agg(rejects::text, ',' ORDER BY id) FROM ingest_rejects AS rejects)
                     || (SELECT string_agg(parts::text, ',' ORDER BY partition::oid) FROM log_partitions() AS parts)";
    let before = texts(&owner, state).await;
    let predicted = purge(&database, "1", &["--dry-run"]);
    assert_eq!(predicted["dry_run"], true);
    assert_eq!(texts(&owner, state).await, before);
    assert_eq!(removed(&purge(&database, "1", &[])), removed(&predicted));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_at_once_take_turns() {
    let (database, owner) = scene().await;
    let summaries: Vec<Value> = thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| purge(&database, "1", &[]))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let total = summaries
        .iter()
        .map(removed)
        .fold([0; 6], |total, one| std::array::from_fn(|part| total[part] + one[part]));
    assert_eq!(total, [0, 3, 2, 3, 6, 2], "{summaries:?}");
    assert_purged(&database, &owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_of_the_past_are_dropped_without_a_gap() {
    let database = Database::new();
    let owner = database.owner().await;
    owner.batch_execute(include_str!("old_partitions.sql")).await.unwrap();
    let kept = "SELECT count(*) FROM tetcore_logs WHERE created_at >= now() - interval '10 hours'";
    let expected = count(&owner, kept).await;
    let predicted = purge(&database, "10", &["--dry-run"]);
    let summary = purge(&database, "10", &[]);
    // While the test runs, a row (one every 36 s) and a partition (one an hour) may join the expired.
    let dropped = summary["partitions_dropped"].as_u64().unwrap();
    assert!((30..=31).contains(&dropped), "{summary}");
    for (now, before) in removed(&summary).iter().zip(removed(&predicted)) {
        assert!(now.abs_diff(before) <= 1, "{summary} {predicted}");
    }
    let left = count(&owner, "SELECT count(*) FROM tetcore_logs").await;
    assert_eq!(summary["rows_removed"].as_i64().unwrap() + left, 4100);
    assert!((expected - 1..=expected).contains(&left), "{left} rows are left of {expected}");

    // What comes late still has a place, and goes with the next run.
    let flush = database.connect("tetcore_flush").await;
    let late = "INSERT INTO log_rows (created_at, peer_connection_id, audit, logs)
                SELECT now() - age * interval '1 hour', 1, false, '{}' FROM generate_series(11, 45) AS age";
    flush.execute(late, &[]).await.unwrap();
    let again = purge(&database, "10", &[]);
    assert!((35..=36).contains(&again["rows_removed"].as_u64().unwrap()), "{again}");
    let expired =
        "SELECT count(*) FROM tetcore_logs WHERE created_at < now() - interval '11 hours'";
    assert_eq!(count(&owner, expired).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_waited_for_and_writers_go_on_meanwhile() {
    let database = Database::new();
    let owner = database.owner().await;
    owner.batch_execute(include_str!("old_partitions.sql")).await.unwrap();
    let reader = database.connect("tetcore_query").await;
    reader.batch_execute("BEGIN; SELECT FROM tetcore_logs LIMIT 1").await.unwrap();
    let summary = thread::scope(|scope| {
        let run = scope.spawn(|| purge(&database, "10", &[]));
        let blocking = async {
            let waiting = "SELECT count(*) FROM pg_stat_activity
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";
            eventually("the purge waits for the reader", async || {
                (count(&owner, waiting).await > 0).then_some(())
            })
            .await;
            let writer = database.connect("tetcore_flush").await;
            writer.batch_execute("SET lock_timeout = '2s'").await.unwrap();
            for _ in 0..20 {
                let row = "INSERT INTO log_rows (created_at, peer_connection_id, audit, logs)
                           VALUES (now(), 1, false, '{}')";
                writer.execute(row, &[]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            reader.batch_execute("COMMIT").await.unwrap();
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(blocking));
        run.join().unwrap()
    });
    assert_eq!(summary["complete"], true, "{summary}");
    assert!(summary["partitions_dropped"].as_u64().unwrap() >= 30, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_locked_is_left_for_the_next_run() {
    let database = Database::new();
    let owner = database.owner().await;
    owner.batch_execute(include_str!("old_partitions.sql")).await.unwrap();
    // All of its rows are among those that could not be dropped.
    owner
        .batch_execute(
            "INSERT INTO peer_connections (id, ip_addr, created_at, audit, last_seen)
             VALUES (40, '::1', now() - interval '2 days', false, now() - interval '1 day')",
        )
        .await
        .unwrap();
    let reader = database.connect("tetcore_query").await;
    reader.batch_execute("BEGIN; SELECT FROM tetcore_logs LIMIT 1").await.unwrap();
    let locked = purge(&database, "1", &[]);
    assert_eq!(locked["complete"], false, "{locked}");
    assert_eq!(locked["partitions_dropped"], 0);
    assert_eq!(locked["peers_removed"], 0);
    reader.batch_execute("COMMIT").await.unwrap();
    let free = purge(&database, "1", &[]);
    assert_eq!(free["complete"], true, "{free}");
    assert!(free["partitions_dropped"].as_u64().unwrap() >= 38, "{free}");
    assert_eq!(free["peers_removed"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_expiry_takes_effect_at_the_next_run() {
    let (database, owner) = scene().await;
    let rows = "SELECT count(*) FROM tetcore_logs";
    let everything = count(&owner, rows).await;
    assert_eq!(removed(&purge(&database, "280_320", &[]))[1], 0);
    assert_eq!(count(&owner, rows).await, everything);
    purge(&database, "1", &[]);
    assert_purged(&database, &owner).await;
    let back = purge(&database, "280_320", &[]);
    assert_eq!(removed(&back), [0; 6]);
    assert!(back["partitions_ahead_days"].as_i64().unwrap() >= 8, "{back}");
    assert_purged(&database, &owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_runs_again_reports_and_stops_when_asked() {
    let (database, owner) = scene().await;
    let url = database.url("tetcore");
    let settings =
        [("DATABASE_URL", url.as_str()), ("LOG_EXPIRY_H", "1"), ("PURGE_INTERVAL_S", "1")];
    let function = Function::start_with("purge-job", &settings, &["--loop"]);
    for runs in ["purge_runs_total", "compact_runs_total"] {
        eventually(runs, async || (function.metric(runs).await >= 3).then_some(())).await;
    }
    assert_eq!(function.metric("purge_removed_messages_total").await, 3);
    assert_eq!(function.get("/readyz").await.status, 200);
    assert!(function.stop().await.success());
    assert_purged(&database, &owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_can_be_stopped() {
    for (held, waiting) in [
        (
            "SELECT pg_advisory_lock(hashtextextended('purge-job ' || current_schema(), 0))",
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
        ),
        (
            "BEGIN; SELECT FROM tetcore_logs LIMIT 1",
            "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND NOT granted",
        ),
    ] {
        let database = Database::new();
        let owner = database.owner().await;
        owner.batch_execute(include_str!("old_partitions.sql")).await.unwrap();
        let other = database.owner().await;
        other.batch_execute(held).await.unwrap();
        let url = database.url("tetcore");
        let settings = [("DATABASE_URL", url.as_str()), ("LOG_EXPIRY_H", "1")];
        let function = Function::start_with("purge-job", &settings, &["--loop"]);
        let waiting = format!(
            "{waiting} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        );
        eventually("it waits", async || (count(&owner, &waiting).await > 0).then_some(())).await;
        assert!(function.stop().await.success());
    }
}

/// Stores the rows of `derived_scene.sql`; half of their counts are added up.
async fn store_and_derive(owner: &Client) {
    for first in ["1", "2"] {
        owner.batch_execute("SELECT fold_log_counts()").await.unwrap();
        let scene = include_str!("derived_scene.sql").replace("{first}", first);
        owner.batch_execute(&scene).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_derived_from_rows_goes_with_them() {
    let database = Database::new();
    let owner = database.owner().await;
    owner.batch_execute(include_str!("old_partitions.sql")).await.unwrap();
    store_and_derive(&owner).await;
    database.assert_derived().await;
    let reports = "SELECT count(*) FROM reputation_reports";
    assert_eq!(count(&owner, reports).await, 60);

    purge(&database, "10", &[]);
    database.assert_derived().await;
    // Those of the last ten hours, and all that are audit.
    assert!((29..=30).contains(&count(&owner, reports).await));

    // What comes late goes with the next run, row by row.
    store_and_derive(&owner).await;
    database.assert_derived().await;
    purge(&database, "10", &[]);
    database.assert_derived().await;
    purge(&database, "1", &[]);
    database.assert_derived().await;
    let left = "SELECT count(*) FROM log_counts WHERE NOT audit AND quantity > 0";
    assert!(count(&owner, left).await > 0, "those of the last hour");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_is_completed_by_the_next_run() {
    const KILLS: u32 = 10;
    let database = Database::new();
    let owner = database.owner().await;
    owner.batch_execute(include_str!("old_partitions.sql")).await.unwrap();
    owner
        .batch_execute("CREATE TEMPORARY TABLE stored (LIKE tetcore_logs, PRIMARY KEY (id))")
        .await
        .unwrap();
    let remember = "INSERT INTO stored TABLE tetcore_logs ON CONFLICT DO NOTHING";
    let began = Instant::now();
    purge(&database, "20", &[]);
    let whole = began.elapsed();
    for kill in 0..KILLS {
        // What comes late is removed row by row, and an hour more of the past as a whole.
        store_and_derive(&owner).await;
        owner.execute(remember, &[]).await.unwrap();
        let expiry = (19 - kill).to_string();
        run_and_kill(&database, &expiry, &[], whole * (2 * kill + 1) / (2 * KILLS));
        database.assert_derived().await;
    }
    let summary = purge(&database, "9", &[]);
    assert_eq!(summary["complete"], true, "{summary}");
    let horizon: DateTime<Utc> = serde_json::from_value(summary["horizon"].clone()).unwrap();
    let difference = "WITH kept AS (SELECT * FROM stored WHERE audit OR created_at >= $1)
                      (TABLE kept EXCEPT TABLE tetcore_logs) UNION ALL (TABLE tetcore_logs EXCEPT TABLE kept)";
    assert_eq!(owner.execute(difference, &[&horizon]).await.unwrap(), 0);
    database.assert_derived().await;
    assert_eq!(removed(&purge(&database, "9", &[])), [0; 6], "nothing is left for another run");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_are_forgotten_with_their_month() {
    let (database, owner) = scene().await;
    let note = "SELECT note_log_targets(array_agg(audit), array_agg(time), array_agg('m'::text), array_agg(time::date || ' ' || audit))
                FROM unnest('{f,t}'::boolean[]) AS audit,
                     unnest(ARRAY[timestamptz '2019-01-01Z', now() - interval '62 days', now()]) AS time";
    owner.execute(note, &[]).await.unwrap();
    let targets = "SELECT count(*) FROM log_targets WHERE NOT audit";
    purge(&database, "1", &["--dry-run"]);
    assert_eq!(count(&owner, targets).await, 3);
    purge(&database, "2000", &[]);
    assert_eq!(count(&owner, targets).await, 2);
    purge(&database, "1", &[]);
    assert_eq!(count(&owner, targets).await, 1);
    assert_eq!(count(&owner, "SELECT count(*) FROM log_targets").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_derived_is_right_at_any_moment() {
    let database = Database::new();
    let owner = database.owner().await;
    owner.batch_execute(include_str!("old_partitions.sql")).await.unwrap();
    let pipeline = Pipeline::start_on(database, Redis::shared(), &[("DB_BATCH_SIZE", "100")]);
    let messages = 20_000;
    let mut node = pipeline.node("/").await;
    let sending = tokio::spawn(async move {
        // Of seven nodes on one socket, from now back to far beyond what is kept; every fifth is a
        // network state, of a different age each.
        let mut burst = Vec::new();
        for number in 0..messages {
            let age = chrono::TimeDelta::seconds(i64::from(number) * 37 % 162_000);
            let ts = (chrono::Utc::now() - age).to_rfc3339();
            let state = format!(
                r#"{{"peerset":{{"nodes":{{"a":{{"reputation":{number},"connected":true}}}}}}}}"#
            );
            let payload = match number {
                0..7 => format!(r#"{{"msg":"system.connected","network_id":"peer{number}"}}"#),
                _ if number % 5 == 0 => {
                    format!(r#"{{"msg":"system.network_state","state":{state}}}"#)
                }
                _ => format!(r#"{{"msg":"m{}"}}"#, number % 3),
            };
            let message = format!(r#"{{"id":{},"ts":"{ts}","payload":{payload}}}"#, number % 7);
            burst.extend(masked(true, 2, message.as_bytes()));
            if number % 100 == 99 {
                node.raw(&burst).await;
                burst.clear();
            }
        }
        node
    });
    let mut moments = 0;
    while !(sending.is_finished()
        && pipeline.flush.metric("database_stored_messages").await == i64::from(messages))
    {
        for job in [&[][..], &["compact"]] {
            tokio::task::block_in_place(|| purge(&pipeline.database, "10", job));
            pipeline.database.assert_derived().await;
        }
        moments += 1;
    }
    sending.await.unwrap();
    assert!(moments > 0);
    purge(&pipeline.database, "10", &[]);
    pipeline.database.assert_derived().await;
    let counted = "SELECT sum(quantity)::bigint FROM nodes, node_log_counts(id)";
    let counted = count(&owner, counted).await;
    assert!((1..i64::from(messages)).contains(&counted), "some are kept, some are gone: {counted}");
}
