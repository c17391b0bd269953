//! How the list looks.

use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

use super::list::List;
use crate::ui::cut;

const NAME_AT_MOST: usize = 40;
const STATE_AT_MOST: usize = 15;
/// Title, keys, header, rule above the rows; the status bar below.
const AROUND: u16 = 5;

/// Draws the list over the whole frame and notes how many rows fit.
pub(super) fn draw(list: &mut List, frame: &mut Frame<'_>) {
    let area = frame.area();
    let rows = area.height.saturating_sub(AROUND);
    list.page = usize::from(rows).max(1);
    let width = usize::from(area.width);
    let mut line = |y: u16, text: &str, style: Style| {
        if y < area.height {
            let text = cut(text, width);
            let padding = width.saturating_sub(text.width());
            frame.buffer_mut().set_string(0, y, format!("{text}{:padding$}", ""), style);
        }
    };
    let plain = Style::new();
    line(0, &title(list), plain.fg(Color::White).bg(Color::Blue).add_modifier(Modifier::BOLD));
    line(1, keys(list), plain.add_modifier(Modifier::DIM));
    let visible = list.visible();
    let (name, state) = widths(list, &visible);
    line(
        2,
        &columns(list, "NAME", name, "STATE", state, "HOST", "PROVIDER", None),
        plain.add_modifier(Modifier::BOLD),
    );
    line(3, &"─".repeat(width), plain.add_modifier(Modifier::DIM));
    let first = list.cursor.saturating_sub(usize::from(rows).saturating_sub(1));
    for (place, index) in visible.iter().enumerate().skip(first).take(usize::from(rows)) {
        let choice = &list.choices[*index];
        let mark = list.marks.as_ref().map(|(marks, _)| marks.contains(index));
        let text =
            columns(list, &choice.name, name, &choice.state, state, &choice.host, &choice.provider, mark);
        let style = if place == list.cursor { plain.add_modifier(Modifier::REVERSED) } else { plain };
        line(4 + u16::try_from(place - first).unwrap_or(u16::MAX - 4), &text, style);
    }
    line(area.height.saturating_sub(1), &status(list, visible.len()), plain.add_modifier(Modifier::REVERSED));
}

fn title(list: &List) -> String {
    match &list.marks {
        None => " Agent Selector".to_owned(),
        Some((_, verb)) => {
            let (first, rest) = verb.split_at(verb.chars().next().map_or(0, char::len_utf8));
            format!(" Cleanup: Select Agents to {}{rest}", first.to_uppercase())
        }
    }
}

fn keys(list: &List) -> &'static str {
    if list.marks.is_some() {
        " Space: mark  Ctrl-A: all  Ctrl-N: none  Enter: confirm  Ctrl-R: hide stopped  Esc: quit"
    } else {
        " Up/Down: move  Enter: choose  Ctrl-R: hide stopped  Ctrl-C: clear search  Esc: quit"
    }
}

fn widths(list: &List, visible: &[usize]) -> (usize, usize) {
    let widest = |text: fn(&super::Choice) -> &str, least: usize, most: usize| {
        let widths = visible.iter().map(|index| text(&list.choices[*index]).width());
        widths.max().unwrap_or(0).clamp(least, most)
    };
    (widest(|choice| &choice.name, 10, NAME_AT_MOST), widest(|choice| &choice.state, 7, STATE_AT_MOST))
}

#[expect(clippy::too_many_arguments, reason = "one argument a column")]
fn columns(
    list: &List,
    name: &str,
    name_width: usize,
    state: &str,
    state_width: usize,
    host: &str,
    provider: &str,
    mark: Option<bool>,
) -> String {
    let pad = |text: &str, width: usize| {
        let text = cut(text, width);
        let missing = width.saturating_sub(text.width());
        format!("{text}{:missing$}", "")
    };
    let row = format!(" {}  {}  ", pad(name, name_width), pad(state, state_width));
    match (&list.marks, mark) {
        (None, _) => row + host,
        (Some(_), None) => format!("    {row}{}  {provider}", pad(host, 16)),
        (Some(_), Some(is_marked)) => {
            format!(" [{}]{row}{}  {provider}", if is_marked { 'x' } else { ' ' }, pad(host, 16))
        }
    }
}

fn status(list: &List, visible: usize) -> String {
    let search = match list.query.as_str() {
        "" => "Type to search".to_owned(),
        query => format!("Search: {query}"),
    };
    let filter = if list.is_hiding_stopped { "Hiding stopped" } else { "All agents" };
    let ready = if visible == 0 { "Nothing matches" } else { "Ready" };
    let mut text = format!(" Status: {ready} | {search} | Filter: {filter}");
    if let Some((marks, verb)) = &list.marks {
        text.push_str(&format!(" | Selected: {}/{} to {verb}", marks.len(), list.choices.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::list::tests::{choices, press};
    use super::*;

    fn drawn(list: &mut List, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(list, frame)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn one_agent() {
        let mut list = List::one(choices());
        press(&mut list, "a l <down>");
        insta::assert_snapshot!(drawn(&mut list, 60, 9), @r"
         Agent Selector
         Up/Down: move  Enter: choose  Ctrl-R: hide stopped  Ctrl...
         NAME        STATE    HOST
        ────────────────────────────────────────────────────────────
         alpha       RUNNING  localhost
         Albert      WAITING  localhost


         Status: Ready | Search: al | Filter: All agents
        ");
    }

    #[test]
    fn several_agents() {
        let mut list = List::many(choices(), "destroy");
        press(&mut list, "<space> ^r");
        insta::assert_snapshot!(drawn(&mut list, 90, 8), @r"
         Cleanup: Select Agents to Destroy
         Space: mark  Ctrl-A: all  Ctrl-N: none  Enter: confirm  Ctrl-R: hide stopped  Esc: quit
             NAME        STATE    HOST              PROVIDER
        ──────────────────────────────────────────────────────────────────────────────────────────
         [x] alpha       RUNNING  localhost         local
         [ ] Albert      WAITING  localhost         local

         Status: Ready | Type to search | Filter: Hiding stopped | Selected: 1/3 to destroy
        ");
    }

    #[test]
    fn a_tiny_or_long_list_keeps_the_cursor_in_sight() {
        let mut many: Vec<_> = choices();
        let like = many[0].clone();
        many.extend((0..40).map(|index| super::super::Choice { name: format!("n{index}"), ..like.clone() }));
        let mut list = List::one(many);
        press(&mut list, "<end>");
        assert!(drawn(&mut list, 30, 10).contains("n39"));
        assert!(drawn(&mut list, 10, 3).starts_with(" Agent"));
        drawn(&mut list, 1, 1);
    }
}
