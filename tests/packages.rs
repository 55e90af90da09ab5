//! What is in the packages, and what `make install` installs: all that was promised, and everywhere the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

/// What every package holds, whatever else is in it.
const PROMISED: &[&str] = &[
    "/usr/sbin/ftpd",
    "/usr/sbin/ftpctl",
    "/etc/ftpd/ftpd.toml",
    "/etc/pam.d/ftpd",
    "/usr/lib/systemd/system/ftpd.service",
    "/usr/lib/systemd/system/ftpd.socket",
    "/usr/lib/sysusers.d/ftpd.conf",
    "/usr/lib/tmpfiles.d/ftpd.conf",
    "/usr/share/man/man8/ftpd.8",
    "/usr/share/man/man8/ftpctl.8",
    "/usr/share/man/man5/ftpd.toml.5",
    "/usr/share/man/man5/ftpd-users.5",
    "/usr/share/bash-completion/completions/ftpd",
    "/usr/share/bash-completion/completions/ftpctl",
    "/usr/share/zsh/site-functions/_ftpd",
    "/usr/share/zsh/site-functions/_ftpctl",
    "/usr/share/fish/vendor_completions.d/ftpd.fish",
    "/usr/share/fish/vendor_completions.d/ftpctl.fish",
    "/etc/logrotate.d/ftpd",
    "/etc/fail2ban/filter.d/ftpd.conf",
    "/etc/fail2ban/jail.d/ftpd.conf",
    "/etc/ufw/applications.d/ftpd",
    "/usr/lib/firewalld/services/ftpd.xml",
    "/etc/apparmor.d/usr.sbin.ftpd",
    "/usr/share/doc/ftpd/README.md",
    "/usr/share/doc/ftpd/SECURITY.md",
    "/usr/share/doc/ftpd/CHANGELOG.md",
    // Real users, virtual hosting, an anonymous mirror, a box for cameras, behind NAT, behind HAProxy.
    "/usr/share/doc/ftpd/examples/accounts.toml",
    "/usr/share/doc/ftpd/examples/hosting.toml",
    "/usr/share/doc/ftpd/examples/mirror.toml",
    "/usr/share/doc/ftpd/examples/cameras.toml",
    "/usr/share/doc/ftpd/examples/router.toml",
    "/usr/share/doc/ftpd/examples/proxy.toml",
    "/usr/share/doc/ftpd/monitoring/grafana.json",
    "/usr/share/doc/ftpd/monitoring/alerts.yml",
];

/// What is made only when packages are built.
const INVENTORY: &str = "/usr/share/doc/ftpd/sbom.cdx.json";

/// Where a package has a file from, by where it puts it.
type Contents = BTreeMap<String, String>;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn metadata(of: &str) -> Table {
    let text = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let manifest: Table = text.parse().unwrap();
    manifest["package"]["metadata"][of].as_table().unwrap().clone()
}

/// The files that a source stands for: itself, or what a star stands for.
fn sources(source: &str) -> Vec<String> {
    let Some((directory, ending)) = source.split_once('*') else { return vec![source.to_owned()] };
    let entries = std::fs::read_dir(repository().join(directory)).unwrap();
    let names = entries.filter(|entry| entry.as_ref().unwrap().path().is_file());
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).map(|name| format!("{directory}{name}")).collect()
}

/// Adds what an asset puts into a package, under the name that it has on every system.
fn add(contents: &mut Contents, source: &str, destination: &str) {
    for source in sources(source) {
        let name = if destination.ends_with('/') { source.rsplit('/').next().unwrap() } else { "" };
        let path = format!("/{}{name}", destination.trim_start_matches('/'));
        let path = path
            .replace("/doc/ftpd-rs/", "/doc/ftpd/")
            .replace("/zsh/vendor-completions/", "/zsh/site-functions/");
        let path = path.trim_end_matches(".gz").replace("/doc/ftpd/changelog", "/doc/ftpd/CHANGELOG.md");
        let before = contents.insert(path.clone(), source);
        assert_eq!(before, None, "{path} comes from two files");
    }
}

fn deb() -> Contents {
    let mut contents = Contents::new();
    for asset in metadata("deb")["assets"].as_array().unwrap() {
        add(&mut contents, asset[0].as_str().unwrap(), asset[1].as_str().unwrap());
    }
    // The license is in the copyright file, which cargo-deb makes.
    assert_eq!(
        contents.remove("/usr/share/lintian/overrides/ftpd-rs").as_deref(),
        Some("packaging/debian/lintian-overrides")
    );
    contents
}

fn rpm() -> Contents {
    let mut contents = Contents::new();
    for asset in metadata("generate-rpm")["assets"].as_array().unwrap() {
        add(&mut contents, asset["source"].as_str().unwrap(), asset["dest"].as_str().unwrap());
    }
    for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
        assert_eq!(contents.remove(&format!("/usr/share/licenses/ftpd/{license}")).as_deref(), Some(license));
    }
    contents
}

fn names(contents: &Contents) -> BTreeSet<&str> {
    contents.keys().map(String::as_str).collect()
}

