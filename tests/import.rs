//! `ftpd import`: the configurations of other servers, as administrators have them, become ones that the daemon takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

/// What became of a file.
struct Imported {
    configuration: Table,
    remarks: String,
}

impl Imported {
    /// Imports a file of this name; what comes out must be a configuration.
    fn of(name: &str, text: &str) -> Imported {
        let directory = Directory::new(name);
        let theirs = directory.0.join(name);
        fs::write(&theirs, text).expect("write");
        Imported::from(&directory, &theirs)
    }

    /// The same, of what is there.
    fn from(directory: &Directory, theirs: &Path) -> Imported {
        let ours = directory.0.join("ftpd.toml");
        let ftpd = env!("CARGO_BIN_EXE_ftpd");
        let output = Command::new(ftpd).arg("import").arg(theirs).output().expect("import");
        let remarks = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{remarks}");
        fs::write(&ours, &output.stdout).expect("write");
        let shown = Command::new(ftpd).args(["show-config", "--config"]).arg(&ours).output().expect("show");
        let complaint = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.success(), "{complaint}{}", String::from_utf8_lossy(&output.stdout));
        let configuration = String::from_utf8_lossy(&shown.stdout).parse().expect("TOML");
        Imported { configuration, remarks }
    }

    fn get(&self, section: &str, key: &str) -> &Value {
        self.configuration
            .get(section)
            .and_then(|section| section.get(key))
            .unwrap_or_else(|| panic!("no {key} in [{section}]: {}", self.configuration))
    }

    #[track_caller]
    fn has(&self, section: &str, key: &str, value: impl Into<Value>) -> &Imported {
        assert_eq!(self.get(section, key), &value.into(), "[{section}] {key}");
        self
    }

    #[track_caller]
    fn remarks_on(&self, line: usize, text: &str) -> &Imported {
        let found = self.remarks.lines().any(|one| one.contains(&format!(":{line}: ")) && one.contains(text));
        assert!(found, "nothing about line {line} with {text:?}:\n{}", self.remarks);
        self
    }
}

/// A certificate with its key.
fn certificate(directory: &Directory) -> String {
    let path = directory.0.join("server.pem");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftpd"));
    let output = command.args(["cert", "self-signed", "--name", "ftp.example.org"]).arg(&path).output();
    assert!(output.expect("cert").status.success());
    path.to_str().expect("path").to_string()
}

