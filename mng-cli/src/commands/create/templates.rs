//! What stands in for options of `create` that were not typed: `[commands.create]`, then the templates.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Command};
use mng_core::model::names::AgentTypeName;
use mng_core::operations::create::{TemplateRules, apply_templates};
use mng_core::plugins::{Activation, Linked, Registry};
use mng_core::settings::{CommandParam, TypeSchema};
use mng_core::{Error, Result};
use serde_json::Value;

use crate::frame::{Loaded, Reading};

/// For `create`: the configured templates, then the typed ones, over what the settings say.
pub(crate) fn adjust(
    loaded: &mut Loaded,
    params: Vec<CommandParam>,
    command: &Command,
    typed: &Reading<'_>,
) -> Result<Vec<CommandParam>, Error> {
    let mut names = texts(params.iter().find(|param| param.name == "template"));
    names.extend(typed.values("template").map(|name| name.to_string_lossy().into_owned()));
    let settings = &loaded.ctx.settings;
    let templates = names.iter().map(|name| settings.create_template(name)).collect::<Result<Vec<_>>>()?;
    let types: Vec<TypeSchema> = loaded.ctx.registry.agent_types().map(|def| def.schema(None)).collect();
    // A configured child has the fields of the registered type behind it.
    let base_of = |name: &str| {
        let resolved = loaded.ctx.resolve_type(&AgentTypeName::stored(name)).ok();
        resolved.map_or_else(|| name.to_owned(), |resolved| resolved.base)
    };
    let has =
        |name: &str, field: &str| types.iter().any(|schema| schema.name == name && schema.has_field(field));
    let typed_type = typed.value("type").or_else(|| typed.value("positional_type"));
    let applied = apply_templates(
        params,
        &templates,
        &TemplateRules {
            is_list: &|name| option(command, name).map(|arg| matches!(arg.get_action(), ArgAction::Append)),
            canonical: &|name| loaded.ctx.canonical_type(&AgentTypeName::stored(name)).to_string(),
            has_field: &|name, field| has(&base_of(name), field),
            types_with_field: &|field| {
                types
                    .iter()
                    .filter(|schema| schema.has_field(field))
                    .map(|schema| schema.name.clone())
                    .collect()
            },
            typed_type,
            may_narrow: settings.core.allow_settings_key_assignment_narrowing,
        },
    )?;
    let mut params = applied.params;
    let mut overrides = texts(take(&mut params, "setting").as_ref());
    overrides.extend(applied.settings);
    if !overrides.is_empty() {
        loaded.ctx.settings = loaded.ctx.settings.with_template_settings(&overrides, &loaded.known)?;
    }
    let disabled = texts(take(&mut params, "disable_plugin").as_ref());
    if !disabled.is_empty() {
        disable(loaded, disabled, typed)?;
    }
    Ok(params)
}

/// For `clone` and `migrate`, which are creates: their own table lies over that of `create`.
pub(crate) fn adjust_delegate(
    loaded: &mut Loaded,
    own: Vec<CommandParam>,
    command: &Command,
    typed: &Reading<'_>,
) -> Result<Vec<CommandParam>, Error> {
    let mut params: BTreeMap<String, CommandParam> = BTreeMap::new();
    let of_create = loaded.ctx.settings.command_params("create");
    for param in of_create.into_iter().chain(own) {
        // The source is what these commands are about.
        if !matches!(param.name.as_str(), "from" | "from_agent" | "source_host" | "source_path") {
            params.insert(param.name.clone(), param);
        }
    }
    adjust(loaded, params.into_values().collect(), command, typed)
}

fn take(params: &mut Vec<CommandParam>, name: &str) -> Option<CommandParam> {
    let index = params.iter().position(|param| param.name == name)?;
    Some(params.remove(index))
}

/// The texts of a list parameter; one text stands for a list of one.
fn texts(param: Option<&CommandParam>) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match param.map(|param| &param.value) {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().map(text).collect(),
        Some(Value::String(one)) if one.is_empty() => Vec::new(),
        Some(one) => vec![text(one)],
    }
}

/// The option of a parameter, by its long name or an alias of it.
fn option<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let long = name.replace('_', "-");
    command.get_opts().find(|arg| {
        arg.get_long() == Some(&long)
            || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&long.as_str()))
    })
}

/// Decides anew which plugins are on.
fn disable(loaded: &mut Loaded, mut disabled: Vec<String>, typed: &Reading<'_>) -> Result<(), Error> {
    let words =
        |id: &str| typed.values(id).map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>();
    disabled.extend(words("disable_plugin"));
    let entries = loaded.ctx.settings.plugins();
    let activation = Activation { entries: &entries, enable: &words("enable_plugin"), disable: &disabled };
    let (registry, warnings) = Registry::new(&Linked::collect()?, activation)?;
    loaded.ctx.registry = registry;
    loaded.warnings.extend(warnings);
    Ok(())
}
