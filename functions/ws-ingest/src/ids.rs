//! Ids of peer connections, reserved from Redis in blocks ahead of their use.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use shared::queue::{ID_BLOCK, Producer};
use tokio::{sync::Notify, time::sleep};

/// Pause before Redis is asked again.
const RETRY: Duration = Duration::from_millis(250);

/// Ids in stock.
#[derive(Default)]
pub struct Ids {
    stock: Mutex<Stock>,
    wanted: Notify,
    arrived: Notify,
}

#[derive(Default)]
struct Stock {
    open: Range<i64>,
    next: Range<i64>,
}

impl Ids {
    /// An id that nobody else has or will have; none while Redis has been away for some 16,000
    /// connections.
    pub fn take(&self) -> Option<i64> {
        let mut stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        let id = stock.open.next().or_else(|| {
            stock.open = std::mem::take(&mut stock.next);
            stock.open.next()
        });
        if stock.next.is_empty() {
            self.wanted.notify_one();
        }
        id
    }

    /// Whether there is one.
    pub fn are_in_stock(&self) -> bool {
        let stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        !(stock.open.is_empty() && stock.next.is_empty())
    }

    /// Waits until there is one.
    pub async fn arrive(&self) {
        loop {
            let arrived = self.arrived.notified();
            if self.are_in_stock() {
                return;
            }
            arrived.await;
        }
    }

    /// Keeps the stock filled, for ever.
    pub async fn reserve(&self, mut producer: Producer) {
        loop {
            match producer.reserve_ids(ID_BLOCK).await {
                Ok(first) => {
                    let block = first..first + i64::from(ID_BLOCK);
                    self.stock.lock().unwrap_or_else(PoisonError::into_inner).next = block;
                    self.arrived.notify_waiters();
                    self.wanted.notified().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "no ids can be reserved");
                    sleep(RETRY).await;
                }
            }
        }
    }
}
