//! What `ftpd check` and `ftpd show-config` say, of good files and of bad ones.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory of its own for each test, gone at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("ftpd-configuration-{}-{test}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn ftpd(arguments: &[&str], config: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ftpd"))
        .args(arguments)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What `ftpd check` says of this text, with the path of the file taken out. A PAM service is there.
fn check(test: &str, text: &str) -> (bool, String) {
    let scratch = Scratch::new(test);
    scratch.write("ftpd", "");
    let directory = scratch.0.to_str().unwrap();
    let text = text.replace("@DIRECTORY@", directory);
    let path = scratch.write("f.toml", text);
    let output = ftpd(&["check"], &path);
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8(said)
        .unwrap()
        .replace(&format!("{directory}/"), "")
        .replace(directory, "@DIRECTORY@");
    // Whether this machine has a PAM service for the daemon is not the matter here.
    let lines =
        said.lines().filter(|line| !line.contains("pam-service: there is no /etc/pam.d")).collect::<Vec<_>>();
    (output.status.success(), lines.join("\n"))
}

/// Files that are refused, and what is said of them.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "unknown-section",
        "[listne]\nspare-workers = 4\n",
        "f.toml:1: [listne]: there is no such section (did you mean [listen]?)",
    ),
    (
        "unknown-option",
        "[login]\n\nallow-user = [\"a\"]\n",
        "f.toml:3: [login] allow-user: there is no such option (did you mean allow-users?)",
    ),
    (
        "underscore",
        "[listen]\nmax_sessions = 4\n",
        "f.toml:2: [listen] max_sessions: there is no such option (did you mean max-sessions?)",
    ),
    (
        "no-section",
        "max-sessions = 4\n",
        "f.toml:1: max-sessions: stands in no section; it belongs into [listen]",
    ),
    (
        "text-for-number",
        "[listen]\nmax-sessions = \"4\"\n",
        "f.toml:2: [listen] max-sessions: wants a number from 1 to 100000, not the text \"4\"",
    ),
    (
        "fraction",
        "[log]\n[login]\nfailure-delay = 0.5\n",
        "f.toml:3: [login] failure-delay: wants seconds, from 0 to 60, not the number 0.5",
    ),
    ("negative", "[login]\nmin-uid = -1\n", "f.toml:2: [login] min-uid: -1 is not from 1 to 4294967295"),
    (
        "too-many",
        "[listen]\nspare-workers = 1000\n",
        "f.toml:2: [listen] spare-workers: 1000 is not from 1 to 256",
    ),
    (
        "number-for-truth",
        "[data]\nactive = 1\n",
        "f.toml:2: [data] active: wants true or false, not the number 1",
    ),
    (
        "text-for-list",
        "[login]\nallow-users = \"a\"\n",
        "f.toml:2: [login] allow-users: wants a list of texts, not the text \"a\"",
    ),
    (
        "number-in-list",
        "[login]\nallow-users = [\n\"a\",\n7]\n",
        "f.toml:4: [login] allow-users: wants text in quotes, not the number 7",
    ),
    (
        "bad-address",
        "[listen]\naddresses = [\"21\"]\n",
        "f.toml:2: [listen] addresses: \"21\" is no address with a port, such as \"[::]:21\" or \"192.0.2.1:21\"",
    ),
    (
        "empty-range",
        "[data]\npassive-ports = \"50000-40000\"\n",
        "f.toml:2: [data] passive-ports: 50000-40000 is an empty range",
    ),
    (
        "no-range",
        "[data]\npassive-ports = \"50000\"\n",
        "f.toml:2: [data] passive-ports: \"50000\" is no range of ports, such as \"50000-50999\"",
    ),
    (
        "bad-letter",
        "[session]\npermissions = \"elx\"\n",
        "f.toml:2: [session] permissions: 'x' is no permission letter (there are elradfmwMT)",
    ),
    (
        "bad-umask",
        "[session]\numask = \"0888\"\n",
        "f.toml:2: [session] umask: \"0888\" is no octal number from \"000\" to \"777\"",
    ),
    (
        "umask-number",
        "[session]\numask = 22\n",
        "f.toml:2: [session] umask: wants an octal mode as text, not the number 22",
    ),
    (
        "relative",
        "[session]\nroot-dir = \"ftp/%u\"\n",
        "f.toml:2: [session] root-dir: \"ftp/%u\" is neither \"home\" nor \"real\" nor an absolute path",
    ),
    (
        "bad-blank",
        "[session]\nroot-dir = \"/srv/%x\"\n",
        "f.toml:2: [session] root-dir: \"/srv/%x\" has a % that is none of %u, %g, %h and %%",
    ),
    (
        "bad-level",
        "[log]\nlevel = \"warn\"\n",
        "f.toml:2: [log] level: \"warn\" is none of \"error\", \"warning\", \"notice\", \"info\", \"debug\"",
    ),
    (
        "banner-of-a-terminal",
        "[server]\nbanner = \"a\\u001b[2J\"\n",
        "f.toml:2: [server] banner: contains the control character '\\u{1b}'",
    ),
    (
        "in-user",
        "[user.alice]\nroot-dri = \"real\"\n",
        "f.toml:2: [user.alice] root-dri: there is no such option (did you mean root-dir?)",
    ),
    (
        "user-without-name",
        "[user]\numask = \"022\"\n",
        "f.toml:2: [user] umask: wants sections of the form [user.NAME], with options of [session] in them",
    ),
    (
        "listener-without-port",
        "[listener.\"192.0.2.1\"]\nmax-sessions = 3\n",
        "f.toml:2: [listener.\"192.0.2.1\"] max-sessions: the name is no address with a port, such as \
         [listener.\"[::]:21\"]",
    ),
    (
        "network-of-nobody",
        "[network.office]\nmax-sessions = 3\n",
        "f.toml: [network.office] addresses: the list is empty: nobody belongs to this network",
    ),
    ("twice", "[log]\nlevel = \"info\"\nlevel = \"info\"\n", "f.toml:3:1: duplicate key"),
    ("no-toml", "[log]\nlevel = info\n", "f.toml:2:9: text stands in quotes"),
    (
        "all-at-once",
        "[data]\nactive = \"yes\"\n[listen]\nmax-sessions = 0\n",
        "f.toml:2: [data] active: wants true or false, not the text \"yes\"\n\
         f.toml:4: [listen] max-sessions: 0 is not from 1 to 100000",
    ),
    (
        "nobody",
        "[listen]\naddresses = []\n",
        "f.toml:2: [listen] addresses: the list is empty: nobody could connect",
    ),
    (
        "twice-listened",
        "[listen]\naddresses = [\"[::]:21\", \"[::]:21\"]\n",
        "f.toml:2: [listen] addresses: [::]:21 is listed twice",
    ),
    (
        "allowed-and-rejected",
        "[login]\nreject-users = [\"bob\"]\nallow-users = [\"alice\", \"bob\"]\n",
        "f.toml:3: [login] allow-users: bob is also listed in reject-users",
    ),
    (
        "data-port-listened",
        "[listen]\naddresses = [\"[::]:2121\"]\n[data]\npassive-ports = \"2000-3000\"\n",
        "f.toml:4: [data] passive-ports: contains port 2121, which is listened on",
    ),
    (
        "privileged-data-port",
        "[data]\npassive-ports = \"1000-3000\"\n",
        "f.toml:2: [data] passive-ports: has ports below 1024, which sessions may not open",
    ),
    (
        "no-users-file",
        "[login]\nusers-file = \"@DIRECTORY@/users\"\n",
        "f.toml:2: [login] users-file: users: No such file or directory",
    ),
    (
        "no-service",
        "[login]\npam-service = \"other\"\npam-directory = \"@DIRECTORY@\"\n",
        "f.toml:3: [login] pam-directory: other: No such file or directory",
    ),
    (
        "no-log-directory",
        "[log]\nto = \"@DIRECTORY@/none/log\"\n",
        "f.toml:2: [log] to: none: No such file or directory",
    ),
    (
        "placeholder-before-login",
        "[server]\nbanner = \"Hello, %u.\"\n",
        "f.toml:2: [server] banner: %u means nothing before somebody is logged in",
    ),
    (
        "unknown-placeholder",
        "[user.alice]\nlogin-message = \"%w\"\n",
        "f.toml:2: [user.alice] login-message: %w stands for nothing; %% stands for a percent sign",
    ),
    (
        "message-in-a-directory",
        "[session]\ndirectory-message = \"etc/motd\"\n",
        "f.toml:2: [session] directory-message: \"etc/motd\" is no name of a file; directories cannot be part of it",
    ),
    (
        "no-banner-file",
        "[host.a]\nbanner-file = \"@DIRECTORY@/none\"\n",
        "f.toml:2: [host.a] banner-file: none: No such file or directory",
    ),
    (
        "bad-banner-file",
        "[server]\nbanner-file = \"@DIRECTORY@/f.toml\"\n#%d\n",
        "f.toml:2: [server] banner-file: f.toml: %d means nothing before somebody is logged in",
    ),
    (
        "host-without-quotes",
        "[host.ftp.example.org]\numask = \"022\"\n",
        "f.toml:1: [host.ftp.example]: a name with dots in it stands in quotes, as in [host.\"ftp.example.org\"]",
    ),
    (
        "host-without-name",
        "[host.\"a b\"]\n",
        "f.toml:1: [host.\"a b\"]: \"a b\" is no name of a host, such as \"ftp.example.org\"",
    ),
    (
        "option-of-no-host",
        "[host.a]\nbaner = \"a\"\nmin-uid = 5\n",
        "f.toml:2: [host.a] baner: there is no such option (did you mean banner?)\n\
         f.toml:3: [host.a] min-uid: there is no such option",
    ),
    (
        "host-at-no-address",
        "[host.a]\naddresses = [\"ftp.example.org\"]\n",
        "f.toml:2: [host.a] addresses: \"ftp.example.org\" is no address, such as \"192.0.2.1\", \
         \"192.0.2.1:2121\" or \"[::]:2121\"",
    ),
    (
        "two-hosts-of-one-address",
        "[host.a]\naddresses = [\"192.0.2.1\"]\n[host.b]\naddresses = [\"192.0.2.1:21\", \"::ffff:192.0.2.1\"]\n",
        "f.toml:4: [host.b] addresses: 192.0.2.1 is also that of [host.a]",
    ),
    (
        "two-hosts-of-one-name",
        "[host.\"A.org\"]\n[host.b]\nnames = [\"c\", \"a.org.\"]\n[host.d]\nnames = [\"C\"]\n",
        "f.toml:3: [host.b] names: a.org is also a name of [host.\"A.org\"]\n\
         f.toml:5: [host.d] names: c is also a name of [host.b]",
    ),
    (
        "let-in-and-kept-out-of-a-host",
        "[host.a]\nallow-groups = [\"x\"]\nreject-groups = [\"x\"]\n",
        "f.toml:2: [host.a] allow-groups: x is also listed in reject-groups",
    ),
    (
        "no-users-file-of-a-host",
        "[host.a]\nusers-file = \"@DIRECTORY@/users\"\n",
        "f.toml:2: [host.a] users-file: users: No such file or directory",
    ),
    (
        "anonymous-root",
        "[anonymous]\nenabled = true\naccount = \"root\"\n",
        "f.toml:3: [anonymous] account: anonymous sessions never run as root",
    ),
    (
        "proxied-by-nobody",
        "[listen]\nproxied = [\"[::]:21\"]\n",
        "f.toml:2: [listen] proxied: nobody could connect: trusted-proxies is empty",
    ),
    (
        "bits-behind-the-prefix",
        "[listen]\nproxied = [\"[::]:21\"]\ntrusted-proxies = [\"10.1.2.3/8\"]\n",
        "f.toml:3: [listen] trusted-proxies: 10.1.2.3/8 has bits set behind its prefix; the network is 10.0.0.0/8",
    ),
    (
        "no-address-and-no-name",
        "[data]\nmasquerade-address = \"203.0.113\"\n",
        "f.toml:2: [data] masquerade-address: \"203.0.113\" is no IPv4 address and no name, such as \"192.0.2.1\" or \
         \"ftp.example.org\"",
    ),
    ("no-class-of-traffic", "[data]\ndscp = 64\n", "f.toml:2: [data] dscp: 64 is not from 0 to 63"),
    (
        "no-root-dir",
        "[group.staff]\nroot-dir = \"@DIRECTORY@/none\"\n",
        "f.toml:2: [group.staff] root-dir: none: No such file or directory",
    ),
];

