//! THE LIST of options. The structs, their defaults, the reader, etc/ftpd.toml and ftpd.toml(5) are made of it.
//!
//! To add an option, add it here, run `make documents`, and use it.

use std::net::SocketAddr;

use super::accounts::{EmailPattern, HashKind, Origin, Source, UidRange};
use super::certificates::{CertificateField, CertificateMatch, ClientCertificates, LoginBy};
use super::commands::CommandName;
use super::data::{AddressMap, Masquerade, Network};
use super::declare::options;
use super::events::{EventName, HookTime};
use super::frequency::Frequency;
use super::hosts::{HostAddress, HostName};
use super::hours::Hours;
use super::log::{Facility, LinePrefix, LogFormat, SyslogFormat, TransferLine};
use super::patterns::{NamePattern, PathPattern};
use super::permissions::Permissions;
use super::quotas::{QuotaOf, QuotaPath};
use super::rate::Rate;
use super::size::Size;
use super::texts::{Banner, FileName, Message};
use super::tls::{Alpn, CipherName, GroupName, RequireTls, SessionReuse, TlsVersion};
use super::values::{
    AbsolutePath, CommandExcess, Count, ListingTimes, LogLevel, LogTarget, OctalMode, PortRange,
    ProcessTitles, RootDir, Seconds, Template,
};

