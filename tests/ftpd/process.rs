//! What /proc knows of the processes of a world.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::unistd::Pid;

/// A process, as proc(5) shows it at one moment.
#[derive(Clone)]
pub struct Process {
    pub pid: Pid,
    status: BTreeMap<String, String>,
    title: String,
}

impl Process {
    /// `None` if there is no such process (any more), or it has ended and waits to be reaped.
    pub fn read(pid: Pid) -> Option<Process> {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        let status: BTreeMap<_, _> = fields.map(|(key, value)| (key.into(), value.trim().into())).collect();
        let title = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let title = String::from_utf8_lossy(&title).trim_end_matches('\0').replace('\0', " ");
        let process = Process { pid, status, title };
        (!process.field("State").starts_with('Z')).then_some(process)
    }

    /// A field of /proc/PID/status; empty if the kernel does not have it.
    pub fn field(&self, name: &str) -> &str {
        self.status.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The command line, which is what `ps` shows.
    pub fn title(&self) -> String {
        self.title.clone()
    }

    pub fn parent(&self) -> Pid {
        Pid::from_raw(self.field("PPid").parse().expect("PPid"))
    }

    /// Real, effective, saved and file system user.
    pub fn uids(&self) -> Vec<u32> {
        numbers(self.field("Uid"))
    }

    /// Real, effective, saved and file system group.
    pub fn gids(&self) -> Vec<u32> {
        numbers(self.field("Gid"))
    }

    pub fn groups(&self) -> Vec<u32> {
        numbers(self.field("Groups"))
    }

    /// A set of capabilities, as its bits: `CapEff`, `CapPrm`, `CapInh`, `CapBnd`, `CapAmb`.
    pub fn capabilities(&self, set: &str) -> u64 {
        u64::from_str_radix(self.field(set), 16).expect("capabilities")
    }

    /// The root directory as the host sees it.
    pub fn root(&self) -> PathBuf {
        self.link("root")
    }

    /// A link of /proc/PID: `root`, `cwd`, `exe`, `ns/net`.
    pub fn link(&self, name: &str) -> PathBuf {
        fs::read_link(format!("/proc/{}/{name}", self.pid)).unwrap_or_default()
    }

    /// Open descriptors and what they are: `socket:[…]`, `pipe:[…]`, a path.
    pub fn descriptors(&self) -> BTreeMap<u32, String> {
        let Ok(entries) = fs::read_dir(format!("/proc/{}/fd", self.pid)) else { return BTreeMap::new() };
        let entries = entries.filter_map(Result::ok).filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        });
        entries.collect()
    }

    /// Everything in its memory that it may write.
    pub fn memory(&self) -> Vec<u8> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid)).expect("maps");
        let memory = fs::File::open(format!("/proc/{}/mem", self.pid)).expect("memory");
        let mut all = Vec::new();
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-')).expect("a range");
            let address = |text| u64::from_str_radix(text, 16).expect("an address");
            let (from, to) = (address(range.0), address(range.1));
            let mut part = vec![0; (to - from) as usize];
            if memory.read_exact_at(&mut part, from).is_ok() {
                all.append(&mut part);
            }
        }
        all
    }

    /// How many KiB of its heap nobody else has in memory, and how many there are.
    pub fn heap(&self) -> (u64, u64) {
        let maps = fs::read_to_string(format!("/proc/{}/smaps", self.pid)).expect("smaps");
        let (_, heap) = maps.split_once("[heap]").expect("a heap");
        let kib = |name: &str| {
            let line = heap.lines().find_map(|line| line.strip_prefix(name)).expect("a field of smaps");
            line.trim_end_matches("kB").trim().parse().expect("a number")
        };
        (kib("Private_Dirty:"), kib("Rss:"))
    }

    pub fn is_there(&self) -> bool {
        Process::read(self.pid).is_some()
    }
}

fn numbers(field: &str) -> Vec<u32> {
    field.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

/// Every process in the network namespace of this thread: what was started in this world and has not ended.
/// On the host, where the processes of others live, nothing is found.
pub fn all_of_this_world() -> Vec<Process> {
    let ours = fs::read_link("/proc/thread-self/ns/net").expect("own network namespace");
    if fs::read_link("/proc/self/ns/net").is_ok_and(|host| host == ours) {
        return Vec::new();
    }
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_ours = |pid: &i32| fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|world| world == ours);
    pids.filter(is_ours).map(Pid::from_raw).filter_map(Process::read).collect()
}