/// A directory that goes away with its test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let test = std::thread::current().name().unwrap_or_default().replace(':', "_");
        let path = std::env::temp_dir().join(format!("ftpd-import-{}-{test}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("directory");
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn list(values: &[&str]) -> Value {
    values.iter().map(|value| Value::from(*value)).collect::<Vec<_>>().into()
}

#[test]
fn a_vsftpd_of_a_distribution_keeps_its_meaning() {
    let imported = Imported::of(
        "vsftpd.conf",
        "# Example\nlisten=NO\nlisten_ipv6=YES\nanonymous_enable=NO\nlocal_enable=YES\n#write_enable=YES\n\
         dirmessage_enable=YES\nuse_localtime=YES\nxferlog_enable=YES\nconnect_from_port_20=YES\n\
         secure_chroot_dir=/var/run/vsftpd/empty\npam_service_name=vsftpd\nssl_enable=NO\n",
    );
    imported
        .has("listen", "addresses", list(&["[::]:21"]))
        .has("anonymous", "enabled", false)
        // Nothing may be written, as long as nobody says write_enable.
        .has("session", "permissions", "elr")
        .has("session", "root-dir", "real")
        .has("session", "umask", "077")
        .has("session", "listing-times", "local")
        .has("session", "directory-message", ".message")
        .has("data", "active-port-20", true)
        .has("login", "pam-service", "vsftpd")
        .has("listen", "max-sessions", 2000);
    assert_eq!(imported.remarks, "", "all of it maps");
}

#[test]
fn a_vsftpd_with_jails_and_tls_keeps_its_meaning() {
    let listed = Directory::new("lists");
    let (free, denied) = (listed.0.join("chroot_list"), listed.0.join("user_list"));
    fs::write(&free, "bob\n# nobody else\ncarol\n").expect("write");
    fs::write(&denied, "root\nanonymous\ndaemon\n").expect("write");
    let pem = certificate(&listed);
    let imported = Imported::of(
        "vsftpd.conf",
        &format!(
            "listen=YES\nlisten_address=192.0.2.1\nlisten_port=2121\nlocal_enable=YES\nwrite_enable=YES\n\
             local_umask=022\nchroot_local_user=YES\nchroot_list_enable=YES\nchroot_list_file={}\n\
             userlist_enable=YES\nuserlist_file={}\npasv_min_port=50000\npasv_max_port=50100\n\
             pasv_address=203.0.113.7\nssl_enable=YES\nrsa_cert_file={}\nforce_local_logins_ssl=YES\n\
             force_local_data_ssl=NO\nlocal_max_rate=1000000\nidle_session_timeout=120\nftpd_banner=Welcome here.\n\
             hide_ids=YES\ncmds_denied=DELE, SITE\nno_such=YES\nsyslog_enable=YES\n",
            free.display(),
            denied.display(),
            pem,
        ),
    );
    imported
        .has("listen", "addresses", list(&["192.0.2.1:2121"]))
        .has("session", "root-dir", "home")
        .has("session", "umask", "022")
        .has("session", "idle-timeout", 120)
        .has("session", "require-tls", "login")
        .has("login", "reject-users", list(&["daemon", "root"]))
        .has("data", "passive-ports", "50000-50100")
        .has("data", "masquerade-address", "203.0.113.7")
        .has("tls", "certificates", list(&[&pem]))
        .has("tls", "session-reuse", "require")
        .has("server", "banner", "Welcome here.")
        .has("log", "to", "syslog")
        .has("session", "refused-commands", list(&["DELE", "SITE"]))
        .remarks_on(22, "hide_ids YES")
        .remarks_on(24, "no_such is nothing that vsftpd knows");
    for user in ["bob", "carol"] {
        assert_eq!(imported.get("user", user)["root-dir"], Value::from("real"), "{user}");
    }
}

#[test]
fn a_pure_ftpd_keeps_its_meaning() {
    let own = Directory::new("own");
    let (pem, directory) = (certificate(&own), own.0.to_str().expect("path"));
    let theirs = "# Comment\nChrootEveryone               yes\nMaxClientsNumber             70\nMaxClientsPerIP              0\n\
         MaxIdleTime                  10\nPassivePortRange             30000 30050\nBind                         127.0.0.1,2121\n\
         NoAnonymous                  yes\nUmask                        133:022\nUserBandwidth                10:20\n\
         PerUserLimits                3:20\nTLS                          2\n\
         CertFileAndKey               \"PEM\" \"PEM\"\nQuota                        1000:10\n\
         NoChmod                      yes\nAntiWarez                    yes\nAllowUserFXP                 no\n\
         VerboseLog                   no\nNonsense                     1\n";
    let theirs = theirs.replace("PEM", &pem).replace("LOGS", directory);
    let imported = Imported::of("pure-ftpd.conf", &theirs);
    imported
        .has("session", "root-dir", "home")
        .has("listen", "addresses", list(&["127.0.0.1:2121"]))
        .has("listen", "max-sessions", 70)
        .has("session", "idle-timeout", 600)
        .has("session", "max-sessions-per-user", 3)
        .has("anonymous", "enabled", false)
        .has("anonymous", "max-sessions", 20)
        .has("data", "passive-ports", "30000-30050")
        .has("session", "umask", "022")
        .has("session", "require-tls", "login")
        .has("tls", "certificates", list(&[&pem]))
        .has("tls", "keys", list(&[&pem]))
        .has("login", "min-uid", 100)
        .remarks_on(16, "drop box")
        .remarks_on(19, "Nonsense is nothing that Pure-FTPd knows");
    let permissions = imported.get("session", "permissions").as_str().expect("letters");
    assert!(permissions.contains('w') && !permissions.contains('M'), "{permissions}");
}

#[test]
fn a_pure_ftpd_without_a_word_lets_anonymous_clients_in_and_needs_no_certificate() {
    let imported = Imported::of("pure-ftpd.conf", "");
    imported.has("anonymous", "enabled", true).has("session", "root-dir", "real").has(
        "listen",
        "max-sessions",
        50,
    );
    imported.has("tls", "certificates", list(&[]));
}

#[test]
fn a_proftpd_keeps_its_meaning() {
    let own = Directory::new("own");
    let (pem, directory) = (certificate(&own), own.0.to_str().expect("path"));
    let theirs = "# Debian's\nInclude /etc/proftpd/modules.conf\nUseIPv6 on\nServerName \"Debian\"\nServerType standalone\n\
         TimeoutNoTransfer 600\nTimeoutStalled 500\nTimeoutIdle 1200\nDisplayLogin welcome.msg\nDisplayChdir .message true\n\
         ListOptions \"-l\"\nDenyFilter \\*.*/\nDefaultRoot ~ \nDefaultRoot / staff\nPort 2121\nPassivePorts 49152 49200\n\
         MaxInstances 30\nUser proftpd\nGroup nogroup\nUmask 022 022\nAllowOverwrite on\nTransferLog LOGS/xferlog\n\
         SystemLog LOGS/proftpd.log\nTransferRate RETR 100\nServerIdent on \"Ready.\"\n\
         <IfModule mod_tls.c>\n  TLSEngine on\n  TLSRSACertificateFile PEM\n  \
         TLSRSACertificateKeyFile \\\n    PEM\n  TLSRequired on\n  TLSProtocol TLSv1.2 TLSv1.3\n</IfModule>\n\
         <Anonymous ~ftp>\n  User ftp\n  MaxClients 10 \"Full.\"\n  <Limit WRITE>\n    DenyAll\n  </Limit>\n</Anonymous>\n\
         <Directory /srv>\n  AllowOverwrite off\n</Directory>\n";
    let theirs = theirs.replace("PEM", &pem).replace("LOGS", directory);
    let imported = Imported::of("proftpd.conf", &theirs);
    imported
        .has("session", "root-dir", "home")
        .has("listen", "addresses", list(&["[::]:2121"]))
        .has("listen", "max-sessions", 30)
        .has("session", "idle-timeout", 1200)
        .has("session", "stall-timeout", 500)
        .has("session", "directory-message", ".message")
        .has("session", "require-tls", "all")
        .has("tls", "certificates", list(&[&pem]))
        .has("tls", "keys", list(&[&pem]))
        .has("anonymous", "enabled", true)
        .has("anonymous", "account", "ftp")
        .has("anonymous", "max-sessions", 10)
        .has("server", "banner", "Ready.")
        .has("log", "to", format!("{directory}/proftpd.log"))
        .has("log", "xferlog", format!("{directory}/xferlog"))
        .remarks_on(2, "import /etc/proftpd/modules.conf as well")
        .remarks_on(6, "idle-timeout")
        .remarks_on(37, "[rule.NAME]")
        .remarks_on(41, "[rule.NAME]");
    assert_eq!(imported.get("group", "staff")["root-dir"], Value::from("real"));
}

#[test]
fn what_a_file_says_cannot_become_more_than_it_says() {
    // Quotes, brackets and line ends of a value stay within it.
    let imported = Imported::of("vsftpd.conf", "ftpd_banner=a\"]\\n[login] # '''\n\x1b[31mred=1\n");
    imported.has("server", "banner", "a\"]\\n[login] # '''");
    assert!(!imported.remarks.contains('\x1b'), "{:?}", imported.remarks);
}

#[test]
fn nothing_is_overwritten() {
    let directory = Directory::new("output");
    let (theirs, ours) = (directory.0.join("vsftpd.conf"), directory.0.join("ftpd.toml"));
    fs::write(&theirs, "local_enable=YES\n").expect("write");
    let import = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ftpd"));
        command.arg("import").arg(&theirs).arg("--output").arg(&ours).output().expect("import")
    };
    assert!(import().status.success());
    let made = fs::read(&ours).expect("the configuration");
    let again = import();
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("ftpd.toml"));
    assert_eq!(fs::read(&ours).expect("the configuration"), made);
}

