//! What mng's code takes for granted about the programs it runs: each fact against the real program, by its own
//! files and screen, not through mng's reading of them. A failure names the program's version, the fact and the
//! file of ours that relies on it: where to look on the day the program changes.

mod claude_files;
mod claude_start;
mod codex_files;
mod codex_start;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use mng_tests::{Program, TestEnv};
use serde_json::Value;

/// How long a program may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A fact about a program that code of ours relies on.
struct Contract<'p> {
    program: &'p Program,
    consumer: &'static str,
    fact: &'static str,
}

/// `consumer` is the file that relies on it, from the root of the project.
#[track_caller]
fn contract<'p>(program: &'p Program, consumer: &'static str, fact: &'static str) -> Contract<'p> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(consumer);
    assert!(file.is_file(), "the contract \"{fact}\" names `{consumer}`, which is gone");
    Contract { program, consumer, fact }
}

impl Contract<'_> {
    /// `seen` tells what there was instead.
    #[track_caller]
    fn holds(&self, is_so: bool, seen: impl FnOnce() -> String) {
        assert!(
            is_so,
            "{} {} does not keep a contract:\n  {}\n`{}` relies on it. Seen:\n{}",
            self.program.name(),
            self.program.version(),
            self.fact,
            self.consumer,
            seen()
        );
    }

    /// Looks until there is something.
    #[track_caller]
    fn soon<T>(&self, look: impl Fn() -> Option<T>, seen: impl Fn() -> String) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            self.holds(Instant::now() < end, &seen);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Looks until it is so.
    #[track_caller]
    fn becomes(&self, is_so: impl Fn() -> bool, seen: impl Fn() -> String) {
        self.soon(|| is_so().then_some(()), seen);
    }
}

/// The whole lines of a file of JSON.
fn json_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Types a text into an agent's pane, as its person would, without Enter.
fn type_text(env: &TestEnv, agent: &str, text: &str) {
    env.tmux(&["send-keys", "-l", "-t", &format!("=mng-{agent}:"), text]);
}

fn press(env: &TestEnv, agent: &str, key: &str) {
    env.tmux(&["send-keys", "-t", &format!("=mng-{agent}:"), key]);
}

/// Pastes a text as a terminal does.
fn paste(env: &TestEnv, agent: &str, text: &str) {
    let file = env.root().join("pasted");
    fs::write(&file, text).unwrap();
    env.tmux(&["load-buffer", "-b", "contract", &file.to_string_lossy()]);
    env.tmux(&["paste-buffer", "-d", "-p", "-r", "-b", "contract", "-t", &format!("=mng-{agent}:")]);
}

/// The terminal's title.
fn title(env: &TestEnv, agent: &str) -> String {
    env.tmux(&["display-message", "-p", "-t", &format!("=mng-{agent}:"), "#{pane_title}"]).trim().to_owned()
}

#[test]
fn a_broken_contract_names_version_fact_and_consumer() {
    let Some(program) = Program::claude() else { return };
    let broken = catch_unwind(|| {
        contract(&program, "plugins/claude/src/state.rs", "it never sleeps")
            .holds(false, || "it snored".to_owned());
    });
    let message = *broken.unwrap_err().downcast::<String>().unwrap();
    for part in [program.version(), "it never sleeps", "plugins/claude/src/state.rs", "it snored"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(!program.version().is_empty());
    let stale = catch_unwind(|| contract(&program, "plugins/claude/src/gone.rs", "x").fact);
    assert!(stale.is_err());
}
