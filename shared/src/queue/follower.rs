//! Following what consumers acknowledge.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use redis::Script;

use super::{Connection, Error, Keys, Url};

/// Consumers keep what they acknowledge while somebody followed within this time.
const FOLLOWING_MS: u64 = 10_000;

/// Who follows one shard: sees every envelope that was acknowledged, in the order in which they
/// were pushed, as long as no consumer died with a claim.
///
/// There may be one at a time; another goes on where it ended. The shard's keys for it are
/// `:follower` (which Redis process it follows; expires), `:acked:<claim id>` (lists of envelopes,
/// what a claim was before) and `:acked-order` (list of acknowledged claims: id, bytes, and the
/// ids of those claimed before that were not acknowledged yet).
pub struct Follower {
    connection: Connection,
    keys: Keys,
    /// Acknowledged and not done with, as in `:acked-order`.
    groups: VecDeque<Group>,
    /// Claims that are not acknowledged.
    open: HashSet<String>,
    read: Script,
    drop: Script,
}

/// An acknowledged claim.
#[derive(Debug)]
struct Group {
    id: String,
    /// Claims before it that were not acknowledged yet.
    before: Vec<String>,
    elements: Vec<Bytes>,
}

/// What a step brought.
#[derive(Debug, Default)]
pub struct Followed {
    /// Something may have been missed: nobody followed for a while or was fast enough, or Redis
    /// has been restarted. Following begins anew.
    pub is_gap: bool,
    /// The elements that are next, the same again until they are [`done`](Follower::done) with.
    pub elements: Vec<Bytes>,
    groups: usize,
}

/// Everything that was claimed and not passed on at one moment.
#[derive(Debug)]
pub struct Mark(HashSet<String>);

impl Follower {
    /// A follower of `shard`.
    #[must_use]
    pub fn new(url: &Url, prefix: &str, shard: u16) -> Self {
        let keys = Keys::new(prefix, shard);
        Self {
            connection: Connection::new(url, &keys.follower),
            keys,
            groups: VecDeque::new(),
            open: HashSet::new(),
            read: Script::new(
                "local process = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
                 local known = redis.call('GET', KEYS[1])
                 redis.call('SET', KEYS[1], process, 'PX', ARGV[1])
                 if known ~= process then
                     redis.call('DEL', KEYS[2])
                     return {1, {}, redis.call('LRANGE', KEYS[3], 0, -1)}
                 end
                 return {0, redis.call('LRANGE', KEYS[2], ARGV[2], -1), redis.call('LRANGE', KEYS[3], 0, -1)}",
            ),
            drop: Script::new(
                "redis.call('LTRIM', KEYS[1], #KEYS - 1, -1)
                 for index = 2, #KEYS do redis.call('UNLINK', KEYS[index]) end",
            ),
        }
    }

    /// Looks for what was acknowledged since.
    ///
    /// # Errors
    /// Redis did not answer, or refused; calling it again does no harm.
    pub async fn follow(&mut self) -> Result<Followed, Error> {
        let mut call = self.read.key(&self.keys.follower);
        call.key(&self.keys.acked_order).key(&self.keys.order);
        call.arg(FOLLOWING_MS).arg(self.groups.len());
        let (is_gap, names, open): (bool, Vec<String>, Vec<String>) =
            self.connection.run(&call).await?;
        self.open = open.into_iter().collect();
        if is_gap {
            self.groups.clear();
        }
        let mut groups = Vec::with_capacity(names.len());
        let mut fetch = redis::pipe();
        for name in &names {
            let mut words = name.split(' ').map(str::to_owned);
            let id = words.next().unwrap_or_default();
            fetch.lrange(self.keys.acked(&id), 0, -1);
            groups.push(Group { id, before: words.skip(1).collect(), elements: Vec::new() });
        }
        if !groups.is_empty() {
            let connection = self.connection.get().await?;
            let result = fetch.query_async::<Vec<Vec<Vec<u8>>>>(connection).await;
            for (group, elements) in groups.iter_mut().zip(self.connection.checked(result)?) {
                group.elements = elements.into_iter().map(Bytes::from).collect();
            }
        }
        let has_expired = groups.iter().any(|group| group.elements.is_empty());
        self.groups.extend(groups);
        let next = self.next();
        Ok(Followed {
            is_gap: is_gap || has_expired,
            elements: next.iter().flat_map(|group| group.elements.iter().cloned()).collect(),
            groups: next.len(),
        })
    }