#[test]
fn a_bad_file_is_refused_with_file_line_option_and_reason() {
    for (test, text, said) in REFUSED {
        assert_eq!(check(test, text), (false, said.to_string()), "{test}");
    }
}

/// Files that are good, and what is said of them all the same.
const WARNED: &[(&str, &str, &str)] = &[
    ("good", "", "f.toml: ok"),
    ("own-service", "[login]\npam-directory = \"@DIRECTORY@\"\n", "f.toml: ok"),
    (
        "anonymous-writes",
        "[anonymous]\nenabled = true\naccount = \"nobody\"\nroot-dir = \"@DIRECTORY@\"\npermissions = \"elrw\"\n",
        "warning: f.toml:5: [anonymous] permissions: lets anybody who can connect change files\nf.toml: ok",
    ),
    (
        "short-login",
        "[login]\nlogin-timeout = 5\n",
        "warning: f.toml:2: [login] login-timeout: is over before max-failures is reached: the delays alone take 9 \
         seconds\nf.toml: ok",
    ),
    (
        "unknown-user",
        "[login]\nallow-users = [\"no such user\"]\n",
        "warning: f.toml:2: [login] allow-users: there is no user \"no such user\"\nf.toml: ok",
    ),
    (
        "no-effect",
        "[data]\nactive = false\nactive-port-20 = true\n",
        "warning: f.toml:3: [data] active-port-20: has no effect: active is false\nf.toml: ok",
    ),
    (
        "not-listened-on",
        "[listen]\npassive-only = [\"[::]:2121\"]\ntrusted-proxies = [\"::1\"]\n",
        "warning: f.toml:2: [listen] passive-only: [::]:2121 is not one of addresses\n\
         warning: f.toml:3: [listen] trusted-proxies: has no effect without proxied\nf.toml: ok",
    ),
    (
        "no-masquerade",
        "[data]\nmasquerade-exempt = [\"10.0.0.0/8\"]\nmasquerade-refresh = 10\n",
        "warning: f.toml:2: [data] masquerade-exempt: has no effect: there is neither masquerade-address nor \
         masquerade-map\n\
         warning: f.toml:3: [data] masquerade-refresh: has no effect: masquerade-address is no name\nf.toml: ok",
    ),
    (
        "epsv-and-masquerade",
        "[data]\nepsv-only = true\nmasquerade-address = \"192.0.2.1\"\n",
        "warning: f.toml:2: [data] epsv-only: leaves no use for masquerade addresses: EPSV tells none\nf.toml: ok",
    ),
    (
        "host-nobody-can-reach",
        "[listen]\naddresses = [\"[::]:21\"]\n[host.a]\naddresses = [\"192.0.2.1\", \"192.0.2.1:2121\"]\n",
        "warning: f.toml:4: [host.a] addresses: nobody can connect to 192.0.2.1:2121: [listen] addresses does not have \
         it\nf.toml: ok",
    ),
    (
        "host-without-anonymous",
        "[host.a]\nanonymous-root-dir = \"/\"\nallow-users = [\"no such user\"]\n",
        "warning: f.toml:2: [host.a] anonymous-root-dir: has no effect: there are no anonymous logins here\n\
         warning: f.toml:3: [host.a] allow-users: there is no user \"no such user\"\nf.toml: ok",
    ),
    (
        "two-banners",
        "# %c\n[host.a]\nbanner = \"a\"\nbanner-file = \"@DIRECTORY@/f.toml\"\n",
        "warning: f.toml:3: [host.a] banner: has no effect where banner-file can be read\nf.toml: ok",
    ),
];

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    for (test, text, said) in WARNED {
        assert_eq!(check(test, text), (true, said.to_string()), "{test}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let scratch = Scratch::new("missing");
    let path = scratch.0.join("none.toml");
    for command in ["check", "show-config", "serve"] {
        let output = ftpd(&[command], &path);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("{}: No such file or directory\n", path.display()));
    }
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let scratch = Scratch::new("latin1");
    let path = scratch.write("f.toml", b"[server]\nbanner = \"caf\xe9\"\n");
    let output = ftpd(&["check"], &path);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("{}:2: not UTF-8\n", path.display()));
}

