//! The script that starts an agent's program and writes down how it fares.

use std::path::Path;

use crate::agents::processes::{ProcessId, StartTime};
use crate::model::shell::quote;

/// `A/launch_agent.sh`: what is typed into the agent's pane.
pub(crate) const LAUNCH_SCRIPT: &str = "launch_agent.sh";
/// `A/launch`: which process is the agent's, and how it ended.
pub(crate) const LAUNCH_FILE: &str = "launch";
/// What `A/launch` says between our start and the script's first line.
pub(crate) const PENDING: &str = "{\"pid\":null,\"start_time\":null}\n";

/// Becomes the agent's program: says who it is, then turns into it, so that the pid stays the same. A shell
/// loop and a bare prompt look alike from outside.
///
/// Its variables have names of ours: an assignment to one that is exported already would reach the program.
/// `$$` names the script, not this part of it; whoever opens `/proc/self` finds itself.
const STAGE: &str = r#"(
    set -f
    if { read -r mng_line </proc/self/stat; } 2>/dev/null; then
        set -- $mng_line
        mng_pid=$1 mng_started=${22}
    else
        mng_pid=$(exec sh -c 'echo "$PPID"')
        mng_started=$(LC_ALL=C ps -o lstart= -p "$mng_pid" 2>/dev/null)
    fi
    printf '{"pid":%d,"start_time":"%s"}\n' "$mng_pid" "$mng_started" >"$mng_state/launch"
    if command -v bash >/dev/null 2>&1; then
        exec bash -c "$mng_command"
    fi
    exec sh -c "$mng_command"
)
mng_code=$?
printf '{"exit_code":%d}\n' "$mng_code" >>"$mng_state/launch"
exit "$mng_code"
"#;

/// The launch script of an agent. `enter` is the file through which a process enters the agent's control
/// group.
///
/// It runs as a child of the pane's shell: that shell may be any, and stays a place to look around in when
/// the program has ended. Signals meant for the program do not end the script, which has to write down the
/// exit code.
pub(super) fn launch_script(state_dir: &Path, enter: Option<&Path>, command_line: &str) -> String {
    let state_dir = state_dir.to_string_lossy();
    let mut script = String::from("# mng writes this file at each start of the agent.\n");
    script.push_str(&format!("mng_state={}\n", quote(&state_dir)));
    script.push_str("trap : HUP INT QUIT TERM\n");
    if let Some(enter) = enter {
        script.push_str(&format!("{{ echo $$ >{}; }} 2>/dev/null\n", quote(&enter.to_string_lossy())));
    }
    script.push_str(&format!("mng_command={}\n", quote(command_line)));
    script.push_str(STAGE);
    script
}

/// What `A/launch` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaunchFile {
    /// The agent's program; `None` while the script has not begun.
    pub process: Option<ProcessId>,
    /// How it ended, if it did and the script could tell.
    pub exit_code: Option<i32>,
}

impl LaunchFile {
    /// Reads the file. A torn or foreign line says nothing.
    #[must_use]
    pub fn read(text: &str) -> Self {
        #[derive(serde::Deserialize)]
        struct Line {
            pid: Option<i32>,
            start_time: Option<String>,
            exit_code: Option<i32>,
        }
        let mut file = Self::default();
        for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
            if let (Some(pid), Some(started)) = (line.pid, &line.start_time) {
                file.process = Some(ProcessId { pid, started: StartTime::parse(started) });
            }
            file.exit_code = line.exit_code.or(file.exit_code);
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_torn_file_says_nothing() {
        assert_eq!(LaunchFile::read(""), LaunchFile::default());
        assert_eq!(LaunchFile::read(PENDING), LaunchFile::default());
        assert_eq!(LaunchFile::read("{\"pid\":12,\"sta"), LaunchFile::default());
        let file = LaunchFile::read("{\"pid\":12,\"start_time\":\"99\"}\n{\"exit_code\":3}\n");
        assert_eq!(file.process, Some(ProcessId { pid: 12, started: StartTime::parse("99") }));
        assert_eq!(file.exit_code, Some(3));
    }

    /// Runs a command line through the script, under `shell`; its output and what the launch file says.
    fn launch(shell: &str, command_line: &str) -> (String, LaunchFile, Option<i32>) {
        let dir = tempfile::Builder::new().prefix("it's a \"dir\"").tempdir().unwrap();
        let script = dir.path().join(LAUNCH_SCRIPT);
        std::fs::write(&script, launch_script(dir.path(), None, command_line)).unwrap();
        let output = Command::new(shell).arg(&script).output().unwrap();
        let file = LaunchFile::read(&std::fs::read_to_string(dir.path().join(LAUNCH_FILE)).unwrap());
        (String::from_utf8_lossy(&output.stdout).into_owned(), file, output.status.code())
    }

    #[test]
    fn the_program_is_the_process_that_is_written_down() {
        for shell in ["sh", "bash"] {
            let (pid, file, code) = launch(shell, "echo $$; exit 7");
            assert_eq!(file.process.unwrap().pid.to_string(), pid.trim());
            assert_eq!((file.exit_code, code), (Some(7), Some(7)));
        }
    }

    #[test]
    fn any_command_line_keeps_its_meaning() {
        let cases = [
            ("echo 'it'\\''s'", "it's\n", 0),
            ("echo a # b", "a\n", 0),
            ("for i in 1 2; do echo $i; done", "1\n2\n", 0),
            ("cat <<EOF\nx $((1+1))\nEOF", "x 2\n", 0),
            ("exec echo gone", "gone\n", 0),
            ("echo $1-$2-$mng_started-$state-$line", "----\n", 0),
            ("[[ a == a ]] && echo bash", "bash\n", 0),
            ("if", "", 2),
            ("kill -TERM $$", "", 143),
        ];
        for (line, printed, code) in cases {
            let (stdout, file, _) = launch("sh", line);
            assert_eq!(stdout, printed, "{line}");
            assert_eq!(file.exit_code, Some(code), "{line}");
        }
    }
}
