//! What fuzzers have found interesting, fed to what they fuzz: fuzz/corpus has a folder for each target.

use std::path::Path;

use ftpd::fuzzing::TARGETS;

#[test]
fn no_input_of_the_corpus_breaks_a_promise() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (name, target) in TARGETS {
        assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).is_file(), "fuzz/ has no target {name}");
        let mut inputs = 0;
        for entry in std::fs::read_dir(fuzz.join("corpus").join(name)).expect("the corpus of a target") {
            let path = entry.expect("entry").path();
            let input = std::fs::read(&path).expect("input");
            let result = std::panic::catch_unwind(|| target(&input));
            assert!(result.is_ok(), "{}", path.display());
            inputs += 1;
        }
        assert!(inputs > 0, "the corpus of {name} is empty");
    }
}

#[test]
fn every_target_is_a_program_of_its_own() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("fuzz/Cargo.toml");
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "fuzz/Cargo.toml lacks {name}");
    }
}
