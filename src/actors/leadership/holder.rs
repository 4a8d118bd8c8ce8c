//! The name of a process on the lease. A process that starts again on the same machine can tell from it that the former
//! leader is dead, and need not wait for the lease to end.

use std::fmt;
use std::fs;

/// The name of a process: host, machine since its boot with its process namespace, process id, and start time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    host: String,
    /// Boot id and process namespace: process ids are compared only within these.
    place: String,
    pid: u32,
    started: String,
}

impl Holder {
    pub fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().replace(' ', "-");
        let namespace =
            fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default();
        let pid = std::process::id();
        Self {
            host: read("/proc/sys/kernel/hostname"),
            place: format!("{}/{namespace}", read("/proc/sys/kernel/random/boot_id")),
            pid,
            started: started(pid).unwrap_or_default(),
        }
    }

    /// For tests: another name for a second runtime in the same process.
    pub fn named(name: &str) -> Self {
        Self { host: name.into(), ..Self::this() }
    }

    /// Whether the process of this name ran on this machine and has certainly ended.
    pub fn knows_dead(&self, name: &str) -> bool {
        let mut parts = name.split(' ').skip(1);
        let (Some(place), Some(pid), Some(then)) =
            (parts.next(), parts.next().and_then(|pid| pid.parse().ok()), parts.next())
        else {
            return false;
        };
        !then.is_empty() && place == self.place && place.len() > 1 && started(pid).is_none_or(|now| now != then)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.host, self.place, self.pid, self.started)
    }
}

/// The start time of a process in clock ticks since boot: field 22 of its stat, counted from behind the name, which may
/// contain anything.
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_place_that_has_ended_is_known_dead() {
        let this = Holder::this();
        assert!(!this.knows_dead(&this.to_string()));
        let ended = Holder { pid: 4_194_305, ..this.clone() };
        assert!(this.knows_dead(&ended.to_string()));
        let reused = Holder { started: "1".into(), ..this.clone() };
        assert!(this.knows_dead(&reused.to_string()));
        let elsewhere = Holder { place: "another/boot".into(), ..ended };
        assert!(!this.knows_dead(&elsewhere.to_string()));
        assert!(!this.knows_dead("nonsense"));
    }
}
