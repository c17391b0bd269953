//! `mng plugin`

mod custom;

use std::io;

use clap::{Args, Subcommand, ValueEnum};
use mng_core::model::fields::PlainFields;
use mng_core::model::order;
use mng_core::model::suggest::suggest;
use mng_core::plugins::{Ctx, Plugin, PluginDescriptor};
use mng_core::settings::{Editor, LoadRequest, WriteForm};
use mng_core::{Error, ErrorClass};
use serde::Serialize;
use serde_json::{Value, json};

use super::config::{Scope, answer};
use crate::exit::{CliResult, ExitCode};
use crate::frame::{Invocation, external_commands};
use crate::linked::BUILT_IN;
use crate::ui::{Cell, Out, Render, Table, Ui, plain_text, to_json};

/// List, switch and add plugins
///
/// A plugin is a part of this binary that brings providers, agent types or commands, or an executable
/// `mng-NAME` on PATH, which is the command `mng NAME`.
#[derive(Args, Debug)]
#[command(after_help = "$ mng plugin list\n\nSee also: plugins, config")]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    List(ListArgs),
    Enable(EnableArgs),
    Disable(DisableArgs),
    Add(custom::AddArgs),
    Remove(custom::RemoveArgs),
}

/// List plugins and whether they are on
#[derive(Args, Debug)]
struct ListArgs {
    /// Only those that are on
    #[arg(long)]
    active: bool,

    /// List the agent types or providers that plugins bring, instead of the plugins
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<Kind>,

    /// Columns to show: name, version, description, enabled, kind, source
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    fields: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    AgentType,
    Provider,
}

/// Switch a plugin on
#[derive(Args, Debug)]
struct EnableArgs {
    #[command(flatten)]
    toggle: ToggleArgs,
}

/// Switch a plugin off
///
/// What it brings disappears: its providers, agent types, commands and options. Agents of such a type stay
/// listed and can be stopped and destroyed.
#[derive(Args, Debug)]
struct DisableArgs {
    #[command(flatten)]
    toggle: ToggleArgs,
}

#[derive(Args, Debug)]
struct ToggleArgs {
    /// The plugin
    #[arg(value_name = "NAME")]
    name: String,

    /// The settings file to write
    #[arg(long, value_enum, value_name = "SCOPE", ignore_case = true, default_value_t = Scope::Project)]
    scope: Scope,
}

const FIELDS: &[&str] = &["name", "version", "description", "enabled", "kind", "source"];

pub(crate) fn run(ui: &mut Ui, invocation: &Invocation, args: PluginArgs) -> CliResult {
    match args.command {
        PluginCommand::List(args) => {
            ui.use_template_fields(&PlainFields(FIELDS))?;
            list(ui, invocation, &args)
        }
        other => {
            ui.refuse_template("plugin")?;
            match other {
                PluginCommand::Enable(args) => toggle(ui, invocation, &args.toggle, true),
                PluginCommand::Disable(args) => toggle(ui, invocation, &args.toggle, false),
                PluginCommand::Add(args) => custom::add(ui, invocation, args),
                PluginCommand::Remove(args) => custom::remove(ui, invocation, args),
                PluginCommand::List(_) => Ok(ExitCode::SUCCESS),
            }
        }
    }
}

/// One row; field names are the JSON contract.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    version: Option<String>,
    description: Option<String>,
    enabled: bool,
    /// What it brings: `provider`, `agent-type`, `command`, or several of these.
    kind: Option<String>,
    /// `builtin`, `linked` or `path`.
    source: &'static str,
}

#[derive(Serialize)]
struct Listing {
    plugins: Vec<Row>,
    #[serde(skip)]
    columns: Vec<String>,
}

impl Render for Listing {
    fn event(&self) -> &'static str {
        "plugin_list"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        if self.plugins.is_empty() {
            return out.line(format_args!("No plugins found"));
        }
        let mut table = Table::new(self.columns.iter().map(|column| column.to_uppercase()));
        for row in &self.plugins {
            let row = to_json(row);
            let cells = self.columns.iter().map(|column| match &row[column] {
                Value::Null => Cell::from("-"),
                value => Cell::from(plain_text(value)),
            });
            table.row(cells.collect::<Vec<_>>());
        }
        out.table(&table)
    }

    fn rows(&self) -> Vec<Value> {
        self.plugins.iter().map(to_json).collect()
    }

    fn jsonl(&self) -> Vec<Value> {
        self.rows()
    }
}

fn list(ui: &mut Ui, invocation: &Invocation, args: &ListArgs) -> CliResult {
    let ctx = invocation.load(false)?.ctx;
    if let Some(unknown) = args.fields.iter().find(|field| !FIELDS.contains(&field.trim())) {
        return Err(Error::hinted(
            ErrorClass::Usage,
            format!("`--fields {unknown}`: there is no such column"),
            format!("columns: {}", FIELDS.join(", ")),
        ));
    }
    let mut plugins = match args.kind {
        None => all_plugins(&ctx, invocation),
        Some(kind) => brought(&ctx, kind),
    };
    plugins.retain(|row| row.enabled || !args.active);
    let columns = if args.fields.is_empty() {
        ["name", "version", "description", "enabled"].map(str::to_owned).to_vec()
    } else {
        args.fields.iter().map(|field| field.trim().to_owned()).collect()
    };
    ui.result(&Listing { plugins, columns })?;
    Ok(ExitCode::SUCCESS)
}

