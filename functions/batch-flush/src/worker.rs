//! One worker: claims from its shard, stores, acknowledges; for ever, whatever happens on the way.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Context as _;
use chrono::Utc;
use shared::{
    db,
    envelope::Envelope,
    metrics::Flush,
    queue::{CLAIM_RENEWAL, Claim, Consumer},
    service::Shutdown,
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::{
    session::Session,
    store::{Slot, Stored, store, store_bisected},
};

/// Pause before something is tried again: at first, and at the most.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MOST: Duration = Duration::from_secs(2);
/// PostgreSQL, which ends statements after a minute itself, does not answer at all if a transaction takes longer than
/// this: another connection may lead to a server that does.
const SILENCE: Duration = Duration::from_mins(2);
/// How often claims of others are looked at.
const RESCUE_EVERY: Duration = Duration::from_secs(5);

/// A worker and its connections.
pub struct Worker {
    consumer: Consumer,
    database_url: db::Url,
    session: Option<Session>,
    metrics: Flush,
    slot: Slot,
    /// When the oldest envelope in hand was sealed, in microseconds since 1970; 0 for none.
    oldest: Arc<AtomicI64>,
}

impl Worker {
    /// A worker for `consumer`'s shard.
    pub fn new(consumer: Consumer, database_url: db::Url, metrics: Flush) -> Self {
        Self {
            consumer,
            database_url,
            session: None,
            metrics,
            slot: Slot::random(),
            oldest: Arc::default(),
        }
    }

    /// Where it tells since when the oldest envelope in its hands has been waiting.
    pub fn oldest(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.oldest)
    }

    /// Works until `shutdown`; with `once`, until nothing waits.
    pub async fn run(mut self, shutdown: Shutdown, once: bool) {
        let mut next_rescue = Instant::now();
        let mut pause = Pause::default();
        while !shutdown.is_cancelled() {
            let claimed = async {
                if next_rescue <= Instant::now() {
                    let rescued = self.consumer.rescue().await?;
                    self.metrics.rescued.inc_by(rescued);
                    next_rescue = Instant::now() + RESCUE_EVERY;
                }
                self.consumer.claim().await
            };
            match claimed.await {
                Ok(claim) if claim.is_empty() && once => return,
                Ok(claim) if claim.is_empty() => {
                    pause = Pause::default();
                    tokio::select! {
                        // An error shows at the next claim.
                        _ = self.consumer.wait() => {}
                        () = shutdown.cancelled() => {}
                    }
                }
                Ok(claim) => {
                    pause = Pause::default();
                    self.work(&claim, &shutdown).await;
                    self.oldest.store(0, Relaxed);
                }
                Err(error) => {
                    tracing::warn!(%error, "nothing can be claimed; trying again");
                    pause.wait(&shutdown).await;
                }
            }
        }
    }

    /// Stores a claim and acknowledges it, or gives it back when asked to stop.
    async fn work(&mut self, claim: &Claim, shutdown: &Shutdown) {
        let mut envelopes = Vec::with_capacity(claim.elements.len());
        for element in &claim.elements {
            match Envelope::open(element) {
                Ok(envelope) => envelopes.push(envelope),
                Err(error) => {
                    tracing::error!(%error, "an element of the queue is set aside");
                    if let Err(error) = self.consumer.set_aside(element).await {
                        // Not acknowledged, so it comes again.
                        return tracing::warn!(%error, "it cannot be");
                    }
                    self.metrics.unreadable.inc();
                }
            }
        }
        let oldest = envelopes.iter().map(|envelope| envelope.sealed_at).min();
        self.oldest.store(oldest.unwrap_or(0), Relaxed);

        let mut pause = Pause::default();
        loop {
            match self.store(claim, &envelopes).await {
                Ok(repeated) => {
                    self.metrics.repeated.inc_by(repeated);
                    break;
                }
                Err(error) => {
                    self.metrics.transactions.with_label_values(&["failed"]).inc();
                    // It may lead to a primary that is none any more, and stay open for ever.
                    self.session = None;
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "nothing was stored; trying again"
                    );
                    if shutdown.is_cancelled() {
                        if let Err(error) = self.consumer.release(claim).await {
                            tracing::warn!(%error, "a claim is left to be rescued");
                        }
                        return;
                    }
                    pause.wait(shutdown).await;
                    if let Err(error) = self.consumer.renew(claim).await {
                        tracing::warn!(%error, "a claim was not renewed");
                    }
                }
            }
        }
        let messages = envelopes.iter().map(|envelope| u64::from(envelope.messages)).sum();
        let mut pause = Pause::default();
        while let Err(error) = self.consumer.ack(claim, messages).await {
            tracing::warn!(%error, "what was stored is not acknowledged; trying again");
            if shutdown.is_cancelled() {
                // Rescued later, and known to be stored.
                return;
            }
            pause.wait(shutdown).await;
        }
    }

    /// Stores `envelopes`, all of them: how many were there already.
    async fn store(&mut self, claim: &Claim, envelopes: &[Envelope]) -> anyhow::Result<u64> {
        if self.session.as_ref().is_none_or(Session::is_closed) {
            self.session = Some(Session::open(&self.database_url).await?);
        }
        let Some(session) = &mut self.session else {
            anyhow::bail!("no connection");
        };
        let consumer = &mut self.consumer;
        let stored = match renewing(consumer, claim, store(session, envelopes, self.slot)).await? {
            Err(error) if db::is_bad_data(&error) => {
                let mut all = Stored::default();
                for envelope in envelopes {
                    let one = store_bisected(session, envelope, self.slot);
                    let one = renewing(consumer, claim, one).await??;
                    all.repeated += one.repeated;
                }
                all
            }
            result => result?,
        };
        self.metrics.transactions.with_label_values(&["committed"]).inc();
        Ok(stored.repeated)
    }
}

/// Awaits `storing`, and keeps the claim alive meanwhile. The outer error is PostgreSQL's silence.
async fn renewing<T>(
    consumer: &mut Consumer,
    claim: &Claim,
    storing: impl Future<Output = Result<T, db::Error>>,
) -> anyhow::Result<Result<T, db::Error>> {
    let mut storing = std::pin::pin!(timeout(SILENCE, storing));
    let mut renewal = interval(CLAIM_RENEWAL);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renewal.reset();
    loop {
        tokio::select! {
            result = &mut storing => return result.context("PostgreSQL does not answer"),
            _ = renewal.tick() => {
                if let Err(error) = consumer.renew(claim).await {
                    tracing::warn!(%error, "a claim was not renewed");
                }
            }
        }
    }
}

/// A pause that grows with every use.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(RETRY_FIRST)
    }
}

impl Pause {
    async fn wait(&mut self, shutdown: &Shutdown) {
        tokio::select! {
            () = sleep(self.0) => {}
            () = shutdown.cancelled() => {}
        }
        self.0 = (self.0 * 2).min(RETRY_MOST);
    }
}

/// Seconds since `sealed_at`, in microseconds since 1970; 0 for none.
pub fn age_s(sealed_at: i64) -> i64 {
    if sealed_at == 0 { 0 } else { (Utc::now().timestamp_micros() - sealed_at).max(0) / 1_000_000 }
}
