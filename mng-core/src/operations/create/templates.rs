//! Create templates: named bags of options, laid over what the settings give and under what was typed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::error::{Error, ErrorClass, Result};
use crate::settings::{CommandParam, CreateTemplate, MergeOp, TemplateValue};

/// What is known about the options and types that templates may name.
pub struct TemplateRules<'a> {
    /// Whether an option of `create` takes a list; `None`: there is no such option. The long name with `_`.
    pub is_list: &'a dyn Fn(&str) -> Option<bool>,
    /// The canonical spelling of a type.
    pub canonical: &'a dyn Fn(&str) -> String,
    /// Whether a type has a field of that name.
    pub has_field: &'a dyn Fn(&str, &str) -> bool,
    /// The types that have a field of that name.
    pub types_with_field: &'a dyn Fn(&str) -> Vec<String>,
    /// The type as typed, in either form.
    pub typed_type: Option<&'a str>,
    /// `allow_settings_key_assignment_narrowing`
    pub may_narrow: bool,
}

/// The settings' values for `create` after all templates.
#[derive(Debug, Default, PartialEq)]
pub struct Applied {
    pub params: Vec<CommandParam>,
    /// `KEY=VALUE` settings for this run, to lie under those given with `-S`.
    pub settings: Vec<String>,
}

/// Lays templates over the settings' values, in order.
///
/// # Errors
/// A template drops entries of a list without saying so, two templates declare different types, or a key is
/// neither an option nor a field of the type.
pub fn apply(
    params: Vec<CommandParam>,
    templates: &[CreateTemplate],
    rules: &TemplateRules<'_>,
) -> Result<Applied> {
    let mut applied = Applied { params, settings: Vec::new() };
    let mut fields: Vec<(&str, &TemplateValue)> = Vec::new();
    let mut declared: Option<(String, &str)> = None;
    for template in templates {
        for value in template.values.iter().filter(|value| !value.value.is_null()) {
            match value.name.as_str() {
                "template" => {
                    return Err(Error::input(
                        format!("the create template `{}` names a template itself", template.name),
                        "give all of them on the command line: `-t ONE -t OTHER`",
                    ));
                }
                "type" => declare_type(&mut declared, template, value, rules)?,
                _ => {}
            }
            if value.name == "setting" {
                applied.settings.extend(texts(&value.value));
            } else if let Some(is_list) = (rules.is_list)(&value.name) {
                set(&mut applied.params, template, value, is_list, rules.may_narrow)?;
            } else {
                fields.push((&template.name, value));
            }
        }
    }
    if !fields.is_empty() {
        let type_param = applied.params.iter().find(|param| param.name == "type");
        let name = rules.typed_type.or_else(|| type_param.and_then(|param| param.value.as_str()));
        let settings = type_fields(&fields, name.map(rules.canonical).as_deref(), rules)?;
        applied.settings.extend(settings);
    }
    Ok(applied)
}

/// Two templates of different types contradict each other, unless the person decides.
fn declare_type<'t>(
    declared: &mut Option<(String, &'t str)>,
    template: &'t CreateTemplate,
    value: &TemplateValue,
    rules: &TemplateRules<'_>,
) -> Result<()> {
    let name = (rules.canonical)(value.value.as_str().unwrap_or_default());
    match declared {
        Some((other, by)) if *other != name && rules.typed_type.is_none() => Err(Error::input(
            format!(
                "the create templates `{by}` and `{}` are for different types: `{other}` and `{name}`",
                template.name
            ),
            "leave one out, or decide with `--type TYPE`",
        )),
        _ => {
            *declared = Some((name, &template.name));
            Ok(())
        }
    }
}

/// The texts of a list value; a string stands for a list of one, and the empty string for none.
fn items(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        Value::String(text) if text.is_empty() => Vec::new(),
        other => vec![other.clone()],
    }
}

