//! What processes cost, from `/proc`: CPU time of a process and all below it, memory in use.

use std::collections::HashMap;
use std::fs;

/// The kernel counts CPU time in these, on every machine that Florin runs on.
const TICK_US: u64 = 10_000;

/// CPU time in microseconds of a process, of all that live below it, and of all those that they had and awaited. A
/// process that is gone counts 0.
#[must_use]
pub fn cpu_us(root: u32) -> u64 {
    let all = all();
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (pid, stat) in &all {
        children.entry(stat.parent).or_default().push(*pid);
    }
    let (mut open, mut ticks) = (vec![root], 0);
    while let Some(pid) = open.pop() {
        ticks += all.get(&pid).map_or(0, |stat| stat.ticks);
        open.extend(children.remove(&pid).unwrap_or_default());
    }
    ticks * TICK_US
}

/// CPU time in microseconds of this process alone: servers that it started are their own.
#[must_use]
pub fn own_cpu_us() -> u64 {
    stat(std::process::id()).map_or(0, |stat| stat.own_ticks) * TICK_US
}

/// Memory in use, in MiB.
#[must_use]
pub fn rss_mb(pid: u32) -> Option<f64> {
    memory(pid, "VmRSS:")
}

/// The most memory in use so far, in MiB.
#[must_use]
pub fn rss_peak_mb(pid: u32) -> Option<f64> {
    memory(pid, "VmHWM:")
}

fn memory(pid: u32, name: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u32 = line.split_whitespace().next()?.parse().ok()?;
    Some(f64::from(kib) / 1024.0)
}

/// Memory of the machine, in MiB.
#[must_use]
pub fn memory_mb() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

struct Stat {
    parent: u32,
    /// Of the process itself.
    own_ticks: u64,
    /// With its awaited children.
    ticks: u64,
}

fn all() -> HashMap<u32, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?))).collect()
}

/// The second field is the program's name, which may hold anything: what follows the last bracket counts.
fn stat(pid: u32) -> Option<Stat> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let own_ticks = ticks(14)? + ticks(15)?;
    Some(Stat { parent: fields.get(1)?.parse().ok()?, own_ticks, ticks: own_ticks + ticks(16)? + ticks(17)? })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_childs_time_counts_while_it_lives_and_after() {
        let me = std::process::id();
        let before = cpu_us(me);
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        assert!(Command::new("sh").args(["-c", busy]).status().unwrap().success());
        assert!(cpu_us(me) >= before + TICK_US, "awaited");
        let mut child = Command::new("sh")
            .args(["-c", &format!("{busy}; read x")])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        while cpu_us(child.id()) < TICK_US {
            assert!(child.try_wait().unwrap().is_none());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(cpu_us(child.id()), 0);
        assert!(rss_mb(me).unwrap() > 1.0);
    }
}
