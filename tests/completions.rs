//! What shells complete: each shell takes its files, and completes words that the programs know.

use std::process::Command;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/etc/completions");
/// A program, what has been typed behind its name, and what a shell makes of it.
const TYPED: &[(&str, &str, &str)] = &[
    ("ftpd", "ser", "serve"),
    ("ftpd", "check --conf", "check --config"),
    ("ftpctl", "unb", "unban"),
    ("ftpctl", "reload --soc", "reload --socket"),
];

/// What a shell prints that obeys this; it must be content with it.
fn shell(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.args(["60", program]).args(arguments).env("LC_ALL", "C.UTF-8").env_remove("BASH_ENV");
    let output = command.output().expect("timeout");
    let (said, complaints) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && complaints.is_empty(),
        "{program}: {} {said} {complaints}",
        output.status
    );
    said.trim_end().to_owned()
}

fn last_word(typed: &str) -> &str {
    typed.rsplit(' ').next().expect("a word")
}

#[test]
fn bash_completes() {
    for (program, typed, complete) in TYPED {
        shell("bash", &["-n", &format!("{DIRECTORY}/{program}")]);
        let script = "set -u; . \"$0\"; COMP_WORDS=($1 $2); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); \
                      function=$(complete -p \"$1\" | sed 's/.* -F \\([^ ]*\\) .*/\\1/'); \
                      $function \"$1\" \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"; \
                      printf '%s\\n' \"${COMPREPLY[@]}\"";
        let said = shell("bash", &["-c", script, &format!("{DIRECTORY}/{program}"), program, typed]);
        assert!(said.lines().any(|line| line == last_word(complete)), "{program} {typed}: {said}");
    }
}

#[test]
fn fish_completes() {
    for (program, typed, complete) in TYPED {
        let file = format!("{DIRECTORY}/{program}.fish");
        shell("fish", &["--no-config", "--no-execute", &file]);
        let script = format!("source {file}; complete --do-complete '{program} {typed}'");
        let said = shell("fish", &["--no-config", "-c", &script]);
        let offered: Vec<&str> = said.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(offered, [last_word(complete)], "{program} {typed}");
    }
}

#[test]
fn zsh_completes() {
    // zsh completes nothing without a terminal: it gets one, in which the program is a function that says how it is called.
    let script = "zmodload zsh/zpty
        export TERM=xterm
        zpty shell zsh -f -i
        zpty -w shell \"unset zle_bracketed_paste; PS1= PS2=; fpath=($1 \\$fpath); autoload -Uz compinit; compinit -Du\"
        zpty -w shell \"$2() { print -r -- \\\"gets <\\$*>\\\" }; print rea''dy\"
        zpty -r -m shell seen '*ready*'
        zpty -w shell \"$2 $3\"$'\\t'
        zpty -r -m shell seen '*gets <*>*'
        print -r -- \"${${seen##*gets <}%%>*}\"";
    for (program, typed, complete) in TYPED {
        shell("zsh", &["-f", "-n", &format!("{DIRECTORY}/_{program}")]);
        let said = shell("zsh", &["-f", "-c", script, "zsh", DIRECTORY, program, typed]);
        assert_eq!(said, *complete, "{program} {typed}");
    }
}
