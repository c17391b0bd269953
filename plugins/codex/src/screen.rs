//! What the pane shows: the input box, a dialog in its place, or neither.
//!
//! All three kinds of rows that begin with `›` in the first column differ by the style of that mark: it is
//! bold before the input box, dim before messages of the conversation, reversed before the chosen row of a
//! menu.

use mng_core::agents::input::{Dialog, ScreenState};

/// The mark of the input box, of messages in the conversation and of chosen rows.
const MARK: char = '›';

/// What a dialog says and what it is called. All captions of codex-cli 0.169.0.
const DIALOGS: [(&str, &str); 9] = [
    ("Would you like to ", "the permission prompt"),
    ("Do you want to ", "the permission prompt"),
    ("Trust this folder?", "the question whether to trust the folder"),
    ("Sign in with ChatGPT", "the sign-in menu"),
    ("Hooks need review", "the review of hooks"),
    ("Where should the new conversation run?", "the question where the new conversation runs"),
    ("Working directory", "the question for the working directory"),
    ("Select Model", "the choice of a model"),
    ("Select Reasoning Level", "the choice of a reasoning level"),
];

/// Start of the status row while the keys move through the conversation.
const BROWSING: &str = "Browsing transcript";

/// The style of a character, as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Style {
    is_dim: bool,
    is_reversed: bool,
}

/// One row of the screen.
struct Row(Vec<(char, Style)>);

impl Row {
    fn text(&self) -> String {
        self.0.iter().map(|(ch, _)| ch).collect()
    }

    /// Text without what is dim: placeholders and hints.
    fn bright(&self) -> String {
        self.0.iter().filter(|(_, style)| !style.is_dim).map(|(ch, _)| ch).collect()
    }

    fn is_blank(&self) -> bool {
        self.0.iter().all(|(ch, _)| ch.is_whitespace())
    }

    /// The style of the mark at its start; not of a message in the conversation.
    fn mark(&self) -> Option<Style> {
        self.0.first().filter(|(ch, style)| *ch == MARK && !style.is_dim).map(|(_, style)| *style)
    }
}

/// Judges the visible text of the pane, with the colour codes of `capture-pane -e`.
pub(crate) fn judge(pane: &str) -> ScreenState {
    let rows = rows(pane);
    let Some((at, mark)) = rows.iter().enumerate().rev().find_map(|(at, row)| Some((at, row.mark()?))) else {
        return ScreenState::Unclear;
    };
    if mark.is_reversed {
        return ScreenState::Dialog(Dialog { name: name(&rows[..=at]), answer: None });
    }
    // Escape at rest leads here; letters scroll then, and Escape leads back.
    if rows[at..].iter().any(|row| row.text().trim_start().starts_with(BROWSING)) {
        let answer = Some(vec!["Escape".to_owned()]);
        return ScreenState::Dialog(Dialog { name: "the transcript browser".into(), answer });
    }
    // Further lines of the text follow without a gap; then come the rows of the status.
    let mut typed = vec![rows[at].bright().trim_start_matches(MARK).trim().to_owned()];
    let below = rows[at + 1..].iter().take_while(|row| !row.is_blank());
    typed.extend(below.map(|row| row.bright().trim().to_owned()));
    let leftover = typed.join("\n").trim().to_owned();
    ScreenState::Ready { leftover: (!leftover.is_empty()).then_some(leftover) }
}

/// What a person would call the dialog, by the caption nearest above the chosen row.
fn name(rows: &[Row]) -> String {
    let caption = rows.iter().rev().take(20).find_map(|row| {
        let text = row.text();
        let text = text.trim_start();
        DIALOGS.iter().find(|(caption, _)| text.starts_with(caption)).map(|(_, name)| *name)
    });
    caption.unwrap_or("a menu").to_owned()
}

/// Why the program has not taken `text`, if it says so: it keeps the text of an unknown command in its box.
pub(crate) fn rejection(pane: &str, text: &str) -> Option<String> {
    let command = text.split_whitespace().next().filter(|word| word.starts_with('/'))?;
    let said = format!("Unrecognized command '{command}'");
    let ScreenState::Ready { leftover: Some(leftover) } = judge(pane) else { return None };
    if !leftover.starts_with(command) {
        return None;
    }
    let rows = rows(pane);
    let line = rows.iter().rev().map(Row::text).find(|row| row.contains(&said))?;
    Some(line.trim_start_matches(['•', ' ']).trim_end().to_owned())
}

fn rows(pane: &str) -> Vec<Row> {
    // tmux leaves attributes on over the end of a line.
    let mut style = Style::default();
    pane.split('\n')
        .map(|line| {
            let mut row = Vec::new();
            let mut chars = line.trim_end_matches('\r').chars().peekable();
            while let Some(ch) = chars.next() {
                if ch != '\u{1b}' {
                    row.push((ch, style));
                    continue;
                }
                if chars.next_if_eq(&'[').is_none() {
                    continue;
                }
                let mut codes = String::new();
                let last = chars.by_ref().find(|ch| {
                    let is_end = ('@'..='~').contains(ch);
                    if !is_end {
                        codes.push(*ch);
                    }
                    is_end
                });
                if last == Some('m') {
                    style = style_after(&codes, style);
                }
            }
            while row.last().is_some_and(|(ch, _)| ch.is_whitespace()) {
                row.pop();
            }
            Row(row)
        })
        .collect()
}

