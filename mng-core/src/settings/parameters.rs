//! `[commands.NAME]`: names of commands and parameters, old and new.

use serde_json::Value;

use super::tree::Origin;

/// Spellings of parameters that older programs used, with the option they mean, for every command.
const EVERY_COMMAND: &[(&str, &str)] = &[
    ("output_format", "format"),
    ("project_context_path", "context"),
    ("json_flag", "json"),
    ("jsonl_flag", "jsonl"),
    ("agent_list", "agent"),
    ("sessions", "session"),
    ("snapshots", "snapshot"),
    ("message_content", "message"),
    ("start_host", "auto_start"),
    ("schema_view", "schema"),
    ("destroy_all", "all"),
    ("stop_all", "all"),
    ("start_all", "all"),
    ("exec_all", "all"),
    ("limit_all", "all"),
    ("archive_all", "all"),
    ("all_agents", "all"),
];

/// Those that mean something only to one command. `list` has an option `--hosts` of its own.
const ONE_COMMAND: &[(&str, &str, &str)] = &[
    ("plugin", "is_active", "active"),
    ("list", "hosts_view", "hosts"),
    ("limit", "hosts", "host"),
    ("snapshot_create", "hosts", "host"),
    ("snapshot_list", "hosts", "host"),
    ("snapshot_destroy", "hosts", "host"),
    ("dependencies", "install_mode", "install"),
    ("create", "source", "from"),
    ("create", "adopt_session", "adopt"),
    ("create", "agent_type", "type"),
    ("create", "agent_command", "agent_cmd"),
    ("create", "add_command", "extra_window"),
    ("create", "agent_env", "env"),
    ("create", "agent_env_file", "env_file"),
    ("create", "pass_agent_env", "pass_env"),
    ("create", "tag", "host_label"),
    ("create", "user_command", "extra_provision_command"),
    ("create", "attach_command", "session_command"),
    ("create", "source_agent", "from_agent"),
    ("create", "copy_source", "copy"),
    ("create", "target_host", "host"),
    ("create", "build", "build_arg"),
    ("create", "start", "start_arg"),
];

/// The aliases of one command's parameters.
pub(crate) fn aliases(command: &str) -> Vec<(String, String)> {
    let own = ONE_COMMAND.iter().filter(|(name, _, _)| *name == command).map(|(_, old, new)| (*old, *new));
    own.chain(EVERY_COMMAND.iter().copied()).map(|(old, new)| (old.to_owned(), new.to_owned())).collect()
}

/// A parameter's name as settings know it: the long option with `_`.
pub(crate) fn canonical(command: &str, name: &str) -> String {
    let name = name.replace('-', "_");
    let own = ONE_COMMAND.iter().find(|(owner, old, _)| *owner == command && *old == name);
    own.map(|(_, _, new)| *new)
        .or_else(|| EVERY_COMMAND.iter().find(|(old, _)| *old == name).map(|(_, new)| *new))
        .map_or(name, str::to_owned)
}

/// Parameters of `create` that [`translate_create`] turns into others.
const TRANSLATED: [&str; 6] =
    ["in_place", "worktree", "clone", "base_branch", "new_branch", "new_branch_prefix"];

/// Whether a parameter is accepted although the command has no such option.
pub(crate) fn is_translated(command: &str, name: &str) -> bool {
    command == "create" && TRANSLATED.contains(&name)
}

/// A command's name as settings know it. `-`, `_`, `.` and spaces join the words of a subcommand alike;
/// all of `config` and of `plugin` share one table.
pub(crate) fn canonical_command(name: &str) -> String {
    let words: Vec<&str> = name.split(['-', '_', '.', ' ']).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [group @ ("config" | "plugin"), ..] => (*group).to_owned(),
        ["mngr"] => "mng".to_owned(),
        _ => words.join("_"),
    }
}

/// One value that the settings give to a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandParam {
    /// The long option with `_` for `-`.
    pub name: String,
    /// As written; a string may stand for a list of one, and an empty string for an empty list.
    pub value: Value,
    /// Who said so, for messages.
    pub origin: Origin,
}

/// Values with a rank that says which of two that mean the same counts.
pub(crate) trait Ranked: Clone {
    fn name(&self) -> &str;
    fn value(&self) -> &Value;
    fn is_above(&self, other: &Self) -> bool;
    fn renamed(&self, name: &str, value: Value) -> Self;
}

