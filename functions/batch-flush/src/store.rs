//! Envelopes into PostgreSQL: one transaction, each batch once.

use std::collections::HashSet;

use bytes::Bytes;
use futures_util::SinkExt as _;
use shared::{
    db::{self, Client, Transaction},
    envelope::Envelope,
    row::{self, COPY_HEADER, COPY_TRAILER, LOG_COLUMNS, REJECT_COLUMNS, SAMPLE_BYTES},
};
use uuid::Uuid;

/// What is copied: tables and columns.
const ROWS: (&str, &str) = ("tetcore_logs", LOG_COLUMNS);
const REJECTS: (&str, &str) = ("ingest_rejects", REJECT_COLUMNS);

/// The row of `ingest_totals` that a worker counts in.
#[derive(Clone, Copy, Debug)]
pub struct Slot(i16);

impl Slot {
    /// One of the 64 there are; workers that share one wait for each other's commit.
    pub fn random() -> Self {
        Self(i16::from(Uuid::now_v7().as_bytes()[15] % 64))
    }
}

/// What a transaction did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stored {
    /// Messages that are stored now, and were not before.
    pub messages: i64,
    /// Messages that PostgreSQL refused.
    pub refused: i64,
    /// Envelopes that were stored before.
    pub repeated: u64,
}

/// Stores `envelopes` in one transaction. Nothing is stored after an error.
///
/// An error that [`db::is_bad_data`] will come again: [`store_bisected`] finds the culprit.
pub async fn store(
    client: &mut Client,
    envelopes: &[Envelope],
    slot: Slot,
) -> Result<Stored, db::Error> {
    let transaction = client.transaction().await?;
    let fresh = remember(&transaction, envelopes).await?;
    let unclaimed = save_peers(&transaction, &fresh).await?;
    copy(&transaction, ROWS, fresh.iter().map(|envelope| envelope.rows.clone()).collect()).await?;
    copy(&transaction, REJECTS, fresh.iter().map(|envelope| envelope.rejects.clone()).collect())
        .await?;
    claim_rows(&transaction, &unclaimed).await?;
    let stored = Stored {
        messages: fresh.iter().map(|envelope| i64::from(envelope.messages)).sum(),
        refused: 0,
        repeated: (envelopes.len() - fresh.len()) as u64,
    };
    add_totals(&transaction, slot, stored).await?;
    transaction.commit().await?;
    Ok(stored)
}

/// Stores one envelope of which PostgreSQL refuses something: the rest of it, and the refused
/// messages in `ingest_rejects`.
pub async fn store_bisected(
    client: &mut Client,
    envelope: &Envelope,
    slot: Slot,
) -> Result<Stored, db::Error> {
    let mut transaction = client.transaction().await?;
    let fresh = remember(&transaction, std::slice::from_ref(envelope)).await?;
    let mut stored = Stored { repeated: u64::from(fresh.is_empty()), ..Stored::default() };
    if !fresh.is_empty() {
        let unclaimed = match attempt(&mut transaction, Part::Peers(envelope)).await? {
            Ok(unclaimed) => unclaimed,
            Err(error) => {
                tracing::error!(error = db::source_or_self(&error), "records of peers are lost");
                Vec::new()
            }
        };
        let tuples: Vec<&[u8]> = row::tuples(&envelope.rows).collect();
        let mut parts = vec![tuples.as_slice()];
        while let Some(part) = parts.pop() {
            match (attempt(&mut transaction, Part::Rows(part)).await?, part) {
                (Ok(_), _) => stored.messages += i64::try_from(part.len()).unwrap_or(i64::MAX),
                (Err(error), [tuple]) => {
                    keep_refused(&transaction, tuple, &error).await?;
                    stored.refused += 1;
                }
                (Err(_), _) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            }
        }
        if let Err(error) = attempt(&mut transaction, Part::Rejects(envelope)).await? {
            tracing::error!(error = db::source_or_self(&error), "samples of rejects are lost");
        }
        claim_rows(&transaction, &unclaimed).await?;
    }
    add_totals(&transaction, slot, stored).await?;
    transaction.commit().await?;
    Ok(stored)
}

/// A part of an envelope that stands or falls alone.
enum Part<'a> {
    Peers(&'a Envelope),
    Rows(&'a [&'a [u8]]),
    Rejects(&'a Envelope),
}

