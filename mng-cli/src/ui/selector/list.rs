//! The list as a machine: keys go in, an outcome comes out. It draws nothing and waits for nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::Choice;

/// Two Ctrl-C within this time quit.
const TWICE: Duration = Duration::from_millis(500);

/// What a key led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Open,
    /// Indices into the choices, ascending.
    Chosen(Vec<usize>),
    Quit,
}

/// Choices, what is shown of them, and what is marked.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) choices: Vec<Choice>,
    pub(super) query: String,
    pub(super) is_hiding_stopped: bool,
    /// Index into what is visible.
    pub(super) cursor: usize,
    /// Marked choices, and the verb for them; `None`: exactly one is chosen.
    pub(super) marks: Option<(BTreeSet<usize>, String)>,
    /// Rows that fit on a page, for Page Up and Page Down.
    pub(super) page: usize,
    interrupted: Option<Instant>,
}

impl List {
    pub(super) fn one(choices: Vec<Choice>) -> Self {
        Self {
            choices,
            query: String::new(),
            is_hiding_stopped: false,
            cursor: 0,
            marks: None,
            page: 10,
            interrupted: None,
        }
    }

    pub(super) fn many(choices: Vec<Choice>, verb: &str) -> Self {
        Self { marks: Some((BTreeSet::new(), verb.to_owned())), ..Self::one(choices) }
    }

    /// Indices of the choices that the search and the filter leave.
    pub(super) fn visible(&self) -> Vec<usize> {
        let wanted = self.query.to_lowercase();
        let is_visible = |choice: &Choice| {
            choice.name.to_lowercase().contains(&wanted)
                && !(self.is_hiding_stopped && choice.state == "STOPPED")
        };
        (0..self.choices.len()).filter(|index| is_visible(&self.choices[*index])).collect()
    }

    pub(super) fn key(&mut self, key: KeyEvent, now: Instant) -> Outcome {
        let visible = self.visible();
        let last = visible.len().saturating_sub(1);
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if is_control => {
                if self.interrupted.is_some_and(|before| now.saturating_duration_since(before) <= TWICE) {
                    return Outcome::Quit;
                }
                self.interrupted = Some(now);
                self.query.clear();
                self.cursor = 0;
            }
            KeyCode::Esc => return Outcome::Quit,
            KeyCode::Char('r') if is_control => {
                self.is_hiding_stopped = !self.is_hiding_stopped;
                self.cursor = 0;
            }
            KeyCode::Char('a') if is_control => self.mark(|marks| marks.extend(&visible)),
            KeyCode::Char('n') if is_control => self.mark(BTreeSet::clear),
            KeyCode::Char(' ') if self.marks.is_some() => {
                if let Some(index) = visible.get(self.cursor).copied() {
                    self.mark(|marks| {
                        if !marks.remove(&index) {
                            marks.insert(index);
                        }
                    });
                    self.cursor = (self.cursor + 1).min(last);
                }
            }
            KeyCode::Char(letter) if !is_control && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.query.push(letter);
                self.cursor = 0;
            }
            KeyCode::Backspace => {
                self.query.pop();
                self.cursor = 0;
            }
            KeyCode::Up => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Down => self.cursor = (self.cursor + 1).min(last),
            KeyCode::PageUp => self.cursor = self.cursor.saturating_sub(self.page),
            KeyCode::PageDown => self.cursor = (self.cursor + self.page).min(last),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = last,
            KeyCode::Enter => {
                return match (&self.marks, visible.get(self.cursor)) {
                    (Some((marks, _)), _) => Outcome::Chosen(marks.iter().copied().collect()),
                    (None, Some(index)) => Outcome::Chosen(vec![*index]),
                    (None, None) => Outcome::Open,
                };
            }
            _ => {}
        }
        Outcome::Open
    }

    fn mark(&mut self, change: impl FnOnce(&mut BTreeSet<usize>)) {
        if let Some((marks, _)) = &mut self.marks {
            change(marks);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn choices() -> Vec<Choice> {
        [("alpha", "RUNNING"), ("beta", "STOPPED"), ("Albert", "WAITING")]
            .map(|(name, state)| Choice {
                name: name.into(),
                state: state.into(),
                host: "localhost".into(),
                provider: "local".into(),
            })
            .to_vec()
    }

    /// Types the keys one after the other: names in `<>`, else letters.
    pub(crate) fn press(list: &mut List, keys: &str) -> Outcome {
        let start = Instant::now();
        let mut outcome = Outcome::Open;
        for (index, key) in keys.split(' ').enumerate() {
            let (code, modifiers) = match key {
                "<up>" => (KeyCode::Up, KeyModifiers::NONE),
                "<down>" => (KeyCode::Down, KeyModifiers::NONE),
                "<end>" => (KeyCode::End, KeyModifiers::NONE),
                "<home>" => (KeyCode::Home, KeyModifiers::NONE),
                "<enter>" => (KeyCode::Enter, KeyModifiers::NONE),
                "<esc>" => (KeyCode::Esc, KeyModifiers::NONE),
                "<back>" => (KeyCode::Backspace, KeyModifiers::NONE),
                "<space>" => (KeyCode::Char(' '), KeyModifiers::NONE),
                other => match other.strip_prefix("^") {
                    Some(letter) => (KeyCode::Char(letter.chars().next().unwrap()), KeyModifiers::CONTROL),
                    None => (KeyCode::Char(other.chars().next().unwrap()), KeyModifiers::NONE),
                },
            };
            // A second between two keys.
            outcome = list.key(KeyEvent::new(code, modifiers), start + Duration::from_secs(index as u64));
        }
        outcome
    }

    #[test]
    fn one_is_chosen_by_moving_or_by_searching() {
        let chosen = |keys: &str| press(&mut List::one(choices()), keys);
        assert_eq!(chosen("<enter>"), Outcome::Chosen(vec![0]));
        assert_eq!(chosen("<down> <enter>"), Outcome::Chosen(vec![1]));
        assert_eq!(chosen("<end> <enter>"), Outcome::Chosen(vec![2]));
        assert_eq!(chosen("a l b <enter>"), Outcome::Chosen(vec![2]));
        assert_eq!(chosen("a l b <back> <down> <enter>"), Outcome::Chosen(vec![2]));
        assert_eq!(chosen("z <enter>"), Outcome::Open);
        assert_eq!(chosen("^r <down> <enter>"), Outcome::Chosen(vec![2]));
        assert_eq!(chosen("<esc>"), Outcome::Quit);
    }

    #[test]
    fn ctrl_c_clears_and_twice_quits() {
        let mut list = List::one(choices());
        assert_eq!(press(&mut list, "b ^c ^c"), Outcome::Open, "a second apart");
        assert_eq!(list.query, "");
        let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        let now = Instant::now() + Duration::from_secs(60);
        assert_eq!(list.key(key, now), Outcome::Open);
        assert_eq!(list.key(key, now + Duration::from_millis(400)), Outcome::Quit);
    }

    #[test]
    fn many_are_marked() {
        let chosen = |keys: &str| press(&mut List::many(choices(), "stop"), keys);
        assert_eq!(chosen("<space> <space> <enter>"), Outcome::Chosen(vec![0, 1]));
        assert_eq!(chosen("<space> <up> <space> <enter>"), Outcome::Chosen(vec![]));
        assert_eq!(chosen("^a <enter>"), Outcome::Chosen(vec![0, 1, 2]));
        assert_eq!(chosen("a l ^a ^c <enter>"), Outcome::Chosen(vec![0, 2]), "only what was visible");
        assert_eq!(chosen("^a ^n <enter>"), Outcome::Chosen(vec![]));
    }
}
