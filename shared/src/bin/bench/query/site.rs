//! The query functions on a database, asked over HTTP by one client.

use std::{collections::BTreeMap, time::Instant};

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use serde::de::IgnoredAny;
use shared::testing::{Answer, Database, Function};
use tokio::net::TcpStream;

use super::{history::History, question::Question};
use crate::{cold_start::role, figure::percentile};

/// To a question: each is of another node, where it is of a node at all.
pub(crate) const REQUESTS: u64 = 220;
/// The first of them do not count.
const WARM_UP: u64 = 20;
/// MAX_RESPONSE_BYTES without the largest row there is: a page that ends early is not smaller.
const FULL: usize = 1_000_000 - 50_000;

/// An answer of this size is compressed if that is asked for; the last page may be smaller.
const LARGE: usize = 100_000;

/// What an answer takes, in milliseconds.
pub(crate) struct Times {
    pub(crate) median: f64,
    pub(crate) p99: f64,
}

/// The functions by their names.
pub(crate) struct Site(BTreeMap<&'static str, Function>);

impl Site {
    /// Starts the functions that the questions are for.
    pub(crate) fn start(database: &Database, questions: &[Question]) -> Self {
        let mut functions = BTreeMap::new();
        for Question { function: name, .. } in questions {
            functions.entry(*name).or_insert_with(|| {
                Function::start(name, &[("DATABASE_URL", &database.url(role(name)))])
            });
        }
        Self(functions)
    }

    /// Follows the question through all its pages, and counts their rows.
    pub(crate) async fn walk(&self, question: &Question, history: &History) -> Result<()> {
        let (mut rows, expected) = (0, (question.all)(history));
        let mut connection = self.connect(question).await?;
        let mut next = Some(history.about(question.path, 0)?);
        while let Some(path) = next {
            let answer = connection.get(&path).await?;
            rows += count(&answer)?;
            next = answer.next();
        }
        anyhow::ensure!(rows == expected, "{rows} rows, not {expected}: {}", question.name());
        Ok(())
    }

    /// Asks again and again, from the node `first` on.
    pub(crate) async fn measure(
        &self,
        question: &Question,
        history: &History,
        first: u64,
    ) -> Result<Times> {
        let expected = question.rows(history);
        let mut connection = self.connect(question).await?;
        let mut milliseconds = Vec::new();
        for request in 0..REQUESTS {
            let path = history.about(question.path, first + request)?;
            let start = Instant::now();
            let answer = connection.get(&path).await?;
            if request >= WARM_UP {
                milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
            }
            let (rows, size) = (count(&answer)?, body(&answer).len());
            let full = rows < expected && size > FULL && answer.next().is_some();
            anyhow::ensure!(
                rows == expected || full,
                "{rows} rows, not {expected}, in {size} bytes: {path}"
            );
        }
        Ok(Times {
            median: percentile(milliseconds.clone(), 0.5),
            p99: percentile(milliseconds, 0.99),
        })
    }

    async fn connect(&self, question: &Question) -> Result<Connection> {
        let function = self.0.get(question.function).context("no such function")?;
        let stream = TcpStream::connect(function.address()).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Connection { sender, gzip: question.gzip })
    }
}

/// A connection that is kept for one question: an idle one would be closed.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    gzip: bool,
}

impl Connection {
    async fn get(&mut self, path: &str) -> Result<Answer> {
        let mut request = Request::get(path).header(header::HOST, "localhost");
        if self.gzip {
            request = request.header(header::ACCEPT_ENCODING, "gzip");
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Empty::new())?).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        let answer = Answer { status: head.status, headers: head.headers, body };
        anyhow::ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text());
        anyhow::ensure!(
            answer.body.len() < LARGE || is_zipped(&answer) == self.gzip,
            "{path}: compressed or not"
        );
        Ok(answer)
    }
}

fn is_zipped(answer: &Answer) -> bool {
    answer.headers.contains_key(header::CONTENT_ENCODING)
}

fn body(answer: &Answer) -> Bytes {
    if is_zipped(answer) { answer.unzipped().into() } else { answer.body.clone() }
}

/// The rows of an answer; a document is one.
fn count(answer: &Answer) -> Result<u64> {
    let body = body(answer);
    let content_type = answer.headers.get(header::CONTENT_TYPE).context("no content type")?;
    let rows = match content_type.to_str()? {
        "application/json" if body.starts_with(b"[") => {
            serde_json::from_slice::<Vec<IgnoredAny>>(&body)?.len()
        }
        "application/json" => serde_json::from_slice(&body).map(|IgnoredAny| 1)?,
        "application/x-ndjson" => body.split(|byte| *byte == b'\n').count() - 1,
        "text/csv" => csv::Reader::from_reader(&body[..]).byte_records().count(),
        other => anyhow::bail!("unexpected content type {other}"),
    };
    Ok(u64::try_from(rows)?)
}
