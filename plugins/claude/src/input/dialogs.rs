//! What reads the keys in place of the input box. Captions are those of Claude Code 2.1.293 to 2.1.332.

use mng_core::agents::input::Dialog;

/// How many rows at the end of the screen a dialog is looked for in: what the program answered may quote one.
const REGION: usize = 40;

/// Answers known dialogs, if its name or this is in `sensibly_deal_with_dialogs`.
const ALL_KNOWN: &str = "ALL_KNOWN_DIALOGS";
/// Also presses `1` where an unknown numbered selector is open.
const ALL: &str = "ALL_KNOWN_AND_UNKNOWN_DIALOGS";

/// What may be done about a dialog that is known.
enum Remedy {
    /// A person has to decide.
    Person,
    /// It is a window that somebody left open.
    Close,
    /// The option that starts like this, if the configuration names the dialog.
    Choose { nickname: &'static str, option: &'static str },
}

/// A dialog that is known by a caption, which may be broken over rows.
struct Known {
    caption: &'static str,
    name: &'static str,
    remedy: Remedy,
}

const KNOWN: [Known; 13] = [
    Known { caption: "Yes, I trust this folder", name: "the trust dialog", remedy: Remedy::Person },
    Known { caption: "Quick safety check:", name: "the trust dialog", remedy: Remedy::Person },
    Known {
        caption: "Detected a custom API key in your environment",
        name: "the API key dialog",
        remedy: Remedy::Person,
    },
    Known {
        caption: "Choose the text style that looks best with your terminal",
        name: "the first-run setup",
        remedy: Remedy::Person,
    },
    Known {
        caption: "You can always change effort in /model later.",
        name: "the effort notice",
        remedy: Remedy::Person,
    },
    Known {
        caption: "Learn more about how to monitor your spending:",
        name: "the cost notice",
        remedy: Remedy::Person,
    },
    Known {
        caption: "Make auto mode your default permission mode?",
        name: "the auto mode question",
        remedy: Remedy::Person,
    },
    Known {
        caption: "This conversation is cached for the current model",
        name: "the model switch warning",
        remedy: Remedy::Choose { nickname: "MODEL_SWITCH_WARNING", option: "Yes, switch to" },
    },
    Known {
        caption: "This conversation is cached for the current effort level",
        name: "the effort switch warning",
        remedy: Remedy::Choose { nickname: "EFFORT_SWITCH_WARNING", option: "Yes, switch to" },
    },
    Known {
        caption: "Stop and wait for limit to reset",
        name: "the usage limit notice",
        remedy: Remedy::Choose {
            nickname: "USAGE_LIMIT_REACHED",
            option: "Stop and wait for limit to reset",
        },
    },
    Known {
        caption: "Would you like to install this LSP plugin?",
        name: "the LSP plugin offer",
        remedy: Remedy::Choose {
            nickname: "LSP_PLUGIN_INSTALL",
            option: "No, and don't show plugin installation hints again",
        },
    },
    Known { caption: "Would you like to proceed?", name: "the plan approval", remedy: Remedy::Person },
    Known { caption: "Select model", name: "the model selection", remedy: Remedy::Close },
];