options! {
    /// Where clients connect, and how many of them are served.
    [listen] Listen {
        /// Addresses and ports to listen on. `[::]` stands for all addresses of the machine, IPv4 and IPv6.
        /// Sockets that systemd passes are used in place of these.
        addresses: Vec<SocketAddr> = ["[::]:21"];
        /// Addresses and ports where TLS begins at once, without AUTH (implicit FTPS), such as `"[::]:990"`. Sockets that
        /// systemd passes are such where their port is one of these.
        implicit_addresses: Vec<SocketAddr> = [], such as ["[::]:990"];
        /// Idle processes kept ready for the next clients. More absorb bursts of connections sooner.
        spare_workers: Count<1, 256> = 8;
        /// Clients served at the same time. A client above this number is told 421.
        max_sessions: Count<1, 100_000> = 512;
        /// Clients served at the same time from one address. For IPv6, a network of 64 bits counts as one address.
        /// `[limits]`, `[listener.ADDRESS]` and `[network.NAME]` have further limits.
        max_sessions_per_address: Count<1, 100_000> = 32;
        /// Those of `addresses` whose clients may not have the server connect to them (PORT and EPRT), whatever `active`
        /// in `[data]` says.
        passive_only: Vec<SocketAddr> = [], such as ["[::]:2121"];
        /// Those of `addresses` that clients reach through a proxy, which says who they are with the PROXY protocol
        /// (version 1 or 2), on control connections and on those of passive mode; it must let the passive ports through.
        proxied: Vec<SocketAddr> = [], such as ["192.0.2.1:2121"];
        /// The networks of such proxies. Nobody else can connect to what is `proxied`.
        trusted_proxies: Vec<Network> = [], such as ["192.0.2.8/32"];
        /// Time of silence after which the system begins to ask whether the client is still there (TCP keepalive). One
        /// who does not answer is gone after twice that time. It also keeps routers from forgetting a control connection
        /// while data moves. 0: never.
        keepalive: Seconds<0, 32767> = 120;
        /// How routers shall treat control connections (DSCP), from 0 to 63. If not set: like anything else.
        dscp: Option<Count<0, 63>>, such as 16;
    }

    /// The daemon itself.
    [server] Server {
        /// The system account that speaks with clients before they are logged in. It must own nothing and be used
        /// for nothing else. Where it does not exist, `nobody` is taken.
        frontend_user: String = "ftpd";
        /// What a client reads first, in one line or more.
        banner: Banner = "FTP server ready.";
        /// A file to take in place of `banner`. It is read when the daemon starts or is reloaded.
        banner_file: Option<AbsolutePath>, such as "/etc/ftpd/banner";
        /// Where the daemon keeps what outlives it, such as bans. It is made where it does not exist, and should be
        /// open to root alone.
        state_directory: AbsolutePath = "/var/lib/ftpd";
        /// How long running transfers may go on when the daemon is stopped.
        shutdown_grace: Seconds<0, 86400> = 30;
        /// The longest command, in bytes. A longer one is skipped whole and answered 500.
        line_limit: Count<512, 65536> = 4096;
        /// What ps(1) shows of a process: its role alone, or also user, address and file. Every user of the machine
        /// can read it.
        process_titles: ProcessTitles = "role";
    }

    /// How much clients may ask of the server. The numbers of `[listen]` and of `[session]` hold beside these.
    [limits] Limits {
        /// Clients served at the same time from one network, as large as `ipv4-prefix` and `ipv6-prefix` say. If not set,
        /// there is no such limit.
        max_sessions_per_network: Option<Count<1, 100_000>>, such as 100;
        /// Files that move at the same time, down and up together. A transfer above this number is told 450. Listings are not
        /// counted. If not set, there is no such limit.
        max_transfers: Option<Count<1, 100_000>>, such as 200;
        /// The same for the clients of one address. For IPv6, a network of 64 bits counts as one address.
        max_transfers_per_address: Option<Count<1, 100_000>>, such as 10;
        /// How many bits the IPv4 addresses of one network have in common.
        ipv4_prefix: Count<8, 32> = 24;
        /// How many bits the IPv6 addresses of one network have in common.
        ipv6_prefix: Count<16, 64> = 48;
        /// How often clients of one address may connect; above it, they are told 421. If not set, there is no such limit.
        connection_rate: Option<Frequency>, such as "60/m";
        /// The load of the machine (the average of a minute) above which new clients are told 421. If not set, there is no
        /// such limit.
        max_load: Option<Count<1, 10_000>>, such as 40;
        /// Networks whose clients are never refused for how often they connect, and never banned or made to wait for
        /// wrong logins.
        trusted: Vec<Network> = ["127.0.0.0/8", "::1/128"];
        /// Wrong logins of one address that lead to a ban of it. For IPv6, a network of 64 bits counts as one address.
        failures_per_address: Frequency = "30/10m";
        /// Wrong logins as one user from one address that lead to a ban: nobody can log in as this user from there then,
        /// but as any other, and from anywhere else.
        failures_per_user_and_address: Frequency = "10/10m";
        /// Wrong logins as one user from all addresses after which the answer to each further one takes a second, two, four
        /// and so on. Nobody is banned for them, or anybody could lock out anybody else.
        failures_per_user: Frequency = "30/10m";
        /// The most that answers are held back because of `failures-per-user`. 0: not at all.
        slowest_answer: Seconds<0, 60> = 20;
        /// How long the first ban lasts; each further one twice as long as the one before. 0: nobody is banned.
        ban_time: Seconds<0, 2_592_000> = 60;
        /// The longest that a ban becomes.
        longest_ban: Seconds<1, 2_592_000> = 86400;
        /// How long after the end of a ban it is remembered: the next one within that time is longer.
        ban_memory: Seconds<1, 2_592_000> = 86400;
        /// Bytes per second that all clients may download together.
        total_download_rate: Rate = "0", such as "100M";
        /// Bytes per second that all clients may upload together.
        total_upload_rate: Rate = "0", such as "100M";
    }

    /// Who may log in, and how it is decided.
    [login] LoginOptions {
        /// The name of the PAM service that checks passwords and accounts.
        pam_service: String = "ftpd";
        /// Where PAM looks for its services, in place of /etc/pam.d.
        pam_directory: Option<AbsolutePath>, such as "/etc/ftpd/pam.d";
        /// Accounts with a lower number cannot log in, which keeps out those of system services. Root never can.
        min_uid: Count<1, { u32::MAX }> = 1000;
        /// A list of users who cannot log in, one in a line. It need not exist.
        ftpusers_file: AbsolutePath = "/etc/ftpusers";
        /// Refuse users whose shell is not listed in /etc/shells.
        require_valid_shell: bool = true;
        /// If there are names in it: only these users, and those of `allow-groups`, can log in.
        allow_users: Vec<String> = [], such as ["alice", "bob"];
        /// These users cannot log in.
        reject_users: Vec<String> = [], such as ["guest"];
        /// If there are names in it: only members of these groups, and the users of `allow-users`, can log in.
        allow_groups: Vec<String> = [], such as ["ftpusers"];
        /// Members of these groups cannot log in, not even those of `allow-users`.
        reject_groups: Vec<String> = [], such as ["admins"];
        /// If there are networks in it: only clients of these can log in, whoever they are, also as anonymous.
        allow_networks: Vec<Network> = [], such as ["192.0.2.0/24", "2001:db8::/32"];
        /// Clients of these networks cannot log in, not even those of `allow-networks`.
        reject_networks: Vec<Network> = [], such as ["198.51.100.0/24"];
        /// Who is asked about a user, in this order: `"users-file"`, `"check"` (the program of `check-program`), `"system"`
        /// (PAM). The first one who knows him decides, and the others are not asked; what is not configured knows nobody.
        /// The accounts of the machine know whoever has one; if they stand last, PAM is asked about anybody.
        sources: Vec<Source> = ["users-file", "check", "system"];
        /// How long a client waits for the answer to a wrong login.
        failure_delay: Seconds<0, 60> = 3;
        /// Wrong logins after which the connection ends.
        max_failures: Count<1, 100> = 3;
        /// Time from connecting to being logged in, all in all. Commands do not extend it.
        login_timeout: Seconds<1, 3600> = 60;
        /// A file of users who have no account on the machine, with hashes of their passwords: see ftpd-users(5). It should
        /// be readable by root alone.
        users_file: Option<AbsolutePath>, such as "/etc/ftpd/users.toml";
        /// The system account that users of the file run as who have neither `account` nor `uid` there. It cannot be root.
        users_account: Option<String>, such as "ftp-users";
        /// Numbers for users who run as a `uid` of their own. No account or group of the machine may have one of them, now or
        /// later, and no range of subuid(5) or subgid(5).
        uid_range: Option<UidRange>, such as "70000-99999";
        /// What `ftpd user` and `ftpd hash-password` make hashes of passwords with: `"argon2id"`, `"yescrypt"`, `"scrypt"`,
        /// `"bcrypt"`, `"sha512-crypt"` or `"sha256-crypt"`.
        password_hash: HashKind = "argon2id";
    }

    /// A program that is asked whether somebody may log in, where `sources` in `[login]` has `"check"`.
    [check] CheckOptions {
        /// Its file. It and the directories above it must belong to root, and others must not be able to write there.
        program: Option<AbsolutePath>, such as "/usr/local/lib/ftpd/check-user";
        /// What it is called with.
        arguments: Vec<String> = [], such as ["--database", "/etc/ftpd/users.db"];
        /// The account that it runs as, which cannot be root. It should be used for nothing else.
        account: String = "nobody";
        /// How long it may take. Then it is ended, with all that it has started, and the login is refused.
        time_limit: Seconds<1, 60> = 10;
        /// The accounts of the machine that an answer may have somebody run as, beside `users-account` in `[login]`.
        accounts: Vec<String> = [], such as ["www-data"];
    }

    /// Login without a password, as `anonymous` or `ftp`. Every option of `[session]` may also stand here, and wins over it
    /// and over those of virtual hosts.
    [anonymous] Anonymous {
        /// Whether there is any.
        enabled: bool = false;
        /// The system account that anonymous sessions run as.
        account: String = "ftp";
        /// What anonymous clients see as `/`. If not set: the home directory of `account`.
        root_dir: Option<AbsolutePath>, such as "/srv/ftp";
        /// What anonymous clients may do; the letters are those of `permissions` in `[session]`.
        permissions: Permissions = "elr";
        /// If there are patterns in it: the password must be an e-mail address that one of them describes, such as `"*@*.*"`;
        /// `*` stands for any letters, `?` for one, and case does not matter. The address is logged.
        allow_emails: Vec<EmailPattern> = [], such as ["*@*.*"];
        /// E-mail addresses that are not welcome; patterns, as in `allow-emails`.
        reject_emails: Vec<EmailPattern> = [], such as ["mozilla@example.com"];
        /// Anonymous clients served at the same time, in place of `max-sessions-per-user`. If not set, there is no such limit.
        max_sessions: Option<Count<1, 100_000>>, such as 50;
    }

    /// What happens after login. Every option of this section may also stand in `[user.NAME]` and `[group.NAME]`.
    [session] SessionOptions / SessionOverrides {
        /// What the user sees as `/`: `"home"` is the home directory, `"real"` the whole file system (the session
        /// starts in the home directory), and a path is the directory to be locked into, where `%u` stands for the
        /// user's name, `%g` for the name of the primary group, `%h` for the home directory and `%%` for a percent sign. If
        /// there is `/./` in the path, also in a home directory of passwd(5), it divides what the session is locked into
        /// from where it starts in it.
        root_dir: RootDir = "home";
        /// The directory to take where the home directory does not exist; `%u`, `%g`, `%h` and `%%` as in `root-dir`. If
        /// not set, such users are refused.
        missing_home: Option<Template>, such as "/srv/ftp/homeless";
        /// Whether the directory in which the session is to start is made if it does not exist, also one of a template in
        /// `root-dir`. All directories above it must belong to root, and nobody else may be able to write there.
        make_home: bool = false;
        /// The mode of directories that are made so, in octal.
        home_mode: OctalMode = "700";
        /// A directory whose content they begin with; all of it becomes the user's. Links in it are copied as links, and
        /// what is no file, directory or link is left out.
        home_skeleton: Option<AbsolutePath>, such as "/etc/skel";
        /// Permissions that new files and directories do not get, in octal.
        umask: OctalMode = "022";
        /// Time without a command after which a client is sent away. It does not run while data moves.
        idle_timeout: Seconds<1, 604_800> = 300;
        /// How many bytes the files below the user's root directory may have together, checked while they come; `"0"`: any
        /// number. It has no effect with `root-dir = "real"`; `[quota.NAME]` limits what is in any directory.
        quota_bytes: Size = "0", such as "10G";
        /// How many files, directories and links there may be below the user's root directory. 0: any number.
        quota_files: Count<0, { u32::MAX }> = 0;
        /// Whose files these two count: `"root"`, all that are below the root directory, so that users with the same one share
        /// what it holds; `"user"`, those of them that belong to the user's own uid. Quotas in the entry of a users file are
        /// the user's own, if the entry does not say otherwise. Who has the same root directory and uid as somebody else
        /// with such a quota is refused, since nobody could tell whose files are whose.
        quota_of: QuotaOf = "root";
        /// How often what is there is counted anew, since files change without FTP, too: with the first change after so
        /// many seconds. In between the daemon goes by its own count. 0: never.
        quota_recount: Seconds<0, 31_536_000> = 86400;
        /// How long a session may last; then it ends, also in the middle of a transfer. 0: as long as the client likes.
        session_timeout: Seconds<0, 31_536_000> = 0;
        /// How many commands a client may say in a time, also before the login. If not set, there is no such limit.
        command_rate: Option<Frequency>, such as "50/s";
        /// What becomes of a client who says more: `"slow"`, they are obeyed later; `"end"`, the connection ends; `"ban"`,
        /// and his address is banned, if it is not `trusted` in `[limits]`.
        command_excess: CommandExcess = "slow";
        /// Sessions of one user at the same time. If not set, there is no such limit.
        max_sessions_per_user: Option<Count<1, 100_000>>, such as 4;
        /// Sessions of one user at the same time from one address. If not set, there is no such limit.
        max_sessions_per_user_and_address: Option<Count<1, 100_000>>, such as 2;
        /// Sessions at the same time of all members of a group together: here for each group, in `[group.NAME]` for
        /// that one. If not set, there is no such limit.
        max_sessions_per_group: Option<Count<1, 100_000>>, such as 100;
        /// Files that move at the same time, down and up, in all sessions of one user. A transfer above this number is told
        /// 450. If not set, there is no such limit.
        max_transfers_per_user: Option<Count<1, 100_000>>, such as 2;
        /// Time without a byte moving after which a transfer is given up.
        stall_timeout: Seconds<1, 604_800> = 300;
        /// What the user may do, beside what the file system permits. Each letter allows one thing:
        /// `e` change directory, `l` list, `r` read files, `a` append to files, `d` delete, `f` rename, `m` make
        /// directories, `c` create files, `o` overwrite files, `R` resume uploads, `M` change modes, `T` change times;
        /// `w` stands for `coR`.
        permissions: Permissions = "elradfmwMT";
        /// Whether data may go to, and come from, other addresses than the client's own (FXP, from server to server).
        /// Such a user can have the server connect to any address that it reaches, and whoever is faster than the client
        /// can take his place.
        foreign_addresses: bool = false;
        /// Whether data may go to ports below 1024 (PORT, EPRT). These belong to services, and who can have the server connect
        /// to them can have it talk to them.
        privileged_ports: bool = false;
        /// Commands that are not obeyed, whatever the user may do, such as `"SITE CHMOD"`, or `"SITE"` for all that begin
        /// so. What is known under two names is refused under both. FEAT does not tell of them. It holds from the login on.
        refused_commands: Vec<CommandName> = [], such as ["SITE CHMOD", "MFMT"];
        /// The time zone of LIST: `"utc"`, or `"local"` for that of the machine. MLSD is always UTC.
        listing_times: ListingTimes = "utc";
        /// What the user is told when logged in, in one line or more.
        login_message: Message = "Logged in.";
        /// What the user is told when leaving with QUIT.
        quit_message: Message = "Goodbye.";
        /// A file that is shown to who enters its directory, once in a session, also at the beginning. The user must
        /// be able to read it, and needs the letter `r`. The empty name switches this off.
        directory_message: FileName = ".message";
        /// Directories with more entries than this are listed as they come, not sorted, in memory that does not grow.
        sort_limit: Count<0, 10_000_000> = 10000;
        /// The most that HASH, XCRC and their like read of a file, since a digest costs the machine time: about a
        /// second for a gigabyte. `"0"` sets no limit.
        hash_limit: Size = "64G";
        /// Whether what has come of a new file is deleted when the upload is cut short. Otherwise it stays, so that the client
        /// can resume. An old file always keeps its contents until the new ones are whole.
        delete_partial: bool = false;
        /// What must be protected by TLS: `"none"`; `"login"`, logins with a password; `"control"`, anonymous logins too;
        /// `"data"`, data connections; `"all"`, every login and data connections.
        require_tls: RequireTls = "none";
        /// If there are networks in it: the user can log in from these alone, or, with a `!` in front, from anywhere but
        /// these. The lists of `[login]` hold beside it.
        login_networks: Vec<Origin> = [], such as ["192.0.2.0/24"];
        /// If there are hours in it: the user can log in at these alone, such as `"Mon-Fri 08:00-18:00"` or `"22:00-06:00"`,
        /// in the time zone of the machine. A session ends with them, but not before its transfer.
        login_hours: Vec<Hours> = [], such as ["Mon-Fri 08:00-18:00"];
        /// Whether a client who has logged in behind TLS may go on without it on the control connection (CCC), which helps
        /// where a router has to read along to let data connections through. Whoever is between can then read and change
        /// every command. Data connections stay protected. It is refused where `require-tls` is `"control"` or `"all"`.
        clear_control: bool = false;
        /// What proves who somebody is: `"password"`; `"certificate"`, the certificate that he shows in the TLS handshake, and
        /// nothing else; `"either"`, the certificate, or else the password; `"both"`, certificate and password. Clients are
        /// asked for certificates where `client-certificates` in `[tls]` says so.
        login_by: LoginBy = "password";
        /// Certificates that belong to the user, beside those that have his name (see `certificate-names` in `[tls]`):
        /// `"sha256:"` and the digest of the certificate, `"dn:"` and the whole name of its subject as in RFC 4514, or a part of
        /// it: `"cn:"`, `"uid:"`, `"email:"`, `"dns:"` or `"upn:"`. The log tells all of them of every client.
        login_certificates: Vec<CertificateMatch> = [], such as ["email:alice@example.org"];
        /// Bytes per second that a session may download, with hours if wanted: `"10M"`, or `["1M Mon-Fri 08:00-18:00", "4M"]`, of
        /// which the first counts that holds now, in the time of the machine. Listings count as downloads. What moves on
        /// data connections is counted, without what TLS adds, and compressed if it is (MODE Z). This and all other rates
        /// change for running transfers, too, when the daemon is reloaded.
        download_rate: Rate = "0", such as "2M";
        /// Bytes per second that a session may upload.
        upload_rate: Rate = "0", such as "512K";
        /// Bytes per second of one download, behind the first `free-download` bytes of it.
        transfer_download_rate: Rate = "0", such as "1M";
        /// Bytes per second of one upload, behind the first `free-upload` bytes of it.
        transfer_upload_rate: Rate = "0", such as "1M";
        /// So many bytes of each download are not slowed by `transfer-download-rate`, so that small files come at once;
        /// `"0"` stands for none.
        free_download: Size = "0", such as "1M";
        /// So many bytes of each upload are not slowed by `transfer-upload-rate`; `"0"` stands for none.
        free_upload: Size = "0", such as "1M";
        /// Bytes per second that all sessions of one user may download together. What is shared, here and in all other
        /// sections, is divided evenly among those who can use it.
        download_rate_per_user: Rate = "0", such as "10M";
        /// Bytes per second that all sessions of one user may upload together.
        upload_rate_per_user: Rate = "0", such as "10M";
        /// Bytes per second that all members of a group may download together: here for each group, in `[group.NAME]` for
        /// that one.
        download_rate_per_group: Rate = "0", such as "50M";
        /// Bytes per second that all members of a group may upload together.
        upload_rate_per_group: Rate = "0", such as "50M";
    }

    /// TLS, for clients who ask for it (AUTH TLS), and on the listeners of `implicit-addresses`. There is none unless
    /// `certificates` names a file.
    [tls] Tls {
        /// Files with a certificate and the chain of its issuers, in PEM. Of several, a client gets one for the name that he
        /// asks for, and of a kind that he understands (RSA, ECDSA, Ed25519); the first, if none has that name. A renewed file is used by the
        /// next connection.
        certificates: Vec<AbsolutePath> = [], such as ["/etc/ftpd/tls/example.org.pem"];
        /// Files with the private keys, in the order of the certificates. If empty, the key of each is in the same file. They should be
        /// readable by root alone.
        keys: Vec<AbsolutePath> = [], such as ["/etc/ftpd/tls/example.org.key"];
        /// Files with what the issuers say of the certificates (OCSP responses, in DER), in the order of the certificates. Clients
        /// who ask are shown it with the certificate, while it lasts. A renewed file is used by the next connection.
        ocsp_responses: Vec<AbsolutePath> = [], such as ["/var/lib/ftpd/example.org.ocsp"];
        /// The oldest version of TLS that is spoken, `"1.2"` or `"1.3"`.
        min_version: TlsVersion = "1.2";
        /// The cipher suites to be used, by their registered names. If empty: all that are good.
        ciphers: Vec<CipherName> = [], such as ["TLS_AES_256_GCM_SHA384"];
        /// The groups of the key exchange, by their registered names, the preferred ones first. If empty: all that are good,
        /// those first that withstand quantum computers.
        groups: Vec<GroupName> = [], such as ["X25519"];
        /// What is made of the protocols that clients offer (ALPN): `"off"`, nothing; `"accept"`, `ftp` is accepted;
        /// `"require"`, who does not offer it is refused. Clients exist that offer something else, or nothing.
        alpn: Alpn = "accept";
        /// Whether data connections resume the TLS session of the control connection: `"off"`, they cannot; `"prefer"`,
        /// they can; `"require"`, they must, which proves that nobody else has taken the connection.
        session_reuse: SessionReuse = "prefer";
        /// Take an upload for complete whose client closes the connection without saying that it is (close_notify). Old
        /// clients do; but so does whoever cuts the connection.
        accept_unclean_close: bool = false;
        /// Time for a handshake.
        handshake_timeout: Seconds<1, 600> = 15;
        /// Whether clients are asked for certificates: `"off"`, no; `"request"`, who has none is served all the same;
        /// `"require"`, who has none is refused.
        client_certificates: ClientCertificates = "off";
        /// Files with the certificates, in PEM, of those whose signature makes a client's certificate good. If empty, any
        /// certificate is taken, but only its digest counts (`"sha256:"` in `login-certificates`), not what it says.
        client_ca_files: Vec<AbsolutePath> = [], such as ["/etc/ftpd/tls/clients-ca.pem"];
        /// Files with lists of revoked certificates, in PEM or DER. If there are any, each issuer of a client's certificate
        /// must have one that has not expired. Like `client-ca-files` they are read for each handshake.
        client_crl_files: Vec<AbsolutePath> = [], such as ["/etc/ftpd/tls/clients.crl"];
        /// What in a client's certificate may be the name of a user: `"cn"`, the common name; `"uid"`, the user id; `"email"`, a
        /// mail address; `"dns"`, a name of the DNS; `"upn"`, a user principal name; `"email-user"` and `"upn-user"`, what
        /// comes before the at sign.
        certificate_names: Vec<CertificateField> = ["cn"];
    }

    /// Data connections.
    [data] Data {
        /// Ports for passive mode, to be opened in the firewall. If not set, the system chooses.
        passive_ports: Option<PortRange>, such as "50000-50999";
        /// The address that PASV tells clients, where a router translates addresses; EPSV tells none. A name is looked up
        /// in the background, and its last known address is told to clients who connect from then on. If not set: the
        /// address that the client connected to.
        masquerade_address: Option<Masquerade>, such as "203.0.113.7";
        /// How often a name in `masquerade-address` is looked up.
        masquerade_refresh: Seconds<1, 86400> = 60;
        /// The same for a server with several addresses: to the left its own, to the right what clients are told.
        /// Addresses that are not listed are told as `masquerade-address` says.
        masquerade_map: AddressMap = {};
        /// Networks whose clients reach the server without that router: they are told its own address.
        masquerade_exempt: Vec<Network> = [], such as ["10.0.0.0/8"];
        /// Whether clients may have the server connect to them (PORT and EPRT).
        active: bool = true;
        /// Whether such connections come from port 20, which some firewalls want.
        active_port_20: bool = true;
        /// Whether clients must use EPSV, which also works over IPv4 and through routers. PASV, PORT and EPRT are refused.
        epsv_only: bool = false;
        /// Whether clients may have data compressed (MODE Z). It costs processor time and pays over slow networks.
        mode_z: bool = true;
        /// How long to wait for the client to connect in passive mode.
        accept_timeout: Seconds<1, 3600> = 30;
        /// How long to try to connect to the client in active mode.
        connect_timeout: Seconds<1, 3600> = 30;
        /// How routers shall treat data connections (DSCP), from 0 to 63; 10 is for much data (AF11), 8 for what can
        /// wait (CS1). If not set: like anything else.
        dscp: Option<Count<0, 63>>, such as 10;
    }

    /// How ftpctl(8) reaches the daemon.
    [control] Control {
        /// The socket where the daemon hears ftpctl(8). Root alone can use it, and, where somebody else has started the
        /// daemon, he. It is read when the daemon starts or is reloaded.
        socket: AbsolutePath = "/run/ftpd/control";
        /// How many can be connected to it at the same time. 0: there is no such socket.
        max_clients: Count<0, 64> = 16;
    }

    /// Numbers about the daemon for those who collect such (Prometheus): how many are served, what was transferred, who was
    /// refused. They are also to be had from ftpctl(8), without a listener.
    [metrics] Metrics {
        /// Addresses and ports where they are handed out over HTTP, at `/metrics`, such as `"127.0.0.1:9721"`. A process
        /// of its own, without rights, does it. Whoever can connect can read them, and nothing protects them on their
        /// way; they name no users and no files but those of `certificates`.
        addresses: Vec<SocketAddr> = [], such as ["127.0.0.1:9721"];
    }

    /// What is written down, and where.
    [log] LogOptions {
        /// Where the log goes: `"syslog"`, `"journal"` (that of systemd, with the facts of a line in fields of their own),
        /// `"stderr"`, or a file, which may be renamed or removed at any time: the next line goes to a new one.
        to: LogTarget = "syslog";
        /// How much is logged: this and everything graver.
        level: LogLevel = "info";
        /// Whether to log every command, with its reply.
        commands: bool = false;
        /// What a line is: `"text"`, or `"json"`, an object with the facts of the line as members. The journal has fields
        /// of its own in place of either.
        format: LogFormat = "text";
        /// What messages to syslog look like: `"rfc3164"`, which every daemon understands, or `"rfc5424"`, with the facts of
        /// the line as structured data.
        syslog_format: SyslogFormat = "rfc3164";
        /// As what syslog and the journal file the lines.
        facility: Facility = "ftp";
        /// What stands before every line about a client, in place of the number of the connection, the client's address and
        /// port, and the user; the manual lists what may stand behind a percent sign.
        prefix: Option<LinePrefix>, such as "%a:%p-[%u]";
        /// What a line about a file that was sent or received says.
        transfers: Option<TransferLine>, such as "%v %f completed=%c bytes=%b seconds=%s";
        /// A file to which every transfer of a file is written as wu-ftpd does it, for programs that read xferlog(5). It may
        /// be renamed or removed at any time.
        xferlog: Option<AbsolutePath>, such as "/var/log/xferlog";
        /// Record logins in utmp, wtmp and lastlog, as far as the machine has these files, for who(1), last(1) and lastlog(8).
        utmp: bool = false;
        /// Tell the audit log of the kernel of logins, failed ones too, and of their ends.
        audit: bool = false;
    }

    /// What happens, for programs to read: who came and went, which files were moved, what was changed.
    [events] Events {
        /// A file to which every event is written, an object of JSON in a line each; the manual lists the events and their
        /// members. It may be renamed or removed at any time; the next event goes to a new one.
        log: Option<AbsolutePath>, such as "/var/log/ftpd-events.json";
    }

    named

    /// A program that is started when something happens. The name between the brackets stands in the log.
    [hook] HookOptions {
        /// The events that start it; the manual lists them.
        events: Vec<EventName> = [], such as ["login", "file-received"];
        /// When: `"after"` it has happened, and nobody waits for the program; or `"before"`, and then nothing happens unless
        /// the program ends with status 0 in time. The client waits for it, and is told the first line of what it wrote.
        when: HookTime = "after";
        /// Its file. It and the directories above it must belong to root, and others must not be able to write there.
        program: Option<AbsolutePath>, such as "/usr/local/lib/ftpd/scan";
        /// What it is called with. What has happened, it is told in its environment and on standard input.
        arguments: Vec<String> = [], such as ["--quick"];
        /// The account that it runs as, which must not be root unless this says so. `"%u"` is the account that the session
        /// runs as; then the program is not started for events of clients who are not logged in.
        account: String = "nobody";
        /// How long it may take; one that is asked before, with the wait for its turn. Then it is ended, with all that it has
        /// started.
        time_limit: Seconds<1, 86400> = 30;
        /// How many of it may run at once; others wait. With 1, they run in the order of the events.
        at_once: Count<1, 64> = 4;
        /// How many events may wait for it. More are dropped, counted, and told of in the log. For one that is asked before,
        /// only its clients wait.
        queue: Count<1, 1_000_000> = 1000;
    }

    /// A virtual host. The name between the brackets, in quotes, is that of the DNS.
    [host] HostOptions {
        /// Further names by which clients may choose this host with HOST (RFC 7151).
        names: Vec<HostName> = [], such as ["ftp.example.com"];
        /// Addresses of this machine, each alone or with a port: clients who connect to one of them get this host
        /// without asking for it, and nobody else gets it. `[::]` stands for any address. The closest description
        /// wins. If not set, clients of every address may choose the host by its name.
        addresses: Vec<HostAddress> = [], such as ["192.0.2.1"];
        /// Certificates of this host, as in `[tls]`, for clients who have chosen it: by its address, with HOST, or by the name that
        /// they ask for in the handshake, which chooses it too. If empty, or none fits: those of `[tls]`.
        certificates: Vec<AbsolutePath> = [], such as ["/etc/ftpd/tls/example.org.pem"];
        /// Their keys, as in `[tls]`.
        keys: Vec<AbsolutePath> = [], such as ["/etc/ftpd/tls/example.org.key"];
        /// What their issuers say of them, as in `[tls]`.
        ocsp_responses: Vec<AbsolutePath> = [], such as ["/var/lib/ftpd/example.org.ocsp"];
        /// What clients of this host read first, in place of `banner` in `[server]`.
        banner: Option<Banner>, such as "The mirror of example.org is ready.";
        /// A file to take in place of `banner`.
        banner_file: Option<AbsolutePath>, such as "/etc/ftpd/banner.example.org";
        /// If there are names in it: only these users, and those of `allow-groups`, can log in here. This list and
        /// those that follow hold beside those of `[login]`.
        allow_users: Vec<String> = [], such as ["alice", "bob"];
        /// These users cannot log in here.
        reject_users: Vec<String> = [], such as ["guest"];
        /// If there are names in it: only members of these groups, and the users of `allow-users`, can log in here.
        allow_groups: Vec<String> = [], such as ["ftpusers"];
        /// Members of these groups cannot log in here, not even those of `allow-users`.
        reject_groups: Vec<String> = [], such as ["admins"];
        /// If there are networks in it: only clients of these can log in here.
        allow_networks: Vec<Network> = [], such as ["192.0.2.0/24", "2001:db8::/32"];
        /// Clients of these networks cannot log in here.
        reject_networks: Vec<Network> = [], such as ["198.51.100.0/24"];
        /// Who is asked about a user here, in place of `sources` in `[login]`.
        sources: Option<Vec<Source>>, such as ["users-file"];
        /// A file of the users of this host who have no account on the machine, in place of `users-file` in `[login]`.
        users_file: Option<AbsolutePath>, such as "/etc/ftpd/users.example.org.toml";
        /// Whether anonymous clients can log in here, in place of `enabled` in `[anonymous]`.
        anonymous: Option<bool>, such as true;
        /// What anonymous clients of this host see as `/`, in place of `root-dir` in `[anonymous]`.
        anonymous_root_dir: Option<AbsolutePath>, such as "/srv/ftp/example.org";
        /// Users logged in here at the same time. If not set, only the limits of `[listen]` hold.
        max_sessions: Option<Count<1, 100_000>>, such as 100;
        /// Bytes per second that all users of this host may download together.
        total_download_rate: Rate = "0", such as "100M";
        /// Bytes per second that all users of this host may upload together.
        total_upload_rate: Rate = "0", such as "100M";
    }

    /// A listener. The name between the brackets, in quotes, is the address and port that `addresses` has.
    [listener] ListenerOptions {
        /// Clients served at the same time who came in here. If not set, only the limits of `[listen]` hold.
        max_sessions: Option<Count<1, 100_000>>, such as 100;
        /// Bytes per second that all users who came in here may download together.
        total_download_rate: Rate = "0", such as "100M";
        /// Bytes per second that all users who came in here may upload together.
        total_upload_rate: Rate = "0", such as "100M";
    }

    /// A network, or several that count as one: an office, or a provider.
    [network] NetworkOptions {
        /// The networks that belong to it.
        addresses: Vec<Network> = [], such as ["192.0.2.0/24"];
        /// Clients served at the same time from there. If not set, there is no such limit.
        max_sessions: Option<Count<1, 100_000>>, such as 200;
        /// Clients served at the same time from one address there, in place of `max-sessions-per-address` in
        /// `[listen]`. Where networks overlap, the closest that sets it counts.
        max_sessions_per_address: Option<Count<1, 100_000>>, such as 200;
        /// Bytes per second that all users from there may download together.
        total_download_rate: Rate = "0", such as "100M";
        /// Bytes per second that all users from there may upload together.
        total_upload_rate: Rate = "0", such as "100M";
    }

    /// How much there may be in a directory, whoever has stored it. Where several quotas cover a file, each of them counts it.
    [quota] QuotaOptions {
        /// The directories, as the machine has them; each has a quota of its own. A path that ends with `/*` stands for every
        /// directory in that directory.
        paths: Vec<QuotaPath> = [], such as ["/srv/ftp/*"];
        /// How many bytes the files in the directory and in those below it may have together. `"0"`: any number.
        bytes: Size = "0", such as "10G";
        /// How many files, directories and links there may be below the directory. 0: any number.
        files: Count<0, { u32::MAX }> = 0;
        /// How often what is there is counted anew, in seconds, as `quota-recount` in `[session]`. 0: never.
        recount: Seconds<0, 31_536_000> = 86400;
    }

    /// A rule about files and directories. Rules hold in the order of this file: where several are about the same file, the
    /// first that says something about a matter decides it.
    [rule] RuleOptions {
        /// Which files and directories it is about, as paths from what the user sees as `/`, or from where the session
        /// begins (`~/`). `*`, `?` and `[a-z]` stand for parts of one name, `**` for any number of directories. A
        /// directory stands for itself and all that is in it. If empty: all. Symbolic links are followed before rules are
        /// asked. Where a file system takes capital and small letters for the same, or has short names beside long ones,
        /// they are the same here. A hard link is a name of its own: clients cannot make one, and what an administrator
        /// has linked into another directory is what it is there.
        paths: Vec<PathPattern> = [], such as ["/in"];
        /// Of a directory in `paths`, whether what is in its directories is meant too, or only the directory itself and the
        /// files in it.
        recursive: bool = true;
        /// If not empty: only what has one of these names, or is in a directory that has one. Capital letters and small
        /// ones are the same here.
        names: Vec<NamePattern> = [], such as ["*.tmp"];
        /// If there are names in it: only for these users, and the members of `groups`. Anonymous clients are called
        /// `anonymous`.
        users: Vec<String> = [], such as ["alice"];
        /// If there are names in it: only for members of these groups, and `users`.
        groups: Vec<String> = [], such as ["staff"];
        /// Only for anonymous clients, or only for others. If not set: for both.
        anonymous: Option<bool>, such as true;
        /// If there are names in it: only at these virtual hosts.
        hosts: Vec<String> = [], such as ["ftp.example.org"];
        /// If not empty: only for clients in these networks.
        networks: Vec<Network> = [], such as ["192.0.2.0/24"];
        /// What may be done there: these letters in place of those that the user has elsewhere.
        permissions: Option<Permissions>, such as "elr";
        /// Letters that the user has there beside those of elsewhere.
        give: Permissions = "", such as "w";
        /// Letters that the user does not have there.
        take: Permissions = "", such as "d";
        /// Whether it is hidden: neither listed nor found under its name, and nothing can be given such a name.
        hide: Option<bool>, such as true;
        /// Whether such names are forbidden: whatever has one stays as it is, and nothing can be given one.
        forbid: Option<bool>, such as true;
        /// Whether the directories in `paths` are drop boxes: files can be put into them, and nobody can find out which.
        /// Nothing is overwritten; of two uploads with the same name, the second is stored under another.
        drop_box: Option<bool>, such as true;
        /// Whether files stay as they were uploaded: then nobody can overwrite, continue, rename or remove them, and an
        /// upload that was cut leaves nothing.
        write_once: Option<bool>, such as true;
        /// For how many days `write-once` holds for a file; then it is like others. If not set: for ever.
        retention_days: Option<Count<1, 36500>>, such as 90;
        /// The largest file that can be stored, in bytes.
        max_file_size: Option<Size>, such as "100M";
        /// Permissions that new files and directories do not get, in octal, whatever the client says.
        umask: Option<OctalMode>, such as "027";
        /// The permissions of uploaded files, in octal.
        file_mode: Option<OctalMode>, such as "640";
        /// The permissions of new directories, in octal.
        directory_mode: Option<OctalMode>, such as "750";
        /// The account that uploaded files are given to, once they are complete. Never root. What cannot be given to it is
        /// refused, and what was there before stays.
        owner: Option<String>, such as "www-data";
        /// The group that uploaded files are given to. Where the daemon has not the right to give files away (CAP_CHOWN), this
        /// still works for users who are in the group.
        group: Option<String>, such as "www-data";
    }
}
