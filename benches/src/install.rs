//! Where the servers come from: this build, Debian's packages, PyPI.
//!
//! The FTP servers of a distribution exclude each other as packages, and installing one may start it. So they are
//! downloaded with what they need and unpacked under target/bench, never installed; one that is on the machine
//! already is used as it is.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a server is had from.
pub enum Package {
    /// The daemon of this repository.
    Ours,
    /// A Debian package, others with parts of it, and the name of its program in sbin.
    Debian(&'static [&'static str], &'static str),
    /// A Python package, in a virtual environment of its own.
    Python(&'static str),
}

/// A server that is there to be started.
pub struct Installed {
    /// The program; for a Python package the interpreter.
    pub program: PathBuf,
    /// Folders with libraries that came with it.
    pub libraries: Vec<PathBuf>,
    /// Its version, as its package says it.
    pub version: String,
}

/// The folder that everything is unpacked into, and our own daemon.
pub struct Place {
    /// target/bench.
    pub store: PathBuf,
    /// The daemon under test.
    pub ours: PathBuf,
}

impl Place {
    /// As seen from this program: it lies in target/release.
    pub fn new(ours: Option<PathBuf>) -> Result<Place, String> {
        let program = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
        let folder = program.parent().ok_or("this program lies nowhere")?;
        let target = folder.parent().ok_or("this program lies outside a target folder")?;
        Ok(Place { store: target.join("bench"), ours: ours.unwrap_or_else(|| folder.join("ftpd")) })
    }

    /// As the copy outside told the copy inside.
    pub fn inside(ours: Option<PathBuf>) -> Result<Place, String> {
        let store = std::env::var_os("FTPD_BENCH_STORE").ok_or("FTPD_BENCH_STORE is not set")?;
        Ok(Place { store: store.into(), ours: ours.ok_or("--ftpd is missing")? })
    }

    /// Makes sure that a server is there, and says what is brought for it.
    pub fn fetch(&self, package: &Package) -> Result<(), String> {
        if self.find(package).is_some() {
            return Ok(());
        }
        match package {
            Package::Ours => Err(format!("{} is missing: cargo build --release", self.ours.display())),
            Package::Debian(names, _) => self.unpack(names),
            Package::Python(name) => self.make_environment(name),
        }
    }

    /// The server, if it is there.
    pub fn find(&self, package: &Package) -> Option<Installed> {
        match package {
            Package::Ours => {
                let version = output(Command::new(&self.ours).arg("--version"))?;
                let version = version.split_whitespace().last().unwrap_or_default().to_string();
                Some(Installed { program: self.ours.clone(), libraries: Vec::new(), version })
            }
            Package::Debian(names, program) => {
                self.find_installed(names[0], program).or_else(|| self.find_unpacked(names, program))
            }
            Package::Python(name) => {
                let program = self.store.join("venv/bin/python3");
                let script = format!("import importlib.metadata as m; print(m.version('{name}'))");
                let version = output(Command::new(&program).args(["-c", &script]))?;
                Some(Installed { program, libraries: Vec::new(), version })
            }
        }
    }

    fn find_installed(&self, name: &str, program: &str) -> Option<Installed> {
        let program = Path::new("/usr/sbin").join(program);
        if !program.exists() {
            return None;
        }
        let version =
            output(Command::new("dpkg-query").args(["-W", "-f=${Version}", name])).unwrap_or_default();
        Some(Installed { program, libraries: Vec::new(), version })
    }

    fn find_unpacked(&self, names: &[&str], program: &str) -> Option<Installed> {
        let folder = self.store.join(names[0]);
        let root = folder.join("root");
        let program = root.join("usr/sbin").join(program);
        if !program.exists() {
            return None;
        }
        let all = debs(&folder);
        let of = |name: &str| all.iter().find_map(|deb| version_of(deb, name));
        let version = of(names[0]).unwrap_or_default();
        if names.iter().any(|name| of(name).is_none()) {
            return None;
        }
        let libraries = ["usr/lib", "lib"].iter().flat_map(|lib| folders(&root.join(lib))).collect();
        Some(Installed { program, libraries, version })
    }

    fn unpack(&self, names: &[&str]) -> Result<(), String> {
        let folder = self.store.join(names[0]);
        std::fs::create_dir_all(folder.join("partial"))
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        eprintln!(
            "downloading {} and what it needs into {} (installs nothing)",
            names.join(", "),
            folder.display()
        );
        if !download(names, &folder) {
            run(Command::new("apt-get").args(["-q", "update"]))?;
            if !download(names, &folder) {
                return Err(format!("apt-get cannot download {}", names.join(", ")));
            }
        }
        for deb in debs(&folder) {
            run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(folder.join("root")))?;
        }
        Ok(())
    }

    fn make_environment(&self, name: &str) -> Result<(), String> {
        let environment = self.store.join("venv");
        eprintln!("installing {name} with pip into {}", environment.display());
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        run(Command::new(environment.join("bin/python3")).args(["-m", "pip", "-q", "install", name]))
    }
}

fn download(names: &[&str], folder: &Path) -> bool {
    let archives = format!("Dir::Cache::archives={}/", folder.display());
    let mut apt = Command::new("apt-get");
    apt.args(["-q", "-y", "--no-install-recommends", "--download-only", "-o", &archives, "install"]);
    apt.args(names);
    run(&mut apt).is_ok()
}

/// The version in the name of a package's file, if it is this package's.
fn version_of(deb: &Path, name: &str) -> Option<String> {
    let rest = deb.file_stem()?.to_str()?.strip_prefix(name)?.strip_prefix('_')?;
    rest.split('_').next().map(|version| version.replace("%3a", ":"))
}

fn debs(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "deb")).collect()
}

fn folders(inside: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(inside).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).collect()
}

/// Runs a command; what it prints goes to standard error, so that standard output holds the table alone.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).stdout(std::io::stderr()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}
