//! The agent type of a new agent: chosen once, with aliases resolved, before anything is made.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::request::{AgentOptions, CreateRequest, Provisioning};
use crate::agents::types::{AgentType, Launch};
use crate::model::env_file::parse_assignment;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::names::AgentTypeName;
use crate::model::record::AgentRecord;
use crate::plugins::Ctx;
use crate::settings::AgentTypeBase;

/// The type that runs any command line.
const COMMAND: &str = "command";

/// A type, and what it is asked to run.
#[derive(Debug)]
pub(super) struct Kind {
    /// Canonical; for a configured child type its own name.
    pub(super) name: AgentTypeName,
    pub(super) agent_type: Arc<dyn AgentType>,
    pub(super) launch: Launch,
    /// What every agent of the type gets, before what the person asks for. Its `env` is apart: it stands
    /// under what is passed on from the caller.
    pub(super) provisioning: Provisioning,
}

impl Kind {
    /// The command line for the record.
    ///
    /// # Errors
    /// There is nothing to run.
    pub(super) fn command_line(&self) -> Result<String> {
        self.agent_type.command_line(&self.launch)
    }
}

/// The type that the request means. A clone without one is of its source's type.
///
/// # Errors
/// No type is given, an unknown one, or `--agent-command` with a type that has a program of its own.
pub(super) fn resolve(ctx: &Ctx, request: &CreateRequest, source: Option<&AgentRecord>) -> Result<Kind> {
    let options = &request.agent;
    let inherited = source.filter(|_| options.is_clone);
    let typed = options.agent_type.as_ref().map(|name| ctx.canonical_type(name));
    let mut launch = Launch { command_override: options.command.clone(), args: options.args.clone() };
    let name = match (typed, &options.command) {
        (Some(name), Some(_)) if name.as_str() != COMMAND && request.is_typed("type") => {
            return Err(Error::hinted(
                ErrorClass::UserInput,
                format!("`--agent-command` runs a command line, and type `{name}` has a program of its own"),
                "leave one of the two out",
            ));
        }
        (_, Some(_)) => AgentTypeName::stored(COMMAND),
        (Some(name), None) => name,
        (None, None) => match inherited {
            Some(record) => {
                let name = ctx.canonical_type(&record.agent_type);
                inherit_command(&name, record, options, &mut launch);
                name
            }
            None => return Err(no_type(ctx)),
        },
    };
    let resolved = ctx.resolve_type(&name).map_err(|error| unknown_program(ctx, &name, error))?;
    let provisioning = provisioning(&name, resolved.config, &request.cwd)?;
    Ok(Kind { agent_type: ctx.agent_type(&name)?, name, launch, provisioning })
}

/// A `command` agent is nothing without its command line, so a clone gets that too.
fn inherit_command(name: &AgentTypeName, record: &AgentRecord, options: &AgentOptions, launch: &mut Launch) {
    if name.as_str() == COMMAND && options.args.is_empty() && !record.command.is_empty() {
        launch.command_override = Some(record.command.clone());
    }
}

/// What `[agent_types.NAME]` sets up for every agent.
fn provisioning(name: &AgentTypeName, config: Value, cwd: &Path) -> Result<Provisioning> {
    let base: AgentTypeBase = serde_json::from_value(config).map_err(|error| {
        Error::hinted(
            ErrorClass::ConfigStructure,
            format!("`agent_types.{name}`: {error}"),
            "`mng config list --schema` shows the fields",
        )
    })?;
    Ok(Provisioning {
        env: base.env.iter().map(|text| parse_assignment(text)).collect::<Result<_, _>>()?,
        env_files: base.env_file.iter().map(|file| cwd.join(file)).collect(),
        directories: base.create_directory,
        uploads: base.upload_file.iter().map(|text| text.parse()).collect::<Result<_>>()?,
        commands: base.extra_provision_command,
        ..Provisioning::default()
    })
}

/// What a type sets up for every agent; nothing, if this mng does not have the type.
///
/// # Errors
/// Its configuration is malformed.
pub(crate) fn provisioning_of(ctx: &Ctx, name: &AgentTypeName, cwd: &Path) -> Result<Provisioning> {
    match ctx.resolve_type(&ctx.canonical_type(name)) {
        Ok(resolved) => provisioning(name, resolved.config, cwd),
        Err(_) => Ok(Provisioning::default()),
    }
}

/// Every type that a person can name.
pub(super) fn known_types(ctx: &Ctx) -> Vec<String> {
    let mut known: Vec<String> = ctx.registry.agent_types().map(|def| def.name.to_owned()).collect();
    known.extend(ctx.settings.agent_types().into_keys());
    known.sort();
    known.dedup();
    known
}

fn no_type(ctx: &Ctx) -> Error {
    Error::hinted(
        ErrorClass::UserInput,
        format!("no agent type is given; known types: {}", known_types(ctx).join(", ")),
        "name one (`mng create NAME TYPE`), or set a default: `mng config set commands.create.type TYPE`",
    )
}

/// An unknown type that is a program here: that is how older versions ran it.
fn unknown_program(ctx: &Ctx, name: &AgentTypeName, error: Error) -> Error {
    let path = ctx.env.get("PATH").unwrap_or_default();
    let is_program = error.class() == ErrorClass::UnknownAgentType
        && !name.as_str().contains('/')
        && std::env::split_paths(path).any(|dir| is_executable(&dir.join(name.as_str())));
    if !is_program {
        return error;
    }
    Error::hinted(
        ErrorClass::UnknownAgentType,
        error.to_string(),
        format!("to run the program `{name}`: `mng create NAME --type command -- {name} ...`"),
    )
}

/// Whether a file can be run.
pub(super) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
