//! The error that ended a command, for people and for scripts.

use mng_core::{Error, ErrorClass};
use serde_json::{Map, Value, json};
use unicode_width::UnicodeWidthStr;

use crate::exit::ExitCode;
use crate::ui::{Style, Ui, paint, to_json};

/// Says why a command ended; `usage` are the lines that precede a usage error. Hands back the exit code.
pub(crate) fn report(ui: &mut Ui, error: &Error, usage: Option<&str>) -> ExitCode {
    if ui.is_stdout_gone() && error.io_kind() == Some(std::io::ErrorKind::BrokenPipe) {
        // Whoever read us has had enough: `mng list | head -1` is no failure.
        return ExitCode::SUCCESS;
    }
    say(ui, error, usage);
    report_to_scripts(ui, error)
}

/// The error object of the machine formats alone.
pub(crate) fn report_to_scripts(ui: &mut Ui, error: &Error) -> ExitCode {
    let code = error.exit_code();
    // A closed stdout must not hide the exit code.
    let _ = if ui.is_jsonl() {
        ui.event("error", &error_object(error))
    } else if ui.is_json() && !ui.has_result() {
        ui.json(&json!({ "error": error_object(error), "exit_code": code }))
    } else {
        Ok(())
    };
    ExitCode::new(code)
}

/// The human form, on stderr.
fn say(ui: &Ui, error: &Error, usage: Option<&str>) {
    let console = ui.console();
    if error.class() == ErrorClass::Aborted {
        console.line("Aborted!");
        return;
    }
    if error.class() == ErrorClass::Usage
        && let Some(usage) = usage
    {
        console.line(&format!("{usage}\n"));
    }
    // In a file or pipe a message stays on its line: people search for it.
    let width = ui.terminal().is_stderr.then(|| ui.terminal().text_width());
    let mut lines = wrapped("Error: ", &error.to_string(), width);
    let prefix = paint("Error:", Style::Error, console.has_colours());
    lines = lines.replacen("Error:", &prefix, 1);
    if let Some(hint) = error.hint() {
        lines.push('\n');
        lines.push_str(&wrapped("  hint: ", &hint, width));
    }
    for cause in error.causes() {
        lines.push('\n');
        lines.push_str(&wrapped("  caused by: ", &cause, width));
    }
    console.line(&lines);
}

/// The error as scripts see it. Causes follow the message, since `error_class` and `message` are all that
/// many scripts print.
pub(crate) fn error_object(error: &Error) -> Map<String, Value> {
    let mut message = error.to_string();
    for cause in error.causes() {
        message.push_str(": ");
        message.push_str(&cause);
    }
    let mut object = Map::new();
    object.insert("error_class".into(), error.class().as_str().into());
    object.insert("message".into(), message.into());
    object.insert("hint".into(), error.hint().into());
    if let Value::Object(subject) = to_json(&error.subject()) {
        object.extend(subject);
    }
    object
}

/// The text behind a prefix, later lines indented by four, no line wider than `width`.
fn wrapped(prefix: &str, text: &str, width: Option<usize>) -> String {
    let mut out = String::from(prefix);
    let Some(width) = width else {
        out.push_str(&text.replace('\n', "\n    "));
        return out;
    };
    let mut column = prefix.width();
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push_str("\n    ");
            column = 4;
        }
        let mut is_first = true;
        for word in line.split(' ') {
            let needed = word.width() + usize::from(!is_first);
            if !is_first && column + needed > width {
                out.push_str("\n    ");
                column = 4 + word.width();
            } else {
                if !is_first {
                    out.push(' ');
                }
                column += needed;
            }
            out.push_str(word);
            is_first = false;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::testing;

    fn error() -> Error {
        let io = std::io::Error::other("No space left on device");
        Error::io("write `/home/person/.mng/agents/agent-0123456789abcdef0123456789abcdef/data.json`", io)
    }

    #[test]
    fn an_error_has_a_hint_and_its_causes() {
        let (mut ui, screen) = testing::ui();
        let hinted = Error::input("cannot create host `gpu`", "choose another with `--image`");
        assert_eq!(report(&mut ui, &hinted, Some("Usage: mng x")).as_u8(), 1);
        assert_eq!(report(&mut ui, &error(), None).as_u8(), 1);
        insta::assert_snapshot!(screen.both(), @r"
        ---- stdout
        ---- stderr
        Error: cannot create host `gpu`
          hint: choose another with `--image`
        Error: cannot write `/home/person/.mng/agents/agent-0123456789abcdef0123456789abcdef/data.json`
          caused by: No space left on device
        ");
    }

    #[test]
    fn a_usage_error_shows_the_usage_first() {
        let (mut ui, screen) = testing::ui();
        let usage = Error::hinted(ErrorClass::Usage, "no agent is named", "name one");
        assert_eq!(report(&mut ui, &usage, Some("Usage: mng stop [OPTIONS] [AGENT]...")).as_u8(), 2);
        insta::assert_snapshot!(screen.both(), @r"
        ---- stdout
        ---- stderr
        Usage: mng stop [OPTIONS] [AGENT]...

        Error: no agent is named
          hint: name one
        ");
    }

    #[test]
    fn scripts_get_one_object() {
        let (mut ui, screen) = testing::ui();
        ui.set_format(crate::ui::Format::Json);
        report(&mut ui, &error(), None);
        let value: Value = serde_json::from_str(&screen.stdout()).unwrap();
        assert_eq!(value["error"]["error_class"], "IoError");
        assert!(value["error"]["message"].as_str().unwrap().ends_with("data.json`: No space left on device"));
        assert_eq!(value["exit_code"], 1);
        let (mut ui, screen) = testing::ui();
        ui.set_format(crate::ui::Format::Jsonl);
        report(&mut ui, &Ui::aborted(), None);
        assert_eq!(
            screen.stdout(),
            "{\"event\":\"error\",\"error_class\":\"Aborted\",\"message\":\"Aborted!\",\"hint\":null}\n"
        );
        assert_eq!(screen.stderr(), "Aborted!\n");
    }

    #[test]
    fn terminals_get_wrapped_lines() {
        assert_eq!(wrapped("Error: ", "one two three four", Some(15)), "Error: one two\n    three four");
        assert_eq!(wrapped("Error: ", "one\ntwo", None), "Error: one\n    two");
    }
}
