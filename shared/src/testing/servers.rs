//! Private PostgreSQL and Redis, started by the same scripts as in development.

use std::{
    fs::Permissions,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{LazyLock, OnceLock},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{Authority, free_port, process, unique};
use crate::db;

/// How long a server may take to start.
const START: Duration = Duration::from_mins(1);

/// A server process on a free port, its data in a folder of its own.
struct Server {
    script: &'static str,
    /// The signal that ends it at once; SIGKILL would leave PostgreSQL's shared memory behind.
    end: &'static str,
    environment: Vec<(&'static str, String)>,
    arguments: Vec<String>,
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Server {
    fn new(
        script: &'static str,
        end: &'static str,
        environment: Vec<(&'static str, String)>,
        arguments: Vec<String>,
    ) -> Self {
        let folder = TempDir::with_prefix("tetcore-").unwrap();
        Self { script, end, environment, arguments, folder, port: free_port(), process: None }
    }

    fn start(&mut self) {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(self.script);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let process = Command::new(&script)
            .arg(self.folder.path().join("data"))
            .arg(self.port.to_string())
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("DIE_WITH_PARENT", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        self.process = Some(process);
    }

    /// Panics with the server's own words once it has ended or takes too long.
    fn check(&mut self, since: Instant) {
        let ended =
            self.process.as_mut().is_none_or(|process| process.try_wait().unwrap().is_some());
        if ended || since.elapsed() > START {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            panic!("scripts/{} did not start:\n{log}", self.script);
        }
        std::thread::sleep(Duration::from_millis(20));
    }

    fn signal(&self, signal: &str) {
        if let Some(process) = &self.process {
            let kill = Command::new("kill").arg(signal).arg(process.id().to_string()).status();
            assert!(kill.unwrap().success(), "kill {signal} scripts/{}", self.script);
        }
    }

    fn id(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    fn stop(&mut self, signal: &str) {
        self.signal(signal);
        if let Some(mut process) = self.process.take() {
            process.wait().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop(self.end);
        }
    }
}

/// Starts a server that the whole process shares, on a thread that never ends: the kernel ends a
/// server with the thread that started it.
fn share<T: Send + 'static>(start: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(start());
        loop {
            std::thread::park();
        }
    });
    receiver.recv().expect("the server started")
}

/// A PostgreSQL server.
pub struct Postgres {
    server: Server,
    template: OnceLock<String>,
}

impl Postgres {
    /// Starts a server of this test's own. It skips fsync: tests stop processes, not machines.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(vec![("PG_FSYNC", "off".to_owned())])
    }

    /// As [`start`](Self::start), but with fsync, as in production: for measurements.
    #[must_use]
    pub fn durable() -> Self {
        Self::start_with(Vec::new())
    }

    /// As [`start`](Self::start), but with a disk of so many MiB at `/mnt`, which is there for this
    /// server alone. Takes root.
    #[must_use]
    pub fn with_small_disk(mebibytes: u32) -> Self {
        let size = format!("{mebibytes}m");
        Self::start_with(vec![("PG_FSYNC", "off".to_owned()), ("PG_SMALL_DISK", size)])
    }

    /// Starts a standby, which can be read. From now on, nothing is committed here that is not
    /// there, too.
    #[must_use]
    pub fn standby(&self) -> Self {
        let mut environment = self.server.environment.clone();
        environment.push(("PG_STANDBY_OF", self.server.port.to_string()));
        let standby = Self::start_with(environment);
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.execute("SELECT pg_reload_conf()");
        let waits = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'";
        let url = self.url("postgres", "tetcore").parse().unwrap();
        Self::blocking(async {
            let client = db::connect(&url, "testing", "").await.unwrap();
            super::eventually("the primary waits for the standby", async || {
                client.query_opt(waits, &[]).await.unwrap()
            })
            .await;
        });
        standby
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        self.execute("SELECT pg_promote()");
    }

    /// Lets in by these lines of `pg_hba.conf` whom they are about, before any other.
    pub fn admit(&self, rules: &str) {
        let file = self.server.folder.path().join("data/pg_hba.conf");
        let others = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{rules}\n{others}")).unwrap();
        self.execute("SELECT pg_reload_conf()");
    }

    fn start_with(environment: Vec<(&'static str, String)>) -> Self {
        let mut postgres = Self {
            server: Server::new("postgres", "-QUIT", environment, Vec::new()),
            template: OnceLock::new(),
        };
        postgres.resume();
        postgres
    }

    /// User and system time so far, of all its processes (Linux).
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        process::cpu_seconds_with_children(self.server.id())
    }

    /// Answers over TLS as well from now on, as `host`, with a certificate of `authority`'s.
    pub fn enable_tls(&self, authority: &Authority, host: &str) {
        let data = self.server.folder.path().join("data");
        authority.issue(host, &data);
        // The server insists that nobody else can read its key.
        let owner = std::fs::metadata(&data).unwrap();
        std::fs::copy(authority.file(), data.join("ca.pem")).unwrap();
        for file in ["ca.pem", "cert.pem", "key.pem"] {
            let file = data.join(file);
            std::os::unix::fs::chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        }
        self.execute("ALTER SYSTEM SET ssl_cert_file = 'cert.pem'");
        self.execute("ALTER SYSTEM SET ssl_ca_file = 'ca.pem'");
        self.execute("ALTER SYSTEM SET ssl_key_file = 'key.pem'");
        self.execute("ALTER SYSTEM SET ssl = on");
        self.execute("SELECT pg_reload_conf()");
    }

    /// Ends every process of the server at once, as a crash would.
    pub fn crash(&mut self) {
        self.server.stop(self.server.end);
    }

    /// Stops every process of the server in its tracks, connections open, until
    /// [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.server.signal("-STOP");
        self.signal_sessions("-STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.signal_sessions("-CONT");
        self.server.signal("-CONT");
    }

    fn signal_sessions(&self, signal: &str) {
        let sessions = process::children(self.server.id());
        assert!(Command::new("kill").arg(signal).args(sessions).status().unwrap().success());
    }

    /// Ends the server as for maintenance: connections are closed, transactions undone.
    pub fn shut_down(&mut self) {
        self.server.stop("-INT");
    }

    /// Starts the server again, with its data.
    pub fn resume(&mut self) {
        self.server.start();
        let since = Instant::now();
        let url = self.url("postgres", "tetcore");
        while !Self::blocking(async {
            db::connect(&url.parse().unwrap(), "testing", "").await.is_ok()
        }) {
            self.server.check(since);
        }
    }

    /// A new migrated database.
    #[must_use]
    pub fn database(&self) -> Database {
        let template = self.template.get_or_init(|| {
            let name = unique("template");
            self.execute(&format!("CREATE DATABASE {name}"));
            let url = self.url(&name, "tetcore");
            super::Function::run("migrate", &[("DATABASE_URL", &url)], &[]);
            name
        });
        let name = unique("test");
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Database { name, ports: vec![self.server.port] }
    }

    /// A new database without any table.
    #[must_use]
    pub fn empty_database(&self) -> Database {
        let name = unique("test");
        self.execute(&format!("CREATE DATABASE {name}"));
        Database { name, ports: vec![self.server.port] }
    }

    fn url(&self, database: &str, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.server.port)
    }

    /// Executes a statement as the superuser, outside of any database of a test's.
    pub fn execute(&self, statement: &str) {
        let url = self.url("postgres", "tetcore").parse().unwrap();
        Self::blocking(async move {
            let client = db::connect(&url, "testing", "").await.unwrap();
            client.batch_execute(statement).await.unwrap();
        });
    }

    /// Runs on a runtime of its own, since a test's may be the one that waits.
    fn blocking<T: Send>(future: impl Future<Output = T> + Send) -> T {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .unwrap()
                        .block_on(future)
                })
                .join()
                .unwrap()
        })
    }
}

