//! From what a person pointed at to agents and hosts, for every command alike.

use std::path::PathBuf;

use mng_core::hosts::Host;
use mng_core::model::address::{AgentAddress, AgentOrHost, HostAddress};
use mng_core::model::failure::Failure;
use mng_core::model::filter::Shorthand;
use mng_core::model::state::AgentState;
use mng_core::model::time::Time;
use mng_core::operations::list::{self, AgentView, ListRequest};
use mng_core::operations::resolve::{self, ResolvedAgent};
use mng_core::operations::select::{self, AgentFilter, Selected, Selection};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};

use crate::args::{Filters, Targets};
use crate::ui::{Choice, Ui};

/// The agents that the targets mean, each once.
///
/// # Errors
/// A target matches nothing, or somebody who could know did not answer; nothing was touched then.
pub(crate) async fn found_agents(
    ui: &Ui,
    ctx: &Ctx,
    targets: Targets<AgentAddress>,
) -> Result<Vec<ResolvedAgent>, Error> {
    let is_all = targets.is_all;
    let selected = select(ui, ctx, targets).await?;
    if is_all {
        // Nothing fails for these; what they have is left out all the same.
        for silent in selected.found.silent() {
            ui.warning(&silent.message);
        }
    }
    Ok(selected.found.all_found()?.matches)
}

/// As [`found_agents`], with what is missing left to the caller.
///
/// # Errors
/// A filter is no expression, or an address names a provider that does not exist.
pub(crate) async fn select<A: IntoTarget>(
    ui: &Ui,
    ctx: &Ctx,
    targets: Targets<A>,
) -> Result<Selected, Error> {
    let selection = Selection {
        named: targets.named.into_iter().map(IntoTarget::into_target).collect(),
        is_all: targets.is_all,
        filter: agent_filter(ctx, targets.filters).await?,
    };
    let selected = select::select(ctx, &selection).await?;
    for warning in &selected.found.warnings {
        ui.warning(warning);
    }
    if !selection.is_all {
        say_which(ui, &selected.found.matches);
    }
    Ok(selected)
}

/// A target of any kind.
pub(crate) trait IntoTarget {
    fn into_target(self) -> AgentOrHost;
}

impl IntoTarget for AgentAddress {
    fn into_target(self) -> AgentOrHost {
        AgentOrHost::Agent(self)
    }
}

impl IntoTarget for AgentOrHost {
    fn into_target(self) -> AgentOrHost {
        self
    }
}

/// Which agents a name stands for must not stay a secret when there are several of it.
fn say_which(ui: &Ui, agents: &[ResolvedAgent]) {
    for agent in agents {
        if agents.iter().filter(|other| other.record.name == agent.record.name).count() > 1 {
            ui.info(&format!("{} is one of several: {}", agent.record.name, agent.full_address()));
        }
    }
}

/// The filter options, compiled.
///
/// # Errors
/// An expression is no CEL; or `--project .` outside of a project.
pub(crate) async fn agent_filter(ctx: &Ctx, filters: Filters) -> Result<AgentFilter, Error> {
    let mut projects = Vec::new();
    for project in filters.projects {
        projects.push(if project == "." { select::current_project(ctx).await? } else { project });
    }
    let pairs = |matches: Vec<crate::args::LabelMatch>| {
        matches.into_iter().map(|label| (label.key, label.value)).collect()
    };
    let shorthand = Shorthand {
        running: filters.running,
        stopped: filters.stopped,
        alive: filters.alive,
        archived: filters.archived,
        active: filters.active,
        local: filters.local,
        remote: filters.remote,
        projects,
        labels: pairs(filters.labels),
        host_labels: pairs(filters.host_labels),
        providers: filters.providers,
        ..Shorthand::default()
    };
    Ok(AgentFilter::new(shorthand, &filters.include, &filters.exclude)?)
}

/// A directory with logs and events in it.
pub(crate) struct Place {
    pub(crate) host: Host,
    pub(crate) dir: PathBuf,
    /// What the person calls it.
    pub(crate) name: String,
}

/// The state directory of one agent, or the host dir of a host. A plain name that is no agent's is taken for
/// a host's, with a note, as older versions did.
///
/// # Errors
/// Nothing matches, or several do.
pub(crate) async fn place_of(ui: &Ui, ctx: &Ctx, target: &AgentOrHost) -> Result<Place, Error> {
    match target {
        AgentOrHost::Host(address) => host_place(ctx, address).await,
        AgentOrHost::Agent(address) => match resolve::one(ctx, address).await {
            Ok(agent) => Ok(Place {
                dir: agent.host.layout.agent(&agent.record.id),
                name: agent.record.name.to_string(),
                host: agent.host,
            }),
            Err(error) => {
                let is_missing = error.class() == ErrorClass::AgentNotFound;
                let host = if is_missing && address.host.is_none() {
                    address.to_string().parse().ok()
                } else {
                    None
                };
                let Some(host) = host else { return Err(error) };
                let Ok(place) = host_place(ctx, &host).await else { return Err(error) };
                ui.info(&format!("no agent is named `{address}`; this is the host `@{host}`"));
                Ok(place)
            }
        },
    }
}

