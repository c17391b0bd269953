//! What an agent and its user said, from the program's own files: of live agents, stopped ones, and of what
//! was preserved of destroyed ones.

mod follow;

use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;

pub use follow::{Each, follow};
use serde_json::Value;
use tokio::sync::mpsc;

use super::preserved::{self, Archive};
use super::resolve::{self, ResolvedAgent};
use super::states;
use crate::agents::mirror::{FilePart, WatchedFile};
use crate::agents::sight::Sight;
use crate::agents::transcript::{
    BadLine, Converter, Document, Life, Reading, Request, Store, TranscriptSource,
};
use crate::agents::types::AgentType;
use crate::hosts::Host;
use crate::model::address::AgentAddress;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::ids::AgentId;
use crate::model::names::AgentTypeName;
use crate::model::record::AgentRecord;
use crate::model::state::AgentState;
use crate::plugins::Ctx;

/// Whether copies of destroyed agents are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copies {
    #[default]
    No,
    /// If there is no such agent.
    Fallback,
    Only,
}

/// One agent's conversation.
#[derive(Clone, Debug)]
pub struct Conversation {
    pub agent_name: String,
    pub agent_id: String,
    pub agent_type: String,
    /// The copy of a destroyed agent's that is read.
    pub archive: Option<Archive>,
    store: Store,
    life: Life,
    /// Keeps the copies of another machine's files for as long as they are read.
    _sight: Option<Arc<Sight>>,
}

/// Finds a conversation.
///
/// # Errors
/// No agent or several match; its type has no transcript; there is none yet.
pub async fn open(ctx: &Ctx, target: &AgentAddress, copies: Copies) -> Result<Conversation> {
    if copies == Copies::Only {
        return open_copy(ctx, target);
    }
    match resolve::one(ctx, target).await {
        Ok(agent) => open_live(ctx, &agent).await,
        Err(error) if error.class() != ErrorClass::AgentNotFound => Err(error),
        Err(error) => {
            let is_kept = preserved::archives(ctx).iter().any(|archive| archive.matches(target));
            match (is_kept, copies) {
                (true, Copies::No) => Err(Error::hinted(
                    ErrorClass::AgentNotFound,
                    format!("{error}; a destroyed agent of that name left its transcript"),
                    format!("mng transcript {target} --preserved"),
                )),
                (true, _) => open_copy(ctx, target),
                (false, _) => Err(error),
            }
        }
    }
}

async fn open_live(ctx: &Ctx, agent: &ResolvedAgent) -> Result<Conversation> {
    let (mut conversation, sight) = conversation_of(ctx, agent).await?;
    conversation._sight = Some(Arc::new(sight));
    let name = &agent.record.name;
    if !conversation.store.exists()? {
        return Err(Error::hinted(
            ErrorClass::Agent,
            format!("agent `{name}` has no transcript yet"),
            format!("it begins with the first message: `mng message {name} -m TEXT`"),
        ));
    }
    Ok(conversation)
}

/// The conversation of an agent, which may not have begun, and what keeps copies of its files.
async fn conversation_of(ctx: &Ctx, agent: &ResolvedAgent) -> Result<(Conversation, Sight)> {
    let ResolvedAgent { host, record } = agent;
    let name = &record.name;
    let agent_type = ctx.agent_type(&record.agent_type).ok();
    let sight = sight(host, record, agent_type.as_deref()).await?;
    let dir = sight.dir(host);
    let store = store_in(&dir, record.id.as_str(), agent_type.as_deref())?.ok_or_else(|| {
        Error::hinted(
            ErrorClass::UserInput,
            format!("agent `{name}` has type `{}`, which does not produce a transcript", record.agent_type),
            format!("`mng capture {name}` prints its screen"),
        )
    })?;
    let conversation = Conversation {
        agent_name: name.to_string(),
        agent_id: record.id.to_string(),
        agent_type: record.agent_type.to_string(),
        archive: None,
        store,
        _sight: None,
        life: Life::Live { is_turn_over: is_turn_over(ctx, host, record).await },
    };
    Ok((conversation, sight))
}

fn open_copy(ctx: &Ctx, target: &AgentAddress) -> Result<Conversation> {
    let mut found = Vec::new();
    for archive in preserved::archives(ctx).into_iter().filter(|archive| archive.matches(target)) {
        let agent_type = AgentTypeName::stored(&archive.identity.agent_type);
        let agent_type = ctx.agent_type(&agent_type).ok();
        let Some(store) = store_in(&archive.dir, &archive.identity.agent_id, agent_type.as_deref())? else {
            continue;
        };
        if store.exists()? {
            found.push((archive, store));
        }
    }
    let Some((archive, store)) = found.pop() else {
        return Err(Error::hinted(
            ErrorClass::AgentNotFound,
            format!("no transcript of a destroyed agent `{target}` was preserved"),
            "`mng undo --list` shows what was destroyed lately",
        ));
    };
    if !found.is_empty() {
        found.push((archive, store));
        let titles: Vec<String> = found.iter().map(|(archive, _)| archive.title()).collect();
        return Err(Error::input(
            format!("`{target}` matches several preserved transcripts: {}", titles.join(", ")),
            format!("name one by its id: `mng transcript {} --preserved-only`", found[0].0.identity.agent_id),
        ));
    }
    Ok(Conversation {
        agent_name: archive.identity.agent_name.clone(),
        agent_id: archive.identity.agent_id.clone(),
        agent_type: match archive.identity.agent_type.as_str() {
            "" => store.type_name().to_owned(),
            name => name.to_owned(),
        },
        archive: Some(archive),
        store,
        _sight: None,
        life: Life::Preserved,
    })
}

