//! What migrate makes of an empty database.
#![expect(clippy::unwrap_used, reason = "tests")]

use shared::{
    db::{Client, SqlState},
    testing::{Database, Function},
};

const HOUR: &str = "1 hour";
const THIRTY_TWO_YEARS: &str = "280320 hours";
const FOLD: &str = "SELECT fold_log_counts()";

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn make_partitions(client: &Client, expiry: &str) -> i32 {
    let sql = format!("SELECT make_partitions('{expiry}')");
    client.query_one(&sql, &[]).await.unwrap().get(0)
}

/// Asserts that every moment has exactly one partition in both parts, and that 8 days are ahead.
async fn assert_complete(client: &Client) {
    let gaps = "
        SELECT count(*)
        FROM (
            SELECT lower_bound, lag(upper_bound, 1, '-infinity') OVER w AS previous, upper_bound,
                   lead(lower_bound, 1, 'infinity') OVER w AS next
            FROM log_partitions()
            WINDOW w AS (PARTITION BY audit ORDER BY lower_bound)
        ) AS partitions
        WHERE lower_bound <> previous OR upper_bound <> next";
    assert_eq!(count(client, gaps).await, 0, "gaps");
    let short = "
        SELECT count(*)
        FROM log_partitions()
        WHERE upper_bound = 'infinity' AND lower_bound < now() + interval '8 days'";
    assert_eq!(count(client, short).await, 0, "parts without 8 days ahead");
    let most =
        "SELECT max(count) FROM (SELECT count(*) FROM log_partitions() GROUP BY audit) AS parts";
    assert!(count(client, most).await <= 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_starts_apply_each_migration_once() {
    let database = Database::empty();
    let url = database.url("tetcore");
    let outputs: Vec<String> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| Function::output("migrate", &[("DATABASE_URL", &url)], &[])))
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let working = outputs.iter().filter(|output| output.contains("applied V1__roles")).count();
    let idle = outputs.iter().filter(|output| output.contains("nothing to apply")).count();
    assert_eq!((working, idle), (1, 3), "{outputs:?}");
    assert_complete(&database.owner().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_database_has_a_place_for_every_time() {
    let database = Database::new();
    let flush = database.connect("tetcore_flush").await;
    for time in ["'2019-01-01'", "now() - interval '2 hours'", "now()", "now() + interval '1 year'"]
    {
        for audit in [false, true] {
            let sql = format!(
                "INSERT INTO tetcore_logs (created_at, peer_connection_id, audit, logs) VALUES ({time}, 1, {audit}, '{{}}')"
            );
            flush.execute(&sql, &[]).await.unwrap();
        }
    }
    let owner = database.owner().await;
    assert_eq!(count(&owner, "SELECT count(DISTINCT id) FROM tetcore_logs").await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_has_a_comment() {
    let owner = Database::new().owner().await;
    let undescribed = owner
        .query(
            "WITH ours AS (
                 SELECT oid, relname::text AS name, relkind
                 FROM pg_class
                 WHERE relnamespace = current_schema()::regnamespace
                   AND relkind IN ('r', 'p', 'v', 'm', 'S')
                   AND NOT (relispartition AND relkind = 'r')
             )
             SELECT name FROM ours
             WHERE obj_description(oid, 'pg_class') IS NULL
               AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = oid AND deptype = 'i')
             UNION ALL
             SELECT name || '.' || attname
             FROM ours
             JOIN pg_attribute ON attrelid = oid AND attnum > 0 AND NOT attisdropped
             WHERE relkind <> 'S'
               AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = oid)
               AND col_description(oid, attnum) IS NULL
             UNION ALL
             SELECT proname || '()' FROM pg_proc
             WHERE pronamespace = current_schema()::regnamespace
               AND obj_description(oid, 'pg_proc') IS NULL",
            &[],
        )
        .await
        .unwrap();
    let undescribed: Vec<String> = undescribed.iter().map(|row| row.get(0)).collect();
    assert!(undescribed.is_empty(), "{undescribed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_id_is_the_beginning_of_a_hash() {
    let owner = Database::new().owner().await;
    // SHA-256 of "abc" begins with ba7816bf 8f01cfea (FIPS 180-2, appendix B.1).
    let expected = i64::from_be_bytes([0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea]);
    assert_eq!(count(&owner, "SELECT node_id('abc')").await, expected);
}

/// What each role must be able to do.
const ALLOWED: &[(&str, &str)] = &[
    (
        "tetcore_flush",
        "INSERT INTO peer_connections AS known (id, ip_addr, created_at, audit, last_seen)
             VALUES (1, '::1', now(), false, now())
             ON CONFLICT (id) DO UPDATE SET last_seen = excluded.last_seen
             WHERE excluded.last_seen >= known.last_seen",
    ),
    (
        "tetcore_flush",
        "INSERT INTO nodes AS known VALUES (1, 'peer', 1, now(), now())
             ON CONFLICT (id) DO UPDATE SET last_seen = excluded.last_seen
             WHERE excluded.last_seen >= known.last_seen",
    ),
    (
        "tetcore_flush",
        "INSERT INTO ingest_batches (id, messages) VALUES (gen_random_uuid(), 1)
             ON CONFLICT (id) DO NOTHING RETURNING id",
    ),
    (
        "tetcore_flush",
        "INSERT INTO ingest_rejects (created_at, reason, ip_addr, stored, size, sample)
             VALUES (now(), 'not JSON', '::1', false, 1, 'x')",
    ),
    (
        "tetcore_flush",
        "INSERT INTO log_rows (created_at, peer_connection_id, audit, logs)
             VALUES (now(), 1, false, '{}')",
    ),
    (
        "tetcore_flush",
        "INSERT INTO tetcore_logs (created_at, peer_connection_id, audit, logs)
             VALUES (now(), 1, false, '{}')",
    ),
    (
        "tetcore_flush",
        "UPDATE log_rows SET node_id = peer_connections.node_id
             FROM peer_connections
             WHERE peer_connection_id = ANY ('{1}') AND peer_connections.id = peer_connection_id
               AND log_rows.node_id IS NULL",
    ),
    ("tetcore_flush", "UPDATE ingest_totals SET stored = stored + 1 WHERE worker = 63"),
    ("tetcore_flush", "SELECT make_partitions('1 hour')"),
    ("tetcore_flush", "INSERT INTO log_count_notes VALUES (1, false, now(), '{1}', '{a}', '{1}')"),
    ("tetcore_flush", FOLD),
    (
        "tetcore_flush",
        "SELECT save_reputation_report(ROW(1, false, now(), '{}', '{}', '{}', '{}')::reputation_reports)",
    ),
    ("tetcore_flush", "SELECT claim_log_rows('{1}')"),
    ("tetcore_flush", "SELECT note_log_targets('{f}', '{now}', '{a}', '{b}')"),
    ("tetcore_query", "SELECT * FROM tetcore_logs"),
    ("tetcore_query", "SELECT * FROM log_rows, log_slices, log_slice_partitions()"),
    ("tetcore_query", "SELECT * FROM log_partitions(), node_log_counts(1)"),
    (
        "tetcore_query",
        "SELECT * FROM log_counts, log_count_notes, latest_reputation_reports, log_targets",
    ),
    ("tetcore_query", "SELECT (read_reputations(logs)).* FROM tetcore_logs"),
    ("tetcore_query", "SELECT * FROM peer_connections, nodes, ingest_rejects, ingest_totals"),
    ("tetcore_query", "SELECT * FROM host_systems, benchmarks, benchmark_events"),
    ("tetcore_admin", "INSERT INTO benchmarks (setup) VALUES ('{}') RETURNING id"),
    ("tetcore_admin", "SELECT * FROM log_targets"),
    (
        "tetcore_admin",
        "SELECT left(logs ->> 'target', 256) FROM tetcore_logs
             WHERE msg IN ('tracing.profiling', 'tracing.event') AND created_at > now()",
    ),
    ("tetcore_admin", "SELECT since, until, targets, times, msgs, logs FROM log_slices"),
];

/// What it must not.
const REFUSED: &[(&str, &str)] = &[
    ("tetcore_flush", "SELECT logs FROM log_rows"),
    ("tetcore_flush", "SELECT logs FROM tetcore_logs"),
    ("tetcore_flush", "SELECT * FROM tetcore_logs_expiring_past"),
    ("tetcore_flush", "SELECT * FROM log_slices"),
    ("tetcore_flush", "SELECT renew_log_view()"),
    ("tetcore_flush", "DELETE FROM log_rows"),
    ("tetcore_flush", "TRUNCATE log_rows"),
    ("tetcore_flush", "UPDATE log_rows SET logs = '{}'"),
    ("tetcore_flush", "DELETE FROM peer_connections"),
    ("tetcore_flush", "DELETE FROM ingest_batches"),
    ("tetcore_flush", "SELECT sample FROM ingest_rejects"),
    ("tetcore_flush", "SELECT * FROM benchmarks"),
    ("tetcore_flush", "SELECT * FROM log_count_notes"),
    ("tetcore_flush", "INSERT INTO log_counts VALUES (1, false, now(), 'a', 1)"),
    ("tetcore_flush", "SELECT * FROM reputation_reports"),
    ("tetcore_flush", "DELETE FROM reputation_reports"),
    ("tetcore_flush", "SELECT note_log_rows(1, '{1}', '{f}', '{now}', '{a}')"),
    ("tetcore_flush", "DELETE FROM log_targets"),
    ("tetcore_flush", "SELECT renew_reputation_reports('{1}', now())"),
    ("tetcore_flush", "SELECT make_past_partitions(false, now(), '1 hour')"),
    ("tetcore_flush", "SELECT * FROM imports"),
    ("tetcore_flush", "CREATE TABLE mine ()"),
    ("tetcore_query", "INSERT INTO nodes VALUES (2, 'other', 1, now(), now())"),
    ("tetcore_query", "UPDATE peer_connections SET name = 'x'"),
    ("tetcore_query", "DELETE FROM log_rows"),
    ("tetcore_query", "SELECT make_partitions('1 hour')"),
    ("tetcore_query", FOLD),
    ("tetcore_query", "SELECT claim_log_rows('{1}')"),
    ("tetcore_query", "INSERT INTO log_count_notes VALUES (1, false, now(), '{1}', '{a}', '{1}')"),
    ("tetcore_query", "UPDATE reputation_reports SET audit = true"),
    ("tetcore_query", "SELECT note_log_targets('{f}', '{now}', '{a}', '{b}')"),
    ("tetcore_query", "UPDATE imports SET last_id = 0"),
    ("tetcore_query", "CREATE TABLE mine ()"),
    ("tetcore_query", "DELETE FROM log_slices"),
    ("tetcore_query", "SELECT renew_log_view()"),
    ("tetcore_admin", "SELECT * FROM tetcore_logs"),
    ("tetcore_admin", "SELECT node_id FROM tetcore_logs"),
    ("tetcore_admin", "SELECT node_id FROM log_slices"),
    ("tetcore_admin", "SELECT * FROM log_counts"),
    ("tetcore_admin", "SELECT make_partitions('1 hour')"),
];

#[tokio::test(flavor = "multi_thread")]
async fn roles_may_do_what_they_need_and_nothing_else() {
    let database = Database::new();
    for &(role, sql) in ALLOWED {
        let result = database.connect(role).await.execute(sql, &[]).await;
        assert!(result.is_ok(), "{role}: {sql}: {result:?}");
    }
    for &(role, sql) in REFUSED {
        let error = database.connect(role).await.execute(sql, &[]).await.unwrap_err();
        assert_eq!(
            error.code(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE),
            "{role}: {sql}: {error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_compiles_its_plans() {
    // A copy of a database would not have its settings.
    let database = Database::empty();
    Function::run("migrate", &[("DATABASE_URL", &database.url("tetcore"))], &[]);
    for role in ["tetcore", "tetcore_query"] {
        let client = database.connect(role).await;
        let jit: String = client.query_one("SHOW jit", &[]).await.unwrap().get(0);
        assert_eq!(jit, "off", "{role}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_partitions_take_over_the_rows_of_the_future() {
    let database = Database::new();
    let owner = database.owner().await;
    // As if no partition had been made for 8 days and more.
    owner
        .batch_execute(
            "INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
             SELECT now() + day * interval '1 day', day, nullif(day % 3, 0), day % 2 = 0, 'a', '{}'
             FROM generate_series(0, 60) AS day",
        )
        .await
        .unwrap();
    owner.batch_execute(include_str!("forget_partitions.sql")).await.unwrap();
    // Some of their counts are added up for the partition of the future, the others are still noted.
    owner
        .batch_execute(
            "SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg))
             FROM tetcore_logs WHERE node_id = 1;
             SELECT fold_log_counts();
             SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg))
             FROM tetcore_logs WHERE node_id = 2",
        )
        .await
        .unwrap();
    let of_the_future = "SELECT count(*) FROM log_counts WHERE partition_start = 'infinity'";
    assert_eq!(count(&owner, of_the_future).await, 2);
    database.assert_derived().await;
    assert!(make_partitions(&owner, HOUR).await > 192);
    database.assert_derived().await;
    owner.batch_execute(FOLD).await.unwrap();
    assert_eq!(count(&owner, "SELECT count(*) FROM log_count_notes").await, 0);
    database.assert_derived().await;
    assert_eq!(make_partitions(&owner, HOUR).await, 0);
    assert_complete(&owner).await;
    assert_eq!(count(&owner, "SELECT count(*) FROM tetcore_logs").await, 61);
    // A row that is found by a condition on its time lies in the right partition.
    let found = "SELECT count(*) FROM tetcore_logs WHERE created_at > now() - interval '1 minute'
                 AND created_at < now() + interval '36 hours'";
    assert_eq!(count(&owner, found).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_of_the_past_take_over_the_rows_of_their_time() {
    let database = Database::new();
    let owner = database.owner().await;
    owner.batch_execute(include_str!("forget_partitions.sql")).await.unwrap();
    make_partitions(&owner, "720 hours").await;
    // Of one node the counts are added up for the catch-alls, of the other they are still noted.
    owner
        .batch_execute(
            "INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
             SELECT now() - day * interval '1 day', day, nullif(day % 3, 0), audit, 'a', '{}'
             FROM generate_series(0, 60) AS day, unnest('{f,t}'::boolean[]) AS audit;
             SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg))
             FROM tetcore_logs WHERE node_id = 1;
             SELECT fold_log_counts();
             SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg))
             FROM tetcore_logs WHERE node_id = 2",
        )
        .await
        .unwrap();
    database.assert_derived().await;
    let past = async |is_audit: bool| {
        let sql = "SELECT make_past_partitions($1, now() - interval '40 days', '720 hours')";
        owner.query_one(sql, &[&is_audit]).await.unwrap().get::<_, i32>(0)
    };
    // Of the 40 days 30 have not expired, in steps of 12 hours; audit messages never do.
    assert!((60..=61).contains(&past(false).await));
    assert!((2..=3).contains(&past(true).await));
    database.assert_derived().await;
    assert_eq!((past(false).await, past(true).await), (0, 0), "they are there");
    owner.batch_execute(FOLD).await.unwrap();
    database.assert_derived().await;
    assert_complete(&owner).await;
    assert_eq!(count(&owner, "SELECT count(*) FROM tetcore_logs").await, 122);
    let left = "SELECT count(*) FROM tetcore_logs_expiring_past";
    assert!((30..=31).contains(&count(&owner, left).await));
    // Names and widths are those of the partitions ahead.
    let others = "
        SELECT count(*)
        FROM log_partitions()
        WHERE isfinite(lower_bound) AND isfinite(upper_bound)
          AND (partition::text NOT LIKE '%' || to_char(lower_bound AT TIME ZONE 'UTC', '_YYYYMMDD_HH24')
               OR date_bin(CASE WHEN audit THEN interval '30 days' ELSE '12 hours' END, lower_bound, '2000-01-01 00:00+00') <> lower_bound
                  AND lower_bound <> date_trunc('hour', now()))";
    assert_eq!(count(&owner, others).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_expiry_goes_on_where_the_last_partition_ends() {
    let database = Database::new();
    let owner = database.owner().await;
    owner.batch_execute(include_str!("forget_partitions.sql")).await.unwrap();
    make_partitions(&owner, HOUR).await;
    assert_complete(&owner).await;
    // Wider ones take over once those that there are do not reach 8 days ahead any more.
    owner
        .batch_execute(
            "DO $$
             DECLARE
                 newest text;
                 newest_lower timestamptz;
             BEGIN
                 SELECT partition, lower_bound INTO newest, newest_lower
                 FROM log_partitions() WHERE NOT audit AND upper_bound < 'infinity'
                 ORDER BY lower_bound DESC LIMIT 1;
                 EXECUTE format('DROP TABLE %s, tetcore_logs_expiring_future', newest);
                 EXECUTE format('CREATE TABLE tetcore_logs_expiring_future PARTITION OF tetcore_logs_expiring
                                 FOR VALUES FROM (%L) TO (MAXVALUE)', newest_lower);
             END
             $$",
        )
        .await
        .unwrap();
    assert_eq!(make_partitions(&owner, THIRTY_TWO_YEARS).await, 1);
    assert_complete(&owner).await;
    let aligned = "SELECT count(*) FROM log_partitions()
                   WHERE NOT audit AND upper_bound = date_bin('30 days', upper_bound, '2000-01-01 00:00+00')
                     AND isfinite(upper_bound) AND upper_bound > now() + interval '8 days'";
    assert_eq!(count(&owner, aligned).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_a_year_does_not_leave_thousands_of_partitions() {
    let database = Database::new();
    let owner = database.owner().await;
    owner
        .batch_execute(
            &include_str!("forget_partitions.sql").replace("now()", "now() - interval '1 year'"),
        )
        .await
        .unwrap();
    make_partitions(&owner, HOUR).await;
    assert_complete(&owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_removed_rows_added_to_counts_goes_with_them() {
    let database = Database::new();
    let owner = database.owner().await;
    let store = "
        INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
        SELECT now() - number * interval '1 minute', 1, number % 5 - 2, number % 2 = 0, nullif('m' || number % 3, 'm0'), '{}'
        FROM generate_series(1, 300) AS number;
        SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg)) FROM tetcore_logs";
    let remove = |which: &str| {
        format!(
            "WITH removed AS (DELETE FROM log_rows WHERE {which} RETURNING *)
             SELECT note_log_rows(-1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg)) FROM removed"
        )
    };
    owner.batch_execute(store).await.unwrap();
    owner.batch_execute(&remove("node_id = -2 AND msg = 'm1'")).await.unwrap();
    database.assert_derived().await;
    owner.batch_execute(FOLD).await.unwrap();
    database.assert_derived().await;
    for which in [
        "msg IS NULL",
        "node_id = 2 AND audit",
        "created_at < now() - interval '150 minutes'",
        "true",
    ] {
        owner.batch_execute(&remove(which)).await.unwrap();
        database.assert_derived().await;
        owner.batch_execute(FOLD).await.unwrap();
        database.assert_derived().await;
    }
    assert_eq!(count(&owner, "SELECT count(*) FROM log_counts").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_report_that_is_left_takes_over() {
    let database = Database::new();
    let owner = database.owner().await;
    // Of each node a report an hour, but for 3:00, whose network state is none. Node 3's are audit.
    owner
        .batch_execute(
            r#"INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
               SELECT '2020-01-01Z'::timestamptz + hour * interval '1 hour', 1, node, node = 3, 'system.network_state',
                      format('{"state":{"peerset":{"nodes":%s}}}',
                             CASE hour WHEN 3 THEN '[]' ELSE format('{"peer":{"reputation":%s,"connected":true}}', hour) END)::jsonb
               FROM generate_series(1, 3) AS node, generate_series(1, 5) AS hour;
               SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg))
               FROM tetcore_logs;
               SELECT save_reputation_report(ROW(node_id, audit, created_at, report.*)::reputation_reports)
               FROM tetcore_logs CROSS JOIN read_reputations(logs) AS report"#,
        )
        .await
        .unwrap();
    database.assert_derived().await;
    let reputations = "SELECT node_id, reputations[1] FROM reputation_reports ORDER BY node_id";
    for (hour, left) in [(5, Some(4)), (4, Some(2)), (2, Some(1)), (1, None)] {
        let remove = format!(
            "WITH removed AS (
                 DELETE FROM log_rows WHERE created_at = '2020-01-01 {hour}:00Z' AND node_id = 1 RETURNING *
             )
             SELECT note_log_rows(-1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg)) FROM removed;
             SELECT renew_reputation_reports('{{1,2,3}}', now())"
        );
        owner.batch_execute(&remove).await.unwrap();
        database.assert_derived().await;
        let rows = owner.query(reputations, &[]).await.unwrap();
        let rows: Vec<(i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let expected: Vec<_> =
            left.map(|left| (1, left)).into_iter().chain([(2, 5), (3, 5)]).collect();
        assert_eq!(rows, expected);
    }
}