/// The files below a directory, as if it were the root.
fn below(root: &Path) -> BTreeSet<String> {
    let mut directories = vec![root.to_path_buf()];
    let mut found = BTreeSet::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.insert(format!("/{}", path.strip_prefix(root).unwrap().display()));
            }
        }
    }
    found
}

/// Runs make, with the programs of these tests in place of those of a release.
fn make(target: &str, root: &Path, prefix: &str) {
    let mut command = Command::new("make");
    command.current_dir(repository()).args(["--silent", target]);
    command.arg(format!("FTPD={}", env!("CARGO_BIN_EXE_ftpd"))).arg(format!("PREFIX={prefix}"));
    command.arg(format!("DESTDIR={}", root.display())).env_remove("MAKEFLAGS");
    let output = command.output().expect("make");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// An empty directory of the test's own.
fn empty_directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if directory.exists() {
        std::fs::remove_dir_all(&directory).unwrap();
    }
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn both_packages_hold_what_was_promised_and_the_same() {
    let (deb, rpm) = (deb(), rpm());
    assert_eq!(names(&deb), names(&rpm));
    let missing: Vec<_> =
        PROMISED.iter().chain(&[INVENTORY]).filter(|path| !deb.contains_key(**path)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (path, source) in &deb {
        // Made when packages are: compressed, or the list of what is in the programs.
        if !source.starts_with("target/") {
            assert!(repository().join(source).exists(), "{path} from {source}");
        }
    }
}

#[test]
fn packages_hold_all_documents_and_examples() {
    let deb = deb();
    let inside: BTreeSet<&String> = deb.values().collect();
    for source in ["docs/*.md", "docs/examples/*", "docs/images/*", "packaging/monitoring/*"] {
        for file in sources(source) {
            assert!(inside.contains(&file), "{file}");
        }
    }
}

#[test]
fn links_of_packaged_documents_lead_to_others() {
    let contents = rpm();
    let mut links = 0;
    for (path, source) in contents.iter().filter(|(path, _)| path.ends_with(".md")) {
        let text = std::fs::read_to_string(repository().join(source)).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            let (directory, _) = path.rsplit_once('/').unwrap();
            assert!(contents.contains_key(&format!("{directory}/{target}")), "{path} leads to {target}");
            links += 1;
        }
    }
    assert!(links > 5);
}

#[test]
fn upgrades_keep_what_is_below_etc() {
    let configured: BTreeSet<String> =
        names(&deb()).iter().filter(|path| path.starts_with("/etc/")).map(|path| path.to_string()).collect();
    let kept = metadata("deb")["conf-files"].as_array().unwrap().clone();
    let kept: BTreeSet<String> = kept.iter().map(|path| path.as_str().unwrap().to_owned()).collect();
    assert_eq!(configured, kept);
    for asset in metadata("generate-rpm")["assets"].as_array().unwrap() {
        let below_etc = asset["dest"].as_str().unwrap().starts_with("/etc/");
        let kept = asset.get("config").and_then(Value::as_str) == Some("noreplace");
        assert_eq!(below_etc, kept, "{asset}");
    }
}

#[test]
fn make_install_installs_what_packages_hold_and_takes_it_away() {
    let root = empty_directory("installed");
    make("install", &root, "/usr");
    let mut installed = below(&root);
    installed.remove(&format!("{INVENTORY}.gz"));
    let mut packaged = rpm();
    packaged.remove(INVENTORY);
    assert_eq!(installed.iter().map(String::as_str).collect::<BTreeSet<_>>(), names(&packaged));

    // What the administrator has changed stays as it is.
    let configuration = root.join("etc/ftpd/ftpd.toml");
    std::fs::write(&configuration, "# mine\n").unwrap();
    make("install", &root, "/usr");
    make("uninstall", &root, "/usr");
    assert_eq!(std::fs::read_to_string(&configuration).unwrap(), "# mine\n");
    assert!(below(&root).iter().all(|path| path.starts_with("/etc/")), "{:?}", below(&root));
}

#[test]
fn make_install_tells_systemd_and_apparmor_where_the_programs_are() {
    let root = empty_directory("elsewhere");
    make("install", &root, "/opt/ftpd");
    assert!(root.join("opt/ftpd/sbin/ftpd").exists() && root.join("opt/ftpd/sbin/ftpctl").exists());
    for file in ["opt/ftpd/lib/systemd/system/ftpd.service", "etc/apparmor.d/usr.sbin.ftpd"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let programs =
            text.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains("sbin/ftp"));
        let programs: Vec<&str> = programs.collect();
        assert!(programs.len() >= 2, "{file}: {programs:?}");
        assert!(
            programs.iter().all(|line| line.contains("/opt/ftpd/sbin/ftp") && !line.contains("/usr/sbin")),
            "{programs:?}"
        );
    }
}

#[test]
fn the_service_for_firewalld_is_xml() {
    // firewalld would end with any service that is not: here, a comment with two hyphens.
    let script = "import sys, xml.etree.ElementTree as tree\n\
                  print(*[port.get('port') for port in tree.parse(sys.argv[1]).getroot().iter('port')])";
    let file = repository().join("packaging/firewalld/ftpd.xml");
    let output = Command::new("python3").args(["-c", script]).arg(file).output().expect("python3");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "21 50000-50999\n", "{output:?}");
}
