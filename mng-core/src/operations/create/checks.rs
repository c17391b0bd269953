//! What can be refused before anything is looked at: contradictions, and options that have no meaning for
//! the host or the type they were given with.

use super::request::CreateRequest;
use crate::agents::types::TypeCapabilities;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::names::AgentTypeName;
use crate::model::record::AgentRecord;
use crate::plugins::Ctx;

/// Options that say how a host is made.
const NEW_HOST_OPTIONS: [&str; 17] = [
    "build-arg",
    "build-args",
    "start-arg",
    "start-args",
    "snapshot",
    "image",
    "authorized-key",
    "host-env",
    "host-env-file",
    "pass-host-env",
    "known-host",
    "post-host-create-command",
    "post-host-create-outer-command",
    "idle-timeout",
    "idle-mode",
    "activity-sources",
    "host-name-style",
];

/// Options that make no sense for an agent whose output is streamed until it ends.
const NOT_HEADLESS: [&str; 7] =
    ["connect", "reuse", "update", "start-on-boot", "edit-message", "session-command", "connect-command"];

/// Contradictions within the request.
///
/// # Errors
/// The first one found.
pub(super) fn contradictions(request: &CreateRequest) -> Result<()> {
    if request.update && !request.reuse {
        return Err(usage("`--update` changes an agent that exists, so it needs `--reuse`", "add `--reuse`"));
    }
    if request.update && request.address.name.is_none() {
        return Err(usage("`--update` needs the name of the agent", "mng create NAME --reuse --update"));
    }
    if let Some(size) = &request.agent.tmux.width.filter(|size| *size == 0) {
        return Err(usage(format!("`--tmux-width {size}`: expected a number above 0"), "for example 200"));
    }
    if let Some(size) = &request.agent.tmux.height.filter(|size| *size == 0) {
        return Err(usage(format!("`--tmux-height {size}`: expected a number above 0"), "for example 50"));
    }
    Ok(())
}

/// Options for new hosts on a host that exists. From settings or a template they are no mistake: those
/// serve many commands.
///
/// # Errors
/// The person typed one.
pub(super) fn host_options(request: &CreateRequest) -> Result<()> {
    match NEW_HOST_OPTIONS.iter().find(|name| request.is_typed(name)) {
        None => Ok(()),
        Some(name) => Err(Error::input(
            format!("`--{name}` is for new hosts, and this agent goes to one that exists"),
            "leave it out, or make a host: `mng create NAME@.PROVIDER`",
        )),
    }
}

/// Options that do not go with the type.
///
/// # Errors
/// A headless type without `--foreground` or the other way round, an option that a headless agent cannot
/// have, or `--adopt` for a type without conversations.
pub(super) fn type_options(
    request: &CreateRequest,
    name: &AgentTypeName,
    capabilities: TypeCapabilities,
) -> Result<()> {
    match (capabilities.headless, request.foreground) {
        (true, false) => {
            return Err(Error::input(
                format!("type `{name}` prints its answer and ends, so it runs in the foreground only"),
                "add `--foreground`",
            ));
        }
        (false, true) => {
            return Err(Error::input(
                format!("`--foreground` is for headless types, and `{name}` is none"),
                "leave it out; `mng capture NAME` shows the agent's screen",
            ));
        }
        (true, true) => {
            if let Some(option) = NOT_HEADLESS.iter().find(|name| request.is_typed(name)) {
                return Err(Error::input(
                    format!("`--{option}` does not go with the headless type `{name}`"),
                    "leave it out",
                ));
            }
        }
        (false, false) => {}
    }
    if !request.agent.adopt.is_empty() && !capabilities.resume {
        let message = format!("`--adopt` continues a conversation, and type `{name}` has none");
        return Err(Error::input(message, "leave it out"));
    }
    Ok(())
}

/// An agent that is used again has to be of the type that the person typed.
///
/// # Errors
/// It is of another one.
pub(super) fn same_type(ctx: &Ctx, request: &CreateRequest, record: &AgentRecord) -> Result<()> {
    let Some(typed) = request.agent.agent_type.as_ref().filter(|_| request.is_typed("type")) else {
        return Ok(());
    };
    let (typed, recorded) = (ctx.canonical_type(typed), ctx.canonical_type(&record.agent_type));
    if typed == recorded {
        return Ok(());
    }
    Err(Error::input(
        format!("agent `{}` exists and is of type `{recorded}`, not `{typed}`", record.name),
        "leave the type out, or choose another name",
    ))
}

fn usage(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::hinted(ErrorClass::Usage, message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(options: &[&str]) -> CreateRequest {
        CreateRequest {
            typed_options: options.iter().map(|name| (*name).to_owned()).collect(),
            ..CreateRequest::default()
        }
    }

    #[test]
    fn options_for_new_hosts_count_only_when_typed() {
        host_options(&typed(&["env", "label"])).unwrap();
        let error = host_options(&typed(&["env", "idle-timeout"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`--idle-timeout` is for new hosts, and this agent goes to one that exists"
        );
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn update_alone_is_refused() {
        let alone = CreateRequest { update: true, ..CreateRequest::default() };
        assert_eq!(contradictions(&alone).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn headless_and_foreground_come_together() {
        let name = AgentTypeName::stored("headless_command");
        let headless = TypeCapabilities { headless: true, ..TypeCapabilities::default() };
        let plain = TypeCapabilities::default();
        let foreground = |options: &[&str]| CreateRequest { foreground: true, ..typed(options) };
        type_options(&foreground(&[]), &name, headless).unwrap();
        assert!(type_options(&typed(&[]), &name, headless).is_err());
        assert!(type_options(&foreground(&[]), &name, plain).is_err());
        assert!(type_options(&foreground(&["reuse"]), &name, headless).is_err());
        let adopting = CreateRequest {
            agent: super::super::AgentOptions { adopt: vec!["c1".into()], ..Default::default() },
            ..CreateRequest::default()
        };
        assert_eq!(
            type_options(&adopting, &name, plain).unwrap_err().to_string(),
            "`--adopt` continues a conversation, and type `headless_command` has none"
        );
    }
}
