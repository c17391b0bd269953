//! What the keys of a session do: on this machine they run mng in the terminal that tmux has left, on another
//! one they leave word for the mng that attached from afar.

use std::path::{Path, PathBuf};

use crate::hosts::{Host, Layout};
use crate::model::ids::AgentId;
use crate::model::shell::{ShellCommand, quote};

/// Exit code of [`attach_argv`] when the person asked to destroy the agent.
pub(crate) const DESTROY: i32 = 10;
/// The same when it is to be stopped.
pub(crate) const STOP: i32 = 11;

/// Leaves the word `$1` in the file `$3` of the directory `$2`. It runs in the client's place, so its exit
/// code is the client's. No `%` and no `#`, which tmux would expand.
const LEAVE_WORD: &str = r#"mkdir -p -- "$2" && echo "$1" >"$2/$3" && exit 12"#;

/// Attaches (`$3` and all after it), then turns the word in one of the files `$1` and `$2` into an exit code.
/// A word that is left over from another time, or that the client of another terminal left, counts for
/// nothing: only the client whose key was pressed ends with 12.
const AFAR: &str = r#"agent=$1 session=$2
shift 2
rm -f -- "$agent" "$session"
"$@"
code=$?
if [ "$code" -eq 12 ]; then
    case $(cat -- "$agent" "$session" 2>/dev/null) in
        destroy) code=10 ;;
        stop) code=11 ;;
    esac
    rm -f -- "$agent" "$session"
fi
exit "$code"
"#;

/// Who does what a key asks for.
#[derive(Clone, Debug)]
pub(super) enum Doer<'a> {
    /// This machine's mng: the shell command that runs it.
    Here(&'a str),
    /// The mng that attached from another machine: the directory where it finds the word.
    Afar(PathBuf),
}

impl<'a> Doer<'a> {
    pub(super) fn on(host: &Host, mng: &'a str) -> Self {
        if host.is_local() { Self::Here(mng) } else { Self::Afar(host.layout.signals()) }
    }

    /// The shell command for one agent.
    pub(super) fn for_agent(&self, host: &Host, agent: &AgentId, verb: &str, flags: &str) -> String {
        match self {
            Self::Here(mng) => {
                let address = format!("{agent}@{}", host.info.id);
                let words = [mng, verb, flags, &address];
                words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
            }
            Self::Afar(signals) => format!("{}{}", leave_word(verb, signals), quote(agent.as_str())),
        }
    }

    /// The shell command for a session; its name, which needs no quotes, is to follow at once.
    pub(super) fn for_session(&self, verb: &str, flags: &str) -> String {
        match self {
            Self::Here(mng) => {
                let words = [mng, verb, flags, "--session"];
                let words = words.into_iter().filter(|word| !word.is_empty());
                words.collect::<Vec<_>>().join(" ") + " "
            }
            Self::Afar(signals) => leave_word(verb, signals),
        }
    }
}

/// Up to the name of the file, which is to follow. By `sh`, whatever shell tmux takes.
fn leave_word(verb: &str, signals: &Path) -> String {
    let words = ["-c", LEAVE_WORD, "sh", verb, &*signals.to_string_lossy()];
    format!("{} ", ShellCommand::new("sh").args(words))
}

/// What a terminal on the host runs to get onto a session: `attach`, or around it what tells the word of a key
/// by the exit codes [`DESTROY`] and [`STOP`].
pub(crate) fn attach_argv(
    host: &Host,
    agent: &AgentId,
    session_name: &str,
    attach: Vec<String>,
) -> Vec<String> {
    if host.is_local() {
        return attach;
    }
    afar(&host.layout, agent, session_name, attach)
}

fn afar(layout: &Layout, agent: &AgentId, session_name: &str, attach: Vec<String>) -> Vec<String> {
    let file = |name: &str| layout.signals().join(name).to_string_lossy().into_owned();
    let mut argv = vec!["sh".to_owned(), "-c".into(), AFAR.into(), "sh".into()];
    argv.extend([file(agent.as_str()), file(session_name)]);
    argv.extend(attach);
    argv
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    /// Ends as the program `attach` makes it end, which may have pressed keys.
    fn ended(layout: &Layout, agent: &AgentId, attach: &str) -> Option<i32> {
        let attach = ["sh", "-c", attach].map(str::to_owned).to_vec();
        let argv = afar(layout, agent, "mng-a", attach);
        Command::new(&argv[0]).args(&argv[1..]).status().unwrap().code()
    }

    #[test]
    fn only_the_word_of_this_very_terminal_counts() {
        let dir = tempfile::Builder::new().prefix("it's a \"dir\"").tempdir().unwrap();
        let layout = Layout::new(dir.path().to_path_buf());
        let agent = AgentId::generate();
        let doer = Doer::Afar(layout.signals());
        let left = || fs::read_dir(layout.signals()).map_or(0, Iterator::count);
        for (verb, code) in [("destroy", DESTROY), ("stop", STOP)] {
            let by_id = format!("{}{agent}", leave_word(verb, &layout.signals()));
            assert_eq!(ended(&layout, &agent, &by_id), Some(code), "{by_id}");
            assert_eq!(left(), 0);
            let by_name = format!("{}mng-a", doer.for_session(verb, "--force"));
            assert_eq!(ended(&layout, &agent, &by_name), Some(code), "{by_name}");
            assert_eq!(left(), 0);
            // Pressed in another terminal on the session, while this one just detached.
            assert_eq!(ended(&layout, &agent, &format!("({by_id}); exit 0")), Some(0));
            assert_eq!(left(), 1);
            // What is left of that means nothing to the next one.
            assert_eq!(ended(&layout, &agent, "exit 12"), Some(12));
            assert_eq!(left(), 0);
        }
        assert_eq!(ended(&layout, &agent, "exit 1"), Some(1));
    }
}
