//! Imports inside `mng-core` point down its layers. Cargo holds arrows between crates only.

use std::fs;
use std::path::{Path, PathBuf};

/// Top first, as in the chapter comment of `mng-core/src/lib.rs`.
const LAYERS: [&str; 9] =
    ["operations", "plugins", "agents", "hosts", "providers", "transports", "settings", "storage", "model"];

fn source_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|known| *known == layer)
}

/// The layers that a source text names after `crate::`, also in `use crate::{a, b::c}` over several lines.
/// Comments and what stands below `#[cfg(test)]` do not count.
fn imports(source: &str) -> Vec<String> {
    let code: Vec<&str> = source
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            for part in group.split_inclusive([',', '{', '}']) {
                let name = part
                    .trim()
                    .trim_end_matches([',', '{', '}'])
                    .trim()
                    .split("::")
                    .next()
                    .unwrap_or_default();
                if depth == 0 && !name.is_empty() {
                    found.push(name.to_owned());
                }
                depth += part.matches('{').count() as i32 - part.matches('}').count() as i32;
                if depth < 0 {
                    break;
                }
            }
        } else {
            found.push(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

#[test]
fn imports_are_found_in_every_spelling() {
    let source = "use crate::model::ids::AgentId;\nuse crate::{\n    hosts::{Host, x},\n    settings,\n};\n\
                  // crate::operations\nfn f() { crate::storage::f() }\n#[cfg(test)]\nuse crate::plugins;";
    assert_eq!(imports(source), ["model", "hosts", "settings", "storage"]);
}

#[test]
fn imports_in_core_point_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mng-core/src");
    let mut files = Vec::new();
    source_files(&src, &mut files);
    let mut seen = 0;
    let mut upward = Vec::new();
    for file in files {
        let path = file.strip_prefix(&src).unwrap();
        let stem = file.file_stem().unwrap().to_string_lossy();
        if stem == "tests"
            || stem.ends_with("_tests")
            || path.components().any(|part| part.as_os_str() == "tests")
        {
            continue;
        }
        let layer = path.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
        if layer == "lib" {
            continue;
        }
        let own =
            rank(&layer).unwrap_or_else(|| panic!("`{layer}` is no layer: name it in the list of lib.rs"));
        seen += 1;
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            if rank(&import).is_some_and(|other| other < own) {
                upward.push(format!("{} imports crate::{import}", path.display()));
            }
        }
    }
    assert!(seen >= LAYERS.len(), "only {seen} files were read");
    assert!(upward.is_empty(), "imports that point up the layers:\n{}", upward.join("\n"));
}
