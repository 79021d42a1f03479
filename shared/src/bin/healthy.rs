//! Asks the function on this machine whether it is well: exit code 0 if `/healthz` answers 200.
//! For images that hold nothing else that could ask.

use std::{
    env,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    process::ExitCode,
    time::Duration,
};

/// Well below what Docker and ECS wait for.
const TIMEOUT: Duration = Duration::from_secs(3);
/// As in HTTP 1.0, so that the answer ends with the connection.
const REQUEST: &[u8] = b"GET /healthz HTTP/1.0\r\n\r\n";

fn is_well(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(REQUEST)?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status.ends_with(b" 200"))
}

fn main() -> ExitCode {
    let port = env::var("PORT").ok().and_then(|port| port.replace('_', "").parse().ok());
    match is_well(port.unwrap_or(shared::http::default_port())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("healthy: {error}");
            ExitCode::FAILURE
        }
    }
}
