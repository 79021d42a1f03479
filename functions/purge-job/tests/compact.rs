//! What `purge-job compact` packs, and that nobody sees a difference.
#![expect(clippy::unwrap_used, reason = "tests")]

mod job;

use std::{process::Stdio, time::Instant};

use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::{
    db::Client,
    testing::{Database, command, eventually},
};

use crate::job::{run, run_and_kill};

fn compact(database: &Database, compact_after_h: &str) -> Value {
    run(database, compact_after_h, "280320", &["compact"])
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// A database with hourly partitions, and in each of them 100 rows without a node and a row of each
/// of 60 nodes, counted as batch-flush would; what `Stored::assert` compares with.
async fn scene() -> (Database, Stored) {
    let database = Database::new();
    let owner = database.owner().await;
    owner.batch_execute(include_str!("old_partitions.sql")).await.unwrap();
    store(&owner).await;
    let stored = Stored { owner: database.owner().await };
    stored
        .owner
        .batch_execute("CREATE TEMPORARY TABLE stored AS TABLE tetcore_logs")
        .await
        .unwrap();
    (database, stored)
}

async fn store(owner: &Client) {
    for first in ["1", "2"] {
        let scene = include_str!("derived_scene.sql").replace("{first}", first);
        owner.batch_execute(&scene).await.unwrap();
    }
}

/// All messages that were stored, remembered in a session of its own.
struct Stored {
    owner: Client,
}

impl Stored {
    /// All of them that were not there before.
    async fn remember(&self) {
        let sql = "INSERT INTO stored (TABLE tetcore_logs EXCEPT TABLE stored)";
        self.owner.execute(sql, &[]).await.unwrap();
    }

    /// Each of them is there once, but for those that have expired.
    async fn assert(&self, horizon: DateTime<Utc>) {
        let sql = "WITH kept AS (SELECT * FROM stored WHERE audit OR created_at >= $1)
                   (TABLE kept EXCEPT ALL TABLE tetcore_logs) UNION ALL (TABLE tetcore_logs EXCEPT ALL TABLE kept)";
        assert_eq!(self.owner.execute(sql, &[&horizon]).await.unwrap(), 0);
    }

    async fn assert_all(&self) {
        self.assert(DateTime::UNIX_EPOCH).await;
    }
}

const PACKED: &str = "SELECT coalesce(sum(quantity), 0)::bigint FROM log_slices";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_a_difference() {
    let (database, stored) = scene().await;
    let owner = &stored.owner;
    let summary = compact(&database, "10");
    // Of 60 nodes, one an hour of the hours from the 11th or 12th to the 45th; those of the last five
    // are in the catch-all of the past, and so are 20 audit nodes' in a partition that goes on.
    let packed = summary["messages_packed"].as_i64().unwrap();
    assert_eq!(summary["complete"], true, "{summary}");
    assert!([40 * 29, 40 * 30].contains(&packed), "{summary}");
    assert_eq!(summary["partitions_packed"].as_i64().unwrap(), packed / 40, "{summary}");
    assert_eq!(count(owner, PACKED).await, packed);
    stored.assert_all().await;
    database.assert_derived().await;

    let again = compact(&database, "10");
    assert_eq!(again["messages_packed"], 0, "{again}");
    assert_eq!(compact(&database, "0")["messages_packed"], 0);

    // A few that come late stay as they are; many are packed.
    store(owner).await;
    stored.remember().await;
    let again = compact(&database, "10");
    assert!(again["messages_packed"].as_i64().unwrap() <= 40, "an hour may have passed: {again}");
    let late = "INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
                SELECT now() - interval '30 hours', 1, 1, false, 'late', '{\"target\":\"a\"}' FROM generate_series(1, 1000)";
    owner.batch_execute(late).await.unwrap();
    stored.remember().await;
    database.note_rows().await;
    let again = compact(&database, "10");
    assert!((1040..=1120).contains(&again["messages_packed"].as_i64().unwrap()), "{again}");
    stored.assert_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn room_is_given_back() {
    let (database, stored) = scene().await;
    let owner = &stored.owner;
    let many = "INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
                SELECT date_trunc('hour', now()) - interval '20 hours' + number * interval '10 ms', number % 7, number % 50, false, 'm' || number % 5,
                       jsonb_build_object('msg', 'm' || number % 5, 'height', number, 'best', md5((number / 100)::text), 'target', 't' || number % 3)
                FROM generate_series(1, 100000) AS number";
    owner.batch_execute(many).await.unwrap();
    stored.remember().await;
    let bytes = "SELECT sum(pg_total_relation_size(partition))::bigint
                 FROM (SELECT * FROM log_partitions() UNION ALL SELECT * FROM log_slice_partitions()) AS parts
                 WHERE lower_bound BETWEEN now() - interval '22 hours' AND now() - interval '19 hours'";
    let before = count(owner, bytes).await;
    let summary = compact(&database, "10");
    let after = count(owner, bytes).await;
    assert!(after * 3 < before, "{before} bytes became {after}");
    let said = ["bytes_before", "bytes_after"].map(|name| summary[name].as_i64().unwrap());
    assert!(said[1] * 2 < said[0], "{summary}");
    stored.assert_all().await;
    let largest = "SELECT max(cardinality(ids))::bigint FROM log_slices";
    assert_eq!(count(owner, largest).await, 256);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_began_before_sees_every_message_until_they_end() {
    let (database, stored) = scene().await;
    let reader = database.owner().await;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT").await.unwrap();
    let all = count(&stored.owner, "SELECT count(*) FROM stored").await;
    let url = database.url("tetcore");
    let settings = [("DATABASE_URL", url.as_str()), ("COMPACT_AFTER_H", "10")];
    let run = command("purge-job", &settings, &["compact"]).stdout(Stdio::piped()).spawn().unwrap();
    eventually("messages are packed", async || {
        (count(&stored.owner, PACKED).await > 0).then_some(())
    })
    .await;
    // It waits for the reader, whose snapshot shows rows that are gone to others.
    let rows = "SELECT count(*) FROM log_rows";
    assert_eq!(count(&reader, PACKED).await, 0);
    assert_eq!(count(&reader, "SELECT count(*) FROM tetcore_logs").await, all);
    assert_eq!(count(&reader, rows).await, all);
    reader.batch_execute("COMMIT").await.unwrap();
    let output = run.wait_with_output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["complete"], true, "{summary}");
    stored.assert_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_in_part_is_unpacked_and_what_expires_goes() {
    let (database, stored) = scene().await;
    compact(&database, "1");
    for expiry in ["38", "37", "20", "3"] {
        let summary = run(&database, "1", expiry, &[]);
        assert_eq!(summary["complete"], true, "{summary}");
        let horizon: DateTime<Utc> = serde_json::from_value(summary["horizon"].clone()).unwrap();
        stored.assert(horizon).await;
        database.assert_derived().await;
        // What expires next stays as it is.
        let again = run(&database, "1", expiry, &["compact"]);
        assert!(again["messages_packed"].as_i64().unwrap() <= 80, "{again}");
        stored.assert(horizon).await;
        let expired = "SELECT count(*) FROM log_slice_partitions()
                       WHERE NOT audit AND lower_bound < $1";
        let left = stored.owner.query_one(expired, &[&horizon]).await.unwrap();
        assert_eq!(left.get::<_, i64>(0), 0, "{summary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_is_completed_by_the_next_run() {
    const KILLS: u32 = 10;
    let (other, of_other) = scene().await;
    let began = Instant::now();
    compact(&other, "1");
    let whole = began.elapsed();
    let packed = count(&of_other.owner, PACKED).await;

    let (database, stored) = scene().await;
    for kill in 0..KILLS {
        run_and_kill(&database, "280320", &["compact"], whole * (2 * kill + 1) / (2 * KILLS));
        stored.assert_all().await;
        database.assert_derived().await;
    }
    compact(&database, "1");
    let all = count(&stored.owner, PACKED).await;
    assert!((packed..=packed + 40).contains(&all), "{all}, or an hour's more than {packed}");
    stored.assert_all().await;
    database.assert_derived().await;
    assert_eq!(compact(&database, "1")["messages_packed"], 0);

    // A purge of what is packed, in which slices are unpacked and dropped.
    let began = Instant::now();
    run(&database, "1", "35", &[]);
    let whole = began.elapsed();
    for kill in 0..KILLS {
        let expiry = (34 - kill).to_string();
        run_and_kill(&database, &expiry, &[], whole * (2 * kill + 1) / (2 * KILLS));
        database.assert_derived().await;
        run_and_kill(&database, &expiry, &["compact"], whole / 2);
        database.assert_derived().await;
    }
    let summary = run(&database, "1", "24", &[]);
    assert_eq!(summary["complete"], true, "{summary}");
    let horizon = serde_json::from_value(summary["horizon"].clone()).unwrap();
    stored.assert(horizon).await;
    database.assert_derived().await;
}
