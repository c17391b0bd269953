//! The script that starts the program: continues the agent's conversation if there is one, and passes the
//! first message.

use std::path::Path;

use mng_core::Result;
use mng_core::agents::types::TypeSite;
use mng_core::hosts::Host;
use mng_core::model::record::AgentRecord;
use mng_core::model::shell::quote;

use crate::claude_type::ClaudeType;
use crate::places::{self, CONFIG_DIR};

const BODY: &str = include_str!("scripts/launch_claude.sh");
/// Its place below the state dir.
pub(crate) const LAUNCH_FILE: &str = "commands/launch_claude.sh";

/// The script of one agent. `config_dir`: the program's directory, unless it is the default one.
fn script(session: &str, is_headless: bool, config_dir: Option<&Path>) -> String {
    let mut script = String::from("# mng writes this file; it starts the agent's Claude Code.\n");
    script.push_str(&format!("mng_id={}\n", quote(session)));
    script.push_str(if is_headless { "mng_mode=headless\n" } else { "mng_mode=terminal\n" });
    match config_dir {
        Some(dir) => script.push_str(&format!("export {CONFIG_DIR}={}\n", quote(&dir.to_string_lossy()))),
        // The session may have inherited one that is another agent's.
        None => script.push_str(&format!("unset {CONFIG_DIR}\n")),
    }
    script.push_str(BODY);
    script
}

/// Writes the script, if it is not as it should be.
///
/// # Errors
/// The state dir cannot be written.
pub(crate) async fn write_script(kind: &ClaudeType, site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
    let path = site.host.layout.agent(&record.id).join(LAUNCH_FILE);
    let config_dir = kind.config_dir(site, record);
    let text = script(&places::session_id(&record.id), kind.is_headless(), config_dir.as_deref());
    write_if_other(site.host, &path, &text).await
}

