//! `create` without a type, and none in the settings: a person is asked once which of the agent programs of
//! this machine it shall be from now on.

use mng_core::model::names::AgentTypeName;
use mng_core::model::order;
use mng_core::operations::create::CreateRequest;
use mng_core::plugins::{Ctx, Linked};
use mng_core::settings::{ConfigScope, Editor, LoadRequest, WriteForm};
use mng_core::{Error, ErrorClass};

use crate::cli;
use crate::ui::Ui;

/// An agent type whose program is on PATH.
struct Found {
    name: String,
    description: &'static str,
}

/// Asks for the type if none is given and a person is there, and stores the answer for the next time. Leaves
/// the request alone otherwise; the operation then says what is missing.
///
/// # Errors
/// The answer is none of those offered, or it cannot be stored.
pub(super) async fn offer(ui: &mut Ui, ctx: &Ctx, request: &mut CreateRequest) -> Result<(), Error> {
    let is_open = request.agent.agent_type.is_none()
        && request.agent.command.is_none()
        && !request.agent.is_clone
        && !request.reuse;
    if !is_open || !ui.is_interactive() || !ui.can_ask() || !ui.is_human() {
        return Ok(());
    }
    let found = found(ctx);
    if found.is_empty() {
        return Ok(());
    }
    ui.info("No default agent type is set. Found on this machine:");
    let width = found.iter().map(|found| found.name.len()).max().unwrap_or(0);
    for (at, Found { name, description }) in found.iter().enumerate() {
        ui.info(&format!("  {}  {name:width$}  {description}", at + 1));
    }
    let answer =
        ui.ask("Which one shall `mng create` take by default (empty: none)? ", "--type TYPE").await?;
    let answer = answer.trim();
    if answer.is_empty() {
        return Ok(());
    }
    let by_number = answer.parse::<usize>().ok().and_then(|at| found.get(at.checked_sub(1)?));
    let Some(chosen) = by_number.or_else(|| found.iter().find(|found| found.name == answer)) else {
        return Err(Error::hinted(
            ErrorClass::UnknownAgentType,
            format!("`{answer}` is none of those"),
            "name the type: `mng create NAME TYPE`",
        ));
    };
    store(ctx, &chosen.name)?;
    ui.info(&format!(
        "`{}` it is; `mng config unset --scope user commands.create.type` forgets that.",
        chosen.name
    ));
    request.agent.agent_type = Some(AgentTypeName::stored(chosen.name.as_str()));
    Ok(())
}

/// The types that are a program of their own and whose program is on PATH, by name.
fn found(ctx: &Ctx) -> Vec<Found> {
    let path = ctx.env.get("PATH").unwrap_or_default();
    let is_there = |program: &str| {
        std::env::split_paths(path).any(|dir| {
            std::fs::metadata(dir.join(program)).is_ok_and(|meta| {
                use std::os::unix::fs::PermissionsExt as _;
                meta.is_file() && meta.permissions().mode() & 0o111 != 0
            })
        })
    };
    let mut found: Vec<Found> = ctx
        .registry
        .agent_types()
        .filter(|def| {
            // Skill agents and headless forms share a program with the type that is named like it.
            let names = || std::iter::once(def.name).chain(def.aliases.iter().copied());
            names().any(|name| {
                is_there(name)
                    && ctx
                        .agent_type(&AgentTypeName::stored(def.name))
                        .is_ok_and(|kind| kind.process_names().iter().any(|program| program == name))
            })
        })
        .map(|def| Found { name: def.name.to_owned(), description: def.description })
        .collect();
    order::sort_by(&mut found, |a, b| a.name.cmp(&b.name));
    found
}

fn store(ctx: &Ctx, name: &str) -> Result<(), Error> {
    let mut known = Linked::collect()?.known_names(cli::settings_keys());
    known.parameters = cli::settings_parameters();
    let editor =
        Editor::new(LoadRequest { locations: &ctx.locations, env: &ctx.env, overrides: &[], known: &known });
    editor.write(ConfigScope::User, "commands.create.type", name, WriteForm::Set, false).map(|_| ())
}
