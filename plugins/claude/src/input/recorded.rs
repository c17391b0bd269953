//! The screens of `tests/corpus`, as the real program drew them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use mng_core::agents::input::ScreenState;
use serde_json::Value;

/// `ready`, `leftover: TEXT`, `dialog: NAME` or `unclear`, as `expected.json` has it.
fn told(screen: ScreenState) -> String {
    match screen {
        ScreenState::Ready { leftover: None } => "ready".into(),
        ScreenState::Ready { leftover: Some(text) } => format!("leftover: {text}"),
        ScreenState::Dialog(dialog) => format!("dialog: {}", dialog.name),
        ScreenState::Unclear => "unclear".into(),
    }
}

#[test]
fn recorded_screens_are_understood() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/claude");
    let mut wrong = String::new();
    let mut count = 0;
    for version in fs::read_dir(corpus).unwrap().flatten() {
        for case in fs::read_dir(version.path()).unwrap().flatten() {
            let expected: Value =
                serde_json::from_slice(&fs::read(case.path().join("expected.json")).unwrap()).unwrap();
            let Some(screen) = expected["screen"].as_str() else { continue };
            let pane = fs::read_to_string(case.path().join("pane.txt")).unwrap();
            let seen = told(super::judge(&pane, &[]));
            count += 1;
            if seen != screen {
                writeln!(wrong, "{}: {seen:?} instead of {screen:?}", case.path().display()).unwrap();
            }
        }
    }
    assert!(count > 20, "only {count} screens");
    assert_eq!(wrong, "");
}