/// Judges rows without an input box; `answers` is `sensibly_deal_with_dialogs`.
pub(super) fn find(rows: &[String], answers: &[String]) -> Option<Dialog> {
    let region = &rows[rows.len().saturating_sub(REGION)..];
    // A dialog is drawn below a line; what stands above may be anything.
    let is_border = |at: &usize| is_rule(&region[*at]) && !is_inner(region, *at);
    let from = (0..region.len()).rev().find(is_border).unwrap_or(0);
    let below = &region[from..];
    let options = Options::read(below);
    let text = squeezed(below);
    // Of two captions the longer one says more: that of the effort level begins like that of the model.
    let known = KNOWN
        .iter()
        .filter(|known| text.contains(&squeezed(&[known.caption.to_owned()])))
        .max_by_key(|known| known.caption.len());
    if let Some(known) = known {
        let may =
            |nickname: &str| answers.iter().any(|name| [nickname, ALL_KNOWN, ALL].contains(&name.as_str()));
        let answer = match &known.remedy {
            Remedy::Person => None,
            Remedy::Close => Some(vec!["Escape".to_owned()]),
            Remedy::Choose { nickname, option } if may(nickname) => options.walk_to(option),
            Remedy::Choose { .. } => None,
        };
        return Some(Dialog { name: known.name.into(), answer });
    }
    if is_permission(below, &options) {
        return Some(Dialog { name: "the permission prompt".into(), answer: None });
    }
    let footer = region.iter().rev().filter(|row| !row.trim().is_empty()).take(3);
    let footer: Vec<String> = footer.map(|row| row.to_lowercase()).collect();
    let says = |text: &str| footer.iter().any(|row| row.contains(text));
    if says("enter to select") && options.highlighted.is_some() {
        return Some(Dialog { name: "a question of the agent".into(), answer: None });
    }
    let close = Some(vec!["Escape".to_owned()]);
    if below.iter().any(|row| is_tab_strip(row)) {
        return Some(Dialog { name: "the settings window".into(), answer: close });
    }
    if says("esc to go back") {
        return Some(Dialog { name: "a settings window".into(), answer: close });
    }
    if options.is_numbered() {
        let answer = answers.iter().any(|name| name == ALL).then(|| vec!["1".to_owned()]);
        return Some(Dialog { name: "a selection".into(), answer });
    }
    if says("esc to close") || says("esc to cancel") {
        // Where one of two things is highlighted Esc is a decision too.
        let answer = close.filter(|_| options.highlighted.is_none() || says("esc to close"));
        return Some(Dialog { name: "a dialog".into(), answer });
    }
    None
}

/// A line across the screen, which may carry a word.
pub(super) fn is_rule(row: &str) -> bool {
    let row = row.trim_start();
    row.chars().take(4).filter(|ch| matches!(ch, '─' | '▔' | '━')).count() == 4
}

/// A line between two options, as the question dialog draws it: an option follows.
fn is_inner(rows: &[String], at: usize) -> bool {
    rows.get(at + 1).is_some_and(|row| number(row.trim_start()).is_some())
}

/// Letters and digits alone: the program breaks lines as the window is wide.
fn squeezed(rows: &[String]) -> String {
    rows.iter().flat_map(|row| row.chars()).filter(|ch| ch.is_alphanumeric()).collect()
}

fn is_tab_strip(row: &str) -> bool {
    let words: Vec<&str> = row.split_whitespace().collect();
    ["Settings", "Status", "Config", "Usage", "Stats"].iter().filter(|tab| words.contains(tab)).count() >= 4
}

fn is_permission(below: &[String], options: &Options) -> bool {
    let asks = below.iter().any(|row| row.trim_start().starts_with("Do you want to "));
    asks && options.is_numbered() && options.rows.iter().any(|(_, text)| text.starts_with("Yes"))
}

/// The options of a selector.
struct Options {
    /// Number, if it has one, and text.
    rows: Vec<(Option<u32>, String)>,
    highlighted: Option<usize>,
}

impl Options {
    /// Reads the rows around the last highlight: numbered ones, or those indented like it.
    fn read(rows: &[String]) -> Self {
        let mut options = Self { rows: Vec::new(), highlighted: None };
        let Some(at) = rows.iter().rposition(|row| row.trim_start().starts_with("❯ ")) else {
            return options;
        };
        let highlighted = rows[at].replacen('❯', " ", 1);
        let is_numbered = number(highlighted.trim_start()).is_some();
        let indent = indent_of(&highlighted);
        let is_option = |row: &str| {
            let text = row.trim_start();
            match is_numbered {
                true => number(text).is_some(),
                false => !text.is_empty() && indent_of(row) == indent,
            }
        };
        let mut first = at;
        while first > 0 && (is_option(&rows[first - 1]) || is_numbered && continues(&rows[first - 1], indent))
        {
            first -= 1;
        }
        for (place, row) in rows.iter().enumerate().skip(first) {
            let row = if place == at { highlighted.clone() } else { row.clone() };
            if is_option(&row) {
                if place == at {
                    options.highlighted = Some(options.rows.len());
                }
                let text = row.trim_start();
                let (number, text) = match number(text) {
                    Some((number, rest)) => (Some(number), rest),
                    None => (None, text),
                };
                options.rows.push((number, text.trim().to_owned()));
            } else if !(is_numbered && (continues(&row, indent) || is_rule(&row))) {
                break;
            }
        }
        options
    }

    fn is_numbered(&self) -> bool {
        self.rows.iter().any(|(number, _)| number.is_some())
    }

