//! Reading what a pane shows.

use super::{Answer, Chain, Pane, Session, Tmux};
use crate::model::error::Result;

/// Which window of a session to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CaptureWindow {
    /// The agent's own pane.
    #[default]
    Primary,
    /// `-w`: a number is an index, anything else a name.
    Named(String),
}

/// What to read of a pane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptureRequest {
    pub window: CaptureWindow,
    /// The whole scrollback, not just what is visible.
    pub is_full: bool,
    /// With the escape sequences of colours and attributes.
    pub has_styles: bool,
}

impl CaptureRequest {
    /// The pane that is meant, if the session has it.
    #[must_use]
    pub fn pane<'s>(&self, session: &'s Session, primary_window: &str) -> Option<&'s Pane> {
        match &self.window {
            CaptureWindow::Primary => session.primary(primary_window),
            CaptureWindow::Named(window) => {
                let index = window.parse::<u32>().ok();
                let by_index = session.panes.iter().find(|pane| Some(pane.window_index) == index);
                by_index.or_else(|| session.panes.iter().find(|pane| &pane.window_name == window))
            }
        }
    }
}

impl Tmux<'_> {
    /// The text of a pane, given by its id, as tmux returns it; `None` if there is no such pane.
    ///
    /// # Errors
    /// As [`Tmux::run`].
    pub async fn capture(&self, pane: &str, request: &CaptureRequest) -> Result<Option<String>> {
        let mut words = vec!["capture-pane", "-p", "-t", pane];
        if request.is_full {
            words.extend(["-S", "-"]);
        }
        if request.has_styles {
            words.push("-e");
        }
        Ok(match self.run(Chain::new(words), None).await? {
            Answer::Done(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Answer::NoServer | Answer::NoTarget(_) => None,
        })
    }
}
