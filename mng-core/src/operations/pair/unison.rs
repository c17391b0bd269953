//! unison as the engine of a pair: its words and what it prints, as of version 2.52 in the C locale.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use super::{Pair, PairDirection, Winner, root};
use crate::hosts::git::{self, Git, TRANSFER};
use crate::hosts::sync::Side;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::shell::quote;
use crate::transports::{ExecRequest, TransportError};

/// How long unison may take to put its archives away when it is asked to end.
const GRACE: Duration = Duration::from_secs(5);

/// How often directories are looked for that patterns to include apply to.
const RESCAN: Duration = Duration::from_secs(3);

/// Most of what unison said that an error repeats, in bytes.
const TAIL: usize = 2000;

/// Something that happened while two directories are paired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PairEvent {
    /// Changes were carried over.
    Synced { transferred: u64, skipped: u64, failed: u64 },
    /// Both sides had changed a path. `kept` is `source` or `target`, and nothing if neither was touched; what
    /// was overwritten is in unison's backups.
    Conflict { path: String, kept: Option<&'static str> },
}

impl Pair {
    /// Keeps the two alike until `stop` is ready. unison is then ended, whatever it has said by then.
    ///
    /// # Errors
    /// unison ends by itself, or `on_event` fails.
    pub async fn run(
        &self,
        stop: impl Future<Output = ()>,
        on_event: &mut (dyn FnMut(PairEvent) -> Result<()> + Send),
    ) -> Result<()> {
        let mut stop = std::pin::pin!(stop);
        loop {
            let directories = self.directories().await?;
            let mut child = self.start(&directories)?;
            let ended = tokio::select! {
                () = &mut stop => None,
                changed = self.wait_for_directories(&directories) => Some(changed),
                result = listen(&mut child, on_event) => {
                    end(&mut child).await;
                    return result;
                }
            };
            end(&mut child).await;
            match ended {
                None => return Ok(()),
                Some(changed) => changed?,
            }
        }
    }

    fn start(&self, directories: &[String]) -> Result<Child> {
        let mut command = Command::new("unison");
        command.args(self.words(directories));
        // A group of its own: Ctrl-C is ours to answer.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command.env("LC_ALL", "C").env("UNISON", &self.archives).envs(self.reach.env());
        command
            .spawn()
            .map_err(|source| TransportError::NotStarted { program: "unison".into(), source }.into())
    }

    fn words(&self, directories: &[String]) -> Vec<String> {
        let (source, target) = (root(&self.source, &self.reach), self.target.dir.display().to_string());
        let mut words = vec![source.clone(), target.clone()];
        let mut add = |list: &[&str]| words.extend(list.iter().map(|&word| word.to_owned()));
        add(&["-ui", "text", "-auto", "-batch", "-times", "-log=false", "-ignorelocks"]);
        add(&["-repeat", if self.has_watcher { "watch" } else { "1" }, "-ignore", "Name .git"]);
        // What loses a conflict is not lost.
        add(&["-backup", "Name *", "-backuploc", "central", "-maxbackups", "10"]);
        let winner = match self.winner {
            Winner::Newer => "newer",
            Winner::Source => &source,
            Winner::Target => &target,
        };
        add(&["-prefer", winner]);
        let one_way = match self.direction {
            PairDirection::Both => None,
            PairDirection::Forward => Some((&source, &target)),
            PairDirection::Reverse => Some((&target, &source)),
        };
        if let Some((giver, receiver)) = one_way {
            add(&["-force", giver]);
            if !self.is_deleting {
                add(&["-nodeletion", receiver]);
            }
        }
        if let Some(shell) = self.reach.shell() {
            add(&["-sshcmd", &shell]);
            let archives = self.source.layout.root().join("pair");
            add(&["-servercmd", &format!("UNISON={} unison", quote(&archives.display().to_string()))]);
        }
        for pattern in &self.ignore {
            add(&["-ignore", pattern]);
        }
        if !self.include.is_empty() {
            // `Name *` would match the root itself.
            add(&["-ignore", "Name ?*"]);
            for pattern in &self.include {
                add(&["-ignorenot", &format!("Name {pattern}")]);
            }
            for directory in directories {
                add(&["-ignorenot", &format!("Path {}", literal(directory))]);
            }
        }
        words
    }

    /// The directories of both sides, where patterns to include have to be let into each.
    async fn directories(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        if self.include.is_empty() {
            return Ok(all);
        }
        for side in [&self.source, &self.target] {
            let find = "cd -- \"$1\" && find . -name .git -prune -o -type d ! -name . -print";
            let request = ExecRequest::sh(find, [git::word(&side.dir)?]);
            let output = side.transport.exec(request.timeout(Some(TRANSFER)).idempotent()).await?;
            let text = output.stdout_text();
            all.extend(text.lines().filter_map(|line| line.strip_prefix("./")).map(str::to_owned));
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Returns when there are others than these.
    async fn wait_for_directories(&self, known: &[String]) -> Result<()> {
        if self.include.is_empty() {
            std::future::pending::<()>().await;
        }
        loop {
            tokio::time::sleep(RESCAN).await;
            if self.directories().await? != known {
                return Ok(());
            }
        }
    }
}

/// Hands out events until unison ends by itself.
async fn listen(child: &mut Child, on_event: &mut (dyn FnMut(PairEvent) -> Result<()> + Send)) -> Result<()> {
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::plain(ErrorClass::Mng, "unison runs without its streams"));
    };
    let (mut said, mut line) = (Vec::new(), Vec::new());
    let mut buffers = ([0; 4096], [0; 4096]);
    let (mut is_out, mut is_err) = (true, true);
    while is_out || is_err {
        let bytes = tokio::select! {
            count = stdout.read(&mut buffers.0), if is_out => {
                let count = count.unwrap_or(0);
                is_out = count > 0;
                &buffers.0[..count]
            }
            count = stderr.read(&mut buffers.1), if is_err => {
                let count = count.unwrap_or(0);
                is_err = count > 0;
                &buffers.1[..count]
            }
        };
        said.extend_from_slice(bytes);
        let excess = said.len().saturating_sub(TAIL);
        said.drain(..excess);
        for &byte in bytes {
            if byte != b'\n' && byte != b'\r' {
                line.push(byte);
                continue;
            }
            if let Some(event) = event(&String::from_utf8_lossy(&line)) {
                on_event(event)?;
            }
            line.clear();
        }
        line.truncate(64 * 1024);
    }
    let status = child.wait().await.map_err(|error| Error::io("wait for `unison`", error))?;
    let code = status.code().map_or_else(|| "by a signal".to_owned(), |code| format!("with code {code}"));
    let text = String::from_utf8_lossy(&said).replace('\r', "\n");
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned();
    Err(Error::plain(ErrorClass::Mng, format!("Unison exited {code}: {last}")))
}

