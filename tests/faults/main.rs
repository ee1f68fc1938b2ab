//! The fault suite: forty faults that an agent meets in its years on a box that nobody visits, made on purpose, and what it
//! does then. `table.txt` lists them with the tests that show it; those that were there before stay where they are. What
//! takes longer than some seconds is left to `make test-faults`, which runs all that the table names.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print, in its helpers too")]

mod broker;
mod camera;
mod clock;
mod delivery;
mod disk;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("table.txt");

/// Number, name and tests of each fault.
fn table() -> Vec<(u32, &'static str, Vec<&'static str>)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &'static str| {
        let mut words = line.split_whitespace();
        (words.next().unwrap().parse().unwrap(), words.next().unwrap(), words.collect())
    };
    lines.map(row).collect()
}

/// The source files in which a test of this path may stand.
fn sources(test: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut parts: Vec<&str> = test.split("::").collect();
    parts.pop();
    let folder = match parts.remove(0) {
        "lib" => root.join("src"),
        tests => root.join("tests").join(tests),
    };
    let mut files = Vec::new();
    // `tests` may be a module in the file itself.
    for end in [parts.len(), parts.len() - 1] {
        let module = parts[..end].iter().fold(folder.clone(), |path, part| path.join(part));
        files.extend([module.with_extension("rs"), module.join("mod.rs")]);
    }
    files
}

#[test]
fn the_table_has_all_forty_faults_and_each_test_that_it_names_exists() {
    let table = table();
    assert!(table.iter().map(|row| row.0).eq(1..=40));
    assert_eq!(table.iter().map(|row| row.1).collect::<BTreeSet<_>>().len(), 40, "two have the same name");
    for (number, name, tests) in &table {
        assert!(!tests.is_empty(), "{number} {name} has no test");
        for test in tests {
            let function = format!("fn {}(", test.rsplit("::").next().unwrap());
            let texts = sources(test).into_iter().filter_map(|file| std::fs::read_to_string(file).ok());
            assert!(texts.into_iter().any(|text| text.contains(&function)), "{number} {name}: there is no {test}");
        }
    }
}

#[test]
fn each_test_of_a_fault_stands_in_the_table_under_its_number() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let mut found = 0;
    for module in ["broker", "camera", "clock", "delivery", "disk"] {
        let text = std::fs::read_to_string(root.join(module).with_extension("rs")).unwrap();
        for line in text.lines() {
            let Some((_, name)) = line.split_once("fn fault_") else { continue };
            let name = name.split('(').next().unwrap();
            let number: u32 = name.split('_').next().unwrap().parse().unwrap();
            let path = format!("faults::{module}::fault_{name}");
            let row = table().into_iter().find(|row| row.0 == number).unwrap();
            assert!(row.2.contains(&&*path), "{path} is not in the table");
            found += 1;
        }
    }
    assert!(found >= 15, "{found}");
}
