//! What the kernel knows of a process (Linux).

use std::fs;

/// The kernel counts a process's CPU time for users in hundredths of a second, whatever its own
/// tick.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time, in seconds.
pub(super) fn cpu_seconds(id: u32) -> f64 {
    let [user, system, ..] = times(&stat(id).unwrap());
    f64::from(user + system) / TICKS_PER_SECOND
}

/// User and system time of a process and all its children, those that have ended included.
pub(super) fn cpu_seconds_with_children(id: u32) -> f64 {
    let own: u32 = times(&stat(id).unwrap()).iter().sum();
    let children = children(id).into_iter().filter_map(|child| {
        // One that ends meanwhile is missed, once.
        let [user, system, ..] = times(&stat(child.parse().ok()?)?);
        Some(user + system)
    });
    f64::from(own + children.sum::<u32>()) / TICKS_PER_SECOND
}

/// The ids of the children of its main thread.
pub(super) fn children(id: u32) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    children.split_whitespace().map(str::to_owned).collect()
}

/// A field of the memory in its status, such as `VmRSS:`, in bytes.
pub(super) fn memory(id: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// How many files and sockets it has open.
pub(super) fn open_files(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}

fn stat(id: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{id}/stat")).ok()
}

/// User and system time in ticks: its own, and of its children that have ended.
fn times(stat: &str) -> [u32; 4] {
    // The fields are counted from behind the command, which can hold anything.
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11);
    let times: Vec<u32> = fields.take(4).map(|field| field.parse().unwrap()).collect();
    times.try_into().unwrap()
}
