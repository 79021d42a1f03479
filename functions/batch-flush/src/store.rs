//! Envelopes into PostgreSQL: one transaction, each batch once.

use std::collections::HashSet;

use bytes::Bytes;
use chrono::DateTime;
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, stream};
use shared::{
    db::{self, Statement, Transaction},
    envelope::Envelope,
    reputation::Report,
    row::{self, COPY_HEADER, COPY_TRAILER, SAMPLE_BYTES, Tuple},
};
use uuid::Uuid;

use crate::{
    derived::{Derived, Reporter, Targets},
    session::{Session, Statements},
};

/// Reports that are sent before the first of them is answered.
const REPORTS_AT_ONCE: usize = 32;

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
    session: &mut Session,
    envelopes: &[Envelope],
    slot: Slot,
) -> Result<Stored, db::Error> {
    let storing = Storing::begin(session).await?;
    let fresh = storing.remember(envelopes).await?;
    let unclaimed = storing.save_peers(&fresh).await?;
    storing.copy_rows(fresh.iter().map(|envelope| envelope.rows.clone()).collect()).await?;
    storing.copy_rejects(fresh.iter().map(|envelope| envelope.rejects.clone()).collect()).await?;
    let tuples = fresh.iter().flat_map(|envelope| row::tuples(&envelope.rows));
    storing.save_derived(Derived::from_tuples(tuples)).await?;
    storing.claim_rows(&unclaimed).await?;
    let stored = Stored {
        messages: fresh.iter().map(|envelope| i64::from(envelope.messages)).sum(),
        refused: 0,
        repeated: (envelopes.len() - fresh.len()) as u64,
    };
    storing.add_totals(slot, stored).await?;
    storing.transaction.commit().await?;
    Ok(stored)
}

/// Stores one envelope of which PostgreSQL refuses something: the rest of it, and the refused
/// messages in `ingest_rejects`.
pub async fn store_bisected(
    session: &mut Session,
    envelope: &Envelope,
    slot: Slot,
) -> Result<Stored, db::Error> {
    let mut storing = Storing::begin(session).await?;
    let fresh = storing.remember(std::slice::from_ref(envelope)).await?;
    let mut stored = Stored { repeated: u64::from(fresh.is_empty()), ..Stored::default() };
    if !fresh.is_empty() {
        let unclaimed = match storing.attempt(Part::Peers(envelope)).await? {
            Ok(unclaimed) => unclaimed,
            Err(error) => {
                tracing::error!(error = db::source_or_self(&error), "records of peers are lost");
                Vec::new()
            }
        };
        let tuples: Vec<&[u8]> = row::tuples(&envelope.rows).collect();
        let mut derived = Derived::default();
        let mut parts = vec![tuples.as_slice()];
        while let Some(part) = parts.pop() {
            match (storing.attempt(Part::Rows(part)).await?, part) {
                (Ok(_), _) => {
                    stored.messages += i64::try_from(part.len()).unwrap_or(i64::MAX);
                    derived.add(part.iter().copied());
                }
                (Err(error), [tuple]) => {
                    storing.keep_refused(tuple, &error).await?;
                    stored.refused += 1;
                }
                (Err(_), _) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            }
        }
        if let Err(error) = storing.attempt(Part::Rejects(envelope)).await? {
            tracing::error!(error = db::source_or_self(&error), "samples of rejects are lost");
        }
        storing.save_derived(derived).await?;
        storing.claim_rows(&unclaimed).await?;
    }
    storing.add_totals(slot, stored).await?;
    storing.transaction.commit().await?;
    Ok(stored)
}

/// A part of an envelope that stands or falls alone.
enum Part<'a> {
    Peers(&'a Envelope),
    Rows(&'a [&'a [u8]]),
    Rejects(&'a Envelope),
}

/// A transaction, or a savepoint in one.
struct Storing<'a> {
    transaction: Transaction<'a>,
    statements: &'a Statements,
}

impl<'a> Storing<'a> {
    async fn begin(session: &'a mut Session) -> Result<Self, db::Error> {
        let (transaction, statements) = session.begin().await?;
        Ok(Self { transaction, statements })
    }