/// The style after an SGR sequence. Colour codes hold numbers that mean nothing here.
fn style_after(codes: &str, mut style: Style) -> Style {
    let mut codes = codes.split(';');
    while let Some(code) = codes.next() {
        match code {
            "" | "0" => style = Style::default(),
            "2" => style.is_dim = true,
            "22" => style.is_dim = false,
            "7" => style.is_reversed = true,
            "27" => style.is_reversed = false,
            "38" | "48" | "58" => match codes.next() {
                Some("5") => {
                    codes.next();
                }
                Some("2") => {
                    codes.nth(2);
                }
                _ => {}
            },
            _ => {}
        }
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "\u{1b}[39m\n  stub-model default · /work\n  ← for agents · ? for shortcuts\n";

    fn with_box(rest: &str) -> String {
        format!(
            "\u{1b}[1;2m› \u{1b}[0mstub:say hello\n\n\u{1b}[2m• \u{1b}[0mhello\n\n\u{1b}[1m›\u{1b}[0m{rest}\n{STATUS}"
        )
    }

    fn leftover(rest: &str) -> Option<String> {
        match judge(&with_box(rest)) {
            ScreenState::Ready { leftover } => leftover,
            other => panic!("{rest}: {other:?}"),
        }
    }

    fn dialog(pane: &str) -> String {
        match judge(pane) {
            ScreenState::Dialog(Dialog { name, answer: None }) => name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn dim_text_is_a_placeholder() {
        assert_eq!(leftover("\u{1b}[39m\u{1b}[49m \u{1b}[2mAsk Codex to do anything\u{1b}[0m"), None);
        assert_eq!(leftover(" half a thought"), Some("half a thought".into()));
        assert_eq!(leftover(" half\n  a thought"), Some("half\na thought".into()));
        assert_eq!(leftover(" \u{1b}[38;2;2;2;2mred\u{1b}[0m"), Some("red".into()), "2 is a colour there");
        assert_eq!(leftover(" \u{1b}[38;5;2mred\u{1b}[0m"), Some("red".into()));
        assert_eq!(leftover(""), None);
        assert_eq!(leftover(" [Pasted Content 1234 chars]"), Some("[Pasted Content 1234 chars]".into()));
    }

    #[test]
    fn a_reversed_mark_is_a_choice() {
        let asks = |caption: &str| {
            dialog(&format!(
                "\u{1b}[1;2m› \u{1b}[0mfix it\n\n  \u{1b}[1m{caption}\u{1b}[0m\n\n  $ touch x\n\n\u{1b}[1;7m› 1. Yes (y)\n\u{1b}[0m  2. No\n\n  Press enter\n"
            ))
        };
        assert_eq!(asks("Would you like to run the following command?"), "the permission prompt");
        assert_eq!(asks("Trust this folder? Codex can"), "the question whether to trust the folder");
        assert_eq!(asks("Something new"), "a menu");
        assert_eq!(leftover(" 1. first do this"), Some("1. first do this".into()));
        let popup =
            "\u{1b}[1;7m› /model  \u{1b}[0;7mchoose\u{1b}[0m\n\n\u{1b}[1m›\u{1b}[0m /model\n\n  status\n";
        assert_eq!(judge(popup), ScreenState::Ready { leftover: Some("/model".into()) });
    }

    #[test]
    fn the_transcript_browser_is_left_by_escape() {
        let pane = with_box("\u{1b}[0;2m Ask Codex to do anything\u{1b}[0m")
            .replace("← for agents", "\u{1b}[38;5;75mBrowsing transcript\u{1b}[2m · ↑↓/jk");
        let ScreenState::Dialog(dialog) = judge(&pane) else { panic!() };
        assert_eq!(dialog.answer, Some(vec!["Escape".to_owned()]));
    }

    #[test]
    fn nothing_is_made_of_other_screens() {
        for pane in ["", "$ codex\n", "\u{1b}[1;2m› \u{1b}[0ma message\n\n• an answer\n", "  › indented\n"]
        {
            assert_eq!(judge(pane), ScreenState::Unclear, "{pane:?}");
        }
    }

    #[test]
    fn an_unknown_command_stays_in_the_box() {
        let pane = "• Unrecognized command '/zzz'. Type \"/\" for a list of supported commands.\n\n› /zzz foo\n\n  model\n";
        assert_eq!(
            rejection(pane, "/zzz foo").as_deref(),
            Some("Unrecognized command '/zzz'. Type \"/\" for a list of supported commands.")
        );
        assert_eq!(rejection(pane, "/other"), None);
        assert_eq!(rejection(pane, "fix '/zzz'"), None);
        let sent = "• Unrecognized command '/zzz'. Type\n\n› \u{1b}[2mAsk Codex\u{1b}[0m\n\n  model\n";
        assert_eq!(rejection(sent, "/zzz foo"), None, "an earlier one");
    }
}