/// Asks unison to end, and sees to it.
async fn end(child: &mut Child) {
    let pid = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
    let Some(pid) = pid else { return };
    let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::TERM);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        let _ = child.wait().await;
    }
}

/// What a line tells.
fn event(line: &str) -> Option<PairEvent> {
    if let Some(at) = line.find("Synchronization ") {
        // `Synchronization complete at 18:13:11  (1 item transferred, 0 skipped, 0 failed)`
        let counts = line[at..].split_once('(')?.1;
        let count = |word: &str| {
            let part = counts.split([',', ')']).find(|part| part.contains(word))?;
            part.split_whitespace().next()?.parse().ok()
        };
        return Some(PairEvent::Synced {
            transferred: count("transferred").or_else(|| count("item"))?,
            skipped: count("skipped").unwrap_or(0),
            failed: count("failed").unwrap_or(0),
        });
    }
    // Eight columns, the arrow, eight columns, three blanks, the path. Double arrows decide a conflict.
    let kept = match line.get(9..14)? {
        "<====" => Some("target"),
        "====>" => Some("source"),
        "<-?->" => None,
        _ => return None,
    };
    let path = line.get(26..)?.trim_end();
    (!path.is_empty()).then(|| PairEvent::Conflict { path: path.to_owned(), kept })
}

/// Patterns of what is left out: `exclude`, and what git ignores by the rules and by what is there.
pub(super) async fn ignored(sides: &[&Side], includes: bool, exclude: &[String]) -> Result<Vec<String>> {
    let mut patterns: Vec<String> = exclude.iter().map(|pattern| format!("Name {pattern}")).collect();
    if includes {
        return Ok(patterns);
    }
    for side in sides {
        let transport = side.transport.as_ref();
        if git::inspect(transport, &side.dir).await?.is_none() {
            continue;
        }
        let git = Git::at(transport, &side.dir)?;
        let args = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
        let output = git.check(git.command(args).timeout(Some(TRANSFER)).idempotent()).await?;
        let names = output.stdout.split(|&byte| byte == 0).filter(|name| !name.is_empty());
        patterns.extend(names.map(|name| {
            let name = String::from_utf8_lossy(name);
            format!("Path {}", literal(name.trim_end_matches('/')))
        }));
        let rules: PathBuf = side.dir.join(".gitignore");
        let text = transport.read(&rules).await?.unwrap_or_default();
        patterns.extend(String::from_utf8_lossy(&text).lines().filter_map(name_rule));
    }
    patterns.sort_unstable();
    patterns.dedup();
    Ok(patterns)
}

/// A line of `.gitignore` that means a name anywhere, as a pattern for files that do not exist yet.
fn name_rule(line: &str) -> Option<String> {
    let line = line.trim_end();
    let name = line.strip_suffix('/').unwrap_or(line);
    let is_name =
        !name.is_empty() && !name.starts_with(['#', '!', '\\']) && !name.contains(['/', '{', '}', '\\', '[']);
    (is_name && !name.trim_matches('*').is_empty()).then(|| format!("Name {name}"))
}

/// A path that matches nothing but itself.
fn literal(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for letter in path.chars() {
        if "*?[]{},\\".contains(letter) {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_unison_2_52() {
        assert_eq!(
            event("Synchronization complete at 18:13:11  (2 items transferred, 1 skipped, 0 failed)"),
            Some(PairEvent::Synced { transferred: 2, skipped: 1, failed: 0 })
        );
        let conflict = |path: &str, kept| Some(PairEvent::Conflict { path: path.into(), kept });
        assert_eq!(event("file     <==== file       c  "), conflict("c", Some("target")));
        assert_eq!(event("changed  ====> changed    a dir/x y  "), conflict("a dir/x y", Some("source")));
        assert_eq!(event("deleted  <-?-> changed    d  "), conflict("d", None));
        assert_eq!(event("changed  ---->            x  "), None);
        assert_eq!(event("Nothing to do: replicas have not changed since last sync."), None);
        assert_eq!(event(""), None);
    }

    #[test]
    fn rules_about_names_hold_for_what_comes_later() {
        assert_eq!(name_rule("target/").as_deref(), Some("Name target"));
        assert_eq!(name_rule("*.log").as_deref(), Some("Name *.log"));
        for rule in ["# x", "!keep", "/root", "a/b", "", "*", "\\#x", "[ab]"] {
            assert_eq!(name_rule(rule), None, "{rule}");
        }
        assert_eq!(literal("a[1]/b*"), "a\\[1\\]/b\\*");
    }
}
