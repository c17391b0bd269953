//! Documentation pages on a terminal: headings and code stand out, text fits the width.

use super::page::wrap;
use crate::ui::{Style, paint};

/// Renders the Markdown that our pages use: headings, paragraphs, lists, fenced code, tables, `code`,
/// `**bold**` and links.
pub(super) fn render(text: &str, width: usize, has_colours: bool) -> String {
    let mut out = String::new();
    let mut paragraph = String::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            flush(&mut out, &mut paragraph, width, has_colours);
            is_code = !is_code;
        } else if is_code {
            out.push_str("    ");
            out.push_str(&paint(line, Style::Cyan, has_colours));
            out.push('\n');
        } else if let Some(title) = line.strip_prefix('#') {
            flush(&mut out, &mut paragraph, width, has_colours);
            let title = title.trim_start_matches('#').trim();
            out.push_str(&paint(title, Style::Bold, has_colours));
            out.push('\n');
        } else if line.trim().is_empty() {
            flush(&mut out, &mut paragraph, width, has_colours);
            out.push('\n');
        } else if line.starts_with('|') {
            flush(&mut out, &mut paragraph, width, has_colours);
            out.push_str(&inline(line, has_colours));
            out.push('\n');
        } else {
            if is_list_item(line) {
                flush(&mut out, &mut paragraph, width, has_colours);
            }
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(if paragraph.is_empty() { line } else { line.trim() });
        }
    }
    flush(&mut out, &mut paragraph, width, has_colours);
    out
}

fn is_list_item(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("- ")
        || line.split_once(". ").is_some_and(|(n, _)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn flush(out: &mut String, paragraph: &mut String, width: usize, has_colours: bool) {
    if paragraph.is_empty() {
        return;
    }
    let text = std::mem::take(paragraph);
    let own = text.len() - text.trim_start().len();
    let marker = if is_list_item(&text) { text[own..].find(' ').map_or(0, |at| at + 1) } else { 0 };
    let (mut lead, body) = (text[..own + marker].to_owned(), plain_links(&text[own + marker..]));
    for line in wrap(&body, width.saturating_sub(lead.len()).max(20)) {
        out.push_str(&format!("{lead}{}\n", inline(&line, has_colours)));
        lead = " ".repeat(lead.len());
    }
}

/// `[text](target)` as `text`: a terminal has no links, and the page's address stands at its end.
fn plain_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        let (before, link) = rest.split_at(start);
        out.push_str(before);
        match link.split_once("](").and_then(|(label, after)| Some((label, after.split_once(')')?))) {
            Some((label, (_, after))) if !label[1..].contains('[') => {
                out.push_str(&label[1..]);
                rest = after;
            }
            _ => {
                out.push('[');
                rest = &link[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// `code` and `**bold**` in their styles; without colours the marks of code stay.
fn inline(line: &str, has_colours: bool) -> String {
    if !has_colours {
        return line.replace("**", "");
    }
    let mut out = String::new();
    for (index, part) in line.split('`').enumerate() {
        if index % 2 == 1 {
            out.push_str(&paint(part, Style::Cyan, true));
            continue;
        }
        for (index, part) in part.split("**").enumerate() {
            out.push_str(&paint(part, if index % 2 == 1 { Style::Bold } else { Style::Plain }, true));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Title\n\nSome text with `code` and a\n[link](x.md) and [brackets].\n\n- one item that is long enough to wrap\n- two\n\n```console\n$ mng list\n```\n| a | b |\n";

    #[test]
    fn pages_fit_the_width() {
        insta::assert_snapshot!(render(PAGE, 30, false), @r"
        Title

        Some text with `code` and a
        link and [brackets].

        - one item that is long enough
          to wrap
        - two

            $ mng list
        | a | b |
        ");
    }

    #[test]
    fn colours_replace_the_marks() {
        assert_eq!(inline("a `b` **c**", true), "a \x1b[36mb\x1b[0m \x1b[1mc\x1b[0m");
    }
}