    /// The keys from the highlight to the option that begins like this, and Enter.
    fn walk_to(&self, option: &str) -> Option<Vec<String>> {
        let highlighted = self.highlighted?;
        let target = self.rows.iter().position(|(_, text)| text.starts_with(option))?;
        let (key, steps) =
            if target >= highlighted { ("Down", target - highlighted) } else { ("Up", highlighted - target) };
        let mut keys = vec![key.to_owned(); steps];
        keys.push("Enter".into());
        Some(keys)
    }
}

/// The second row of an option: indented more than the options are.
fn continues(row: &str, indent: usize) -> bool {
    !row.trim().is_empty() && indent_of(row) > indent
}

fn indent_of(row: &str) -> usize {
    row.chars().take_while(|ch| *ch == ' ').count()
}

/// `2. Text` as its number and the text.
fn number(text: &str) -> Option<(u32, &str)> {
    let (number, rest) = text.split_once(". ")?;
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(pane: &str, answers: &[&str]) -> String {
        let rows: Vec<String> = pane.lines().map(str::to_owned).collect();
        let answers: Vec<String> = answers.iter().map(|name| (*name).to_owned()).collect();
        match find(&rows, &answers) {
            None => "nothing".into(),
            Some(Dialog { name, answer: None }) => name,
            Some(Dialog { name, answer: Some(keys) }) => format!("{name}: {}", keys.join(" ")),
        }
    }

    const SWITCH: &str = "\
────────
 Switch model?
 This conversation is cached for the
 current model. Switching reads it all again.
   1. No, go back
 ❯ 2. Ask me later
   3. Yes, switch to Opus
 Esc to cancel";

    #[test]
    fn known_dialogs_are_answered_if_they_are_named() {
        assert_eq!(judged(SWITCH, &[]), "the model switch warning");
        assert_eq!(judged(SWITCH, &["LSP_PLUGIN_INSTALL"]), "the model switch warning");
        assert_eq!(judged(SWITCH, &["MODEL_SWITCH_WARNING"]), "the model switch warning: Down Enter");
        assert_eq!(judged(SWITCH, &[ALL_KNOWN]), "the model switch warning: Down Enter");
        let effort = SWITCH.replace("current model", "current effort level");
        assert_eq!(judged(&effort, &["EFFORT_SWITCH_WARNING"]), "the effort switch warning: Down Enter");
        assert_eq!(judged(&effort, &["MODEL_SWITCH_WARNING"]), "the effort switch warning");
        let limit = "▔▔▔▔▔▔\n What do you want to do?\n ❯ Upgrade\n   Stop and wait for limit to reset\n";
        assert_eq!(judged(limit, &[ALL]), "the usage limit notice: Down Enter");
        let limit = "▔▔▔▔▔▔\n What do you want to do?\n   Stop and wait for limit to reset\n ❯ Upgrade\n";
        assert_eq!(judged(limit, &["USAGE_LIMIT_REACHED"]), "the usage limit notice: Up Enter");
    }

    #[test]
    fn what_decides_the_work_is_left_to_a_person() {
        let permission = "─────\n Edit file\n Do you want to make this edit to a.rs?\n ❯ 1. Yes\n   2. Yes, allow\n      all edits\n   3. No\n\n Esc to cancel";
        assert_eq!(judged(permission, &[ALL]), "the permission prompt");
        let question = "─────\n ☐ Colour\n\nWhich?\n\n❯ 1. red\n     like fire\n  2. blue\n─────\n  4. Chat about this\n\nEnter to select · ↑/↓ to navigate · Esc to cancel";
        assert_eq!(judged(question, &[ALL]), "a question of the agent");
    }

    #[test]
    fn unknown_ones_are_closed_only_where_that_is_harmless() {
        let selector = "▔▔▔▔▔\n  Something new\n  ❯ 1. One\n    2. Two\n\n  Enter to confirm";
        assert_eq!(judged(selector, &[]), "a selection");
        assert_eq!(judged(selector, &[ALL_KNOWN]), "a selection");
        assert_eq!(judged(selector, &[ALL]), "a selection: 1");
        // Esc here quits the program.
        assert_eq!(judged("─────\n Sure?\n ❯ No\n   Yes\n Esc to cancel", &[ALL]), "a dialog");
        assert_eq!(judged("─────\n Help\n Esc to close", &[]), "a dialog: Escape");
        assert_eq!(judged("some text\nmore of it", &[ALL]), "nothing");
    }
}