async fn host_place(ctx: &Ctx, address: &HostAddress) -> Result<Place, Error> {
    let host = resolve::one_host(ctx, address).await?;
    Ok(Place { dir: host.layout.root().to_path_buf(), name: host.info.name.to_string(), host })
}

/// Those of the selected agents that have a live session, ended programs in one included: what `stop --all`
/// means, with a row for everyone who did not answer. An agent that cannot be judged is kept, so that the
/// command says what became of it.
///
/// # Errors
/// As [`found_agents`].
pub(crate) async fn live_agents(
    ui: &Ui,
    ctx: &Ctx,
    targets: Targets<AgentAddress>,
) -> Result<(Vec<ResolvedAgent>, Vec<Failure>), Error> {
    let mut selected = select(ui, ctx, targets).await?;
    let matches = std::mem::take(&mut selected.found.matches);
    let is_live = |agent: &ResolvedAgent| selected.state(agent) != Some(AgentState::Stopped);
    Ok((matches.into_iter().filter(is_live).collect(), selected.found.silent()))
}

/// The agents whose tmux sessions have these names, as the key bindings of a session call mng. The names are
/// compared with those of the agents there are: a host may use another prefix than this machine's.
///
/// # Errors
/// A session is no agent's.
pub(crate) async fn session_agents(
    ui: &Ui,
    ctx: &Ctx,
    sessions: &[String],
) -> Result<Vec<ResolvedAgent>, Error> {
    let all =
        Selection { named: Vec::new(), is_all: true, filter: agent_filter(ctx, Filters::default()).await? };
    let selected = select::select(ctx, &all).await?;
    for warning in &selected.found.warnings {
        ui.warning(warning);
    }
    let mut agents = Vec::new();
    for session in sessions {
        let before = agents.len();
        agents.extend(
            selected
                .found
                .matches
                .iter()
                .filter(|agent| agent.host.session_name(agent.record.name.as_str()) == *session)
                .cloned(),
        );
        if agents.len() == before {
            return Err(Error::hinted(
                ErrorClass::AgentNotFound,
                format!("the session `{session}` is no agent's"),
                "`mng list` shows the agents there are",
            ));
        }
    }
    Ok(agents)
}

/// The hosts of these addresses, each once.
///
/// # Errors
/// An address matches no host, or several.
pub(crate) async fn found_hosts(ctx: &Ctx, addresses: &[HostAddress]) -> Result<Vec<Host>, Error> {
    let mut hosts: Vec<Host> = Vec::new();
    for address in addresses {
        let host = resolve::one_host(ctx, address).await?;
        if hosts.iter().all(|known| known.info.id != host.info.id) {
            hosts.push(host);
        }
    }
    Ok(hosts)
}

/// The agents that are marked to start when their host boots.
///
/// # Errors
/// The hosts cannot be asked.
pub(crate) async fn on_boot_agents(ui: &Ui, ctx: &Ctx) -> Result<Vec<ResolvedAgent>, Error> {
    let all =
        Selection { named: Vec::new(), is_all: true, filter: agent_filter(ctx, Filters::default()).await? };
    let mut selected = select::select(ctx, &all).await?;
    for warning in &selected.found.warnings {
        ui.warning(warning);
    }
    selected.found.matches.retain(|agent| agent.record.start_on_boot);
    Ok(selected.found.matches)
}

/// The agent that is named, or the one that the person chooses from a list.
///
/// # Errors
/// Nothing or several match the name; or no name is given and nobody can be asked.
pub(crate) async fn one_agent(
    ui: &mut Ui,
    ctx: &Ctx,
    name: Option<&str>,
    filters: Filters,
    command: &str,
) -> Result<ResolvedAgent, Error> {
    if let Some(name) = name {
        return resolve::one(ctx, &name.parse()?).await;
    }
    if !ui.is_interactive() {
        return Err(Error::hinted(
            ErrorClass::UserInput,
            "no agent is named, and nobody can be asked here",
            format!("mng {command} AGENT"),
        ));
    }
    let filter = agent_filter(ctx, filters).await?;
    let mut listing = list::all(ctx, &ListRequest::in_scope(filter.scope())).await?;
    let now = Time::now();
    let mut warnings = std::mem::take(&mut listing.warnings);
    listing.agents.retain(|agent| filter.keeps(agent, now, &mut warnings));
    for warning in &warnings {
        ui.warning(warning);
    }
    if listing.agents.is_empty() {
        return Err(Error::hinted(
            ErrorClass::AgentNotFound,
            "there is no agent to choose from",
            "`mng create NAME` makes one; `mng list` shows all there are",
        ));
    }
    let chosen = ui.select_one(choices(&listing.agents), &format!("mng {command} AGENT")).await?;
    let agent = &listing.agents[chosen];
    listing.resolved(agent).ok_or_else(|| {
        Error::plain(ErrorClass::HostOffline, format!("the host of agent `{}` is offline", agent.record.name))
    })
}

/// The rows of the selector.
pub(crate) fn choices(agents: &[AgentView]) -> Vec<Choice> {
    agents
        .iter()
        .map(|agent| Choice {
            name: agent.record.name.to_string(),
            state: agent.state.to_string(),
            host: agent.host.name.to_string(),
            provider: agent.host.provider_name.to_string(),
        })
        .collect()
}
