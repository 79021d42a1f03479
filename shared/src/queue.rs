//! The queue between ws-ingest and batch-flush: Redis lists of envelopes behind verbs.
//!
//! A producer [`push`](Producer::push)es; a consumer [`claim`](Consumer::claim)s, stores, and
//! [`ack`](Consumer::ack)nowledges after its commit. What a consumer claimed and never
//! acknowledged is [`rescue`](Consumer::rescue)d by another once its claim has expired.
//!
//! While somebody [`follow`](Follower::follow)s, what was acknowledged is kept for them.
//!
//! Redis is one server or a Cluster, which shows when it is asked. A failover that loses nothing
//! harms nobody: what is pushed, claimed or acknowledged again is known by its ids. A master that
//! dies takes with it what its replica had not got yet; of an acknowledgement that was lost in
//! that way an envelope comes again, and is known.
//!
//! All keys of a shard carry one hash tag, so that they share a slot of a Redis Cluster:
//! `{<prefix>:<shard>}:queue` (list), `:doorbell` (list of at most one element, which wakes a
//! waiting consumer), `:claim:<id>` (list), `:claims` (sorted set of claim ids by the time at
//! which they expire), `:order` (list of claim ids in the order in which they were claimed),
//! `:size` (hash of bytes and messages in the queue and in claims) and `:unreadable` (list);
//! for who follows see [`Follower`].

mod connection;
mod follower;
mod servers;

use std::{
    num::NonZeroU16,
    ops::Range,
    time::{Duration, Instant},
};

use bytes::Bytes;
use redis::Script;
use uuid::Uuid;

pub(crate) use self::connection::{Connection, with_clock};
use self::servers::WAIT;
pub use self::{
    follower::{Followed, Follower, Mark},
    servers::Url,
};
use crate::envelope::Sealed;

/// What went wrong in Redis or on the way to it.
pub type Error = redis::RedisError;

/// A claim that was not renewed for this long is another consumer's to rescue.
const CLAIM_EXPIRY_MS: u64 = 15_000;
/// How often a consumer should renew its claim while it stores.
pub const CLAIM_RENEWAL: Duration = Duration::from_secs(5);
/// Envelopes claimed at once, which share a transaction.
const CLAIM_MOST: usize = 32;
/// Ids of connections reserved at once.
pub const ID_BLOCK: u32 = 16_384;
/// Ids of rows reserved at once.
const ROW_ID_BLOCK: u32 = 65_536;
/// Ids that were reserved longer ago are not given to rows any more: a node that comes back, 10 s
/// later at the earliest, then gets greater ids than before, whichever process it comes to.
const ROW_ID_AGE: Duration = Duration::from_secs(5);
/// What was acknowledged waits for followers within these bounds, a shard; then they are left behind. So many bytes may
/// be ten times as many, unpacked, and a follower unpacks them at once.
const FOLLOWED_BYTES: usize = 16 << 20;
const FOLLOWED_S: usize = 60;

/// The default of `QUEUE_PREFIX`, with which all keys begin.
#[must_use]
pub fn default_prefix() -> String {
    "tetcore".to_owned()
}

/// The default of `QUEUE_SHARDS`, of which producers and consumers must have the same number.
#[must_use]
pub fn default_shards() -> NonZeroU16 {
    NonZeroU16::MIN
}

/// The keys of one shard.
struct Keys {
    queue: String,
    doorbell: String,
    claims: String,
    claim: String,
    order: String,
    size: String,
    unreadable: String,
    acked: String,
    acked_order: String,
    follower: String,
}

impl Keys {
    fn new(prefix: &str, shard: u16) -> Self {
        let key = |name: &str| format!("{{{prefix}:{shard}}}:{name}");
        Self {
            queue: key("queue"),
            doorbell: key("doorbell"),
            claims: key("claims"),
            claim: key("claim:"),
            order: key("order"),
            size: key("size"),
            unreadable: key("unreadable"),
            acked: key("acked:"),
            acked_order: key("acked-order"),
            follower: key("follower"),
        }
    }

    fn claim(&self, id: &str) -> String {
        format!("{}{id}", self.claim)
    }

    fn acked(&self, id: &str) -> String {
        format!("{}{id}", self.acked)
    }
}

/// ws-ingest's end of one shard.
pub struct Producer {
    connection: Connection,
    keys: Keys,
    ids: String,
    /// To where ids are, since all shards share them.
    ids_connection: Connection,
    most_bytes: u64,
    /// Bytes in the shard after the last push.
    bytes: u64,
    reserve: Script,
    /// For rows, reserved at this moment.
    row_ids: (Range<i64>, Instant),
}