fn texts(value: &Value) -> Vec<String> {
    items(value).iter().map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn set(
    params: &mut Vec<CommandParam>,
    template: &CreateTemplate,
    value: &TemplateValue,
    is_list: bool,
    may_narrow: bool,
) -> Result<()> {
    let index = params.iter().position(|param| param.name == value.name);
    let new = match index {
        Some(index) if is_list => {
            let before = items(&params[index].value);
            Value::Array(combine(before, value, template, may_narrow)?)
        }
        _ => value.value.clone(),
    };
    let param = CommandParam { name: value.name.clone(), value: new, origin: value.origin.clone() };
    match index {
        Some(index) => params[index] = param,
        None => params.push(param),
    }
    Ok(())
}

/// A template's list over the one so far.
fn combine(
    mut before: Vec<Value>,
    value: &TemplateValue,
    template: &CreateTemplate,
    may_narrow: bool,
) -> Result<Vec<Value>> {
    let new = items(&value.value);
    match value.op {
        MergeOp::Extend => {
            before.extend(new);
            return Ok(before);
        }
        MergeOp::Force => return Ok(new),
        MergeOp::Assign => {}
    }
    // The empty string is the one spelling that says: clear it.
    let is_cleared = value.value.as_str() == Some("");
    let lost: Vec<String> =
        before.iter().filter(|item| !new.contains(item)).map(|item| format!("`{}`", text(item))).collect();
    if lost.is_empty() || may_narrow || is_cleared {
        return Ok(new);
    }
    let name = &value.name;
    Err(Error::hinted(
        ErrorClass::ConfigStructure,
        format!("`{name}` of the create template `{}` would drop {}", template.name, lost.join(", ")),
        format!("write `{name}__extend` to add to the list, or `{name}__assign` to replace it"),
    ))
}

/// Fields of the agent type, as settings for this run. What several templates add to one list comes
/// together.
fn type_fields(
    fields: &[(&str, &TemplateValue)],
    name: Option<&str>,
    rules: &TemplateRules<'_>,
) -> Result<Vec<String>> {
    let Some(name) = name else {
        let (template, value) = fields[0];
        return Err(unknown_key(template, value, None, rules));
    };
    let mut merged: BTreeMap<&str, (MergeOp, Value)> = BTreeMap::new();
    for (template, value) in fields {
        if !(rules.has_field)(name, &value.name) {
            return Err(unknown_key(template, value, Some(name), rules));
        }
        let entry = match (merged.remove(value.name.as_str()), value.op) {
            (Some((op, Value::Array(mut before))), MergeOp::Extend) => {
                before.extend(items(&value.value));
                (op, Value::Array(before))
            }
            (Some((op, Value::Object(mut before))), MergeOp::Extend) => {
                before.extend(value.value.as_object().cloned().unwrap_or_default());
                (op, Value::Object(before))
            }
            (_, op) => (op, value.value.clone()),
        };
        merged.insert(&value.name, entry);
    }
    let setting = |(field, (op, value)): (&str, (MergeOp, Value))| {
        format!("agent_types.{name}.{field}{}={value}", op.suffix())
    };
    Ok(merged.into_iter().map(setting).collect())
}

fn unknown_key(
    template: &str,
    value: &TemplateValue,
    name: Option<&str>,
    rules: &TemplateRules<'_>,
) -> Error {
    let key = &value.name;
    let types = (rules.types_with_field)(key);
    let what = match name {
        Some(name) => format!("neither an option of `create` nor a field of type `{name}`"),
        None => "no option of `create`".to_owned(),
    };
    let hint = if types.is_empty() {
        "`mng create --help` lists the options; a template has their names with `_` for `-`".to_owned()
    } else {
        format!("types that have it: {}", types.join(", "))
    };
    Error::hinted(
        ErrorClass::ConfigStructure,
        format!("`{key}` in the create template `{template}` is {what}"),
        hint,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::{Layer, Origin};

    fn origin() -> Origin {
        Origin { layer: Layer::Project, place: "x".into(), file: None, line: None }
    }

    fn param(name: &str, value: Value) -> CommandParam {
        CommandParam { name: name.into(), value, origin: origin() }
    }

    fn template(name: &str, values: &[(&str, Value)]) -> CreateTemplate {
        let value = |(key, value): &(&str, Value)| {
            let (name, op) = MergeOp::split(key);
            TemplateValue { name: name.into(), op, value: value.clone(), origin: origin() }
        };
        CreateTemplate { name: name.into(), values: values.iter().map(value).collect() }
    }

    fn applied(
        params: &[(&str, Value)],
        templates: &[CreateTemplate],
        typed_type: Option<&str>,
    ) -> Result<(BTreeMap<String, Value>, Vec<String>)> {
        let rules = TemplateRules {
            is_list: &|name| match name {
                "env" | "label" => Some(true),
                "type" | "provider" | "message" => Some(false),
                _ => None,
            },
            canonical: &|name| if name == "agy" { "antigravity".into() } else { name.into() },
            has_field: &|kind, field| kind == "claude" && field.starts_with("output"),
            types_with_field: &|field| {
                if field.starts_with("output") { vec!["claude".into()] } else { Vec::new() }
            },
            typed_type,
            may_narrow: false,
        };
        let params = params.iter().map(|(name, value)| param(name, value.clone())).collect();
        let result = apply(params, templates, &rules)?;
        let params = result.params.into_iter().map(|param| (param.name, param.value)).collect();
        Ok((params, result.settings))
    }

    fn told(result: Result<(BTreeMap<String, Value>, Vec<String>)>) -> String {
        let error = result.unwrap_err();
        format!("{error}\nhint: {}", error.hint().unwrap())
    }

    #[test]
    fn later_templates_win_and_lists_grow() {
        let one = template("one", &[("message", json!("1")), ("env__extend", json!(["A=1"]))]);
        let two = template(
            "two",
            &[("message", json!("2")), ("env__extend", json!("B=2")), ("label", json!(null))],
        );
        let (params, _) = applied(&[("env", json!(["C=3"]))], &[one, two], None).unwrap();
        assert_eq!(params["message"], "2");
        assert_eq!(params["env"], json!(["C=3", "A=1", "B=2"]));
        assert!(!params.contains_key("label"));
    }

    #[test]
    fn a_plain_list_may_not_drop_what_is_there() {
        let assign = |value| [template("box", &[("env", value)])];
        let had = [("env", json!(["A=1", "B=2"]))];
        insta::assert_snapshot!(told(applied(&had, &assign(json!(["B=2"])), None)), @r"
        `env` of the create template `box` would drop `A=1`
        hint: write `env__extend` to add to the list, or `env__assign` to replace it
        ");
        assert_eq!(applied(&had, &assign(json!("")), None).unwrap().0["env"], json!([]));
        let forced = [template("box", &[("env__assign", json!(["X=1"]))])];
        assert_eq!(applied(&had, &forced, None).unwrap().0["env"], json!(["X=1"]));
    }

    #[test]
    fn templates_of_two_types_need_a_decision() {
        let both = [template("a", &[("type", json!("agy"))]), template("b", &[("type", json!("claude"))])];
        insta::assert_snapshot!(told(applied(&[], &both, None)), @r"
        the create templates `a` and `b` are for different types: `antigravity` and `claude`
        hint: leave one out, or decide with `--type TYPE`
        ");
        applied(&[], &both, Some("claude")).unwrap();
        let same =
            [template("a", &[("type", json!("agy"))]), template("b", &[("type", json!("antigravity"))])];
        applied(&[], &same, None).unwrap();
    }

    #[test]
    fn other_keys_are_fields_of_the_type_that_is_used() {
        let styled = [
            template("a", &[("output_prompt__extend", json!(["x"]))]),
            template("b", &[("output_prompt__extend", json!(["y"])), ("output_style", json!("a=b"))]),
        ];
        let (_, settings) = applied(&[("type", json!("codex"))], &styled, Some("claude")).unwrap();
        assert_eq!(
            settings,
            [
                r#"agent_types.claude.output_prompt__extend=["x","y"]"#,
                r#"agent_types.claude.output_style="a=b""#
            ]
        );
        insta::assert_snapshot!(told(applied(&[("type", json!("codex"))], &styled, None)), @r"
        `output_prompt` in the create template `a` is neither an option of `create` nor a field of type `codex`
        hint: types that have it: claude
        ");
        insta::assert_snapshot!(told(applied(&[], &[template("a", &[("nonsense", json!(1))])], None)), @r"
        `nonsense` in the create template `a` is no option of `create`
        hint: `mng create --help` lists the options; a template has their names with `_` for `-`
        ");
    }

    #[test]
    fn settings_are_handed_on_and_templates_do_not_nest() {
        let with = template("a", &[("setting", json!(["prefix=x-"]))]);
        assert_eq!(applied(&[], &[with], None).unwrap().1, ["prefix=x-"]);
        assert!(applied(&[], &[template("a", &[("template", json!(["b"]))])], None).is_err());
    }
}
