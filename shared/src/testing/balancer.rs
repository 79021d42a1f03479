//! HAProxy, as in development and on one machine.

use std::{
    fs::File,
    io::Write as _,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{eventually, free_port};

/// A load balancer in front of functions.
pub struct Balancer {
    process: Child,
    address: String,
    folder: TempDir,
}

impl Balancer {
    /// Starts one in front of these functions, names with addresses; a name may have several.
    pub async fn start<'a>(functions: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let folder = TempDir::with_prefix("balancer-").unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/balancer-config");
        let config = folder.path().join("haproxy.cfg");
        let mut writing = Command::new(script)
            .arg(&address)
            .stdin(Stdio::piped())
            .stdout(File::create(&config).unwrap())
            .spawn()
            .unwrap();
        let mut lines = writing.stdin.take().unwrap();
        for (name, address) in functions {
            writeln!(lines, "{name} {address}").unwrap();
        }
        drop(lines);
        assert!(writing.wait().unwrap().success());
        let path = std::env::var("PATH").unwrap_or_default();
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "haproxy", "-db", "-f"])
            .arg(config)
            // Where Debian has servers.
            .env("PATH", format!("{path}:/usr/sbin"))
            .stdin(Stdio::null())
            .stderr(File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let balancer = Self { process, address, folder };
        eventually("the balancer listens", || {
            std::future::ready(TcpStream::connect(&balancer.address).ok().map(drop))
        })
        .await;
        balancer
    }

    /// Where it listens: `127.0.0.1:<port>`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until it uses again what it found away.
    pub async fn knows_all(&self) {
        eventually("the balancer uses all instances", || {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            let count = |state: &str| log.lines().filter(|line| line.contains(state)).count();
            std::future::ready((count(" is DOWN") == count(" is UP")).then_some(()))
        })
        .await;
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
