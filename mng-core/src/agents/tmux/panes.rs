//! Everything that runs in a tmux server, in one call, and which of it belongs to which agent.

use std::collections::HashMap;

use super::{Answer, Chain, Tmux, TmuxError, is_no_server};
use crate::hosts::Host;
use crate::model::error::Result;
use crate::model::ids::{AgentId, random_hex};
use crate::model::order;

/// Fields behind the row mark, tab-separated. What programs choose freely comes last: a tab in it then
/// splits nothing. tmux itself keeps tabs out of session and window names, and out of titles that programs set.
const FORMAT: &str = "#{session_id}\t#{@mng_agent_id}\t#{@mng_agent_pane}\t#{window_index}\t#{pane_index}\t#{pane_id}\t#{pane_dead}\t#{pane_dead_status}\t#{pane_pid}\t#{session_name}\t#{window_name}\t#{pane_title}\t#{pane_current_command}";
const FIELDS: usize = 13;

/// One pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pane {
    /// `%7`.
    pub id: String,
    pub index: u32,
    pub window_index: u32,
    pub window_name: String,
    /// Its program has ended and the pane was kept.
    pub is_dead: bool,
    /// Exit code of a dead pane's program.
    pub dead_status: Option<i32>,
    /// The process that tmux started in it.
    pub pid: i32,
    /// The title that its program gave the terminal.
    pub title: String,
    /// What tmux says is in the foreground; a program may choose this text.
    pub command: String,
}

/// One session with its panes, in the order of windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// `$3`; never used again while the server lives.
    pub id: String,
    pub name: String,
    /// Whose session it is, as its start wrote it down.
    pub agent_id: Option<AgentId>,
    /// The pane of the agent, as its start wrote it down.
    pub agent_pane: Option<String>,
    pub panes: Vec<Pane>,
}

impl Session {
    /// The agent's own pane: the one written down at start, else the first of the window called
    /// `primary_window`, else the first of all (older programs named no window).
    #[must_use]
    pub fn primary(&self, primary_window: &str) -> Option<&Pane> {
        let marked = self.agent_pane.as_deref();
        self.panes
            .iter()
            .find(|pane| Some(pane.id.as_str()) == marked)
            .or_else(|| self.panes.iter().find(|pane| pane.window_name == primary_window))
            .or_else(|| self.panes.first())
    }
}