fn all_plugins(ctx: &Ctx, invocation: &Invocation) -> Vec<Row> {
    let row = |descriptor: &PluginDescriptor, plugin: &dyn Plugin, enabled| Row {
        name: descriptor.name.to_owned(),
        version: Some(descriptor.version.to_owned()).filter(|version| !version.is_empty()),
        description: Some(descriptor.description.to_owned()).filter(|text| !text.is_empty()),
        enabled,
        kind: kinds(plugin),
        source: if BUILT_IN.contains(&descriptor.name) { "builtin" } else { "linked" },
    };
    let mut rows: Vec<Row> =
        ctx.registry.enabled().map(|enabled| row(enabled.descriptor, &*enabled.plugin, true)).collect();
    rows.extend(ctx.registry.disabled().map(|descriptor| row(descriptor, &*(descriptor.make)(), false)));
    for (name, path) in external_commands(&invocation.env) {
        rows.push(Row {
            enabled: ctx.settings.plugin_enabled(&name) != Some(false),
            name,
            version: None,
            description: Some(path.display().to_string()),
            kind: Some("command".to_owned()),
            source: "path",
        });
    }
    order::sort_by(&mut rows, |a, b| a.name.cmp(&b.name));
    rows
}

fn kinds(plugin: &dyn Plugin) -> Option<String> {
    let mut kinds = Vec::new();
    if !plugin.backends().is_empty() {
        kinds.push("provider");
    }
    if !plugin.agent_types().is_empty() {
        kinds.push("agent-type");
    }
    if !plugin.commands().is_empty() {
        kinds.push("command");
    }
    (!kinds.is_empty()).then(|| kinds.join(", "))
}

/// The agent types or back ends of the plugins that are on.
fn brought(ctx: &Ctx, kind: Kind) -> Vec<Row> {
    let mut rows = Vec::new();
    for enabled in ctx.registry.enabled() {
        let (descriptor, plugin) = (enabled.descriptor, &enabled.plugin);
        let names: Vec<(&str, &str)> = match kind {
            Kind::AgentType => plugin.agent_types().iter().map(|def| (def.name, def.description)).collect(),
            Kind::Provider => plugin.backends().iter().map(|def| (def.name, def.description)).collect(),
        };
        rows.extend(names.into_iter().map(|(name, description)| Row {
            name: name.to_owned(),
            version: Some(descriptor.version.to_owned()),
            description: Some(description.to_owned()),
            enabled: true,
            kind: Some(if kind == Kind::AgentType { "agent-type" } else { "provider" }.to_owned()),
            source: if BUILT_IN.contains(&descriptor.name) { "builtin" } else { "linked" },
        }));
    }
    order::sort_by(&mut rows, |a, b| a.name.cmp(&b.name));
    rows
}

fn toggle(ui: &mut Ui, invocation: &Invocation, args: &ToggleArgs, enabled: bool) -> CliResult {
    let known = invocation.known_with_parameters()?;
    let mut names: Vec<String> = known.plugins.iter().map(|plugin| plugin.name.clone()).collect();
    names.extend(external_commands(&invocation.env).into_keys());
    let is_known = names.contains(&args.name);
    if !is_known {
        let near = suggest(&args.name, &names);
        let near = if near.is_empty() { names } else { near };
        ui.warning(&format!("this mng has no plugin `{}`; known: {}", args.name, near.join(", ")));
    }
    let editor = Editor::new(LoadRequest {
        locations: &invocation.locations,
        env: &invocation.env,
        overrides: &invocation.early.overrides,
        known: &known,
    });
    let key = format!("plugins.{}.enabled", args.name);
    // An unknown plugin may be another machine's: the file is shared.
    let edited = editor.write(args.scope.into(), &key, &enabled.to_string(), WriteForm::Set, !is_known)?;
    for warning in &edited.warnings {
        ui.warning(warning);
    }
    let object = json!({
        "plugin": args.name,
        "enabled": enabled,
        "scope": edited.scope.as_str(),
        "path": edited.path.display().to_string(),
    });
    answer(ui, "plugin_toggled", &object, |ui| {
        let verb = if enabled { "Enabled" } else { "Disabled" };
        let path = invocation.locations.contract_home(&edited.path);
        ui.human(|out| out.line(format_args!("{verb} plugin {} in {} ({path})", args.name, edited.scope)))
    })?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::testing;

    #[test]
    fn what_is_missing_is_a_dash_and_no_text_in_json() {
        let row = |name: &str, version: Option<&str>, enabled| Row {
            name: name.into(),
            version: version.map(str::to_owned),
            description: None,
            enabled,
            kind: None,
            source: "linked",
        };
        let columns = ["name", "version", "enabled"].map(str::to_owned).to_vec();
        let listing =
            Listing { plugins: vec![row("local", Some("0.1.0"), true), row("x", None, false)], columns };
        insta::assert_snapshot!(testing::rendered(&listing), @r"
        ---- stdout
        NAME   VERSION  ENABLED
        local  0.1.0    true
        x      -        false
        ---- stderr
        ");
        assert_eq!(to_json(&listing)["plugins"][1]["version"], Value::Null);
        assert_eq!(to_json(&listing)["plugins"][1]["enabled"], Value::Bool(false));
        let none = Listing { plugins: Vec::new(), columns: Vec::new() };
        assert!(testing::rendered(&none).contains("No plugins found"));
    }
}
