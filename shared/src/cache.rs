//! The cache behind the live feed: Redis lists of what nodes sent lately, one for each key that
//! somebody watches, shared by all instances.
//!
//! Watchers [`want`](Cache::want) keys again and again and [`read`](Cache::read) them. One of
//! them, who [`lead`](Cache::lead)s, opens a list for each wanted key, appends what is stored, and
//! removes it when nobody wants it any more. A list that may lack something is opened anew, under
//! another generation.
//!
//! All keys carry one hash tag: `{<prefix>:cache}:wanted` (sorted set of keys by the time until
//! which they are wanted), `:leader` (who leads; expires), `:rows:<key>` (list of chunks: the time
//! of their making in milliseconds, a space, and what was appended) and `:state:<key>` (hash:
//! `generation`, `first`, which is the position of the list's first chunk, and `bytes`).

use redis::Script;
use serde_json::json;
use uuid::Uuid;

use crate::queue::{Connection, Error, Url, with_clock};

/// A leader that was not heard of for this long is replaced.
const LEAD_MS: u64 = 3_000;
/// A list that nobody writes or reads for this long is removed by Redis.
const LIST_MS: u64 = 600_000;
/// Bytes of a list, beyond which its oldest chunks go.
const MOST_BYTES: usize = 16 << 20;

/// Which messages: of a node, or of all, and of a type, or of all.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Key {
    /// The node's peer id; [`ALL`] for every node.
    pub peer_id: String,
    /// The type; [`ALL`] for every type.
    pub msg: String,
}

/// Every node, or every type.
pub const ALL: &str = "*";

impl Key {
    /// As it stands in Redis.
    fn name(&self) -> String {
        json!([self.peer_id, self.msg]).to_string()
    }

    fn from_name(name: &str) -> Option<Self> {
        let (peer_id, msg) = serde_json::from_str(name).ok()?;
        Some(Self { peer_id, msg })
    }
}

/// A place in a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Which list of the key.
    pub generation: Uuid,
    /// How many chunks were before, those that are gone included.
    pub position: u64,
}

/// What was read of a list.
#[derive(Debug)]
pub struct Read {
    /// The place of the first chunk.
    pub from: Place,
    /// The chunks from there on.
    pub chunks: Vec<Vec<u8>>,
}

impl Read {
    /// The place behind the last chunk.
    #[must_use]
    pub fn to(&self) -> Place {
        Place { position: self.from.position + self.chunks.len() as u64, ..self.from }
    }
}

/// Whether this instance may still write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lead {
    /// It leads.
    Kept,
    /// Another one does, and nothing was written.
    Lost,
}

impl From<bool> for Lead {
    fn from(kept: bool) -> Self {
        if kept { Self::Kept } else { Self::Lost }
    }
}

/// A connection to the cache.
pub struct Cache {
    connection: Connection,
    prefix: String,
    /// As whom it leads.
    name: String,
    scripts: Scripts,
}

struct Scripts {
    want: Script,
    wanted: Script,
    lead: Script,
    open: Script,
    append: Script,
    close: Script,
    read: Script,
}

impl Cache {
    /// A connection to the cache whose keys begin with `prefix`.
    #[must_use]
    pub fn new(url: &Url, prefix: &str) -> Self {
        let prefix = format!("{{{prefix}:cache}}:");
        Self {
            connection: Connection::new(url, &prefix),
            prefix,
            name: Uuid::now_v7().to_string(),
            scripts: Scripts::new(),
        }
    }

