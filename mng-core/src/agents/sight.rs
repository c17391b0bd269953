//! One agent's files as they can be read here, looked at again and again.

use std::path::PathBuf;
use std::time::Duration;

use super::facts::TypeTraits;
use super::mirror::{Mirrors, WatchedFile};
use super::probe::{ProbeRequest, probe_host_into};
use crate::hosts::Host;
use crate::model::error::Result;
use crate::model::ids::AgentId;

/// How often the files of another machine are asked for: a round trip each.
const FAR_POLL: Duration = Duration::from_millis(300);

/// On this machine the files themselves; of another one a mirror, brought up to date on demand.
#[derive(Debug)]
pub struct Sight {
    agent: AgentId,
    watched: Vec<WatchedFile>,
    mirrors: Mirrors,
}

impl Sight {
    /// Nothing is looked at yet.
    #[must_use]
    pub fn of(agent: &AgentId, watched: Vec<WatchedFile>) -> Self {
        Self { agent: agent.clone(), watched, mirrors: Mirrors::default() }
    }

    /// Brings a mirror up to date; nothing to do on this machine.
    ///
    /// # Errors
    /// The host does not answer.
    pub async fn refresh(&mut self, host: &Host) -> Result<()> {
        if host.is_local() || self.watched.is_empty() {
            return Ok(());
        }
        let request = ProbeRequest {
            agents: Some(std::slice::from_ref(&self.agent)),
            usage: false,
            activity: false,
            resources: false,
            watched: &|| self.watched.clone(),
            primary_window: "",
            traits: &TypeTraits::unknown,
        };
        probe_host_into(host, &request, &mut self.mirrors).await.map(|_| ())
    }

    /// As [`Sight::refresh`]; then fetches what is wanted whole ([`super::mirror::FilePart::All`]).
    ///
    /// # Errors
    /// The host does not answer, or there is no room here.
    pub(crate) async fn fill(&mut self, host: &Host) -> Result<()> {
        self.refresh(host).await?;
        self.mirrors.fill(host).await
    }

    /// What stands for the state dir; of another machine nothing before the first [`Sight::refresh`].
    #[must_use]
    pub fn dir(&self, host: &Host) -> PathBuf {
        let nothing = || PathBuf::from("/nonexistent");
        self.mirrors.state_dir(host, &self.agent).unwrap_or_else(nothing)
    }

    /// How long to wait before looking again, where `here` is right for this machine.
    pub(crate) fn poll(host: &Host, here: Duration) -> Duration {
        if host.is_local() { here } else { here.max(FAR_POLL) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::agents::mirror::FilePart;
    use crate::agents::testing::{PrivateHost, block, here_and_far};

    here_and_far! {
        fn what_a_program_writes_is_seen_as_it_grows(private) {
            let record = private.agent("a1", "sleep 600");
            let dir = private.host.layout.agent(&record.id);
            fs::create_dir_all(dir.join("talk/one")).unwrap();
            let text = "{\"line\":1}\n".repeat(100_000);
            fs::write(dir.join("talk/one/log.jsonl"), &text).unwrap();
            fs::write(dir.join("path"), format!("{}\n", dir.join("talk/one/log.jsonl").display())).unwrap();
            let watched = vec![
                WatchedFile::new("path", FilePart::Path),
                WatchedFile { newest: 1, ..WatchedFile::new("talk/*/*.jsonl", FilePart::LongEnds) },
            ];
            let mut sight = Sight::of(&record.id, watched);
            block(sight.refresh(&private.host)).unwrap();
            let path = fs::read_to_string(sight.dir(&private.host).join("path")).unwrap();
            let path = path.trim_end();
            assert_eq!(fs::metadata(path).unwrap().len(), text.len() as u64);
            fs::write(dir.join("talk/one/log.jsonl"), text.clone() + "news\n").unwrap();
            block(sight.refresh(&private.host)).unwrap();
            let seen = fs::read(path).unwrap();
            assert_eq!(&seen[text.len()..], b"news\n");
            assert!(seen.starts_with(b"{\"line\":1}\n"));
        }

        fn a_conversation_is_fetched_whole_and_then_its_end(private) {
            let record = private.agent("a1", "sleep 600");
            let file = private.host.layout.agent(&record.id).join("talk.jsonl");
            let mut text: String = (0..300_000).map(|line| format!("{line:020}\n")).collect();
            fs::write(&file, &text).unwrap();
            let mut sight = Sight::of(&record.id, vec![WatchedFile::new("*.jsonl", FilePart::All)]);
            block(sight.fill(&private.host)).unwrap();
            let copy = sight.dir(&private.host).join("talk.jsonl");
            assert!(fs::read_to_string(&copy).unwrap() == text);
            text.push_str("more\n");
            fs::write(&file, &text).unwrap();
            block(sight.fill(&private.host)).unwrap();
            assert!(fs::read_to_string(&copy).unwrap() == text);
            assert_eq!(fs::metadata(&copy).unwrap().modified().unwrap(), fs::metadata(&file).unwrap().modified().unwrap());
            // Another one of that name.
            fs::write(&file, "short\n").unwrap();
            block(sight.fill(&private.host)).unwrap();
            assert_eq!(fs::read_to_string(&copy).unwrap(), "short\n");
        }
    }
}
