//! Benchmark runs, in the two forms in which they are described.

use std::borrow::Cow;

use anyhow::Context as _;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::{
    db::Row,
    http::{self, Id, Natural, Number, Page, Time},
    query::Query,
};

/// Benchmark runs, in the order of their numbers.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// How many at the most.
    #[serde(default)]
    limit: Number<1000, 10_000>,
    /// Where the page before ended.
    cursor: Option<Id>,
}

/// A benchmark run. Of the two forms one is null: `setup`, or all of the others.
#[derive(JsonSchema, Serialize)]
pub struct Run {
    id: i32,
    #[schemars(with = "Option<serde_json::Value>")]
    setup: Option<Box<RawValue>>,
    #[schemars(with = "Option<serde_json::Value>")]
    benchmark_spec: Option<Box<RawValue>>,
    #[schemars(with = "Option<serde_json::Value>")]
    chain_spec: Option<Box<RawValue>>,
    description: Option<String>,
    host_system_id: Option<i32>,
    ts_start: Option<Time>,
    ts_end: Option<Time>,
    created_at: Time,
}

impl TryFrom<&Row> for Run {
    type Error = anyhow::Error;

    fn try_from(row: &Row) -> anyhow::Result<Self> {
        let json = |column| row.get::<_, Option<String>>(column).map(RawValue::from_string);
        Ok(Self {
            id: row.get("id"),
            setup: json("setup").transpose()?,
            benchmark_spec: json("benchmark_spec").transpose()?,
            chain_spec: json("chain_spec").transpose()?,
            description: row.get("description"),
            host_system_id: row.get("host_system_id"),
            ts_start: row.get::<_, Option<_>>("ts_start").map(Time),
            ts_end: row.get::<_, Option<_>>("ts_end").map(Time),
            created_at: Time(row.get("created_at")),
        })
    }
}

/// The runs that are asked for.
pub fn list(query: Query, params: List) -> Page<Run, Id> {
    let key = |run: &Run| Id(run.id);
    Page::new(params.limit.get(), params.cursor, key, move |after, rows| {
        page(query.clone(), after, rows)
    })
}

async fn page(query: Query, after: Option<Id>, rows: i64) -> http::Result<Vec<Run>> {
    let after = after.map(|after| after.0);
    let rows = query.rows(include_str!("list.sql"), &[&after, &rows]).await?;
    Ok(rows.iter().map(Run::try_from).collect::<Result<_, _>>()?)
}

const DESCRIPTION: &str = "Adds a benchmark run: `setup` alone, or all of the other members; \
                           without `ts_end` it lasts until its last event, or still goes on.";

/// A run to be, in either form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRun {
    setup: Option<Box<RawValue>>,
    benchmark_spec: Option<Box<RawValue>>,
    chain_spec: Option<Box<RawValue>>,
    description: Option<String>,
    host_system_id: Option<Natural>,
    ts_start: Option<Time>,
    ts_end: Option<Time>,
}

impl JsonSchema for NewRun {
    fn schema_name() -> Cow<'static, str> {
        "NewRun".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let document = json_schema!({ "type": ["object", "array", "string", "number", "boolean"] });
        let nothing = json_schema!({ "type": "null" });
        let time = generator.subschema_for::<Time>();
        json_schema!({
            "description": DESCRIPTION,
            "oneOf": [
                {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["setup"],
                    "properties": {
                        "setup": document,
                        "benchmark_spec": nothing,
                        "chain_spec": nothing,
                        "description": nothing,
                        "host_system_id": nothing,
                        "ts_start": nothing,
                        "ts_end": nothing,
                    },
                },
                {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["benchmark_spec", "chain_spec", "description", "host_system_id", "ts_start"],
                    "properties": {
                        "setup": nothing,
                        "benchmark_spec": document,
                        "chain_spec": document,
                        "description": { "type": "string" },
                        "host_system_id": generator.subschema_for::<Natural>(),
                        "ts_start": time,
                        "ts_end": { "anyOf": [time, nothing] },
                    },
                },
            ],
        })
    }
}

impl NewRun {
    /// Refuses what is of neither form, or of both.
    fn check(&self) -> http::Result<()> {
        let wrong = |name: &str, said| Err(http::Error::bad_body(Some(name.to_owned()), said));
        let members = [
            ("benchmark_spec", self.benchmark_spec.is_some()),
            ("chain_spec", self.chain_spec.is_some()),
            ("description", self.description.is_some()),
            ("host_system_id", self.host_system_id.is_some()),
            ("ts_start", self.ts_start.is_some()),
        ];
        let odd = members.iter().find(|(_, given)| *given == self.setup.is_some());
        if let Some((name, given)) = odd {
            return wrong(
                name,
                if *given { "expected no other member beside `setup`" } else { "is missing" },
            );
        }
        match (self.ts_start, self.ts_end) {
            (None, Some(_)) => wrong("ts_end", "expected no other member beside `setup`"),
            (Some(start), Some(end)) if end.0 < start.0 => {
                wrong("ts_end", "expected a time that is not before `ts_start`")
            }
            _ => Ok(()),
        }
    }
}

/// Adds a run.
pub async fn add(query: Query, run: NewRun) -> http::Result<Run> {
    run.check()?;
    let text = |json: &Option<Box<RawValue>>| json.as_ref().map(|json| json.get().to_owned());
    let host = run.host_system_id.map(|host| host.0);
    let (start, end) = (run.ts_start.map(|time| time.0), run.ts_end.map(|time| time.0));
    let rows = query
        .write(
            include_str!("add.sql"),
            &[
                &text(&run.setup),
                &text(&run.benchmark_spec),
                &text(&run.chain_spec),
                &run.description,
                &host,
                &start,
                &end,
            ],
        )
        .await
        .map_err(|error| error.or_missing("host_system_id"))?;
    Ok(rows.first().context("INSERT … RETURNING has no row")?.try_into()?)
}
