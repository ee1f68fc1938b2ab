//! Reads `src/` and fails on a breach of the architecture: a room that imports one it must not, a library named outside
//! its room, a file that does not say what it owns, a file or function that has grown too long, a call that may panic. And
//! `SECURITY.md`, for tests that it names and that are not there.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::Visit;

/// Who may import whom. A new arrow is a design decision: say why in the commit that adds it.
const ARROWS: &[(&str, &[&str])] = &[
    ("vocab", &[]),
    ("base", &[]),
    ("wire", &["vocab", "model"]),
    ("model", &["vocab"]),
    ("client", &["vocab", "model"]),
    ("decode", &["vocab", "base"]),
    ("camera", &["vocab", "base", "decode"]),
    ("detect", &["vocab", "base", "model"]),
    ("scene", &["vocab"]),
    ("track", &["vocab"]),
    ("behaviour", &["vocab"]),
    ("event", &["vocab"]),
    ("identify", &["vocab", "detect", "model"]),
    ("evidence", &["vocab", "base"]),
    ("history", &["vocab", "base"]),
    ("spool", &["base"]),
    ("mqtt", &["base"]),
    (
        "config",
        &[
            "vocab",
            "camera",
            "decode",
            "scene",
            "detect",
            "track",
            "identify",
            "behaviour",
            "event",
            "evidence",
            "history",
            "spool",
            "mqtt",
            "model",
        ],
    ),
    (
        "agent",
        &[
            "vocab",
            "base",
            "wire",
            "model",
            "client",
            "camera",
            "decode",
            "scene",
            "detect",
            "track",
            "identify",
            "behaviour",
            "event",
            "evidence",
            "history",
            "spool",
            "mqtt",
            "config",
        ],
    ),
    ("hub", &["vocab", "base", "model", "wire", "config", "detect", "mqtt", "toolchain"]),
    ("toolchain", &["vocab", "base", "model", "decode", "detect", "identify", "track"]),
    ("cli", &["vocab", "base", "client", "config", "agent", "hub", "toolchain", "wire"]),
];

/// A library and the room that may name it; one that two rooms need has two lines.
const LIBRARIES: &[(&str, &str)] = &[
    ("gstreamer", "decode"),
    ("gstreamer_app", "decode"),
    ("gstreamer_video", "decode"),
    ("gstreamer_rtsp_server", "decode"),
    ("ort", "detect"),
    ("jpeg_encoder", "evidence"),
    ("prost", "model"),
    ("rumqttc", "mqtt"),
    ("rustls", "mqtt"),
    ("ed25519_dalek", "model"),
    ("redb", "spool"),
    ("granit_parser", "config"),
    ("clap", "cli"),
    ("ratatui", "cli"),
    ("sd_notify", "base"),
    ("libc", "base"),
    ("seccompiler", "base"),
    ("askama", "hub"),
    ("axum", "hub"),
    ("hyper_util", "hub"),
    ("tower_http", "hub"),
    ("sqlx", "hub"),
    ("ureq", "client"),
    ("futures_util", "hub"),
    ("parquet", "hub"),
    ("http_body", "hub"),
    ("http_body_util", "hub"),
    ("http_range_header", "hub"),
    ("object_store", "hub"),
    ("tokio_rustls", "hub"),
    ("ring", "hub"),
    // Galleries are sealed where they are read and written.
    ("ring", "identify"),
];

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 100;
/// At least 95 of 100 functions have at most this many lines.
const USUAL_FUNCTION: usize = 50;

struct Source {
    path: PathBuf,
    room: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let inside = path.strip_prefix(&root).unwrap();
                let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
                let room = first.trim_end_matches(".rs").to_owned();
                found.push(Source { room, text: fs::read_to_string(&path).unwrap(), path: inside.to_owned() });
            }
        }
    }
    assert!(found.len() > 20, "found only {} files under src", found.len());
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// What stands before the file's own unit tests.
fn program_part(text: &str) -> &str {
    text.find("#[cfg(test)]").map_or(text, |i| &text[..i])
}

fn is_test_file(path: &Path) -> bool {
    path.file_stem().is_some_and(|s| s == "tests") || path.components().any(|c| c.as_os_str() == "tests")
}

fn fail_with(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    let faults: Vec<String> = sources()
        .iter()
        .filter(|s| !s.text.starts_with("//! "))
        .map(|s| format!("{}: does not open with `//! `", s.path.display()))
        .collect();
    fail_with(&faults);
}

/// Collects the first segments of every path that starts at the crate root, and of every `use` and path.
#[derive(Default)]
struct Names {
    rooms: BTreeSet<String>,
    crates: BTreeSet<String>,
}

impl Names {
    fn note(&mut self, segments: &[String]) {
        match segments {
            [root, room, ..] if root == "crate" => drop(self.rooms.insert(room.clone())),
            [first, ..] => drop(self.crates.insert(first.clone())),
            [] => {}
        }
    }

