//! What the functions have in common, one module a concept, in the order the data flows:
//! a [`message`] off the wire becomes a [`row`], rows travel in an [`envelope`] through the
//! [`queue`] to the [`db`], and are asked for over [`http`].

pub mod cache;
pub mod config;
pub mod db;
pub mod envelope;
pub mod http;
pub mod message;
pub mod metrics;
pub mod query;
pub mod queue;
pub mod reputation;
pub mod retention;
pub mod row;
pub mod service;
pub mod target;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;
pub mod tokens;
pub mod ws;
