//! What a row costs when many are there already, all of them in the partition that it goes to.

use anyhow::Result;

use crate::{
    figure::{Sample, real, scaled},
    fill::fill,
    sender::Load,
    stack::{Stack, without_autovacuum},
};

const FEW: u64 = 1_000_000;
const MANY: u64 = 20_000_000;
const MORE: u64 = 1_000_000;
/// As many places of the index are written to at a time.
const NODES: u64 = 1000;

/// What it takes to insert rows.
struct Cost {
    /// PostgreSQL's CPU seconds for each million.
    cpu: f64,
    rows_per_second: f64,
}

pub(crate) async fn run(scale: f64) -> Result<Vec<Sample>> {
    let [few, many, more] = [FEW, MANY, MORE].map(|rows| scaled(rows, scale));
    let stack = Stack::start(&[]).await?;
    // It would come to the small table alone, where the new rows are a large part.
    without_autovacuum(&stack.owner).await?;

    insert(&stack, few).await?;
    let at_few = insert(&stack, more).await?;
    let filled = many.saturating_sub(few + more);
    let bounds = stack.owner.query_one(include_str!("before_all.sql"), &[]).await?;
    fill(&stack.owner, filled, bounds.get(0), bounds.get(1)).await?;
    let at_many = insert(&stack, more).await?;
    stack.check(few + 2 * more, filled).await?;
    Ok(vec![
        Sample::new("CPU of PostgreSQL, large table", at_many.cpu, "s/million")
            .beside("small table", at_few.cpu)
            .goal("≤ 1.1"),
        Sample::new("end to end, large table", at_many.rows_per_second, "messages/s")
            .beside("small table", at_few.rows_per_second),
    ])
}

async fn insert(stack: &Stack, messages: u64) -> Result<Cost> {
    stack.checkpoint().await?;
    let cpu = stack.postgres.cpu_seconds();
    let load = Load { nodes: NODES, messages: Some(messages), ..Load::FLAT_OUT };
    let rows_per_second = stack.take_in(&load).await?;
    let cpu = stack.postgres.cpu_seconds() - cpu;
    Ok(Cost { cpu: cpu / real(messages) * 1e6, rows_per_second })
}