impl Ranked for CommandParam {
    fn name(&self) -> &str {
        &self.name
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn is_above(&self, other: &Self) -> bool {
        self.origin.layer > other.origin.layer
    }

    fn renamed(&self, name: &str, value: Value) -> Self {
        Self { name: name.to_owned(), value, origin: self.origin.clone() }
    }
}

/// Translates the parameters of `create` that only the original had and that have no single counterpart.
pub(crate) fn translate_create<P: Ranked>(params: Vec<P>) -> Vec<P> {
    let mut params = params;
    translate_new_host(&mut params);
    translate_transfer(&mut params);
    translate_branch(&mut params);
    params
}

fn take<P: Ranked>(params: &mut Vec<P>, name: &str) -> Option<P> {
    let index = params.iter().position(|param| param.name() == name)?;
    Some(params.remove(index))
}

/// Adds a translated value, unless the new name already has one from the same layer or a higher one.
fn settle<P: Ranked>(params: &mut Vec<P>, translated: P) {
    match params.iter().position(|param| param.name() == translated.name()) {
        Some(index) if translated.is_above(&params[index]) => params[index] = translated,
        Some(_) => {}
        None => params.push(translated),
    }
}

/// `new_host = "docker"` named the provider.
fn translate_new_host<P: Ranked>(params: &mut Vec<P>) {
    let is_text = |param: &P| param.name() == "new_host" && param.value().is_string();
    if let Some(index) = params.iter().position(is_text) {
        let old = params.remove(index);
        if old.value() != "" {
            settle(params, old.renamed("provider", old.value().clone()));
            params.push(old.renamed("new_host", Value::Bool(true)));
        }
    }
}

/// `in_place`, `worktree` and `clone` were switches. `copy` stays one: what it means depends on the source.
fn translate_transfer<P: Ranked>(params: &mut Vec<P>) {
    for (old, mode) in [("in_place", "none"), ("worktree", "git-worktree"), ("clone", "git-mirror")] {
        if let Some(param) = take(params, old)
            && param.value() == &Value::Bool(true)
        {
            settle(params, param.renamed("transfer", mode.into()));
        }
    }
}

/// `base_branch`, `new_branch` and `new_branch_prefix` are one branch spec now.
fn translate_branch<P: Ranked>(params: &mut Vec<P>) {
    let old = ["base_branch", "new_branch", "new_branch_prefix"].map(|name| take(params, name));
    let text = |param: &Option<P>| param.as_ref().and_then(|param| param.value().as_str()).map(str::to_owned);
    let Some(highest) = old.iter().flatten().reduce(|a, b| if b.is_above(a) { b } else { a }) else { return };
    let [base, new, prefix] = &old;
    let has_no_new =
        new.as_ref().is_some_and(|param| matches!(param.value(), Value::Bool(false) | Value::Null));
    let base = text(base).unwrap_or_default();
    let spec = if has_no_new {
        base
    } else {
        match text(new).filter(|new| !new.is_empty()) {
            Some(new) => format!("{base}:{new}"),
            None => format!("{base}:{}*", text(prefix).unwrap_or_else(|| "mng/".into())),
        }
    };
    let translated = highest.renamed("branch", spec.into());
    settle(params, translated);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::tree::Layer;

    fn create(params: &[(&str, Value, Layer)]) -> Vec<(String, Value)> {
        let param = |(name, value, layer): &(&str, Value, Layer)| CommandParam {
            name: canonical("create", name),
            value: value.clone(),
            origin: Origin::of(*layer, "x"),
        };
        let translated = translate_create(params.iter().map(param).collect());
        translated.into_iter().map(|param| (param.name, param.value)).collect()
    }

    fn pair(name: &str, value: Value) -> (String, Value) {
        (name.to_owned(), value)
    }

    #[test]
    fn command_names_have_many_joiners() {
        for name in ["snapshot create", "snapshot-create", "snapshot.create", "snapshot_create"] {
            assert_eq!(canonical_command(name), "snapshot_create");
        }
        assert_eq!(canonical_command("config set"), "config");
        assert_eq!(canonical_command("mngr"), "mng");
    }

    #[test]
    fn old_parameter_names_are_translated() {
        assert_eq!(canonical("create", "agent-type"), "type");
        assert_eq!(canonical("list", "output_format"), "format");
        assert_eq!(canonical("list", "hosts"), "hosts");
        assert_eq!(canonical("limit", "hosts"), "host");
        assert_eq!(canonical("destroy", "source"), "source");
    }

    #[test]
    fn a_backend_as_new_host_names_the_provider() {
        let user = Layer::User;
        assert_eq!(
            create(&[("new_host", json!("docker"), user)]),
            [pair("provider", json!("docker")), pair("new_host", json!(true))]
        );
        assert_eq!(create(&[("new_host", json!(true), user)]), [pair("new_host", json!(true))]);
        assert_eq!(create(&[("new_host", json!(""), user)]), []);
    }

    #[test]
    fn transfer_switches_become_a_mode_and_the_higher_layer_counts() {
        assert_eq!(create(&[("in_place", json!(true), Layer::User)]), [pair("transfer", json!("none"))]);
        assert_eq!(create(&[("worktree", json!(false), Layer::User)]), []);
        let newer = [("transfer", json!("rsync"), Layer::Project), ("clone", json!(true), Layer::User)];
        assert_eq!(create(&newer), [pair("transfer", json!("rsync"))]);
        let older = [("transfer", json!("rsync"), Layer::User), ("clone", json!(true), Layer::Project)];
        assert_eq!(create(&older), [pair("transfer", json!("git-mirror"))]);
        assert_eq!(create(&[("copy_source", json!(true), Layer::User)]), [pair("copy", json!(true))]);
    }

    #[test]
    fn branch_keys_become_a_spec() {
        let spec = |params: &[(&str, Value)]| {
            let params: Vec<_> =
                params.iter().map(|(name, value)| (*name, value.clone(), Layer::User)).collect();
            create(&params).into_iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>()
        };
        assert_eq!(spec(&[("base_branch", json!("main"))]), ["branch \"main:mng/*\""]);
        assert_eq!(spec(&[("new_branch", json!("x"))]), ["branch \":x\""]);
        assert_eq!(spec(&[("new_branch_prefix", json!("feat/"))]), ["branch \":feat/*\""]);
        assert_eq!(spec(&[("base_branch", json!("b")), ("new_branch", json!(false))]), ["branch \"b\""]);
    }
}
