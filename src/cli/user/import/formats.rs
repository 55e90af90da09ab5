//! What users look like in the files of Apache, ProFTPD and ftp.py.

use std::collections::BTreeMap;

use super::{Foreign, Identity, Secret};

/// Lines with something in them, with their numbers.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end_matches('\r')));
    lines.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

/// A password as the second field of a line; empty for none.
pub fn secret(field: &str) -> Secret {
    if field.is_empty() { Secret::None } else { Secret::Hash(field.into()) }
}

/// Apache: `name:hash`.
pub fn htpasswd(text: &str) -> Vec<Foreign> {
    lines(text)
        .map(|(line, text)| {
            let (name, hash) = text.split_once(':').unwrap_or((text, ""));
            Foreign { line, name: name.into(), secret: secret(hash.trim()), ..Foreign::default() }
        })
        .collect()
}

/// ProFTPD: `name:hash:uid:gid:comment:home:shell`.
pub fn proftpd(text: &str) -> Vec<Foreign> {
    lines(text)
        .map(|(line, text)| {
            let fields: Vec<&str> = text.split(':').collect();
            let field = |index: usize| fields.get(index).copied().unwrap_or_default();
            let mut foreign = Foreign {
                line,
                name: field(0).into(),
                secret: secret(field(1)),
                identity: number(field(2)),
                ..Foreign::default()
            };
            if !field(3).is_empty() && field(3) != field(2) {
                foreign.lost.push(format!("the gid {}", field(3)));
            }
            about(&mut foreign, field(4), field(5));
            if !["", "/bin/sh", "/bin/bash", "/bin/false", "/sbin/nologin", "/usr/sbin/nologin"]
                .contains(&field(6))
            {
                foreign.lost.push(format!("the shell {}", field(6)));
            }
            foreign
        })
        .collect()
}

/// A uid as text.
pub fn number(field: &str) -> Identity {
    field.parse().map_or(Identity::Unknown, Identity::Number)
}

/// Comment and home directory.
pub fn about(foreign: &mut Foreign, comment: &str, home: &str) {
    let comment = comment.trim_matches(|letter: char| letter == ',' || letter.is_whitespace());
    if !comment.is_empty() {
        foreign.options.push(("comment", comment.into()));
    }
    if !home.is_empty() {
        foreign.options.push(("home", home.into()));
    }
}

/// ftp.py: `{"name": {"pass": …, "home_dir": …, "runas_user": …}}`, or that as the value of "account_info".
pub fn ftp_py(text: &str) -> Result<Vec<Foreign>, String> {
    let document: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("is no JSON: line {}", error.line()))?;
    let accounts = document.get("account_info").unwrap_or(&document);
    let accounts = accounts.as_object().ok_or("is no object with an entry for each user")?;
    // Where an entry stands is all that the parser does not tell.
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for name in accounts.keys() {
        let quoted = format!("\"{name}\"");
        let line = text.lines().position(|line| line.contains(&quoted));
        places.insert(name, line.unwrap_or_default() + 1);
    }
    let users = accounts.iter().map(|(name, account)| {
        let line = places.get(name.as_str()).copied().unwrap_or(1);
        let mut foreign = Foreign { line, name: name.clone(), ..Foreign::default() };
        for (key, value) in account.as_object().into_iter().flatten() {
            match (key.as_str(), value.as_str()) {
                ("pass", Some(password)) if !password.is_empty() => {
                    foreign.secret = Secret::Plain(password.into());
                }
                ("pass", _) => {}
                ("home_dir", Some(home)) => foreign.options.push(("home", home.into())),
                ("runas_user", Some(account)) => foreign.identity = Identity::Account(account.into()),
                (key, _) => foreign.lost.push(key.to_string()),
            }
        }
        foreign
    });
    Ok(users.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apache_has_names_and_hashes() {
        let found = htpasswd("# comment\nanne:$2y$05$x\n\nbob:\r\n");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].line, found[0].name.as_str()), (2, "anne"));
        assert_eq!(found[0].secret, Secret::Hash("$2y$05$x".into()));
        assert_eq!((found[1].line, &found[1].secret), (4, &Secret::None));
    }

    #[test]
    fn proftpd_has_lines_of_passwd() {
        let found = proftpd(
            "anne:$6$x:1001:100:Anne,,,:/srv/anne:/bin/tcsh\nbob:$5$y:1002:1002::/srv/bob:/bin/false\n",
        );
        assert_eq!(found[0].identity, Identity::Number(1001));
        assert_eq!(found[0].options, [("comment", "Anne".into()), ("home", "/srv/anne".into())]);
        assert_eq!(found[0].lost, ["the gid 100", "the shell /bin/tcsh"]);
        assert_eq!(found[1].options, [("home", "/srv/bob".into())]);
        assert!(found[1].lost.is_empty());
    }

    #[test]
    fn ftp_py_has_an_object_of_accounts() {
        let text = "{\"account_info\": {\n\"anne\": {\"pass\": \"s\", \"home_dir\": \"/srv\", \"runas_user\": \"ftp\"},\n\"bob\": {\"pass\": \"\", \"quota\": 3}}}";
        let found = ftp_py(text).unwrap();
        assert_eq!((found[0].line, &found[0].secret), (2, &Secret::Plain("s".into())));
        assert_eq!(found[0].identity, Identity::Account("ftp".into()));
        assert_eq!(found[0].options, [("home", "/srv".into())]);
        assert_eq!((found[1].line, &found[1].secret), (3, &Secret::None));
        assert_eq!(found[1].lost, ["quota"]);
        assert!(ftp_py("{\"anne\": {\"pass\": \"s\"}}").is_ok());
        assert_eq!(ftp_py("{\"anne\"\n: secret}").unwrap_err(), "is no JSON: line 2");
        assert!(ftp_py("[]").is_err());
    }
}
