//! The man-page layout: headings at the margin, text at 7, what belongs to a term at 11.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use crate::ui::{Style, paint};

pub(super) const BODY: usize = 7;
pub(super) const DETAIL: usize = 11;
/// Text never gets narrower than this, whatever the terminal says.
const NARROWEST: usize = 20;

/// A page in the making.
pub(super) struct Page {
    text: String,
    width: usize,
    has_colours: bool,
}

impl Page {
    pub(super) fn new(width: usize, has_colours: bool) -> Self {
        Self { text: String::new(), width, has_colours }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn bold(&self, text: &str) -> String {
        paint(text, Style::Bold, self.has_colours).into_owned()
    }

    /// `OPTIONS`
    pub(super) fn heading(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let title = self.bold(title);
        let _ = writeln!(self.text, "{title}");
    }

    /// A group of options within a section.
    pub(super) fn subheading(&mut self, title: &str) {
        let title = self.bold(title);
        let _ = writeln!(self.text, "   {title}");
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A line that is not wrapped.
    pub(super) fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.text, "{:indent$}{text}", "");
    }

    /// A term that what follows explains.
    pub(super) fn term(&mut self, text: &str) {
        let text = self.bold(text);
        self.line(BODY, &text);
    }

    /// Running text: paragraphs apart by an empty line, wrapped.
    pub(super) fn text(&mut self, indent: usize, text: &str) {
        for (index, paragraph) in text.trim().split("\n\n").enumerate() {
            if index > 0 {
                self.blank();
            }
            for line in wrap(paragraph, self.width.saturating_sub(indent).max(NARROWEST)) {
                self.line(indent, &line);
            }
        }
    }

    /// Two columns: names on the left, what they mean on the right, wrapped.
    pub(super) fn columns(&mut self, rows: &[(String, String)]) {
        let left = rows.iter().map(|(name, _)| name.width()).max().unwrap_or_default().min(26);
        let right = BODY + left + 2;
        for (name, meaning) in rows {
            let lines = wrap(meaning, self.width.saturating_sub(right).max(NARROWEST));
            let mut lines = lines.iter();
            let missing = left.saturating_sub(name.width());
            let shown = self.bold(name);
            if name.width() > left {
                self.line(BODY, &shown);
            } else {
                let first = lines.next().map(String::as_str).unwrap_or_default();
                self.line(BODY, format!("{shown}{:missing$}  {first}", "").trim_end());
            }
            for line in lines {
                self.line(right, line);
            }
        }
    }
}

/// The words of a text in lines of at most `width` columns; a longer word has a line of its own.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("a verylongword b", 5), ["a", "verylongword", "b"]);
        assert!(wrap("  ", 5).is_empty());
    }
}
