//! Why a message was not delivered.

use std::time::Duration;

use serde::Serialize;

use super::ReceiptStatus;
use crate::model::error::{ErrorClass, Explain, Scope};
use crate::model::state::AgentState;

/// Why a message was not delivered, in the words of the machine output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    InputBlocked,
    NotReady,
    AgentUnreachable,
    AgentNotFound,
    SubmissionUnconfirmed,
    /// The program itself said no.
    Rejected,
    Unknown,
}

/// A message was not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    #[error("the message for agent `{agent}` is empty")]
    Empty { agent: String },
    #[error("agent `{agent}` is not running (state: {state}): {reason}")]
    NotRunning { agent: String, state: AgentState, reason: String },
    /// Something else reads the keys there, and would act on them.
    #[error("agent `{agent}` cannot take a message: {reason}")]
    NotReady { agent: String, reason: String },
    #[error("cannot tell whether agent `{agent}` runs: {reason}")]
    Unreachable { agent: String, reason: String },
    #[error("agent `{agent}` ended while the message was being typed")]
    EndedMeanwhile { agent: String },
    #[error(
        "the message for agent `{agent}` holds the control character {character}, which its terminal would act on"
    )]
    ControlCharacter { agent: String, character: String },
    /// Nothing was typed.
    #[error("agent `{agent}` is at {dialog} and takes no message")]
    AtDialog { agent: String, dialog: String },
    /// The message arrived and had this effect.
    #[error("agent `{agent}` took the message and is at {dialog} now")]
    OpenedDialog { agent: String, dialog: String },
    #[error("agent `{agent}` refused the message: {answer}")]
    Rejected { agent: String, answer: String },
    /// It was typed, and did not show; Enter was not pressed.
    #[error("the message for agent `{agent}` was typed but does not show in its input box")]
    NotShown { agent: String, screen: String },
    /// It was typed and sent off, and nothing proves that it arrived.
    #[error("nothing shows that agent `{agent}` has taken the message (waited {} s)", waited.as_secs())]
    Unconfirmed { agent: String, waited: Duration, screen: String },
}

impl MessageError {
    /// The kind of the machine output.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Empty { .. } | Self::ControlCharacter { .. } => FailureKind::Unknown,
            Self::NotRunning { .. } | Self::NotReady { .. } => FailureKind::NotReady,
            Self::Unreachable { .. } => FailureKind::AgentUnreachable,
            Self::AtDialog { .. } | Self::OpenedDialog { .. } => FailureKind::InputBlocked,
            Self::Rejected { .. } => FailureKind::Rejected,
            Self::EndedMeanwhile { .. } | Self::NotShown { .. } | Self::Unconfirmed { .. } => {
                FailureKind::SubmissionUnconfirmed
            }
        }
    }

    /// How far the message has come all the same.
    #[must_use]
    pub fn status(&self) -> ReceiptStatus {
        match self {
            Self::OpenedDialog { .. } => ReceiptStatus::Accepted,
            Self::EndedMeanwhile { .. } | Self::NotShown { .. } | Self::Unconfirmed { .. } => {
                ReceiptStatus::Unknown
            }
            _ => ReceiptStatus::Refused,
        }
    }
}

impl Explain for MessageError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Empty { .. } | Self::ControlCharacter { .. } => ErrorClass::UserInput,
            _ => ErrorClass::SendMessage,
        }
    }

    fn scope(&self) -> Scope {
        Scope::Agent
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Empty { .. } => Some("give it with `-m TEXT`".into()),
            Self::NotRunning { agent, .. } => Some(format!("`mng message {agent} --start` starts it first")),
            Self::NotReady { agent, .. } | Self::Unreachable { agent, .. } => {
                Some(format!("`mng why {agent}` shows what was seen"))
            }
            Self::EndedMeanwhile { agent } => Some(format!("`mng capture {agent}` shows what became of it")),
            Self::ControlCharacter { .. } => Some("take it out; line breaks and tabs are fine".into()),
            Self::AtDialog { agent, .. } => {
                Some(format!("answer it: `mng connect {agent}`, then send again"))
            }
            Self::OpenedDialog { agent, .. } => Some(format!("answer it: `mng connect {agent}`")),
            Self::Rejected { .. } => None,
            Self::NotShown { agent, screen } | Self::Unconfirmed { agent, screen, .. } => Some(format!(
                "look before you send it again: `mng capture {agent}`; its screen ends with: {screen}"
            )),
        }
    }
}
