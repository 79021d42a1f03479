//! A function's shipped binary, started as an operator would, and its answers.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, body::Bytes, header::HeaderMap};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::process;

/// How long a function may take to say where it listens.
const START: Duration = Duration::from_secs(20);

/// A running function.
pub struct Function {
    name: String,
    process: Child,
    address: String,
    log: Arc<Mutex<Vec<String>>>,
    /// Reads what it writes to its log, until it ends.
    reader: JoinHandle<()>,
}

impl Function {
    /// Starts `name` with these settings only, and waits until it listens.
    #[must_use]
    pub fn start(name: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_with(name, settings, &[])
    }

    /// As [`start`](Self::start), with arguments.
    #[must_use]
    pub fn start_with(name: &str, settings: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut process = command(name, settings, arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (found, address) = mpsc::channel();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let written = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str::<Value>(&line)
                    && event["message"] == "listening"
                {
                    let _ = found.send(event["address"].as_str().unwrap_or_default().to_owned());
                }
                written.lock().unwrap().push(line);
            }
        });
        let address = address.recv_timeout(START).unwrap_or_else(|_| {
            let _ = process.kill();
            panic!("{name} does not listen:\n{}", log.lock().unwrap().join("\n"))
        });
        Self { name: name.to_owned(), process, address, log, reader }
    }

    /// Runs `name` to its end, which must be a success: what it wrote to standard output.
    #[must_use]
    pub fn output(name: &str, settings: &[(&str, &str)], arguments: &[&str]) -> String {
        let output = command(name, settings, arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{name} {arguments:?} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// As [`output`](Self::output), for its effect only.
    pub fn run(name: &str, settings: &[(&str, &str)], arguments: &[&str]) {
        drop(Self::output(name, settings, arguments));
    }

    /// Runs `name`, which must refuse to start: what it said.
    #[must_use]
    pub fn refusal(name: &str, settings: &[(&str, &str)]) -> String {
        let output = command(name, settings, &[]).output().unwrap();
        assert!(!output.status.success(), "{name} started with {settings:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Where it listens: `127.0.0.1:<port>`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The answer to `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        get(&self.address, path, &[]).await
    }

    /// The answer to `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        send(&self.address, "POST", path, &headers, body.to_string()).await
    }

    /// The rows of each page of a list, from `path` on.
    pub async fn pages(&self, path: &str) -> Vec<Vec<Value>> {
        let mut next = Some(path.to_owned());
        let mut pages = Vec::new();
        while let Some(path) = next {
            let answer = self.get(&path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            pages.push(answer.rows());
            next = answer.next();
        }
        pages
    }

    /// The sum of a metric over its labels; 0 while there is none.
    pub async fn metric(&self, name: &str) -> i64 {
        metric(&self.get("/metrics").await.text(), name)
    }

    /// Sends a signal, such as `-TERM`.
    pub fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Ends it without warning.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("-TERM");
        let what = format!("{} stops", self.name);
        let status =
            super::eventually(&what, || std::future::ready(self.process.try_wait().unwrap())).await;
        // Its last words may still be on their way.
        super::eventually("its log is read", || {
            std::future::ready(self.reader.is_finished().then_some(()))
        })
        .await;
        status
    }

    /// Resident memory in bytes (Linux).
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        process::memory(self.process.id(), "VmRSS:")
    }

    /// The most memory in bytes that was ever resident (Linux).
    #[must_use]
    pub fn peak_resident_bytes(&self) -> u64 {
        process::memory(self.process.id(), "VmHWM:")
    }

    /// How many files and sockets it has open (Linux).
    #[must_use]
    pub fn open_files(&self) -> usize {
        process::open_files(self.process.id())
    }

    /// User and system time so far (Linux).
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        process::cpu_seconds(self.process.id())
    }

    /// Its log so far, a JSON object a line.
    #[must_use]
    pub fn log(&self) -> String {
        self.log_handle().text()
    }

    /// Its log, to be read after it has stopped.
    #[must_use]
    pub fn log_handle(&self) -> Log {
        Log(Arc::clone(&self.log))
    }
}

/// What a function has written to its log.
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// All of it, a JSON object a line.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }

    /// The first event with this message.
    #[must_use]
    pub fn event(&self, message: &str) -> Value {
        let lines = self.0.lock().unwrap();
        lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|event| event["message"] == message)
            .unwrap_or_else(|| panic!("no event `{message}` in:\n{}", lines.join("\n")))
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("--- {}:\n{}", self.name, self.log());
        }
    }
}

/// The command for a binary of this build, with these settings only. It ends with the thread that
/// starts it.
#[must_use]
pub fn command(name: &str, settings: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let program: PathBuf = folder.join(name);
    assert!(program.exists(), "{} is missing: cargo build --workspace", program.display());
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL"])
        .arg(program)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("BIND", "127.0.0.1")
        .env("PORT", "0")
        .envs(settings.iter().copied())
        // No `.env` of a developer's is found from here.
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The rows of the body, which is a JSON array.
    #[must_use]
    pub fn rows(&self) -> Vec<Value> {
        match self.json() {
            Value::Array(rows) => rows,
            other => panic!("expected rows, got {other}"),
        }
    }

    /// Asserts that it is a problem (RFC 9457) of this status, which names the parameter or the
    /// body's member, and says what was `expected`.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, parameter: Option<&str>, expected: &str) {
        let text = self.text();
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.headers["content-type"], "application/problem+json", "{text}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{text}");
        assert_eq!(problem["parameter"].as_str(), parameter, "{text}");
        let detail = problem["detail"].as_str().unwrap();
        let names_it = detail.contains(parameter.unwrap_or_default());
        assert!(names_it && detail.contains(expected), "not `{expected}`: {detail}");
    }

    /// The body, which is gzip, unpacked.
    #[must_use]
    pub fn unzipped(&self) -> Vec<u8> {
        let mut body = Vec::new();
        flate2::read::GzDecoder::new(&self.body[..]).read_to_end(&mut body).unwrap();
        body
    }

    /// The address in `Link: …; rel="next"`.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        let link = self.headers.get("link")?.to_str().unwrap();
        link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"").map(str::to_owned)
    }
}

/// The answer to `GET path` from `address`, with these headers.
pub async fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    request(address, "GET", path, headers).await
}

/// The answer to a request without a body.
pub async fn request(address: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(address, method, path, headers, "").await
}

/// The answer to a request with a body.
pub async fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

/// The sum of the metric `name` over its labels in Prometheus' text format; with its labels in
/// `name`, the one with just these.
#[must_use]
pub fn metric(text: &str, name: &str) -> i64 {
    let values: HashMap<&str, i64> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let named = series == name || series.split('{').next() == Some(name);
            named.then_some((series, value.parse().ok()?))
        })
        .collect();
    values.values().sum()
}
