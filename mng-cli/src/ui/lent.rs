//! The terminal while another program has it, and getting it back in order when that program could not tidy up.

use std::io::{self, Write as _};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// Takes back what a full-screen program asked of a terminal: mouse and focus reports, pasting in brackets,
/// further key codes, application keys, margins, the other screen, a hidden cursor, colours. Then to the last
/// line, which is free in either case. `47` and not `1049`: that one also moves the cursor of a terminal that
/// shows its first screen already.
const TIDY: &[u8] =
    b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[>4m\x1b[?1l\x1b>\x1b[r\
    \x1b[?47l\x1b[?25h\x1b[0m\x1b[999;1H\r\n";

/// Given to a program of this process's group. Unless [`LentTerminal::came_back`] says that it ended in
/// order, dropping this sets the terminal right.
#[derive(Debug)]
pub(crate) struct LentTerminal {
    modes: Option<Termios>,
    is_tidy: bool,
}

impl LentTerminal {
    pub(super) fn new() -> Self {
        Self { modes: tcgetattr(io::stdin()).ok(), is_tidy: false }
    }

    /// The program has left the terminal as it was.
    pub(crate) fn came_back(mut self) {
        self.is_tidy = true;
    }
}

impl Drop for LentTerminal {
    fn drop(&mut self) {
        if self.is_tidy {
            return;
        }
        // Nothing better can be done about a terminal that is gone.
        if let Some(modes) = &self.modes {
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, modes);
        }
        let mut stdout = io::stdout();
        let _ = stdout.write_all(TIDY).and_then(|()| stdout.flush());
    }
}