    /// The groups that come next, up to the first that another one must precede.
    fn next(&self) -> Vec<&Group> {
        let mut end = self.groups.len();
        loop {
            // One that has to wait makes wait those that must follow it.
            let later: HashSet<&str> =
                self.groups.range(end..).map(|group| group.id.as_str()).collect();
            let waits = |group: &Group| {
                group.before.iter().any(|id| self.open.contains(id) || later.contains(id.as_str()))
            };
            match self.groups.range(..end).position(waits) {
                Some(first) => end = first,
                None => break,
            }
        }
        let mut next: Vec<&Group> = Vec::new();
        for group in self.groups.range(..end) {
            let place = next.iter().position(|later| later.before.contains(&group.id));
            next.insert(place.unwrap_or(next.len()), group);
        }
        next
    }

    /// Ends the step: what it brought is not needed any more.
    ///
    /// # Errors
    /// Redis did not answer, or refused. The same elements may come again then.
    pub async fn done(&mut self, followed: &Followed) -> Result<(), Error> {
        if followed.groups == 0 {
            return Ok(());
        }
        let done = self.groups.drain(..followed.groups.min(self.groups.len()));
        let mut call = self.drop.key(&self.keys.acked_order);
        for group in done {
            call.key(self.keys.acked(&group.id));
        }
        let result = self.connection.run(&call).await;
        if result.is_err() {
            // Whether they are gone is not known: all is read anew.
            self.groups.clear();
        }
        result
    }

    /// Begins anew: what was not done with comes again.
    pub fn forget(&mut self) {
        self.groups.clear();
        self.open.clear();
    }

    /// What is under way since the last step: claimed, or acknowledged and not done with.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let groups = self.groups.iter().map(|group| group.id.clone());
        Mark(groups.chain(self.open.iter().cloned()).collect())
    }

    /// Whether everything that was under way at the mark has been passed on, or given back.
    #[must_use]
    pub fn is_past(&self, Mark(ids): &Mark) -> bool {
        let is_under_way =
            |id| self.open.contains(id) || self.groups.iter().any(|group| group.id == *id);
        !ids.iter().any(is_under_way)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn follower(open: &[&str], groups: &[(&str, &[&str])]) -> Vec<String> {
        let url = "redis://localhost".parse::<Url>().unwrap();
        let mut follower = Follower::new(&url, "test", 0);
        follower.open = open.iter().map(|id| (*id).to_owned()).collect();
        follower.groups = groups
            .iter()
            .map(|(id, before)| Group {
                id: (*id).to_owned(),
                before: before.iter().map(|id| (*id).to_owned()).collect(),
                elements: Vec::new(),
            })
            .collect();
        follower.next().into_iter().map(|group| group.id.clone()).collect()
    }

    #[test]
    fn groups_come_in_the_order_of_claims() {
        assert_eq!(follower(&[], &[("a", &[]), ("b", &[])]), ["a", "b"]);
        // b and c were stored before a, which was claimed before them.
        assert_eq!(follower(&["a"], &[("b", &["a"]), ("c", &["a"])]), Vec::<String>::new());
        let stored = [("c", &["a", "b"][..]), ("b", &["a"]), ("a", &[])];
        assert_eq!(follower(&["d"], &stored), ["a", "b", "c"]);
        // c waits for d, and so do those before which a, stored last, was claimed.
        let stored = [("b", &["a"][..]), ("c", &["a", "d"]), ("a", &[])];
        assert_eq!(follower(&["d"], &stored), Vec::<String>::new());
        assert_eq!(follower(&[], &stored), ["a", "b", "c"]);
        let stored = [("e", &[][..]), ("b", &["a"]), ("c", &["a", "d"]), ("a", &[])];
        assert_eq!(follower(&["d"], &stored), ["e"]);
        // What was given back is waited for no longer.
        assert_eq!(follower(&["d"], &[("c", &["a"])]), ["c"]);
        assert_eq!(follower(&["b"], &[("a", &[]), ("c", &["b"])]), ["a"]);
    }
}
