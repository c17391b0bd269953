//! What surrounds this process: which of its streams are terminals, how wide, whether colours are wanted.

use std::io::IsTerminal;

use mng_core::settings::EnvSnapshot;

/// Columns of a page when nobody says otherwise.
pub(crate) const DEFAULT_WIDTH: usize = 80;

/// The streams of this process, looked at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terminal {
    pub(crate) is_stdin: bool,
    pub(crate) is_stdout: bool,
    pub(crate) is_stderr: bool,
    /// `TERM=dumb` or unset: no cursor movement.
    pub(crate) is_dumb: bool,
    pub(crate) has_colours_on_stdout: bool,
    pub(crate) has_colours_on_stderr: bool,
    /// `COLUMNS`, or what the terminal says.
    columns: Option<usize>,
}

impl Terminal {
    pub(crate) fn detect(env: &EnvSnapshot) -> Self {
        let is_stdout = std::io::stdout().is_terminal();
        let is_stderr = std::io::stderr().is_terminal();
        let is_dumb = matches!(env.get("TERM"), None | Some("" | "dumb"));
        let is_forced = env.get_non_empty("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let is_forbidden = env.get("NO_COLOR").is_some();
        let colours = |is_terminal: bool| !is_forbidden && (is_forced || (is_terminal && !is_dumb));
        Self {
            is_stdin: std::io::stdin().is_terminal(),
            is_stdout,
            is_stderr,
            is_dumb,
            has_colours_on_stdout: colours(is_stdout),
            has_colours_on_stderr: colours(is_stderr),
            columns: env
                .get("COLUMNS")
                .and_then(|text| text.parse().ok())
                .filter(|columns| *columns > 0)
                .or_else(|| {
                    (is_stdout || is_stderr).then(|| {
                        let size = if is_stdout {
                            rustix::termios::tcgetwinsize(std::io::stdout())
                        } else {
                            rustix::termios::tcgetwinsize(std::io::stderr())
                        };
                        size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
                    })?
                }),
        }
    }

    /// Width of running text such as help.
    pub(crate) fn text_width(&self) -> usize {
        self.columns.unwrap_or(DEFAULT_WIDTH)
    }

    /// Width that a table on stdout must keep to; `None` where nothing may be cut: in pipes and files.
    pub(crate) fn table_width(&self) -> Option<usize> {
        self.is_stdout.then(|| self.text_width())
    }

    /// A person sits at this process and can answer: stdout is theirs, and so is a stream to type on.
    pub(crate) fn has_person(&self) -> bool {
        self.is_stdout && (self.is_stdin || has_controlling_terminal())
    }

    /// tmux can take this terminal over: it needs both streams.
    pub(crate) fn can_attach(&self) -> bool {
        self.is_stdin && self.is_stdout
    }

    /// A question can be asked although stdout may be redirected: it goes to stderr.
    pub(crate) fn can_ask(&self) -> bool {
        self.is_stderr && (self.is_stdin || has_controlling_terminal())
    }
}

fn has_controlling_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}