/// The conversations of an agent; of another machine they are fetched.
async fn sight(host: &Host, record: &AgentRecord, agent_type: Option<&dyn AgentType>) -> Result<Sight> {
    let mut files =
        agent_type.and_then(AgentType::transcript).map(|source| source.files()).unwrap_or_default();
    files.push(WatchedFile::new("events/*/common_transcript/events.jsonl*", FilePart::All));
    let mut sight = Sight::of(&record.id, files);
    sight.fill(host).await?;
    Ok(sight)
}

/// The transcript of an agent's state dir; `None` if its type has none.
///
/// # Errors
/// Its type is unknown, and several programs left transcripts there.
pub(super) fn store_of(ctx: &Ctx, host: &Host, record: &AgentRecord) -> Result<Option<Store>> {
    let agent_type = ctx.agent_type(&record.agent_type).ok();
    store_in(&host.layout.agent(&record.id), record.id.as_str(), agent_type.as_deref())
}

/// Without its type, whose plugin this mng may lack, what was written in the common form can still be read.
fn store_in(dir: &Path, agent_id: &str, agent_type: Option<&dyn AgentType>) -> Result<Option<Store>> {
    let source: Option<Arc<dyn TranscriptSource>> = match agent_type {
        Some(agent_type) => agent_type.transcript(),
        None => written_source(dir)?.map(|source| Arc::new(source) as Arc<dyn TranscriptSource>),
    };
    Ok(source.map(|source| Store::new(dir.to_path_buf(), agent_id, source)))
}

/// The one program that wrote common records below a state dir.
fn written_source(dir: &Path) -> Result<Option<Written>> {
    let entries = std::fs::read_dir(dir.join("events")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().join("common_transcript/events.jsonl").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    if names.len() > 1 {
        return Err(Error::input(
            format!("several programs left a transcript there: {}", names.join(", ")),
            format!("read the files yourself: `{}`", dir.join("events").display()),
        ));
    }
    Ok(names.pop().map(|name| Written { name }))
}

/// Common records of a program that this mng does not know.
#[derive(Debug)]
struct Written {
    name: String,
}

impl TranscriptSource for Written {
    fn name(&self) -> &str {
        &self.name
    }

    fn sessions(&self, _state_dir: &Path) -> Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn converter(&self, _session: &Path) -> Box<dyn Converter> {
        Box::new(Unreadable)
    }

    fn is_kept(&self) -> bool {
        false
    }
}

struct Unreadable;

impl Converter for Unreadable {
    fn line(&mut self, _line: &[u8], _out: &mut Vec<Value>) -> Result<(), BadLine> {
        Err(BadLine("this mng does not know the program that wrote it".into()))
    }

    fn finish(&mut self, _is_turn_over: bool, _out: &mut Vec<Value>) {}
}

/// Whether the program is done for now, so that nothing more belongs to its last step. Who cannot tell says
/// no: the step then comes later.
async fn is_turn_over(ctx: &Ctx, host: &Host, record: &AgentRecord) -> bool {
    match states::on_host(ctx, host, slice::from_ref(record)).await {
        Ok(states) => states.get(&record.id).is_some_and(|judgement| {
            matches!(judgement.state, AgentState::Waiting | AgentState::Stopped | AgentState::Done)
        }),
        Err(_) => false,
    }
}

impl Conversation {
    /// Hands out the records of a request, as they are read.
    ///
    /// # Errors
    /// A file cannot be read, or `each` failed, which ends the reading.
    pub async fn read(
        &self,
        request: &Request,
        each: &mut (dyn FnMut(Value) -> Result<()> + Send),
    ) -> Result<Reading> {
        let (sender, mut receiver) = mpsc::channel(64);
        let (store, life, request) = (self.store.clone(), self.life, request.clone());
        // A long file takes its time; this thread stays free for the signal that ends the command.
        let reading = tokio::task::spawn_blocking(move || {
            store.read(life, &request, &mut |record| Ok(sender.blocking_send(record).is_ok()))
        });
        while let Some(record) = receiver.recv().await {
            each(record)?;
        }
        reading.await.map_err(|error| Error::io("read the transcript", std::io::Error::other(error)))?
    }

    /// The whole conversation as one document, and sentences for standard error.
    ///
    /// # Errors
    /// As [`Conversation::read`].
    pub async fn document(&self) -> Result<(Document, Vec<String>)> {
        let mut records = Vec::new();
        let mut add = |record| {
            records.push(record);
            Ok(())
        };
        let mut warnings = self.read(&Request::default(), &mut add).await?.warnings;
        let version = self.store.program_version();
        let document = Document::new(&self.agent_id, self.store.type_name(), version.as_deref(), records);
        warnings.extend(document.warning());
        Ok((document, warnings))
    }
}

/// Brings the stored records of a state dir up to date, for those who read the file. One that cannot be is as
/// it was; a host's own directory and most types have none.
pub async fn refresh(ctx: &Ctx, host: &Host, state_dir: &Path) {
    if !host.is_local() {
        return;
    }
    let id = state_dir.file_name().and_then(|name| name.to_str()?.parse::<AgentId>().ok());
    let Some(id) = id.filter(|id| host.layout.agent(id) == state_dir) else { return };
    let Ok(Some(record)) = host.read_agent(&id).await else { return };
    let record = &record;
    let Ok(Some(store)) = store_of(ctx, host, record) else { return };
    if !store.is_kept() || !store.exists().unwrap_or(false) {
        return;
    }
    let is_turn_over = is_turn_over(ctx, host, record).await;
    let pass =
        tokio::task::spawn_blocking(move || store.update(is_turn_over, std::time::Duration::ZERO)).await;
    if let Ok(Err(error)) = pass {
        tracing::warn!(agent = %record.name, %error, "the transcript was not brought up to date");
    }
}
