//! `mng list --hosts`

use std::io;

use mng_core::model::field_path::FieldPath;
use mng_core::model::fields::{FieldError, FieldSet, FoundField, PlainFields};
use mng_core::model::printing::Measure;
use mng_core::operations::list::{self, HostView, Listing};
use mng_core::plugins::Ctx;
use serde::Serialize;
use serde_json::{Value, json};

use super::found::{exit_code, show_errors};
use super::view::View;
use crate::args::OnError;
use crate::exit::CliResult;
use crate::ui::{Cell, Out, Render, Table, Ui, to_json, with_event};

/// The fields of a host row.
pub(super) struct HostFields;

impl FieldSet for HostFields {
    fn find(&self, path: &FieldPath) -> Result<FoundField, FieldError> {
        const KEYS: [&str; 8] =
            ["id", "name", "provider", "state", "labels", "agents", "resource", "uptime_seconds"];
        let found = PlainFields(&KEYS).find(path)?;
        let measure = if path.key() == "uptime_seconds" { Measure::Seconds } else { found.measure };
        Ok(FoundField { measure, ..found })
    }
}

/// All hosts. Field names are the JSON contract.
#[derive(Serialize)]
pub(super) struct Hosts {
    hosts: Vec<Value>,
    errors: Vec<Value>,
}

pub(super) async fn run(ui: &mut Ui, ctx: &Ctx, view: &View) -> CliResult {
    let mut listing = list::all(ctx, &view.request).await?;
    if view.on_error == OnError::Abort
        && let Some(index) = listing.errors.iter().position(|row| row.is_counted)
    {
        return Err(listing.errors.swap_remove(index).error);
    }
    for warning in &listing.warnings {
        ui.warning(warning);
    }
    ui.result(&Hosts::of(&listing))?;
    show_errors(ui, &listing.errors)?;
    Ok(exit_code(&listing.errors))
}

impl Hosts {
    pub(super) fn of(listing: &Listing) -> Self {
        let agents_of = |host: &HostView| -> Vec<Value> {
            let agents = listing.agents.iter().filter(|agent| agent.host.id == host.id);
            agents.map(|agent| json!({ "id": agent.record.id, "name": agent.record.name })).collect()
        };
        let row = |host: &HostView| {
            json!({
                "id": host.id,
                "name": host.name,
                "provider": host.provider_name,
                "state": host.state,
                "labels": host.tags,
                "agents": agents_of(host),
                "resource": host.resource,
                "uptime_seconds": host.uptime_seconds,
            })
        };
        Self {
            hosts: listing.hosts.iter().map(|host| row(&host.view)).collect(),
            errors: listing.errors.iter().map(to_json).collect(),
        }
    }
}

impl Render for Hosts {
    fn event(&self) -> &'static str {
        "host"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        if self.hosts.is_empty() {
            return out.line(format_args!("No hosts found"));
        }
        let mut table = Table::new(["NAME", "ID", "PROVIDER", "STATE", "LABELS", "AGENTS"]);
        for host in &self.hosts {
            let text = |key: &str| mng_core::model::printing::script(&host[key], Measure::Plain);
            table.row([
                Cell::from(text("name")),
                Cell::from(text("id")),
                Cell::from(text("provider")),
                Cell::state(text("state")),
                Cell::from(text("labels")),
                Cell::from(text("agents")),
            ]);
        }
        out.table(&table)
    }

    fn rows(&self) -> Vec<Value> {
        self.hosts.clone()
    }

    fn jsonl(&self) -> Vec<Value> {
        self.hosts.iter().map(|host| with_event("host", host)).collect()
    }
}
