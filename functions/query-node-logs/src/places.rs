//! Where to look for messages, by what is kept beside them.

use shared::{http, query::Query, row::node_id};

use crate::{Params, spans::Span};

/// How many types are asked for one by one; of more, messages of all types are looked at.
const MOST_TYPES: u8 = 8;
/// Characters of a type that are kept beside messages.
const KEPT_OF_TYPE: usize = 256;

/// Where the messages are that `Params` ask for.
pub struct Places {
    /// Their types; `None` stands for all.
    pub types: Vec<Option<String>>,
    /// As much of the types as is kept beside messages; `None` stands for all.
    pub kept_types: Option<Vec<String>>,
    /// The spans of time in which the node has messages of these types.
    pub spans: Vec<Span>,
}

impl Places {
    /// Finds out where to look.
    pub async fn find(query: &Query, params: &Params) -> http::Result<Self> {
        let types = match (&params.msg, &params.target) {
            (Some(msg), _) => vec![Some(msg.clone())],
            (None, Some(target)) => types_with(query, target).await?,
            (None, None) => vec![None],
        };
        let kept_types: Option<Vec<String>> = types
            .iter()
            .map(|msg| Some(msg.as_ref()?.chars().take(KEPT_OF_TYPE).collect()))
            .collect();
        let node = node_id(&params.peer_id);
        let spans = query.rows(include_str!("spans.sql"), &[&node, &kept_types]).await?;
        Ok(Self { types, kept_types, spans: spans.iter().map(Span::from).collect() })
    }
}

/// The types of the messages that may have this target.
async fn types_with(query: &Query, target: &str) -> http::Result<Vec<Option<String>>> {
    let one_too_many = i64::from(MOST_TYPES) + 1;
    let rows = query.rows(include_str!("types.sql"), &[&target, &one_too_many]).await?;
    let types: Vec<Option<String>> = rows.iter().map(|row| row.get("msg")).collect();
    let is_whole =
        |msg: &Option<String>| msg.as_ref().is_some_and(|msg| msg.chars().count() < KEPT_OF_TYPE);
    let are_few = types.len() <= usize::from(MOST_TYPES) && types.iter().all(is_whole);
    Ok(if are_few { types } else { vec![None] })
}
