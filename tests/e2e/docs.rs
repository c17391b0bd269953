//! The user guide: what its pages tell people to type works, page by page, in a new repository.

use std::fs;
use std::path::{Path, PathBuf};

use mng_tests::TestEnv;

fn pages() -> Vec<PathBuf> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut pages: Vec<PathBuf> = fs::read_dir(docs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        // Figures, not a guide.
        .filter(|path| !path.ends_with("performance.md"))
        .collect();
    pages.sort();
    pages
}

/// The lines after `$ ` in the console blocks of a page.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut is_console = false;
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_console = language == "console";
        } else if is_console && let Some(command) = line.strip_prefix("$ ") {
            commands.push(command.to_owned());
        }
    }
    commands
}

#[test]
fn what_the_pages_say_works() {
    let mut failures = Vec::new();
    std::thread::scope(|scope| {
        let running: Vec<_> = pages()
            .into_iter()
            .map(|path| {
                scope.spawn(move || {
                    let env = TestEnv::new();
                    let page = fs::read_to_string(&path).unwrap();
                    let runs = commands(&page).into_iter().map(|line| env.bash(&line).run());
                    let failed = runs.filter(|run| run.code() != Some(0));
                    failed.map(|run| format!("{}\n{run}", path.display())).collect::<Vec<_>>()
                })
            })
            .collect();
        for thread in running {
            failures.extend(thread.join().unwrap());
        }
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn pages_refer_to_what_there_is() {
    let env = TestEnv::new();
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        assert!(page.starts_with("# "), "{}", path.display());
        for reference in page.split("`mng help ").skip(1) {
            let words = reference.split('`').next().unwrap();
            let run = env.mng(&format!("help {words}"));
            assert_eq!(run.code(), Some(0), "{} refers to `mng help {words}`", path.display());
        }
    }
}
