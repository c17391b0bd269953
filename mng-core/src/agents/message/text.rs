//! What a message may hold, and how to find it again on a screen.

use std::borrow::Cow;

use super::MessageError;
use crate::model::error::Result;

/// Most letters and digits of the text's end that have to show.
const TAIL: usize = 60;

/// The text with the line ends of one kind: a terminal takes each carriage return for Enter.
pub(super) fn normalised(text: &str) -> Cow<'_, str> {
    match text.contains('\r') {
        true => text.replace("\r\n", "\n").replace('\r', "\n").into(),
        false => text.into(),
    }
}

/// Refuses what a terminal would take for a key, even inside a paste: `U+0003` interrupts, `U+001B[201~` ends
/// the paste. Nothing is taken out in silence, since it may have been meant.
///
/// # Errors
/// [`MessageError::ControlCharacter`], [`MessageError::Empty`].
pub(super) fn check(agent: &str, text: &str) -> Result<()> {
    let agent = agent.to_owned();
    if text.is_empty() {
        return Err(MessageError::Empty { agent }.into());
    }
    match text.chars().find(|ch| ch.is_control() && !matches!(ch, '\n' | '\t')) {
        Some(found) => {
            let character = format!("U+{:04X}", u32::from(found));
            Err(MessageError::ControlCharacter { agent, character }.into())
        }
        None => Ok(()),
    }
}

/// The letters and digits at the end of a text, in lower case: what survives wrapping, borders and colours.
pub(super) fn tail(text: &str) -> String {
    let mut letters: Vec<char> = text.chars().rev().filter(char::is_ascii_alphanumeric).take(TAIL).collect();
    letters.reverse();
    letters.into_iter().map(|ch| ch.to_ascii_lowercase()).collect()
}

/// All letters and digits of a screen, in lower case, without its colour codes.
pub(super) fn letters(screen: &str) -> String {
    let mut plain = String::with_capacity(screen.len());
    let mut rest = screen.chars();
    while let Some(ch) = rest.next() {
        if ch == '\u{1b}' {
            // CSI … letter; what follows another escape is not worth telling apart.
            for code in rest.by_ref() {
                if code.is_ascii_alphabetic() {
                    break;
                }
            }
        } else if ch.is_ascii_alphanumeric() {
            plain.push(ch.to_ascii_lowercase());
        }
    }
    plain
}

/// The last lines of a screen in one line, for an error.
pub(super) fn excerpt(screen: &str) -> String {
    let lines: Vec<&str> = screen.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default().join(" / ");
    let cut: String = last.chars().filter(|ch| !ch.is_control()).take(200).collect();
    format!("\"{cut}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_survives_wrapping_borders_and_colours() {
        let wanted = tail("Fix the bug in src/main.rs, line 42!");
        assert_eq!(wanted, "fixthebuginsrcmainrsline42");
        let screen = "\u{1b}[2m│\u{1b}[0m > Fix the bug in src/\u{1b}[38;5;12mmain.rs,\n│   line 42!   │\n";
        assert!(letters(screen).contains(&wanted));
        assert_eq!(tail("日本語 ?!"), "");
        assert_eq!(tail(&"x".repeat(100)).len(), TAIL);
    }

    #[test]
    fn what_a_terminal_would_act_on_is_refused() {
        assert!(check("a", "a\tb\nc\u{a0}é").is_ok());
        for key in ["\u{1b}[201~", "\u{3}", "\u{0}", "\u{7f}", "\u{9b}A", "\r"] {
            assert!(check("a1", &format!("x{key}y")).is_err(), "{key:?}");
        }
        let error = check("a1", "x\u{1b}[201~y").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the message for agent `a1` holds the control character U+001B, which its terminal would act on"
        );
        assert!(check("a1", "").is_err());
    }

    #[test]
    fn line_ends_of_other_systems_are_line_ends() {
        assert_eq!(normalised("a\r\nb\rc\n\r\n"), "a\nb\nc\n\n");
        assert!(matches!(normalised("a\nb"), Cow::Borrowed(_)));
    }
}