    /// Says that somebody wants these keys for so many seconds from now on.
    ///
    /// # Errors
    /// Redis did not answer, or refused. So it is with all that follows; to repeat a call does no
    /// harm, but for [`append`](Self::append).
    pub async fn want(&mut self, keys: &[Key], seconds: u64) -> Result<(), Error> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut call = self.scripts.want.key(self.key("wanted"));
        call.arg(seconds * 1000);
        for key in keys {
            call.arg(key.name());
        }
        self.connection.run(&call).await
    }

    /// What is wanted, and what is not wanted any more.
    ///
    /// # Errors
    /// See [`want`](Self::want).
    pub async fn wanted(&mut self) -> Result<(Vec<Key>, Vec<Key>), Error> {
        let call = self.scripts.wanted.key(self.key("wanted"));
        let (wanted, unwanted): (Vec<String>, Vec<String>) = self.connection.run(&call).await?;
        let keys =
            |names: Vec<String>| names.iter().filter_map(|name| Key::from_name(name)).collect();
        Ok((keys(wanted), keys(unwanted)))
    }

    /// Leads for some seconds from now on, if no other instance does.
    ///
    /// # Errors
    /// See [`want`](Self::want).
    pub async fn lead(&mut self) -> Result<Lead, Error> {
        let mut call = self.scripts.lead.key(self.key("leader"));
        call.arg(&self.name).arg(LEAD_MS);
        self.connection.run::<bool>(&call).await.map(Lead::from)
    }

    /// Lets another instance lead at once.
    ///
    /// # Errors
    /// See [`want`](Self::want).
    pub async fn resign(&mut self) -> Result<(), Error> {
        let mut call = self.scripts.lead.key(self.key("leader"));
        call.arg(&self.name).arg(1);
        self.connection.run::<bool>(&call).await.map(drop)
    }

    /// Opens a new list for `key`, with this chunk in it.
    ///
    /// # Errors
    /// See [`want`](Self::want).
    pub async fn open(&mut self, key: &Key, chunk: &[u8]) -> Result<Lead, Error> {
        let mut call = self.scripts.open.key(self.key("leader"));
        call.key(self.rows(key)).key(self.state(key));
        call.arg(&self.name).arg(Uuid::now_v7().to_string()).arg(chunk).arg(LIST_MS);
        self.connection.run::<bool>(&call).await.map(Lead::from)
    }

    /// Appends a chunk to each of these lists, where they are open, and removes chunks that are
    /// older than so many seconds.
    ///
    /// # Errors
    /// See [`want`](Self::want). What was written and what was not is not known then.
    pub async fn append(&mut self, chunks: &[(Key, Vec<u8>)], seconds: u64) -> Result<Lead, Error> {
        for (key, chunk) in chunks {
            let mut call = self.scripts.append.key(self.key("leader"));
            call.key(self.rows(key)).key(self.state(key));
            call.arg(&self.name).arg(chunk).arg(seconds * 1000).arg(MOST_BYTES).arg(LIST_MS);
            if !self.connection.run::<bool>(&call).await? {
                return Ok(Lead::Lost);
            }
        }
        Ok(Lead::Kept)
    }

    /// Removes these lists. Who still reads one waits until it is opened again.
    ///
    /// # Errors
    /// See [`want`](Self::want).
    pub async fn close(&mut self, keys: &[Key]) -> Result<(), Error> {
        for key in keys {
            let mut call = self.scripts.close.key(self.rows(key));
            call.key(self.state(key));
            self.connection.run::<()>(&call).await?;
        }
        Ok(())
    }

    /// What is in the lists of these keys behind these places, or from their beginning on where
    /// there is none or they have been opened anew; nothing for a list that is not open.
    ///
    /// # Errors
    /// See [`want`](Self::want).
    pub async fn read(
        &mut self,
        keys: &[(Key, Option<Place>)],
    ) -> Result<Vec<Option<Read>>, Error> {
        let mut reads = Vec::with_capacity(keys.len());
        for (key, place) in keys {
            let mut call = self.scripts.read.key(self.rows(key));
            call.key(self.state(key));
            let generation = place.map(|place| place.generation.to_string());
            call.arg(generation.unwrap_or_default());
            call.arg(place.map_or(0, |place| place.position)).arg(LIST_MS);
            let read: Option<(String, u64, Vec<Vec<u8>>)> = self.connection.run(&call).await?;
            reads.push(read.and_then(|(generation, position, chunks)| {
                let generation = generation.parse().ok()?;
                Some(Read { from: Place { generation, position }, chunks })
            }));
        }
        Ok(reads)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn rows(&self, key: &Key) -> String {
        format!("{}rows:{}", self.prefix, key.name())
    }

    fn state(&self, key: &Key) -> String {
        format!("{}state:{}", self.prefix, key.name())
    }
}

impl Scripts {
    fn new() -> Self {
        Self {
            want: with_clock(
                "for index = 2, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[index]) end",
            ),
            wanted: with_clock(
                "local unwanted = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
                 redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
                 return {redis.call('ZRANGE', KEYS[1], 0, -1), unwanted}",
            ),
            lead: Script::new(
                "local leader = redis.call('GET', KEYS[1])
                 if leader and leader ~= ARGV[1] then return 0 end
                 redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
                 return 1",
            ),
            open: with_clock(
                "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
                 local chunk = string.format('%.0f ', now) .. ARGV[3]
                 redis.call('DEL', KEYS[2])
                 redis.call('RPUSH', KEYS[2], chunk)
                 redis.call('HSET', KEYS[3], 'generation', ARGV[2], 'first', 0, 'bytes', #chunk)
                 redis.call('PEXPIRE', KEYS[2], ARGV[4])
                 redis.call('PEXPIRE', KEYS[3], ARGV[4])
                 return 1",
            ),
            append: with_clock(
                "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
                 if redis.call('EXISTS', KEYS[3]) == 0 then return 1 end
                 local chunk = string.format('%.0f ', now) .. ARGV[2]
                 redis.call('RPUSH', KEYS[2], chunk)
                 local bytes, gone = redis.call('HINCRBY', KEYS[3], 'bytes', #chunk), 0
                 while true do
                     local oldest = redis.call('LINDEX', KEYS[2], gone)
                     local made = tonumber(string.match(oldest, '^%d+'))
                     if bytes <= tonumber(ARGV[4]) and made >= now - ARGV[3] then break end
                     bytes, gone = bytes - #oldest, gone + 1
                     if gone + 1 == redis.call('LLEN', KEYS[2]) then break end
                 end
                 if gone > 0 then
                     redis.call('LTRIM', KEYS[2], gone, -1)
                     redis.call('HINCRBY', KEYS[3], 'first', gone)
                     redis.call('HSET', KEYS[3], 'bytes', bytes)
                 end
                 redis.call('PEXPIRE', KEYS[2], ARGV[5])
                 redis.call('PEXPIRE', KEYS[3], ARGV[5])
                 return 1",
            ),
            close: Script::new("redis.call('UNLINK', KEYS[1], KEYS[2])"),
            read: Script::new(
                "local generation, first = unpack(redis.call('HMGET', KEYS[2], 'generation', 'first'))
                 if not generation then return false end
                 redis.call('PEXPIRE', KEYS[1], ARGV[3])
                 redis.call('PEXPIRE', KEYS[2], ARGV[3])
                 local from = 0
                 if generation == ARGV[1] then from = math.max(ARGV[2] - first, 0) end
                 return {generation, first + from, redis.call('LRANGE', KEYS[1], from, -1)}",
            ),
        }
    }
}

/// A chunk as it was given to [`Cache::append`].
#[must_use]
pub fn content(chunk: &[u8]) -> &[u8] {
    let space = chunk.iter().position(|byte| *byte == b' ');
    space.map_or(chunk, |space| &chunk[space + 1..])
}