#[test]
fn a_file_of_an_unknown_name_needs_a_word_about_its_server() {
    let directory = Directory::new("unknown");
    let theirs = directory.0.join("server.conf");
    fs::write(&theirs, "local_enable=YES\n").expect("write");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftpd"));
    let output = command.arg("import").arg(&theirs).output().expect("import");
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--from"));
    assert!(command.args(["--from", "vsftpd"]).output().expect("import").status.success());
}

#[test]
fn the_directory_of_a_debian_pure_ftpd_keeps_its_meaning() {
    let directory = Directory::new("pure-ftpd");
    let (conf, auth) = (directory.0.join("conf"), directory.0.join("auth"));
    fs::create_dir(&conf).expect("directory");
    fs::create_dir(&auth).expect("directory");
    for (name, value) in [
        ("NoAnonymous", "# nobody\n\nyes\n"),
        ("MinUID", "1000"),
        ("FSCharset", "UTF-8"),
        ("PureDB", "/etc/pure-ftpd/pureftpd.pdb"),
        ("MySQLConfigFile", "/etc/pure-ftpd/db/mysql.conf"),
        ("PerUserLimits", "3 20"),
        ("Umask", "133 022"),
        ("Quota", "1000 10"),
        ("PassivePortRange", "50000 50999"),
        ("SyslogFacility", "local3"),
        ("NoTruncate", "yes"),
        ("MaxLoad", "4"),
        ("NATmode", "yes"),
        ("MinUID.dpkg-old", "1"),
    ] {
        fs::write(conf.join(name), value).expect("write");
    }
    std::os::unix::fs::symlink("../conf/PureDB", auth.join("50pure")).expect("link");
    let check = |imported: &Imported| {
        imported
            .has("anonymous", "enabled", false)
            .has("login", "min-uid", 1000)
            .has("session", "max-sessions-per-user", 3)
            .has("session", "umask", "022")
            .has("session", "quota-files", 1000)
            .has("data", "passive-ports", "50000-50999")
            .has("log", "facility", "local3");
        let letters = imported.get("session", "permissions").as_str().expect("letters");
        assert!(letters.contains('c') && letters.contains('R') && !letters.contains(['o', 'w']), "{letters}");
        for text in ["pureftpd.pdb", "MaxLoad 4: ", "NATmode yes: "] {
            assert!(imported.remarks.contains(text), "{text}: {}", imported.remarks);
        }
        // No link leads to it.
        assert!(!imported.remarks.contains("MySQL"), "{}", imported.remarks);
        assert_eq!(imported.remarks.lines().count(), 3, "{}", imported.remarks);
    };
    check(&Imported::from(&directory, &directory.0));
    check(&Imported::from(&directory, &conf));
}

