//! The terminal while the list is on it, and giving it back whatever happens.

use std::io::{self, Stdout};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::event::{self, Event, KeyEventKind};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::draw::draw;
use super::list::{List, Outcome};
use super::now;

/// Whether the terminal is ours now.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// Holds the terminal; dropping it gives the terminal back.
#[derive(Debug)]
pub(super) struct Screen(());

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        IS_ON.store(true, Ordering::SeqCst);
        let screen = Self(());
        execute!(io::stdout(), EnterAlternateScreen)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave_full_screen();
    }
}

/// Gives the terminal back if the list has it; also for the last words of a panic.
pub(crate) fn leave_full_screen() {
    if IS_ON.swap(false, Ordering::SeqCst) {
        // Nothing better can be done about a terminal that is gone.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Draws the list and feeds it keys until something is chosen.
pub(super) fn run(mut list: List) -> io::Result<Outcome> {
    let mut terminal: Terminal<CrosstermBackend<Stdout>> =
        Terminal::new(CrosstermBackend::new(io::stdout()))?;
    terminal.clear()?;
    while IS_ON.load(Ordering::SeqCst) {
        terminal.draw(|frame| draw(&mut list, frame))?;
        if let Event::Key(key) = event::read()?
            && key.kind != KeyEventKind::Release
        {
            match list.key(key, now()) {
                Outcome::Open => {}
                outcome => return Ok(outcome),
            }
        }
    }
    Ok(Outcome::Quit)
}
