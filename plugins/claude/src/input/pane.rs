//! A captured pane with its styles.

/// One row: its characters, each with the style that matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    ch: char,
    is_dim: bool,
    is_reversed: bool,
}

impl Row {
    /// All characters, without blanks at the end.
    pub(crate) fn text(&self) -> String {
        let text: String = self.cells.iter().map(|cell| cell.ch).collect();
        text.trim_end_matches(' ').to_owned()
    }

    /// What was typed, from character `from` on: placeholders and suggestions are dim, but for the character
    /// under the cursor, which is reversed.
    pub(crate) fn typed(&self, from: usize) -> String {
        let cells = self.cells.get(from..).unwrap_or_default();
        let is_ghost = |at: usize| {
            let cell = cells[at];
            cell.is_dim || cell.is_reversed && cells.get(at + 1).is_some_and(|next| next.is_dim)
        };
        let text: String = (0..cells.len()).filter(|at| !is_ghost(*at)).map(|at| cells[at].ch).collect();
        text.trim_end_matches(' ').to_owned()
    }
}

/// Reads the text of `capture-pane -e -p`. Styles last across rows; rows of blanks at the end are left out.
pub(crate) fn rows(pane: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = Row::default();
    let (mut is_dim, mut is_reversed) = (false, false);
    let mut chars = pane.chars().peekable();
    while let Some(ch) = chars.next() {
        match ch {
            '\n' => rows.push(std::mem::take(&mut row)),
            '\r' => {}
            '\u{1b}' => {
                if chars.next_if_eq(&'[').is_none() {
                    // Another sequence, such as a change of the character set: two characters.
                    chars.next();
                    continue;
                }
                let mut codes = String::new();
                let mut end = None;
                for ch in chars.by_ref() {
                    if ('\u{40}'..='\u{7e}').contains(&ch) {
                        end = Some(ch);
                        break;
                    }
                    codes.push(ch);
                }
                if end == Some('m') {
                    apply(&codes, &mut is_dim, &mut is_reversed);
                }
            }
            ch => row.cells.push(Cell { ch, is_dim, is_reversed }),
        }
    }
    if !row.cells.is_empty() {
        rows.push(row);
    }
    while rows.last().is_some_and(|row| row.text().is_empty()) {
        rows.pop();
    }
    rows
}

fn apply(codes: &str, is_dim: &mut bool, is_reversed: &mut bool) {
    let mut codes = codes.split([';', ':']).map(|code| code.parse::<u32>().unwrap_or(0));
    while let Some(code) = codes.next() {
        match code {
            0 => (*is_dim, *is_reversed) = (false, false),
            2 => *is_dim = true,
            22 => *is_dim = false,
            7 => *is_reversed = true,
            27 => *is_reversed = false,
            // The numbers of a colour are none of their own: `38;5;2` is green, not dim.
            38 | 48 | 58 => match codes.next() {
                Some(5) => drop(codes.next()),
                Some(2) => drop(codes.nth(2)),
                _ => {}
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ghost_text_is_not_typed() {
        let row = |pane: &str| rows(pane).remove(0);
        let placeholder = row("\u{1b}[38;5;246m❯\u{a0}\u{1b}[7m\u{1b}[39mP\u{1b}[0;2mress up\u{1b}[0m\n");
        assert_eq!(placeholder.text(), "❯\u{a0}Press up");
        assert_eq!(placeholder.typed(2), "");
        assert_eq!(row("❯\u{a0}fix \u{1b}[7mt\u{1b}[0;2mhe bug").typed(2), "fix");
        // Text with the cursor somewhere in it.
        assert_eq!(row("❯\u{a0}fix \u{1b}[7mt\u{1b}[0mhe bug\u{1b}[7m \u{1b}[0m").typed(2), "fix the bug");
    }

    #[test]
    fn colours_are_no_styles() {
        for code in ["38;5;2", "48;2;2;7;2", "38;5;7", "1", ""] {
            let row = rows(&format!("\u{1b}[{code}mtext")).remove(0);
            assert_eq!(row.typed(0), "text", "{code}");
        }
        assert_eq!(rows("\u{1b}[2ma\nb\u{1b}[22mc\n\n  \n")[1].typed(0), "c", "a style lasts across rows");
        assert_eq!(rows("a\n\u{1b}(Bb\n\n").len(), 2);
    }

    #[test]
    fn nothing_is_too_odd() {
        for pane in ["", "\u{1b}", "\u{1b}[", "\u{1b}[38", "\u{1b}[38;5m\u{1b}[2", "\r\n\u{1b}]0;x"] {
            rows(pane);
        }
    }
}