/// What a search for an agent's session gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionMatch<'s> {
    /// There is none.
    None,
    /// It carries the agent's id.
    Own(&'s Session),
    /// It has the agent's name and no id: started by a program that writes none, or by the person.
    Unmarked(&'s Session),
    /// It has the agent's name and belongs to another agent.
    Foreign(&'s Session),
}

/// All sessions of a server.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    list: Vec<Session>,
    by_name: HashMap<String, usize>,
    by_agent: HashMap<AgentId, usize>,
}

impl Sessions {
    /// How tmux prints a pane; a mark and a tab go before it.
    pub(in crate::agents) const FORMAT: &'static str = FORMAT;

    /// Reads what `list-panes` has printed into one stream, rows behind `mark`.
    ///
    /// # Errors
    /// It failed: never read that as "no sessions".
    pub(in crate::agents) fn of_run(host: &Host, printed: &[u8], code: i32, mark: &str) -> Result<Self> {
        let text = String::from_utf8_lossy(printed);
        if code == 0 {
            return Ok(Self::read(&text, mark));
        }
        let complaint = text.lines().find(|line| !line.starts_with(mark) && !line.trim().is_empty());
        match complaint {
            Some(message) if is_no_server(message) => Ok(Self::default()),
            message => {
                let message = message.map_or_else(|| format!("exit code {code}"), str::to_owned);
                Err(TmuxError::Failed { host: host.info.name.to_string(), message }.into())
            }
        }
    }

    /// The agent's session: by the id in the session's options, then by name, because a rename moves the
    /// session before the record.
    #[must_use]
    pub fn find(&self, agent: &AgentId, session_name: &str) -> SessionMatch<'_> {
        let named = self.by_name.get(session_name).map(|at| &self.list[*at]);
        if let Some(session) = named.filter(|session| session.agent_id.as_ref() == Some(agent)) {
            return SessionMatch::Own(session);
        }
        if let Some(at) = self.by_agent.get(agent) {
            return SessionMatch::Own(&self.list[*at]);
        }
        match named {
            Some(session) if session.agent_id.is_some() => SessionMatch::Foreign(session),
            Some(session) => SessionMatch::Unmarked(session),
            None => SessionMatch::None,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.list.iter()
    }

    fn read(text: &str, mark: &str) -> Self {
        let mut sessions = Self::default();
        let mut at: HashMap<&str, usize> = HashMap::new();
        for line in text.lines() {
            // A program can put a line break into its name, but cannot know the mark.
            let Some(row) = line.strip_prefix(mark).and_then(|rest| rest.strip_prefix('\t')) else {
                continue;
            };
            let Some((session_id, pane, session)) = read_row(row) else { continue };
            let index = *at.entry(session_id).or_insert_with(|| {
                sessions.list.push(session);
                sessions.list.len() - 1
            });
            sessions.list[index].panes.push(pane);
        }
        for (index, session) in sessions.list.iter_mut().enumerate() {
            order::sort_by_key(&mut session.panes, |pane| (pane.window_index, pane.index));
            sessions.by_name.insert(session.name.clone(), index);
            if let Some(agent) = &session.agent_id {
                sessions.by_agent.entry(agent.clone()).or_insert(index);
            }
        }
        sessions
    }
}

fn read_row(row: &str) -> Option<(&str, Pane, Session)> {
    let fields: Vec<&str> = row.splitn(FIELDS, '\t').collect();
    let [
        session_id,
        agent_id,
        agent_pane,
        window_index,
        index,
        id,
        dead,
        status,
        pid,
        name,
        window,
        title,
        command,
    ] = fields[..]
    else {
        return None;
    };
    let pane = Pane {
        id: id.to_owned(),
        index: index.parse().ok()?,
        window_index: window_index.parse().ok()?,
        window_name: window.to_owned(),
        is_dead: dead == "1",
        dead_status: status.parse().ok(),
        pid: pid.parse().ok()?,
        title: title.to_owned(),
        command: command.to_owned(),
    };
    let session = Session {
        id: session_id.to_owned(),
        name: name.to_owned(),
        agent_id: agent_id.parse().ok(),
        agent_pane: (!agent_pane.is_empty()).then(|| agent_pane.to_owned()),
        panes: Vec::new(),
    };
    Some((session_id, pane, session))
}

impl Tmux<'_> {
    /// All sessions of the server with their panes; one process. No server: no sessions.
    ///
    /// # Errors
    /// tmux cannot be asked, or is too slow: never read that as "no sessions".
    pub async fn sessions(&self) -> Result<Sessions> {
        let mark = random_hex();
        let chain = Chain::new(["list-panes", "-a", "-F", &format!("{mark}\t{FORMAT}")]);
        match self.run(chain, None).await? {
            Answer::Done(bytes) => Ok(Sessions::read(&String::from_utf8_lossy(&bytes), &mark)),
            Answer::NoServer | Answer::NoTarget(_) => Ok(Sessions::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "agent-0123456789abcdef0123456789abcdef";
    const B: &str = "agent-11111111111111111111111111111111";

    fn sample() -> Sessions {
        let text = format!(
            "m\t$1\t{A}\t%1\t0\t0\t%1\t0\t\t100\tmng-a\tagent\tbusy\tsleep\n\
             m\t$1\t{A}\t%1\t1\t0\t%2\t1\t3\t101\tmng-a\tlogs\t\ta\tb\n\
             forged\nm$2\t{A}\n\
             m\t$3\t\t\t1\t1\t%4\t0\t\t104\tmng-b\tbash\t\tbash\n\
             m\t$3\t\t\t0\t0\t%3\t0\t\t103\tmng-b\tzsh\t\tzsh\n\
             m\t$4\t{B}\t%9\t0\t0\t%5\t0\t\t105\tmng-c\tagent\t\tsh\n"
        );
        Sessions::read(&text, "m")
    }

    #[test]
    fn rows_become_sessions() {
        let sessions = sample();
        assert_eq!(sessions.iter().count(), 3);
        let SessionMatch::Own(session) = sessions.find(&A.parse().unwrap(), "mng-other") else { panic!() };
        assert_eq!(session.panes.len(), 2);
        assert_eq!(session.panes[0].title, "busy");
        assert_eq!(session.panes[1].command, "a\tb");
        assert_eq!(session.panes[1].dead_status, Some(3));
        assert_eq!(session.primary("nothing").unwrap().id, "%1");
    }

    #[test]
    fn a_name_alone_proves_nothing() {
        let sessions = sample();
        let agent: AgentId = "agent-22222222222222222222222222222222".parse().unwrap();
        assert!(
            matches!(sessions.find(&agent, "mng-c"), SessionMatch::Foreign(session) if session.id == "$4")
        );
        let SessionMatch::Unmarked(session) = sessions.find(&agent, "mng-b") else { panic!() };
        assert_eq!(session.primary("bash").unwrap().id, "%4", "by window name");
        assert_eq!(session.primary("agent").unwrap().id, "%3", "else the lowest index");
        assert_eq!(sessions.find(&agent, "mng-"), SessionMatch::None);
    }

    #[test]
    fn a_pane_that_is_gone_is_not_looked_for() {
        let sessions = sample();
        let SessionMatch::Own(session) = sessions.find(&B.parse().unwrap(), "mng-c") else { panic!() };
        assert_eq!(session.primary("agent").unwrap().id, "%5");
    }
}