/// Stores a part behind a savepoint. The inner error is the part's own fault, and undone.
async fn attempt(
    transaction: &mut Transaction<'_>,
    part: Part<'_>,
) -> Result<Result<Vec<i64>, db::Error>, db::Error> {
    let savepoint = transaction.savepoint("part").await?;
    let result = match part {
        Part::Peers(envelope) => save_peers(&savepoint, &[envelope]).await,
        Part::Rows(tuples) => {
            copy(&savepoint, ROWS, vec![tuples.concat().into()]).await.map(|()| Vec::new())
        }
        Part::Rejects(envelope) => {
            copy(&savepoint, REJECTS, vec![envelope.rejects.clone()]).await.map(|()| Vec::new())
        }
    };
    match result {
        Ok(unclaimed) => {
            savepoint.commit().await?;
            Ok(Ok(unclaimed))
        }
        Err(error) if db::is_bad_data(&error) => {
            savepoint.rollback().await?;
            Ok(Err(error))
        }
        Err(error) => Err(error),
    }
}

/// Those of `envelopes` that were not stored before, each once.
async fn remember<'a>(
    transaction: &Transaction<'_>,
    envelopes: &'a [Envelope],
) -> Result<Vec<&'a Envelope>, db::Error> {
    let ids: Vec<Uuid> = envelopes.iter().map(|envelope| envelope.id).collect();
    let messages: Vec<i32> = envelopes
        .iter()
        .map(|envelope| i32::try_from(envelope.messages).unwrap_or(i32::MAX))
        .collect();
    let rows = transaction.query(include_str!("remember_batches.sql"), &[&ids, &messages]).await?;
    let mut new: HashSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    Ok(envelopes.iter().filter(|envelope| new.remove(&envelope.id)).collect())
}

/// Saves the peers of `envelopes`: those whose rows may lack their node.
async fn save_peers(
    transaction: &Transaction<'_>,
    envelopes: &[&Envelope],
) -> Result<Vec<i64>, db::Error> {
    let mut records = String::from("[");
    for envelope in envelopes {
        records.push_str(&String::from_utf8_lossy(&envelope.peers));
    }
    if records.len() == 1 {
        return Ok(Vec::new());
    }
    // Each record stands behind a comma; the first one is one too many.
    records.remove(1);
    records.push(']');
    let rows = transaction.query(include_str!("save_peers.sql"), &[&records]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Gives rows of these peers to their nodes, as far as they are known.
async fn claim_rows(transaction: &Transaction<'_>, peers: &[i64]) -> Result<(), db::Error> {
    if !peers.is_empty() {
        transaction.execute(include_str!("claim_rows.sql"), &[&peers]).await?;
    }
    Ok(())
}

/// Copies tuples, of which `sections` are views, into `table`.
async fn copy(
    transaction: &Transaction<'_>,
    (table, columns): (&str, &str),
    sections: Vec<Bytes>,
) -> Result<(), db::Error> {
    if sections.iter().all(Bytes::is_empty) {
        return Ok(());
    }
    let statement = format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
    let sink = transaction.copy_in::<_, Bytes>(&statement).await?;
    let mut sink = std::pin::pin!(sink);
    sink.feed(Bytes::from_static(COPY_HEADER)).await?;
    for tuples in sections {
        sink.feed(tuples).await?;
    }
    sink.feed(Bytes::from_static(COPY_TRAILER)).await?;
    sink.finish().await.map(drop)
}

async fn add_totals(
    transaction: &Transaction<'_>,
    slot: Slot,
    stored: Stored,
) -> Result<(), db::Error> {
    if stored.messages + stored.refused > 0 {
        let parameters: [&(dyn db::ToSql + Sync); 3] = [&slot.0, &stored.messages, &stored.refused];
        transaction.execute(include_str!("add_totals.sql"), &parameters).await?;
    }
    Ok(())
}

/// Keeps a message that PostgreSQL refused, although it passed every check before.
async fn keep_refused(
    transaction: &Transaction<'_>,
    tuple: &[u8],
    error: &db::Error,
) -> Result<(), db::Error> {
    let code = error.code().map_or("unknown", |code| code.code());
    tracing::error!(error = db::source_or_self(error), "PostgreSQL refuses a message");
    let fields: Vec<Option<&[u8]>> = row::fields(tuple).collect();
    let field = |index: usize| fields.get(index).copied().flatten().unwrap_or_default();
    let peer = field(1).try_into().map(i64::from_be_bytes).ok();
    // Behind jsonb's version byte.
    let logs = field(5).get(1..).unwrap_or_default();
    let size = i32::try_from(logs.len()).unwrap_or(i32::MAX);
    let sample = &logs[..logs.len().min(SAMPLE_BYTES)];
    let parameters: [&(dyn db::ToSql + Sync); 4] =
        [&peer, &format!("refused_by_database_{code}"), &size, &sample];
    transaction.execute(include_str!("keep_refused.sql"), &parameters).await.map(drop)
}
