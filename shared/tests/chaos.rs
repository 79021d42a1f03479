//! Random faults of every part, for a short time; `scripts/chaos` goes on for longer.

use std::process::Command;

#[test]
fn nothing_is_lost_or_repeated_that_should_not_be() {
    let run =
        Command::new(env!("CARGO_BIN_EXE_chaos")).args(["--seconds", "20", "--seed", "1"]).output();
    let run = run.unwrap_or_else(|error| panic!("chaos: {error}"));
    let said = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(run.status.success(), "{}", said.join("\n"));
}
