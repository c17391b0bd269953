//! Additional tmux windows of an agent (`-w`).

use serde::{Deserialize, Deserializer, Serialize};

use super::error::{ErrorClass, Explain};

/// A window spec that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    #[error("the window `{text}` has no command")]
    NoCommand { text: String },
    #[error("`{name}` cannot be the name of a window: it has a control character")]
    BadName { name: String },
    #[error("two windows are called `{name}`")]
    Duplicate { name: String },
    #[error("the window `{name}` has the name of the agent's own window")]
    Primary { name: String },
}

impl Explain for WindowError {
    fn class(&self) -> ErrorClass {
        ErrorClass::ParseSpec
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoCommand { .. } | Self::BadName { .. } => {
                "a window is written COMMAND or NAME=COMMAND: `-w 'logs=tail -f app.log'`".into()
            }
            Self::Duplicate { .. } | Self::Primary { .. } => {
                "give one of them another name: `-w NAME=COMMAND`".into()
            }
        })
    }
}

/// One additional window: a shell command line and, if it has one, its name. In JSON
/// `{"command", "window_name"}`, as an entry of the record's `additional_commands`; reading also takes the
/// bare string of the oldest records.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ExtraWindow {
    pub command: String,
    pub window_name: Option<String>,
}

impl ExtraWindow {
    /// Reads `COMMAND`, `NAME=COMMAND`, `NAME="COMMAND"` or `NAME='COMMAND'`. What looks like a variable
    /// set for a command, `FOO=1 make`, is a command.
    ///
    /// # Errors
    /// No command, or a name with control characters.
    pub fn parse(text: &str) -> Result<Self, WindowError> {
        let window = match text.split_once('=') {
            Some((name, rest)) if !name.is_empty() && !name.contains([' ', '"']) => match unquoted(rest) {
                Some(command) => Self::named(name, command),
                None if is_variable(name) => Self::unnamed(text),
                None => Self::named(name, rest),
            },
            _ => Self::unnamed(text),
        };
        if window.command.trim().is_empty() {
            return Err(WindowError::NoCommand { text: text.to_owned() });
        }
        match window.window_name {
            Some(name) if name.chars().any(char::is_control) => {
                Err(WindowError::BadName { name: name.escape_default().to_string() })
            }
            _ => Ok(window),
        }
    }

    fn named(name: &str, command: &str) -> Self {
        Self { command: command.to_owned(), window_name: Some(name.to_owned()) }
    }

    fn unnamed(command: &str) -> Self {
        Self { command: command.to_owned(), window_name: None }
    }
}

fn unquoted(text: &str) -> Option<&str> {
    ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
}

fn is_variable(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        && name.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// The names of all windows, in order: a window without one is `cmd-N`, N its place from 1.
///
/// # Errors
/// A name that another window or the agent's own window (`primary`) has: tmux would make both, and what is
/// meant for one could go to the other.
pub fn window_names(windows: &[ExtraWindow], primary: &str) -> Result<Vec<String>, WindowError> {
    let mut names: Vec<String> = Vec::with_capacity(windows.len());
    for (index, window) in windows.iter().enumerate() {
        let name = window.window_name.clone().unwrap_or_else(|| format!("cmd-{}", index + 1));
        if name == primary {
            return Err(WindowError::Primary { name });
        }
        if names.contains(&name) {
            return Err(WindowError::Duplicate { name });
        }
        names.push(name);
    }
    Ok(names)
}

impl<'de> Deserialize<'de> for ExtraWindow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Stored {
            Bare(String),
            Full {
                command: String,
                #[serde(default)]
                window_name: Option<String>,
            },
        }
        Ok(match Stored::deserialize(deserializer)? {
            Stored::Bare(command) => Self { command, window_name: None },
            Stored::Full { command, window_name } => Self { command, window_name },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Option<String>, String) {
        let window = ExtraWindow::parse(text).unwrap();
        (window.window_name, window.command)
    }

    #[test]
    fn names_and_variables_are_told_apart() {
        let named = |name: &str, command: &str| (Some(name.to_owned()), command.to_owned());
        let unnamed = |command: &str| (None, command.to_owned());
        assert_eq!(parsed("logs=tail -f x"), named("logs", "tail -f x"));
        assert_eq!(parsed(r#"logs="tail -f x""#), named("logs", "tail -f x"));
        assert_eq!(parsed("logs='a=b'"), named("logs", "a=b"));
        assert_eq!(parsed(r#"LOGS="tail -f x""#), named("LOGS", "tail -f x"));
        assert_eq!(parsed("PORT=80 serve"), unnamed("PORT=80 serve"));
        assert_eq!(parsed("MY_PORT=80 serve"), unnamed("MY_PORT=80 serve"));
        assert_eq!(parsed("npm run dev"), unnamed("npm run dev"));
        assert_eq!(parsed("npm run --x=1"), unnamed("npm run --x=1"));
        assert_eq!(parsed("a=b=c"), named("a", "b=c"));
        assert_eq!(parsed("=x"), unnamed("=x"));
    }

    #[test]
    fn a_window_needs_a_command() {
        for text in ["", " ", "logs=", "logs=''", "logs= "] {
            assert!(matches!(ExtraWindow::parse(text), Err(WindowError::NoCommand { .. })), "{text:?}");
        }
        assert!(matches!(ExtraWindow::parse("a\tb=x"), Err(WindowError::BadName { .. })));
    }

    #[test]
    fn names_are_given_by_place_and_clash_with_nothing() {
        let windows =
            |specs: &[&str]| specs.iter().map(|spec| ExtraWindow::parse(spec).unwrap()).collect::<Vec<_>>();
        assert_eq!(window_names(&windows(&["x", "log=y", "z"]), "agent").unwrap(), ["cmd-1", "log", "cmd-3"]);
        assert!(window_names(&windows(&["cmd-2=x", "y"]), "agent").is_err());
        assert!(window_names(&windows(&["agent=x"]), "agent").is_err());
    }

    #[test]
    fn all_forms_of_records_are_read() {
        let read = |json: &str| serde_json::from_str::<ExtraWindow>(json).unwrap();
        assert_eq!(read(r#""top""#), ExtraWindow::unnamed("top"));
        assert_eq!(read(r#"{"command":"top","window_name":null}"#), ExtraWindow::unnamed("top"));
        let named = read(r#"{"command":"top","window_name":"t","later":1}"#);
        assert_eq!(serde_json::to_string(&named).unwrap(), r#"{"command":"top","window_name":"t"}"#);
    }
}
