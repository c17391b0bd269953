//! Choosing agents: a full-screen list, or numbers on a terminal that cannot draw one.

mod draw;
mod list;
mod screen;

use std::time::Instant;

use mng_core::{Error, ErrorClass, Result};

use super::{Cell, Table, Ui};
use list::{List, Outcome};

pub(crate) use screen::leave_full_screen;

/// An agent to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) host: String,
    pub(crate) provider: String,
}

impl Ui {
    /// Lets a person choose one agent; hands back its index.
    ///
    /// # Errors
    /// There is none to choose, nobody can be asked (a usage error that names `instead`, what to type), or
    /// the person quits.
    pub(crate) async fn select_one(&mut self, choices: Vec<Choice>, instead: &str) -> Result<usize> {
        self.check_can_select(&choices, instead)?;
        if self.terminal().is_dumb {
            return self.number(&choices).await;
        }
        let chosen = self.run_list(List::one(choices)).await?;
        chosen.first().copied().ok_or_else(Self::aborted)
    }

    /// Lets a person choose several agents, to `verb` (`destroy`, `stop`) them; hands back their indices in
    /// order.
    ///
    /// # Errors
    /// As [`Ui::select_one`]; also when none is chosen.
    pub(crate) async fn select_many(
        &mut self,
        choices: Vec<Choice>,
        verb: &str,
        instead: &str,
    ) -> Result<Vec<usize>> {
        self.check_can_select(&choices, instead)?;
        let chosen = if self.terminal().is_dumb {
            self.numbers(&choices, verb).await?
        } else {
            self.run_list(List::many(choices, verb)).await?
        };
        if chosen.is_empty() { Err(Self::aborted()) } else { Ok(chosen) }
    }

    fn check_can_select(&self, choices: &[Choice], instead: &str) -> Result<()> {
        if choices.is_empty() {
            return Err(Error::input("there are no agents to choose from", "`mng create NAME` makes one"));
        }
        if !self.is_interactive() {
            return Err(Error::hinted(
                ErrorClass::Usage,
                "no agent is named, and nobody can choose one here",
                instead.to_owned(),
            ));
        }
        Ok(())
    }

    async fn run_list(&mut self, list: List) -> Result<Vec<usize>> {
        self.console().hold();
        let screen = screen::Screen::enter();
        let outcome = match &screen {
            // Off the runtime's thread: a signal must be seen while nobody types. When it drops this
            // future, the screen is left; the thread ends with the process.
            Ok(_) => tokio::task::spawn_blocking(move || screen::run(list)).await,
            Err(_) => Ok(Ok(Outcome::Quit)),
        };
        let entered = screen.map(drop);
        self.console().release();
        entered.map_err(|error| Error::io("use the terminal", error))?;
        match outcome {
            Ok(Ok(Outcome::Chosen(chosen))) => Ok(chosen),
            Ok(Ok(_)) => Err(Self::aborted()),
            Ok(Err(error)) => Err(Error::io("use the terminal", error)),
            Err(error) => Err(Error::io("use the terminal", std::io::Error::other(error))),
        }
    }

    fn show_numbered(&self, choices: &[Choice]) {
        let mut table = Table::new(["", "NAME", "STATE", "HOST"]);
        for (index, choice) in choices.iter().enumerate() {
            table.row([
                Cell::from((index + 1).to_string()),
                Cell::from(&*choice.name),
                Cell::from(&*choice.state),
                Cell::from(&*choice.host),
            ]);
        }
        let mut text = Vec::new();
        // Writing to memory cannot fail.
        let _ = table.write(&mut text, Some(self.terminal().text_width()), false);
        self.console().text(&String::from_utf8_lossy(&text));
    }

    async fn number(&mut self, choices: &[Choice]) -> Result<usize> {
        self.show_numbered(choices);
        let answer = self.ask("Number of the agent: ", "AGENT").await?;
        match picked(&answer, choices.len()).as_deref() {
            Ok([one]) => Ok(*one),
            Ok([]) => Err(Self::aborted()),
            _ => Err(no_number(&answer)),
        }
    }

    async fn numbers(&mut self, choices: &[Choice], verb: &str) -> Result<Vec<usize>> {
        self.show_numbered(choices);
        let answer = self.ask(&format!("Numbers of the agents to {verb}, or `all`: "), "--yes").await?;
        if answer.trim() == "all" {
            return Ok((0..choices.len()).collect());
        }
        picked(&answer, choices.len()).map_err(|()| no_number(&answer))
    }
}

fn no_number(answer: &str) -> Error {
    Error::input(
        format!("`{}` is no number of the list", answer.trim()),
        "type a number that stands before an agent",
    )
}

/// The indices of the numbers in an answer.
fn picked(answer: &str, count: usize) -> std::result::Result<Vec<usize>, ()> {
    let numbers = answer.split([' ', ',']).filter(|word| !word.is_empty());
    let index = |word: &str| match word.parse::<usize>() {
        Ok(number) if (1..=count).contains(&number) => Ok(number - 1),
        _ => Err(()),
    };
    numbers.map(index).collect()
}

/// The time, so that tests can make it.
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::picked;

    #[test]
    fn numbers_must_be_on_the_list() {
        assert_eq!(picked("1, 3", 3), Ok(vec![0, 2]));
        assert_eq!(picked("", 3), Ok(vec![]));
        assert_eq!(picked("0", 3), Err(()));
        assert_eq!(picked("1 x", 3), Err(()));
        assert_eq!(picked("4", 3), Err(()));
    }
}