#[test]
fn a_vsftpd_with_lists_of_addresses_and_certificates_of_clients_keeps_its_meaning() {
    let directory = Directory::new("lists");
    let (banned, ca) = (directory.0.join("banned"), certificate(&directory));
    fs::write(&banned, "mozilla@example.org\n").expect("write");
    let imported = Imported::of(
        "vsftpd.conf",
        &format!(
            "anonymous_enable=YES\nlocal_enable=YES\ndeny_email_enable=YES\nbanned_email_file={}\nanon_umask=027\n\
             write_enable=YES\nmdtm_write=NO\nxferlog_enable=YES\nxferlog_std_format=YES\nssl_enable=YES\n\
             rsa_cert_file={ca}\nrequire_cert=YES\nca_certs_file={ca}\n",
            banned.display()
        ),
    );
    imported
        .has("anonymous", "reject-emails", list(&["mozilla@example.org"]))
        .has("anonymous", "umask", "027")
        .has("session", "permissions", "elradfmwM")
        .has("log", "xferlog", "/var/log/xferlog")
        .has("tls", "client-certificates", "require")
        .has("tls", "client-ca-files", list(&[&ca]));
}

#[test]
fn a_proftpd_says_what_becomes_of_its_modules() {
    let imported = Imported::of(
        "proftpd.conf",
        "QuotaEngine on\nRatios off\nDelayEngine on\nControlsSocket /run/x\nTLSEngine off\n\
         TLSRSACertificateFile /nowhere/cert.pem\nTLSRequired on\nSyslogFacility LOCAL5\nAllowStoreRestart on\n\
         ExtendedLog /var/log/x ALL\nListOptions \"-l\"\nListOptions \"-la\"\n",
    );
    imported
        .has("log", "facility", "local5")
        .has("log", "commands", true)
        .has("session", "require-tls", "none")
        .has("tls", "certificates", list(&[]));
    let letters = imported.get("session", "permissions").as_str().expect("letters");
    assert!(letters.contains('R') && !letters.contains(['o', 'w']), "{letters}");
    imported.remarks_on(1, "quota-bytes").remarks_on(10, "ExtendedLog").remarks_on(12, "-la");
    assert_eq!(imported.remarks.lines().count(), 3, "{}", imported.remarks);
}