/// What became of a push.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pushed {
    /// The envelope is in the queue.
    Queued,
    /// The shard holds as much as it may; nothing was added.
    Full,
}

impl Producer {
    /// A producer for `shard`, which holds at most `most_bytes`, and what producers push at the
    /// same moment.
    #[must_use]
    pub fn new(url: &Url, prefix: &str, shard: u16, most_bytes: u64) -> Self {
        let keys = Keys::new(prefix, shard);
        let ids = format!("{{{prefix}}}:ids");
        Self {
            connection: Connection::new(url, &keys.queue),
            keys,
            ids_connection: Connection::new(url, &ids),
            ids,
            most_bytes,
            bytes: 0,
            // Ids follow the clock, so that a Redis that lost its memory does not repeat one;
            // 4,096 to a millisecond since 2024 stay below 2^53, which readers of JSON hold
            // exactly, until 2093.
            reserve: with_clock(
                "local since = (now - 1704067200000) * 4096
                 local first = math.max(since, tonumber(redis.call('GET', KEYS[1]) or '0'))
                 redis.call('SET', KEYS[1], string.format('%.0f', first + ARGV[1]))
                 return first",
            ),
            row_ids: (0..0, Instant::now()),
        }
    }

    /// Numbers the rows of `envelope`, packs it, and appends it to the queue. After an error it may be in the queue all
    /// the same; pushing it again does no harm, since its id is stored once.
    ///
    /// # Errors
    /// Redis did not answer, or refused.
    pub async fn push(&mut self, envelope: &mut Sealed) -> Result<Pushed, Error> {
        if !envelope.is_packed() {
            let first_id = match envelope.messages {
                0 => 0,
                rows => self.row_ids(rows).await?,
            };
            envelope.pack(first_id);
        }
        let length = envelope.bytes.len() as u64;
        let connection = self.connection.get().await?;
        if self.bytes + length > self.most_bytes {
            let result =
                redis::cmd("HGET").arg(&self.keys.size).arg("bytes").query_async(connection).await;
            let bytes: Option<u64> = self.connection.checked(result)?;
            self.bytes = bytes.unwrap_or(0);
            if self.bytes > 0 && self.bytes + length > self.most_bytes {
                return Ok(Pushed::Full);
            }
        }
        // A transaction rather than a script, which would copy the envelope into Lua's memory:
        // Redis took 1.3 s for a million messages that way, and 0.4 s this way.
        let mut push = redis::pipe();
        push.atomic()
            .cmd("RPUSH")
            .arg(&self.keys.queue)
            .arg(&envelope.bytes[..])
            .ignore()
            .cmd("HINCRBY")
            .arg(&self.keys.size)
            .arg("bytes")
            .arg(length)
            .cmd("HINCRBY")
            .arg(&self.keys.size)
            .arg("messages")
            .arg(envelope.messages)
            .ignore()
            .cmd("RPUSH")
            .arg(&self.keys.doorbell)
            .arg(1)
            .ignore()
            .cmd("LTRIM")
            .arg(&self.keys.doorbell)
            .arg(0)
            .arg(0)
            .ignore();
        let connection = self.connection.get().await?;
        let result = push.query_async::<(i64,)>(connection).await;
        let (bytes,) = self.connection.checked(result)?;
        self.bytes = u64::try_from(bytes).unwrap_or(0);
        Ok(Pushed::Queued)
    }

    /// The first of so many ids for rows, greater than all that were given before.
    async fn row_ids(&mut self, rows: u32) -> Result<i64, Error> {
        let wanted = i64::from(rows);
        let (ids, reserved_at) = &self.row_ids;
        if ids.end - ids.start < wanted || reserved_at.elapsed() > ROW_ID_AGE {
            let block = rows.max(ROW_ID_BLOCK);
            let first = self.reserve_ids(block).await?;
            self.row_ids = (first..first + i64::from(block), Instant::now());
        }
        let first = self.row_ids.0.start;
        self.row_ids.0.start += wanted;
        Ok(first)
    }

    /// Reserves `count` ids that nobody else gets: the first of them.
    ///
    /// # Errors
    /// Redis did not answer, or refused.
    pub async fn reserve_ids(&mut self, count: u32) -> Result<i64, Error> {
        let mut call = self.reserve.key(&self.ids);
        call.arg(count);
        self.ids_connection.run(&call).await
    }
}

/// batch-flush's end of one shard.
pub struct Consumer {
    connection: Connection,
    keys: Keys,
    /// A claim of which it is not known whether Redis made it.
    unsure: Option<String>,
    ack: Script,
    expired: Script,
    rescue: Script,
}