    /// Stores a part behind a savepoint. The inner error is the part's own fault, and undone.
    async fn attempt(&mut self, part: Part<'_>) -> Result<Result<Vec<i64>, db::Error>, db::Error> {
        let transaction = self.transaction.savepoint("part").await?;
        let savepoint = Storing { transaction, statements: self.statements };
        let result = match part {
            Part::Peers(envelope) => savepoint.save_peers(&[envelope]).await,
            Part::Rows(tuples) => {
                savepoint.copy_rows(vec![tuples.concat().into()]).await.map(|()| Vec::new())
            }
            Part::Rejects(envelope) => {
                savepoint.copy_rejects(vec![envelope.rejects.clone()]).await.map(|()| Vec::new())
            }
        };
        match result {
            Ok(unclaimed) => {
                savepoint.transaction.commit().await?;
                Ok(Ok(unclaimed))
            }
            Err(error) if db::is_bad_data(&error) => {
                savepoint.transaction.rollback().await?;
                Ok(Err(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Those of `envelopes` that were not stored before, each once.
    async fn remember<'e>(
        &self,
        envelopes: &'e [Envelope],
    ) -> Result<Vec<&'e Envelope>, db::Error> {
        let ids: Vec<Uuid> = envelopes.iter().map(|envelope| envelope.id).collect();
        let messages: Vec<i32> = envelopes
            .iter()
            .map(|envelope| i32::try_from(envelope.messages).unwrap_or(i32::MAX))
            .collect();
        let remember = &self.statements.remember_batches;
        let rows = self.transaction.query(remember, &[&ids, &messages]).await?;
        let mut new: HashSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        Ok(envelopes.iter().filter(|envelope| new.remove(&envelope.id)).collect())
    }

    /// Saves the peers of `envelopes`: those whose rows may lack their node.
    async fn save_peers(&self, envelopes: &[&Envelope]) -> Result<Vec<i64>, db::Error> {
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
        let rows = self.transaction.query(&self.statements.save_peers, &[&records]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn copy_rows(&self, tuples: Vec<Bytes>) -> Result<(), db::Error> {
        self.copy(&self.statements.copy_rows, tuples).await
    }

    async fn copy_rejects(&self, tuples: Vec<Bytes>) -> Result<(), db::Error> {
        self.copy(&self.statements.copy_rejects, tuples).await
    }

    /// Copies tuples, of which `sections` are views.
    async fn copy(&self, statement: &Statement, sections: Vec<Bytes>) -> Result<(), db::Error> {
        if sections.iter().all(Bytes::is_empty) {
            return Ok(());
        }
        let sink = self.transaction.copy_in::<_, Bytes>(statement).await?;
        let mut sink = std::pin::pin!(sink);
        sink.feed(Bytes::from_static(COPY_HEADER)).await?;
        for tuples in sections {
            sink.feed(tuples).await?;
        }
        sink.feed(Bytes::from_static(COPY_TRAILER)).await?;
        sink.finish().await.map(drop)
    }

    /// Saves what follows from the rows of this transaction.
    async fn save_derived(&self, derived: Derived<'_>) -> Result<(), db::Error> {
        self.copy(&self.statements.copy_notes, vec![derived.notes().into()]).await?;
        self.save_targets(&derived.targets()).await?;
        // Sent one behind the other, without waiting for each answer.
        let saving = derived.reports().into_iter().map(|report| self.save_report(report));
        stream::iter(saving).buffered(REPORTS_AT_ONCE).try_collect().await
    }

    async fn save_targets(&self, targets: &Targets<'_>) -> Result<(), db::Error> {
        if !targets.names.is_empty() {
            let Targets { audits, hours, msgs, names } = targets;
            let parameters: [&(dyn db::ToSql + Sync); 4] = [audits, hours, msgs, names];
            self.transaction.execute(&self.statements.save_targets, &parameters).await?;
        }
        Ok(())
    }

    async fn save_report(
        &self,
        ((node_id, audit), reported_at, report): (Reporter, i64, Report),
    ) -> Result<(), db::Error> {
        let reported_at = DateTime::from_timestamp_micros(reported_at);
        let parameters: [&(dyn db::ToSql + Sync); 7] = [
            &node_id,
            &audit,
            &reported_at,
            &report.remote_ids,
            &report.remote_peers,
            &report.reputations,
            &report.connected,
        ];
        self.transaction.execute(&self.statements.save_report, &parameters).await.map(drop)
    }

    /// Gives rows of these peers to their nodes, as far as they are known.
    async fn claim_rows(&self, peers: &[i64]) -> Result<(), db::Error> {
        if !peers.is_empty() {
            self.transaction.execute(include_str!("claim_rows.sql"), &[&peers]).await?;
        }
        Ok(())
    }

    async fn add_totals(&self, slot: Slot, stored: Stored) -> Result<(), db::Error> {
        if stored.messages + stored.refused > 0 {
            let parameters: [&(dyn db::ToSql + Sync); 3] =
                [&slot.0, &stored.messages, &stored.refused];
            self.transaction.execute(&self.statements.add_totals, &parameters).await?;
        }
        Ok(())
    }

    /// Keeps a message that PostgreSQL refused, although it passed every check before.
    async fn keep_refused(&self, tuple: &[u8], error: &db::Error) -> Result<(), db::Error> {
        let code = error.code().map_or("unknown", |code| code.code());
        tracing::error!(error = db::source_or_self(error), "PostgreSQL refuses a message");
        let tuple = Tuple::read(tuple);
        let peer = tuple.map(|tuple| tuple.peer_connection_id);
        let logs = tuple.map(|tuple| tuple.logs).unwrap_or_default();
        let size = i32::try_from(logs.len()).unwrap_or(i32::MAX);
        let sample = &logs[..logs.len().min(SAMPLE_BYTES)];
        let parameters: [&(dyn db::ToSql + Sync); 4] =
            [&peer, &format!("refused_by_database_{code}"), &size, &sample];
        self.transaction.execute(include_str!("keep_refused.sql"), &parameters).await.map(drop)
    }
}
