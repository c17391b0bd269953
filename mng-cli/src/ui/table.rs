//! Plain tables: a header, columns as wide as their content, two spaces between, no trailing blanks.

use std::io::{self, Write};

use mng_core::model::printing::visible;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::style::{Style, paint};

const GAP: usize = 2;
/// No column is made narrower than this, or than its content.
const NARROWEST: usize = 8;

/// One cell and how it stands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: visible(&text.into()), style: Style::Plain }
    }
}

impl Cell {
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: visible(&text.into()), style }
    }

    /// A state word in its colour.
    pub(crate) fn state(word: impl Into<String>) -> Self {
        let word = word.into();
        let style = Style::of_state(&word);
        Self::styled(word, style)
    }
}

/// Rows under a header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<Cell>>,
    least_widths: Vec<usize>,
}

impl Table {
    pub(crate) fn new<S: Into<String>>(headers: impl IntoIterator<Item = S>) -> Self {
        Self { headers: headers.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Widths that the columns have at least: for tables that grow while they are shown.
    pub(crate) fn least_widths(mut self, widths: impl IntoIterator<Item = usize>) -> Self {
        self.least_widths = widths.into_iter().collect();
        self
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The widths of the columns: what the content needs, cut down where `limit` says so.
    pub(crate) fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headers.iter().map(|header| header.width()).collect();
        for (width, least) in widths.iter_mut().zip(&self.least_widths) {
            *width = (*width).max(*least);
        }
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        if let Some(limit) = limit {
            shrink(&mut widths, limit);
        }
        widths
    }

    /// Writes header and rows. `limit` is the width of the terminal, `None` where nothing may be cut.
    pub(crate) fn write(
        &self,
        out: &mut dyn Write,
        limit: Option<usize>,
        has_colours: bool,
    ) -> io::Result<()> {
        let widths = self.widths(limit);
        self.write_header(out, &widths, has_colours)?;
        self.write_rows(out, &widths, has_colours)
    }

    pub(crate) fn write_header(
        &self,
        out: &mut dyn Write,
        widths: &[usize],
        has_colours: bool,
    ) -> io::Result<()> {
        let headers: Vec<Cell> =
            self.headers.iter().map(|header| Cell::styled(header.clone(), Style::Bold)).collect();
        write_row(out, &headers, widths, has_colours)
    }

    pub(crate) fn write_rows(
        &self,
        out: &mut dyn Write,
        widths: &[usize],
        has_colours: bool,
    ) -> io::Result<()> {
        self.rows.iter().try_for_each(|row| write_row(out, row, widths, has_colours))
    }
}

fn write_row(out: &mut dyn Write, cells: &[Cell], widths: &[usize], has_colours: bool) -> io::Result<()> {
    // Blanks are owed only once something follows them.
    let mut owed = 0;
    for (cell, width) in cells.iter().zip(widths) {
        let text = cut(&cell.text, *width);
        if !text.is_empty() {
            write!(out, "{:owed$}{}", "", paint(&text, cell.style, has_colours))?;
            owed = 0;
        }
        owed += width.saturating_sub(text.width()) + GAP;
    }
    writeln!(out)
}

/// Takes columns off the widest ones until the table fits or all are narrow.
fn shrink(widths: &mut [usize], limit: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    loop {
        let total = widths.iter().sum::<usize>() + gaps;
        let Some(widest) = widths.iter().max().copied() else { return };
        if total <= limit || widest <= NARROWEST {
            return;
        }
        let next = widths.iter().filter(|width| **width < widest).max().copied().unwrap_or(0).max(NARROWEST);
        let count = widths.iter().filter(|width| **width == widest).count();
        let step = (total - limit).div_ceil(count).min(widest - next).max(1);
        for width in widths.iter_mut().filter(|width| **width == widest) {
            *width -= step;
        }
    }
}

/// The text in at most `width` columns; what is cut off leaves `...`.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let keep = width.saturating_sub(3);
    let mut used = 0;
    let mut kept = String::new();
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > keep {
            break;
        }
        kept.push(c);
    }
    kept.push_str(&"..."[..width.min(3)]);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(table: &Table, limit: Option<usize>, has_colours: bool) -> String {
        let mut out = Vec::new();
        table.write(&mut out, limit, has_colours).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn agents() -> Table {
        let mut table = Table::new(["NAME", "STATE", "LABELS"]);
        table.row([
            "fix-auth".into(),
            Cell::state("RUNNING"),
            "project=shop, team=payments-and-billing".into(),
        ]);
        table.row(["b".into(), Cell::state("STOPPED"), "".into()]);
        table
    }

    #[test]
    fn columns_fit_their_content_and_lines_have_no_trailing_blanks() {
        insta::assert_snapshot!(rendered(&agents(), None, false), @r"
        NAME      STATE    LABELS
        fix-auth  RUNNING  project=shop, team=payments-and-billing
        b         STOPPED
        ");
        assert!(rendered(&agents(), None, false).lines().all(|line| line.trim_end() == line));
    }

    #[test]
    fn a_terminal_cuts_the_widest_column() {
        let text = rendered(&agents(), Some(40), false);
        insta::assert_snapshot!(text, @r"
        NAME      STATE    LABELS
        fix-auth  RUNNING  project=shop, team...
        b         STOPPED
        ");
        assert!(text.lines().all(|line| line.width() <= 40));
    }

    #[test]
    fn colours_wrap_the_word_only() {
        let text = rendered(&agents(), None, true);
        assert!(text.contains("\x1b[32mRUNNING\x1b[0m  project"), "{text:?}");
    }

    #[test]
    fn wide_characters_count_twice_and_control_characters_are_shown() {
        let mut table = Table::new(["A", "B"]);
        table.row(["漢字".into(), "x".into()]);
        table.row(["a\x1b[2J\n".into(), "y".into()]);
        insta::assert_snapshot!(rendered(&table, None, false), @r"
        A             B
        漢字          x
        a\u{1b}[2J\n  y
        ");
        assert_eq!(cut("漢字漢字", 6), "漢...");
    }

    #[test]
    fn a_hopeless_width_ends() {
        let mut widths = [20, 30, 9];
        shrink(&mut widths, 3);
        assert_eq!(widths, [8, 8, 8]);
        assert_eq!(cut("abcdef", 2), "..");
    }
}