#[test]
fn the_configuration_shown_reads_back_as_itself() {
    let scratch = Scratch::new("shown");
    let path = scratch.write(
        "f.toml",
        "listen = { addresses = [\"127.0.0.1:2121\", \"[::1]:2121\"] }\nserver.banner = 'a \"b\" \\c é'\n\
         [data]\npassive-ports = \"50000-50999\"\nmasquerade-address = \"192.0.2.1\"\n\
         [login]\nreject-groups = [\"a b\", \"c\"]\nmin-uid = 0x1f4\n\
         [user.\"o.k\"]\nroot-dir = \"/srv/%u/100%%\"\n[group.g]\nidle-timeout = 9\numask = \"7\"\n",
    );
    let first = ftpd(&["show-config"], &path);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let shown = String::from_utf8(first.stdout).unwrap();
    for line in [
        "addresses = [\"127.0.0.1:2121\", \"[::1]:2121\"]",
        "min-uid = 500",
        "passive-ports = \"50000-50999\"",
        "[user.\"o.k\"]",
        "root-dir = \"/srv/%u/100%%\"",
        "[group.g]",
        "umask = \"007\"",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
    let path = scratch.write("again.toml", &shown);
    let again = ftpd(&["show-config"], &path);
    assert_eq!(String::from_utf8(again.stdout).unwrap(), shown);
}

#[test]
fn the_users_file_is_checked_too() {
    let scratch = Scratch::new("users");
    let users = scratch.write("users.toml", "[bob]\npassword = \"$argon2id$x\"\nroot = \"/\"\n");
    let path = scratch.write("f.toml", format!("[login]\nusers-file = \"{}\"\n", users.display()));
    let output = ftpd(&["check"], &path);
    // What is wrong with an entry shuts out its user, and keeps nobody else from being served.
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("{}:3: [bob] root: there is no such option", users.display())), "{said}");
    scratch.write("users.toml", "[bob]\npassword = secret\n");
    let output = ftpd(&["check"], &path);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with(&format!("{}:2:12: text stands in quotes", users.display())), "{said}");
}

#[test]
fn the_users_files_of_hosts_are_checked_too() {
    let scratch = Scratch::new("users-of-hosts");
    let users = scratch.write("users.toml", "[bob]\nroot-dir = \"/\"\n");
    let text = format!("[host.a]\n[host.b]\nusers-file = \"{}\"\n", users.display());
    let output = ftpd(&["check"], &scratch.write("f.toml", text));
    let said = String::from_utf8(output.stderr).unwrap();
    let missing = format!("{}:1: [bob] password: is missing", users.display());
    assert_eq!(said.matches(&missing).count(), 1, "{said}");
}

#[test]
fn a_password_is_hashed_from_standard_input() {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_ftpd"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"secret\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.starts_with(b"$argon2id$v=19$"));
}