/// What a consumer took from the queue, under an id that is used once: what a command that was
/// believed lost moves after all, late, is a claim of its own, and rescued.
#[derive(Debug)]
pub struct Claim {
    id: String,
    /// The elements, oldest first.
    pub elements: Vec<Bytes>,
}

impl Claim {
    /// Whether nothing was waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }
}

/// How much waits in a shard, claimed envelopes included.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// Bytes of envelopes.
    pub bytes: i64,
    /// Messages to be stored.
    pub messages: i64,
}

impl Consumer {
    /// A consumer of `shard`.
    #[must_use]
    pub fn new(url: &Url, prefix: &str, shard: u16) -> Self {
        let keys = Keys::new(prefix, shard);
        Self {
            connection: Connection::new(url, &keys.queue),
            keys,
            unsure: None,
            ack: Script::new(
                // Those that were claimed before and are not stored yet go with it, since followers
                // see what is stored in the order of claims. `-ARGV[2]` would turn 0 into -0,
                // which Redis refuses.
                "redis.call('ZREM', KEYS[3], ARGV[1])
                 local group = ARGV[1] .. ' ' .. ARGV[2]
                 for _, id in ipairs(redis.call('LRANGE', KEYS[4], 0, -1)) do
                     if id == ARGV[1] then break end
                     group = group .. ' ' .. id
                 end
                 redis.call('LREM', KEYS[4], 1, ARGV[1])
                 if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
                 if redis.call('EXISTS', KEYS[5]) == 0 then
                     redis.call('UNLINK', KEYS[1])
                 else
                     local waiting = ARGV[2] + 0
                     for _, other in ipairs(redis.call('LRANGE', KEYS[6], 0, -1)) do
                         waiting = waiting + string.match(other, ' (%d+)')
                     end
                     if waiting > tonumber(ARGV[4]) then
                         redis.call('UNLINK', KEYS[1], KEYS[5])
                     else
                         redis.call('RENAME', KEYS[1], KEYS[7])
                         redis.call('EXPIRE', KEYS[7], ARGV[5])
                         redis.call('RPUSH', KEYS[6], group)
                         redis.call('EXPIRE', KEYS[6], ARGV[5])
                     end
                 end
                 redis.call('HINCRBY', KEYS[2], 'bytes', 0 - ARGV[2])
                 redis.call('HINCRBY', KEYS[2], 'messages', 0 - ARGV[3])
                 return 1",
            ),
            expired: with_clock("return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)"),
            rescue: with_clock(
                "local expires = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0')
                 if ARGV[2] == 'expired' and expires > now then return 0 end
                 redis.call('ZREM', KEYS[1], ARGV[1])
                 redis.call('LREM', KEYS[4], 1, ARGV[1])
                 local moved = redis.call('LLEN', KEYS[2])
                 for _ = 1, moved do redis.call('LMOVE', KEYS[2], KEYS[3], 'RIGHT', 'LEFT') end
                 return moved",
            ),
        }
    }

    /// Listens for the doorbell, for a second at most.
    ///
    /// # Errors
    /// Redis did not answer, or refused.
    pub async fn wait(&mut self) -> Result<(), Error> {
        let connection = self.connection.get().await?;
        let result = redis::cmd("BLPOP")
            .arg(&self.keys.doorbell)
            .arg(WAIT.as_secs_f64())
            .query_async(connection)
            .await;
        self.connection.checked(result)
    }

    /// Takes what waits, some 32 envelopes at most; none where nothing waits.
    ///
    /// # Errors
    /// Redis did not answer, or refused. What it moved all the same is given back at the next
    /// call, or rescued.
    pub async fn claim(&mut self) -> Result<Claim, Error> {
        if let Some(id) = self.unsure.clone() {
            self.give_back(&id, "now").await?;
            self.unsure = None;
        }
        let connection = self.connection.get().await?;
        let result =
            redis::cmd("LLEN").arg(&self.keys.queue).query_async::<usize>(connection).await;
        let waiting = self.connection.checked(result)?;
        let id = Uuid::now_v7().to_string();
        if waiting == 0 {
            return Ok(Claim { id, elements: Vec::new() });
        }
        // One transaction: a claim that moved something is always registered.
        let expiry = self.connection.now_ms().await? + CLAIM_EXPIRY_MS;
        let claim = self.keys.claim(&id);
        let mut call = redis::pipe();
        call.atomic().cmd("ZADD").arg(&self.keys.claims).arg(expiry).arg(&id).ignore();
        call.cmd("RPUSH").arg(&self.keys.order).arg(&id).ignore();
        for _ in 0..CLAIM_MOST {
            call.cmd("LMOVE").arg(&self.keys.queue).arg(&claim).arg("LEFT").arg("RIGHT");
        }
        let connection = self.connection.get().await?;
        let result = call.query_async::<Vec<Option<Vec<u8>>>>(connection).await;
        if result.is_err() {
            self.unsure = Some(id.clone());
        }
        let elements: Vec<Bytes> =
            self.connection.checked(result)?.into_iter().flatten().map(Bytes::from).collect();
        let claim = Claim { id, elements };
        if claim.is_empty() {
            // Another consumer was faster.
            self.release(&claim).await?;
        }
        Ok(claim)
    }