    fn walk_use(&mut self, prefix: &mut Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(p) => {
                prefix.push(p.ident.to_string());
                self.walk_use(prefix, &p.tree);
                prefix.pop();
            }
            syn::UseTree::Group(g) => g.items.iter().for_each(|t| self.walk_use(prefix, t)),
            syn::UseTree::Name(n) => self.note(&[prefix.clone(), vec![n.ident.to_string()]].concat()),
            syn::UseTree::Rename(n) => self.note(&[prefix.clone(), vec![n.ident.to_string()]].concat()),
            syn::UseTree::Glob(_) => self.note(prefix),
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.walk_use(&mut Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if segments.len() > 1 {
            self.note(&segments);
        }
        syn::visit::visit_path(self, path);
    }
}

#[test]
fn rooms_import_only_what_the_list_allows_and_libraries_stay_in_their_rooms() {
    let mut faults = Vec::new();
    for source in sources() {
        if ["main", "lib"].contains(&source.room.as_str()) {
            continue;
        }
        let mut names = Names::default();
        names.visit_file(&syn::parse_file(&source.text).unwrap());
        let allowed = ARROWS.iter().find(|(room, _)| *room == source.room).map(|(_, a)| *a);
        let Some(allowed) = allowed else {
            faults.push(format!("{}: the room {} is not in ARROWS", source.path.display(), source.room));
            continue;
        };
        for room in names.rooms.iter().filter(|r| **r != source.room && !allowed.contains(&r.as_str())) {
            faults.push(format!("{}: {} must not import {room}", source.path.display(), source.room));
        }
        let has_home = |library: &str| LIBRARIES.contains(&(library, source.room.as_str()));
        let strangers: BTreeSet<&str> =
            LIBRARIES.iter().map(|(library, _)| *library).filter(|l| !has_home(l)).collect();
        for library in strangers.into_iter().filter(|library| names.crates.contains(*library)) {
            faults.push(format!("{}: {library} is named outside its room", source.path.display()));
        }
    }
    fail_with(&faults);
}

/// Measures functions and looks for `unwrap()`, leaving out what is compiled for tests only.
#[derive(Default)]
struct Functions {
    lengths: Vec<(String, usize)>,
    unwraps: Vec<usize>,
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| a.path().is_ident("cfg") && quoted(a).contains("test"))
}

fn quoted(attribute: &syn::Attribute) -> String {
    match &attribute.meta {
        syn::Meta::List(list) => list.tokens.to_string(),
        _ => String::new(),
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, item.block.span());
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, item.block.span());
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "unwrap" {
            self.unwraps.push(call.method.span().start().line);
        }
        syn::visit::visit_expr_method_call(self, call);
    }
}

impl Functions {
    fn measure(&mut self, signature: &syn::Signature, block: proc_macro2::Span) {
        let lines = block.end().line - signature.span().start().line + 1;
        self.lengths.push((signature.ident.to_string(), lines));
    }
}

#[test]
fn files_and_functions_stay_short_and_nothing_unwraps() {
    let mut faults = Vec::new();
    let (mut all, mut long) = (0usize, Vec::new());
    for source in sources().iter().filter(|s| !is_test_file(&s.path)) {
        let lines = program_part(&source.text).lines().count();
        if lines > LONGEST_FILE {
            faults.push(format!("{}: {lines} lines; at most {LONGEST_FILE}", source.path.display()));
        }
        let mut functions = Functions::default();
        functions.visit_file(&syn::parse_file(&source.text).unwrap());
        for (name, lines) in functions.lengths {
            all += 1;
            if lines > LONGEST_FUNCTION {
                faults.push(format!("{}: {name} has {lines} lines; at most {LONGEST_FUNCTION}", source.path.display()));
            }
            if lines > USUAL_FUNCTION {
                long.push(format!("{}: {name} has {lines} lines", source.path.display()));
            }
        }
        faults.extend(functions.unwraps.iter().map(|line| format!("{}:{line}: unwrap()", source.path.display())));
    }
    if long.len() * 20 > all {
        faults.push(format!("{} of {all} functions exceed {USUAL_FUNCTION} lines:\n{}", long.len(), long.join("\n")));
    }
    fail_with(&faults);
}

/// Every file of Rust below `folder`.
fn rust_below(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            rust_below(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_tests_that_the_threat_model_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    ["src", "tests"].into_iter().for_each(|folder| rust_below(&root.join(folder), &mut code));
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    // Names of tests are sentences; keys of the configuration have fewer words.
    let is_test = |quoted: &&str| {
        quoted.matches('_').count() > 3
            && quoted.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(named.len() >= 30, "found only {} tests", named.len());
    let missing = |name: &&&str| !code.contains(&format!("fn {name}("));
    fail_with(
        &named
            .iter()
            .filter(missing)
            .map(|name| format!("SECURITY.md names no test of ours: {name}"))
            .collect::<Vec<_>>(),
    );
}
