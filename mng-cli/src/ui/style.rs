//! Colours. Anything a colour says, a word says too.

use std::borrow::Cow;

/// How a piece of text stands out on a colour terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Bold,
    Dim,
    Green,
    Yellow,
    Cyan,
    Red,
    /// `Error:`
    Error,
    /// `WARNING:`
    Warning,
    Build,
    Debug,
    Trace,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Cyan => "36",
            Self::Red => "31",
            Self::Error => "1;38;5;196",
            Self::Warning => "1;38;5;178",
            Self::Build => "38;5;245",
            Self::Debug => "38;5;33",
            Self::Trace => "38;5;99",
        }
    }

    /// The colour of an agent's or a host's state word.
    pub(crate) fn of_state(state: &str) -> Self {
        match state {
            "RUNNING" | "RUNNING_UNKNOWN_AGENT_TYPE" => Self::Green,
            "WAITING" => Self::Yellow,
            "DONE" | "REPLACED" => Self::Cyan,
            "STOPPED" | "PAUSED" | "DESTROYED" => Self::Dim,
            "UNKNOWN" | "CRASHED" | "FAILED" | "UNAUTHENTICATED" => Self::Red,
            _ => Self::Plain,
        }
    }
}

/// The text in that style when colours are on, else as it is.
pub(crate) fn paint(text: &str, style: Style, is_on: bool) -> Cow<'_, str> {
    if is_on && style != Style::Plain && !text.is_empty() {
        Cow::Owned(format!("\x1b[{}m{text}\x1b[0m", style.code()))
    } else {
        Cow::Borrowed(text)
    }
}
