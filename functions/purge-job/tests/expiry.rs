//! The longest and the shortest expiry, from an empty database on and after a change of mind.
#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use shared::testing::{Database, Function, Node, Pipeline, Redis, eventually};

/// 32 years, the default, and an hour.
const EXPIRIES: [&str; 2] = ["280_320", "1"];
/// Minutes before now: two of the last hour, and four of all the years before.
const AGES: [i64; 6] = [0, 58, 62, 48 * 60, 400 * 24 * 60, 31 * 365 * 24 * 60];

fn run(function: &str, database: &Database, log_expiry_h: &str) -> String {
    let url = database.url("tetcore");
    Function::output(function, &[("DATABASE_URL", &url), ("LOG_EXPIRY_H", log_expiry_h)], &[])
}

fn purge(database: &Database, log_expiry_h: &str) -> Value {
    let output = run("purge-job", database, log_expiry_h);
    serde_json::from_str(output.lines().last().unwrap()).unwrap()
}

/// Sends a message of each age.
async fn send(node: &mut Node) {
    for age in AGES {
        let ts = (Utc::now() - TimeDelta::minutes(age)).to_rfc3339();
        let message =
            format!(r#"{{"id":1,"ts":"{ts}","payload":{{"msg":"age","age":{age},"target":"a"}}}}"#);
        node.send(message).await;
    }
}

/// How often each age is stored, as users see it.
async fn ages(database: &Database) -> Vec<(i64, i64)> {
    let sql = "SELECT (logs ->> 'age')::bigint, count(*) FROM tetcore_logs WHERE msg = 'age' GROUP BY 1 ORDER BY 1";
    let rows = database.owner().await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn each(ages: &[i64], times: i64) -> Vec<(i64, i64)> {
    ages.iter().map(|age| (*age, times)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_and_the_shortest_expiry_work_and_one_after_the_other() {
    for [first, second] in [EXPIRIES, [EXPIRIES[1], EXPIRIES[0]]] {
        let database = Database::empty();
        run("migrate", &database, first);
        let pipeline = Pipeline::start_on(database, Redis::shared(), &[("LOG_EXPIRY_H", first)]);
        let database = &pipeline.database;
        let mut node = pipeline.node("/").await;
        node.send(r#"{"id":1,"payload":{"msg":"system.connected","network_id":"peer"}}"#).await;
        send(&mut node).await;
        pipeline.settle(7).await;
        assert_eq!(ages(database).await, each(&AGES, 1), "{first}");

        let kept = |expiry: &str| if expiry == "1" { &AGES[..2] } else { &AGES[..] };
        let summary = purge(database, first);
        assert_eq!(summary["complete"], true, "{summary}");
        assert_eq!(ages(database).await, each(kept(first), 1), "{first}");
        database.assert_derived().await;

        // The functions learn of it when they are started anew; the purge alone takes effect.
        purge(database, second);
        let both = if first == "1" { kept(first) } else { kept(second) };
        assert_eq!(ages(database).await, each(both, 1), "{first}, then {second}");
        send(&mut node).await;
        eventually("all of them are stored", async || {
            (pipeline.flush.metric("database_stored_messages").await == 13).then_some(())
        })
        .await;
        purge(database, second);
        let mut expected = each(kept(second), 1);
        expected[..2].iter_mut().for_each(|(_, times)| *times = 2);
        assert_eq!(ages(database).await, expected, "{first}, then {second}");
        database.assert_derived().await;

        let partitions = "SELECT count(*) FROM log_partitions()";
        let partitions = database.owner().await.query_one(partitions, &[]).await.unwrap();
        assert!(partitions.get::<_, i64>(0) <= 400, "{first}, then {second}");
    }
}