/// A database of one test.
pub struct Database {
    name: String,
    /// Of the servers that it may be on.
    ports: Vec<u16>,
}

impl Database {
    /// A new migrated database on the server that this process shares.
    #[must_use]
    pub fn new() -> Self {
        Self::server().database()
    }

    /// A new database without any table, on the server that this process shares.
    #[must_use]
    pub fn empty() -> Self {
        Self::server().empty_database()
    }

    fn server() -> &'static Postgres {
        static SERVER: LazyLock<Postgres> = LazyLock::new(|| share(Postgres::start));
        &SERVER
    }

    /// As it is on `standby` now, without any other server.
    #[must_use]
    pub fn on(&self, standby: &Postgres) -> Self {
        Self { name: self.name.clone(), ports: vec![standby.server.port] }
    }

    /// Wherever it can be written: here or on `standby`.
    #[must_use]
    pub fn or_on(mut self, standby: &Postgres) -> Self {
        self.ports.push(standby.server.port);
        self
    }

    /// The value of `DATABASE_URL` for `role`; the owner is `tetcore`.
    #[must_use]
    pub fn url(&self, role: &str) -> String {
        let hosts: Vec<_> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let writable = if hosts.len() > 1 { "?target_session_attrs=read-write" } else { "" };
        format!("postgres://{role}@{}/{}{writable}", hosts.join(","), self.name)
    }

    /// A connection of `role`'s.
    pub async fn connect(&self, role: &str) -> db::Client {
        db::connect(&self.url(role).parse().unwrap(), "testing", "").await.unwrap()
    }

    /// A connection of the owner's.
    pub async fn owner(&self) -> db::Client {
        self.connect("tetcore").await
    }

    /// Notes of all messages, which a test inserted by itself, what is kept beside them: their
    /// counts and targets.
    pub async fn note_rows(&self) {
        self.owner().await.execute(include_str!("note_rows.sql"), &[]).await.unwrap();
    }

    /// Asserts that what is derived from messages is what a scan of them says, at this moment.
    pub async fn assert_derived(&self) {
        let owner = self.owner().await;
        // With hundreds of partitions, to compile the plan would take minutes.
        owner.batch_execute("SET jit = off").await.unwrap();
        let differences = owner.query(include_str!("derived.sql"), &[]).await.unwrap();
        let differences: Vec<String> = differences.iter().map(|row| row.get(0)).collect();
        assert!(differences.is_empty(), "{differences:#?}");
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

/// A Redis server.
pub struct Redis {
    server: Server,
}

impl Redis {
    /// Starts a server of this test's own.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Vec::new())
    }

    /// As [`start`](Self::start), with these arguments of redis-server.
    pub(super) fn start_with(arguments: Vec<String>) -> Self {
        Self::start_in(Vec::new(), arguments)
    }

    /// As [`start`](Self::start), but what it was told and has answered survives its end.
    #[must_use]
    pub fn durable() -> Self {
        let arguments = ["--appendfsync", "always"].map(str::to_owned);
        Self::start_in(vec![("REDIS_APPENDONLY", "yes".to_owned())], arguments.into())
    }

    fn start_in(environment: Vec<(&'static str, String)>, arguments: Vec<String>) -> Self {
        let mut redis = Self { server: Server::new("redis", "-KILL", environment, arguments) };
        redis.resume();
        redis
    }

    /// The server that this process shares.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SERVER: LazyLock<Redis> = LazyLock::new(|| share(Redis::start));
        &SERVER
    }

    /// Ends the server at once; unless it is durable, what it held is gone.
    pub fn stop(&mut self) {
        self.server.stop(self.server.end);
    }

    /// Stops the server in its tracks, connections open, until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.server.signal("-STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.server.signal("-CONT");
    }

    /// Starts the server again.
    pub fn resume(&mut self) {
        self.server.start();
        let since = Instant::now();
        while self.client().get_connection().is_err() {
            self.server.check(since);
        }
    }

    /// User and system time so far (Linux).
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        process::cpu_seconds(self.server.id())
    }

    /// The value of `REDIS_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.server.port)
    }

    /// Answers over TLS as well from now on, as `host`, with a certificate of `authority`'s: the
    /// value of `REDIS_URL` for that.
    #[must_use]
    pub fn enable_tls(&self, authority: &Authority, host: &str) -> String {
        // By names within its own folder, since Redis' account may not be let into those above.
        let data = self.server.folder.path().join("data");
        authority.issue(host, &data);
        std::fs::copy(authority.file(), data.join("ca.pem")).unwrap();
        let port = free_port().to_string();
        let set = [
            ["tls-cert-file", "cert.pem"],
            ["tls-key-file", "key.pem"],
            ["tls-ca-cert-file", "ca.pem"],
            ["tls-auth-clients", "no"],
            ["tls-port", &port],
        ];
        let words = [&["CONFIG", "SET"], set.as_flattened()].concat();
        let () = self.command(&words);
        format!("rediss://{host}:{port}/")
    }

    /// Takes over TLS only whom the authority, too, knows.
    pub fn ask_for_certificates(&self) {
        let () = self.command(&["CONFIG", "SET", "tls-auth-clients", "yes"]);
    }

    /// Cuts every connection of a client.
    pub fn cut_connections(&self) {
        let mut connection = self.client().get_connection().unwrap();
        redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").exec(&mut connection).unwrap();
    }

    /// The answer to one command.
    #[must_use]
    pub fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_command(words).unwrap()
    }

    /// The answer to one command of a server that may refuse it, or not run.
    pub(super) fn try_command<T: redis::FromRedisValue>(
        &self,
        words: &[&str],
    ) -> redis::RedisResult<T> {
        let mut connection = self.client().get_connection()?;
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection)
    }

    /// Its port.
    pub(super) fn port(&self) -> String {
        self.server.port.to_string()
    }

    /// Appends an element to a list.
    pub fn push(&self, list: &str, element: &[u8]) {
        let mut connection = self.client().get_connection().unwrap();
        redis::cmd("RPUSH").arg(list).arg(element).exec(&mut connection).unwrap();
    }

    fn client(&self) -> redis::Client {
        redis::Client::open(self.url()).unwrap()
    }
}
