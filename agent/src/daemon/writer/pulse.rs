//! Whether a thread still does something, as the kernel sees it.

use rustix::process::Pid;

/// What a thread has done, and why it does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pulse {
    /// It waits for a device, and not even SIGKILL ends that.
    pub(crate) waits_for_disk: bool,
    /// The time that it has computed, in ticks.
    pub(crate) ticks: u64,
}

impl Pulse {
    /// That of a thread of this process, if it is there.
    pub(crate) fn of(thread: Pid) -> Option<Self> {
        let path = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
        Self::read(&std::fs::read_to_string(path).ok()?)
    }

    /// As proc_pid_stat(5) has it. The second field is a name in which anything may stand.
    fn read(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = |n: usize| fields.get(n)?.parse::<u64>().ok();
        // The third, fourteenth and fifteenth.
        Some(Self { waits_for_disk: fields.first() == Some(&"D"), ticks: ticks(11)? + ticks(12)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_for_the_disk_is_told_from_one_that_sleeps() {
        let stat =
            |state: &str| format!("7 (a) b (c) {state} 1 7 7 0 -1 4194560 9 0 0 0 30 12 0 0 20 0 4 0 99\n");
        assert_eq!(Pulse::read(&stat("S")), Some(Pulse { waits_for_disk: false, ticks: 42 }));
        assert_eq!(Pulse::read(&stat("D")), Some(Pulse { waits_for_disk: true, ticks: 42 }));
        assert_eq!(Pulse::read("7 (a) S"), None);
    }

    #[test]
    fn who_computes_has_more_behind_it_than_before() {
        let mut pulse = Pulse::of(rustix::thread::gettid()).unwrap();
        let before = pulse.ticks;
        while pulse.ticks == before {
            pulse = Pulse::of(rustix::thread::gettid()).unwrap();
        }
        assert!(pulse.ticks > before && !pulse.waits_for_disk);
    }
}
