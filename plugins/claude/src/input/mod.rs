//! How messages get into Claude Code: what its screen shows, and the files that prove that it took one.

mod dialogs;
mod evidence;
mod pane;
#[cfg(test)]
mod recorded;

use mng_core::Result;
use mng_core::agents::input::{Dialog, EvidenceWatch, Input, Recipient, ScreenState};
use mng_core::agents::mirror::WatchedFile;

use self::pane::Row;

/// The input box of Claude Code.
#[derive(Debug)]
pub(crate) struct ClaudeInput {
    /// `sensibly_deal_with_dialogs`.
    pub(crate) answers: Vec<String>,
}

impl Input for ClaudeInput {
    fn screen(&self, pane: &str) -> ScreenState {
        judge(pane, &self.answers)
    }

    fn paste_labels(&self) -> &'static [&'static str] {
        &["[Pasted text #"]
    }

    fn is_relaxed(&self, text: &str) -> bool {
        text.starts_with(['/', '!'])
    }

    fn watched_files(&self) -> Vec<WatchedFile> {
        evidence::WATCHED.to_vec()
    }

    fn watch(&self, to: Recipient<'_>, text: &str) -> Result<Box<dyn EvidenceWatch>> {
        Ok(Box::new(evidence::Watch::start(to.state_dir, text)?))
    }
}

fn judge(pane: &str, answers: &[String]) -> ScreenState {
    let rows = pane::rows(pane);
    let texts: Vec<String> = rows.iter().map(Row::text).collect();
    match find_box(&texts) {
        Some(InputBox { first, end, is_shell: false }) => {
            let leftover = typed(&rows[first..end]);
            ScreenState::Ready { leftover: (!leftover.is_empty()).then_some(leftover) }
        }
        Some(InputBox { first, end, is_shell: true }) => {
            ScreenState::Dialog(match typed(&rows[first..end]) {
                // An exclamation mark that somebody left there; the key takes it away.
                empty if empty.is_empty() => {
                    Dialog { name: "the shell mode".into(), answer: Some(vec!["BSpace".into()]) }
                }
                _ => Dialog { name: "a shell command that was not sent".into(), answer: None },
            })
        }
        None => dialogs::find(&texts, answers).map_or(ScreenState::Unclear, ScreenState::Dialog),
    }
}

/// Rows `first..end` of the screen.
struct InputBox {
    first: usize,
    end: usize,
    is_shell: bool,
}

/// The prompt at column 0, with a blank that does not break, between two lines across the screen. Selectors
/// and quoted messages have the same character, and another blank or place.
fn find_box(rows: &[String]) -> Option<InputBox> {
    let is_prompt = |row: &String| row.starts_with("❯\u{a0}") || row.starts_with("!\u{a0}");
    let first = rows.iter().rposition(is_prompt)?;
    let has_line_above = first.checked_sub(1).is_some_and(|above| dialogs::is_rule(&rows[above]));
    let height = rows[first..].iter().position(|row| dialogs::is_rule(row))?;
    let is_shell = rows[first].starts_with('!');
    has_line_above.then_some(InputBox { first, end: first + height, is_shell })
}

/// What stands in the box: its rows without the prompt and the indent of the same width.
fn typed(rows: &[Row]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| row.typed(2)).collect();
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "────────────────────";

    fn screen(rows: &[&str]) -> ScreenState {
        judge(&rows.join("\n"), &[])
    }

    fn ready(leftover: Option<&str>) -> ScreenState {
        ScreenState::Ready { leftover: leftover.map(str::to_owned) }
    }

    #[test]
    fn the_box_is_told_from_what_looks_like_it() {
        let prompt = "❯\u{a0}\u{1b}[7m \u{1b}[0m";
        assert_eq!(screen(&[RULE, prompt, RULE, "  manual mode on"]), ready(None));
        // A message of before, a selector, a quotation.
        assert_eq!(screen(&["❯ fix it", RULE, " thinking", RULE]), ScreenState::Unclear);
        assert_eq!(screen(&["❯\u{a0}no line above", RULE]), ScreenState::Unclear);
        // The lower line is not drawn yet.
        assert_eq!(screen(&[RULE, prompt]), ScreenState::Unclear);
        assert_eq!(screen(&[]), ScreenState::Unclear);
        let long = [RULE, "❯\u{a0}one", "  two", "", "    four", RULE, "  footer"];
        assert_eq!(screen(&long), ready(Some("one\ntwo\n\n  four")));
    }

    #[test]
    fn commands_may_leave_no_trace() {
        let input = ClaudeInput { answers: Vec::new() };
        assert!(input.is_relaxed("/compact") && input.is_relaxed("!ls"));
        assert!(!input.is_relaxed("fix /compact") && !input.is_relaxed(" !ls"));
    }
}