    /// Keeps a claim from being rescued for some seconds more.
    ///
    /// # Errors
    /// Redis did not answer, or refused.
    pub async fn renew(&mut self, claim: &Claim) -> Result<(), Error> {
        let expiry = self.connection.now_ms().await? + CLAIM_EXPIRY_MS;
        let connection = self.connection.get().await?;
        let result = redis::cmd("ZADD")
            .arg(&self.keys.claims)
            .arg("XX")
            .arg(expiry)
            .arg(&claim.id)
            .query_async(connection)
            .await;
        self.connection.checked(result)
    }

    /// Drops a claim whose `messages` are stored. Nothing happens where it was rescued
    /// meanwhile.
    ///
    /// # Errors
    /// Redis did not answer, or refused; calling it again does no harm.
    pub async fn ack(&mut self, claim: &Claim, messages: u64) -> Result<(), Error> {
        let bytes: usize = claim.elements.iter().map(Bytes::len).sum();
        let mut call = self.ack.key(self.keys.claim(&claim.id));
        call.key(&self.keys.size).key(&self.keys.claims).key(&self.keys.order);
        call.key(&self.keys.follower).key(&self.keys.acked_order).key(self.keys.acked(&claim.id));
        call.arg(&claim.id).arg(bytes).arg(messages).arg(FOLLOWED_BYTES).arg(FOLLOWED_S);
        self.connection.run(&call).await
    }

    /// Puts a claim back to the front of the queue, in its order.
    ///
    /// # Errors
    /// Redis did not answer, or refused; calling it again does no harm.
    pub async fn release(&mut self, claim: &Claim) -> Result<(), Error> {
        self.give_back(&claim.id, "now").await.map(drop)
    }

    /// Puts back the claims of consumers that are gone: how many claims.
    ///
    /// # Errors
    /// Redis did not answer, or refused.
    pub async fn rescue(&mut self) -> Result<u64, Error> {
        let call = self.expired.key(&self.keys.claims);
        let expired: Vec<String> = self.connection.run(&call).await?;
        let mut rescued = 0;
        for id in expired {
            rescued += u64::from(self.give_back(&id, "expired").await? > 0);
        }
        Ok(rescued)
    }

    /// The number of envelopes put back.
    async fn give_back(&mut self, id: &str, when: &str) -> Result<u64, Error> {
        let mut call = self.rescue.key(&self.keys.claims);
        call.key(self.keys.claim(id)).key(&self.keys.queue).key(&self.keys.order).arg(id).arg(when);
        self.connection.run(&call).await
    }

    /// Sets an element aside that is no envelope, so that it neither stops the queue nor is lost.
    ///
    /// # Errors
    /// Redis did not answer, or refused.
    pub async fn set_aside(&mut self, element: &Bytes) -> Result<(), Error> {
        let connection = self.connection.get().await?;
        let result = redis::cmd("RPUSH")
            .arg(&self.keys.unreadable)
            .arg(&element[..])
            .query_async(connection)
            .await;
        self.connection.checked(result)
    }

    /// The element that has waited longest, claimed ones left out.
    ///
    /// # Errors
    /// Redis did not answer, or refused.
    pub async fn oldest(&mut self) -> Result<Option<Bytes>, Error> {
        let connection = self.connection.get().await?;
        let result = redis::cmd("LINDEX")
            .arg(&self.keys.queue)
            .arg(0)
            .query_async::<Option<Vec<u8>>>(connection)
            .await;
        Ok(self.connection.checked(result)?.map(Bytes::from))
    }

    /// How much waits in the shard.
    ///
    /// # Errors
    /// Redis did not answer, or refused.
    pub async fn size(&mut self) -> Result<Size, Error> {
        let connection = self.connection.get().await?;
        let result = redis::cmd("HMGET")
            .arg(&self.keys.size)
            .arg("bytes")
            .arg("messages")
            .query_async::<(Option<i64>, Option<i64>)>(connection)
            .await;
        let (bytes, messages) = self.connection.checked(result)?;
        Ok(Size { bytes: bytes.unwrap_or(0), messages: messages.unwrap_or(0) })
    }
}
