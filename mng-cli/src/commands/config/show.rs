//! The reading half of `mng config`.

use mng_core::settings::{ConfigScope, Editor, human_value};
use mng_core::{Error, ErrorClass};
use serde_json::{Map, Value, json};

use super::answer;
use crate::exit::{CliResult, ExitCode};
use crate::frame::Invocation;
use crate::ui::{Ui, to_json};

pub(super) fn list(
    ui: &mut Ui,
    invocation: &Invocation,
    editor: &Editor<'_>,
    scope: Option<ConfigScope>,
    all: bool,
    show_origin: bool,
) -> CliResult {
    let listing = editor.list(scope, all)?;
    for warning in &listing.warnings {
        ui.warning(warning);
    }
    if ui.has_template() {
        for row in &listing.rows {
            ui.template_line(&json!({ "key": row.key, "value": row.value }))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut object = Map::new();
    object.insert("config".into(), listing.config.clone());
    if let Some(scope) = scope {
        object.insert("scope".into(), scope.as_str().into());
        object.insert("path".into(), listing.path.as_ref().map(|path| path.display().to_string()).into());
    }
    if show_origin {
        let origins = listing.rows.iter().map(|row| (row.key.clone(), row.origin.to_string().into()));
        object.insert("origins".into(), Value::Object(origins.collect()));
    }
    answer(ui, "config_list", &Value::Object(object), |ui| {
        let heading = match (scope, &listing.path) {
            (None, _) => "Merged configuration (all scopes):".to_owned(),
            (Some(scope), Some(path)) => {
                format!("Config from {scope} ({}):", invocation.locations.contract_home(path))
            }
            (Some(scope), None) => format!("Config from {scope}:"),
        };
        ui.human(|out| {
            out.line(format_args!("{heading}"))?;
            out.blank()?;
            if listing.rows.is_empty() {
                out.line(format_args!("  (empty)"))?;
            }
            for row in &listing.rows {
                let origin = if show_origin { format!("  # {}", row.origin) } else { String::new() };
                out.line(format_args!("  {} = {}{origin}", row.key, human_value(&row.value)))?;
            }
            Ok(())
        })
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn schema(ui: &mut Ui, editor: &Editor<'_>) -> CliResult {
    let rows = editor.schema()?;
    if ui.has_template() {
        for row in &rows {
            ui.template_line(&to_json(row))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    answer(ui, "config_list_schema", &json!({ "schema": rows }), |ui| {
        ui.human(|out| {
            for row in &rows {
                let value = match &row.value {
                    Value::Null => String::new(),
                    value => format!(" = {}", human_value(value)),
                };
                out.line(format_args!("{} ({}){value}", row.key, row.kind))?;
                if !row.description.is_empty() {
                    out.line(format_args!("    {}", row.description.replace('\n', " ")))?;
                }
            }
            Ok(())
        })
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn get(ui: &mut Ui, editor: &Editor<'_>, key: &str, scope: Option<ConfigScope>) -> CliResult {
    let found = editor.get(key, scope)?;
    for warning in &found.warnings {
        ui.warning(warning);
    }
    let object = json!({ "key": found.key, "value": found.value });
    answer(ui, "config_value", &object, |ui| ui.human(|out| out.line(format_args!("{}", found.human()))))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn paths(
    ui: &mut Ui,
    invocation: &Invocation,
    editor: &Editor<'_>,
    scope: Option<ConfigScope>,
) -> CliResult {
    let paths = editor.paths()?;
    let Some(scope) = scope else {
        answer(ui, "config_paths", &json!({ "paths": paths }), |ui| {
            ui.human(|out| {
                for place in &paths {
                    let exists = if place.exists { "exists" } else { "not found" };
                    match (&place.path, &place.error) {
                        (Some(path), _) => out.line(format_args!(
                            "{}: {} ({exists})",
                            place.scope,
                            invocation.locations.contract_home(path)
                        ))?,
                        (None, error) => {
                            let error = error.as_deref().unwrap_or("unknown");
                            out.line(format_args!("{}: ({error})", place.scope))?;
                        }
                    }
                }
                Ok(())
            })
        })?;
        return Ok(ExitCode::SUCCESS);
    };
    let place = paths.iter().find(|place| place.scope == scope.as_str());
    let Some((place, path)) = place.and_then(|place| Some((place, place.path.as_ref()?))) else {
        let reason = place.and_then(|place| place.error.clone()).unwrap_or_default();
        let hint = match scope {
            ConfigScope::User => "`mng config set --scope user KEY VALUE` makes one",
            _ => "change into a git repository, or use `--scope user`",
        };
        return Err(Error::hinted(
            ErrorClass::ConfigNotFound,
            format!("no {scope} settings file: {reason}"),
            hint,
        ));
    };
    let object = json!({ "scope": place.scope, "path": path, "exists": place.exists });
    answer(ui, "config_path", &object, |ui| ui.human(|out| out.line(format_args!("{}", path.display()))))?;
    Ok(ExitCode::SUCCESS)
}