/// Most starts find these files as they should be.
pub(crate) async fn write_if_other(host: &Host, path: &Path, text: &str) -> Result<()> {
    if host.transport.read(path).await?.as_deref() == Some(text.as_bytes()) {
        return Ok(());
    }
    host.transport.write_volatile(path, text.as_bytes(), 0o755).await
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    const ID: &str = "01234567-89ab-cdef-0123-456789abcdef";
    const OTHER: &str = "ffffffff-89ab-cdef-0123-456789abcdef";

    /// Writes down how it was called, then does what it is told for that call.
    const PROGRAM: &str = r#"#!/bin/sh
{ printf '%s\n' "$MAIN_CLAUDE_SESSION_ID"; printf '%s\0' "$@"; printf '\n%s' '=====' ; } >>"$OUT/calls"
cat >"$OUT/stdin"
echo complaint >&2
[ -z "$STARTS" ] || : >"$MNG_AGENT_STATE_DIR/session_started"
case $1 in --resume) exit "${RESUME:-0}" ;; esac
exit "${FRESH:-0}"
"#;

    struct Run {
        dir: tempfile::TempDir,
        is_headless: bool,
        vars: Vec<(&'static str, &'static str)>,
    }

    impl Run {
        fn new() -> Self {
            let dir = tempfile::Builder::new().prefix("it's a").tempdir().unwrap();
            for sub in ["A", "bin", "config/projects/x"] {
                std::fs::create_dir_all(dir.path().join(sub)).unwrap();
            }
            let program = dir.path().join("bin/claude");
            std::fs::write(&program, PROGRAM).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            Self { dir, is_headless: false, vars: Vec::new() }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.path(name), text).unwrap();
        }

        fn read(&self, name: &str) -> String {
            std::fs::read_to_string(self.path(name)).unwrap_or_default()
        }

        fn session(&self, id: &str) {
            self.write(&format!("config/projects/x/{id}.jsonl"), "{}\n");
        }

        /// Each call as `MAIN: arguments`, and the exit code.
        fn go(&self, has_bash: bool, args: &[&str]) -> (Vec<(String, Vec<String>)>, i32) {
            self.write("script", &script(ID, self.is_headless, Some(&self.path("config"))));
            let mut path = self.path("bin").into_os_string();
            if has_bash {
                path.push(":/usr/bin:/bin");
            } else {
                for tool in ["sh", "rm", "mv", "cat", "date"] {
                    let _ = std::os::unix::fs::symlink(format!("/bin/{tool}"), self.path("bin").join(tool));
                }
            }
            let _ = std::fs::remove_file(self.path("calls"));
            let output = Command::new("/bin/sh")
                .arg(self.path("script"))
                .arg("claude")
                .args(args)
                .env_clear()
                .env("PATH", path)
                .env("HOME", self.dir.path())
                .env("OUT", self.dir.path())
                .env("MNG_AGENT_STATE_DIR", self.path("A"))
                .env("CLAUDECODE", "1")
                .envs(self.vars.iter().copied())
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            let calls = self.read("calls");
            let calls = calls.split("\n=====").filter(|call| !call.is_empty()).map(|call| {
                let (main, args) = call.split_once('\n').unwrap();
                let args = args.split_terminator('\0').map(str::to_owned).collect();
                (main.to_owned(), args)
            });
            (calls.collect(), output.status.code().unwrap())
        }
    }

    fn call(main: &str, args: &[&str]) -> (String, Vec<String>) {
        (main.to_owned(), args.iter().map(|arg| (*arg).to_owned()).collect())
    }

    #[test]
    fn the_first_start_gets_the_agents_id_and_the_message() {
        for has_bash in [true, false] {
            let run = Run::new();
            let text = "-x 'it''s' \"$HOME\" `id`\n\nlast\n\n";
            run.write("A/initial_prompt", text);
            run.write("A/session_started", "");
            let (calls, code) = run.go(has_bash, &["--model", "a b"]);
            assert_eq!(calls, [call(ID, &["--session-id", ID, "--model", "a b", "--", text])]);
            assert_eq!(code, 0);
            assert_eq!(run.read("A/initial_prompt.sent"), text);
            assert!(!run.path("A/initial_prompt").exists() && !run.path("A/session_started").exists());
            assert_eq!(run.read("A/stderr.log"), if has_bash { "complaint\n" } else { "" });
        }
    }

    #[test]
    fn a_conversation_is_continued() {
        let run = Run::new();
        run.session(OTHER);
        run.session(ID);
        run.write("A/claude_session_id", OTHER);
        run.write("A/initial_prompt", "go on");
        assert_eq!(run.go(true, &[]).0, [call(OTHER, &["--resume", OTHER, "--", "go on"])]);
        // The one before, where that one left no file.
        std::fs::remove_file(run.path(&format!("config/projects/x/{OTHER}.jsonl"))).unwrap();
        assert_eq!(run.go(true, &[]).0, [call(ID, &["--resume", ID])]);
        // A new one, where there is none.
        std::fs::remove_file(run.path(&format!("config/projects/x/{ID}.jsonl"))).unwrap();
        assert_eq!(run.go(true, &[]).0, [call(ID, &["--session-id", ID])]);
        // An empty file is none; neither is an id that could be an option.
        run.write(&format!("config/projects/x/{ID}.jsonl"), "");
        run.write("A/claude_session_id", "--help me");
        assert_eq!(run.go(true, &[]).0, [call(ID, &["--session-id", ID])]);
    }

    #[test]
    fn a_conversation_that_cannot_be_read_gives_way_to_a_new_one() {
        let mut run = Run::new();
        run.session(ID);
        run.session(OTHER);
        run.write("A/claude_session_id", OTHER);
        run.write("A/initial_prompt", "hello");
        run.vars = vec![("RESUME", "1"), ("FRESH", "7")];
        let (calls, code) = run.go(true, &["--x"]);
        let expected = [
            call(OTHER, &["--resume", OTHER, "--x", "--", "hello"]),
            call(ID, &["--resume", ID, "--x", "--", "hello"]),
            // Its id is taken by the file that cannot be read.
            call(ID, &["--x", "--", "hello"]),
        ];
        assert_eq!((calls.as_slice(), code), (expected.as_slice(), 7));
    }

    #[test]
    fn whoever_leaves_a_conversation_does_not_get_another_one() {
        let mut run = Run::new();
        run.session(ID);
        run.vars = vec![("RESUME", "130"), ("STARTS", "1")];
        let (calls, code) = run.go(true, &[]);
        assert_eq!((calls.len(), code), (1, 130));
    }

    #[test]
    fn a_headless_run_reads_its_prompt_from_a_file() {
        let mut run = Run::new();
        run.is_headless = true;
        let (calls, _) = run.go(true, &["a prompt"]);
        assert_eq!(calls, [call("", &["--print", "a prompt"])]);
        assert_eq!(run.read("stdin"), "");
        run.write("A/initial_prompt", "the prompt");
        run.vars = vec![("FRESH", "3")];
        let (calls, code) = run.go(true, &[]);
        assert_eq!((calls, code), (vec![call("", &["--print"])], 3));
        assert_eq!(
            (run.read("stdin").as_str(), run.read("A/.mng-prompt").as_str()),
            ("the prompt", "the prompt")
        );
        assert_eq!(run.read("A/stderr.log"), "complaint\n");
    }
}
