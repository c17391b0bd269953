//! Editing settings files: comments stay, edits are checked before they are saved, and two edits at once
//! both count.
//!
//! Every edit parses only its own file. So a settings tree that no command accepts can still be repaired.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use toml_edit::DocumentMut;

use super::document;
use super::known::KnownNames;
use super::lift::Lifter;
use super::load::{LoadRequest, Sources, layer_of};
use super::locate::{ConfigScope, Locations};
use super::parse;
use super::patch;
use super::problem::{Problem, ProblemKind, SettingsError, dotted, split_path};
use super::profile::{Profile, ensure_profile, find_profile};
use super::shape::Shape;
use super::surfaces::{Step, Target, invalid_key, patch_intent};
use super::tree::{MergeOp, Origin, RawTable};
use crate::model::error::{Error, ErrorClass, Explain, Result};
use crate::model::suggest::did_you_mean;
use crate::storage::{FileLock, create_private_dir, write_atomic};

/// How long one edit waits for another of the same file.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// What a new settings file starts as, for `mng config edit`.
const TEMPLATE: &str = "\
# Settings of mng. `mng config schema` lists every key with its meaning;
# `mng config list --all --show-origin` shows what counts here and why.
#
# connect_command = \"my-terminal\"
#
# [commands.create]
# type = \"claude\"
# connect = false
#
# [create_templates.box]
# provider = \"docker\"
# env__extend = [\"CI=1\"]
";

/// Reads and changes settings files for `mng config`.
#[derive(Clone, Copy, Debug)]
pub struct Editor<'a> {
    pub(super) request: LoadRequest<'a>,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteForm {
    /// As the key says: plain, or by its `__extend` or `__assign` suffix.
    Set,
    /// `KEY__extend`: adds to what is below; adds to what the file extends already.
    Extend,
    /// `KEY__assign`: replaces what is below, whatever that loses.
    Assign,
}

/// An edit that was saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// The key as it stands in the file.
    pub key: String,
    /// What was written; for `unset` what was removed.
    pub value: Value,
    pub scope: ConfigScope,
    pub path: PathBuf,
    /// What is wrong with the settings as a whole since the edit.
    pub warnings: Vec<String>,
}

/// An edit that was not saved, because the file would be invalid.
#[derive(Debug)]
pub struct EditRefused {
    pub error: SettingsError,
}

impl fmt::Display for EditRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error.problems.as_slice() {
            [problem] => f.write_str(&problem.message),
            _ => self.error.fmt(f),
        }
    }
}

impl std::error::Error for EditRefused {}

impl Explain for EditRefused {
    fn class(&self) -> ErrorClass {
        self.error.class()
    }

    fn hint(&self) -> Option<String> {
        let force = "`--force` saves it all the same";
        let hint = match self.error.problems.as_slice() {
            [problem] => problem.hint.clone(),
            _ => None,
        };
        Some(hint.map_or_else(|| force.to_owned(), |hint| format!("{hint}; {force}")))
    }
}

impl<'a> Editor<'a> {
    #[must_use]
    pub fn new(request: LoadRequest<'a>) -> Self {
        Self { request }
    }

    pub(super) fn locations(&self) -> &'a Locations {
        self.request.locations
    }

    pub(super) fn known(&self) -> &'a KnownNames {
        self.request.known
    }

    pub(super) fn profile(&self) -> Result<Option<Profile>> {
        find_profile(self.locations(), self.request.env)
    }

    /// The file of a scope; it need not exist. `None` for the user scope while there is no profile.
    ///
    /// # Errors
    /// There is no project here.
    pub fn path(&self, scope: ConfigScope) -> Result<Option<PathBuf>> {
        if scope != ConfigScope::User && self.locations().project_config_dir.is_none() {
            return Err(Error::hinted(
                ErrorClass::ConfigNotFound,
                format!("there is no project here, so there are no {scope} settings"),
                "change into a git repository, or use `--scope user`",
            ));
        }
        Ok(self.locations().settings_file(scope, self.profile()?.as_ref()))
    }

    /// Writes a value; a text is read as the key wants it, and `null` unsets the key.
    ///
    /// # Errors
    /// The key is no path or leads through something else than a table; the file cannot be read, parsed or
    /// written; or it would be invalid, [`EditRefused`], unless `force`.
    pub fn write(
        &self,
        scope: ConfigScope,
        key: &str,
        text: &str,
        write: WriteForm,
        force: bool,
    ) -> Result<Edited> {
        if super::tree::parse_text(text).is_null() {
            return self.unset(scope, key);
        }
        let change = |document: &mut DocumentMut, target: &Target<'_>, origin: &Origin| {
            let mut steps = steps(target, key, origin)?;
            match (write, steps.last_mut()) {
                (WriteForm::Extend, Some(last)) => last.op = MergeOp::Extend,
                (WriteForm::Assign, Some(last)) => last.op = MergeOp::Force,
                _ => {}
            }
            let value = typed_value(text, &steps, origin);
            put(document, scope, &mut steps, &value, write == WriteForm::Set)?;
            Ok((literal(&steps), value))
        };
        self.edit(scope, force, change)
    }

    /// Removes every form of a key.
    ///
    /// # Errors
    /// The file does not have the key; or it cannot be read, parsed or written.
    pub fn unset(&self, scope: ConfigScope, key: &str) -> Result<Edited> {
        let missing = || {
            Error::hinted(
                ErrorClass::ConfigKeyNotFound,
                format!("`{key}` is not set in the {scope} settings"),
                format!("`mng config list --scope {scope}` shows what is"),
            )
        };
        if self.path(scope)?.is_none_or(|path| !path.exists()) {
            return Err(missing());
        }
        // Removing is always allowed: it is how a broken file is repaired.
        self.edit(scope, true, |document, target, origin| {
            let mut steps = steps(target, key, origin)?;
            let (path, _, value) = document::find(document.as_table(), &steps).ok_or_else(missing)?;
            document::remove(document, &steps);
            forget_intent(document, &mut steps);
            Ok((dotted(&path), value))
        })
    }

    /// The file to open in an editor, made from a commented template if there is none.
    ///
    /// # Errors
    /// There is no project here, or the file cannot be made.
    pub fn file_to_edit(&self, scope: ConfigScope) -> Result<PathBuf> {
        let path = self.path_for_writing(scope)?;
        if !path.exists() {
            crate::storage::create_new(&path, TEMPLATE.as_bytes(), 0o600)?;
        }
        Ok(path)
    }

    /// What is wrong with one file, for after the editor has closed.
    ///
    /// # Errors
    /// The file cannot be read or is no TOML.
    pub fn check_file(&self, scope: ConfigScope) -> Result<Vec<Problem>> {
        let Some(path) = self.path(scope)? else { return Ok(Vec::new()) };
        let raw = parse::read_layer(self.locations(), &path, layer_of(scope))??.unwrap_or_default();
        Ok(self.problems_of(scope, &raw, &self.other_layers(scope)?))
    }

    fn path_for_writing(&self, scope: ConfigScope) -> Result<PathBuf> {
        match self.path(scope)? {
            Some(path) => Ok(path),
            None => Ok(ensure_profile(self.locations(), self.request.env)?.settings_file()),
        }
    }

    /// The layers beside the edited one; those that are no TOML do not count.
    fn other_layers(&self, scope: ConfigScope) -> Result<Sources> {
        let (mut sources, _) = Sources::read_files(&self.request, self.profile()?.as_ref())?;
        sources.layers.retain(|(layer, _)| *layer != layer_of(scope));
        Ok(sources)
    }

    fn edit(
        &self,
        scope: ConfigScope,
        force: bool,
        change: impl Fn(&mut DocumentMut, &Target<'_>, &Origin) -> Result<(String, Value)>,
    ) -> Result<Edited> {
        let others = self.other_layers(scope)?;
        let attempt = |path: &Path, text: &str| -> Result<(String, String, Value)> {
            let before = parse::parse_layer(self.locations(), path, text, layer_of(scope))?;
            let mut all = others.raw();
            all.push(&before);
            let root = self.known().whole_shape(&all);
            let target = Target { root: &root, below: all };
            let origin = Origin::of(layer_of(scope), &self.locations().contract_home(path));
            let mut document = text
                .parse::<DocumentMut>()
                .map_err(|error| parse::TomlProblem::new(self.locations(), path, text, &error))?;
            let (key, value) = change(&mut document, &target, &origin)?;
            let text = match document.to_string() {
                // What stood above a removed first table was its distance to the next one.
                changed if !text.starts_with('\n') => changed.trim_start_matches('\n').to_owned(),
                changed => changed,
            };
            if !force {
                let after = parse::parse_layer(self.locations(), path, &text, layer_of(scope))?;
                let known = self.problems_of(scope, &before, &others);
                let mut new = self.problems_of(scope, &after, &others);
                new.retain(|problem| known.iter().all(|old| !is_same(old, problem)));
                if !new.is_empty() {
                    return Err(EditRefused { error: SettingsError { problems: new } }.into());
                }
            }
            Ok((text, key, value))
        };
        if self.path(scope)?.is_none_or(|path| !path.exists()) {
            // Nothing is made for an edit that fails anyway.
            attempt(Path::new("settings.toml"), "")?;
        }
        let path = self.path_for_writing(scope)?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        create_private_dir(dir)?;
        let _lock = FileLock::acquire_dir(dir, Some(LOCK_WAIT))?;
        let text = parse::read_text(self.locations(), &path)??.unwrap_or_default();
        let (text, key, value) = attempt(&path, &text)?;
        write_atomic(&path, text.as_bytes(), 0o600)?;
        let warnings = self.warnings_after(&key)?;
        Ok(Edited { key, value, scope, path, warnings })
    }

    /// What the settings as a whole say about the edited key.
    fn warnings_after(&self, key: &str) -> Result<Vec<String>> {
        let (sources, broken) = Sources::read_files(&self.request, self.profile()?.as_ref())?;
        let assembled = sources.assemble(self.locations(), self.known());
        let about_key = |problem: &&Problem| {
            let first = key.split('.').next().unwrap_or_default();
            let same_root = problem.key.split('.').next() == Some(MergeOp::split(first).0);
            same_root && matches!(problem.kind, ProblemKind::Narrowing | ProblemKind::Structure)
        };
        let mut warnings: Vec<String> = broken.iter().map(ToString::to_string).collect();
        warnings.extend(assembled.problems.iter().filter(about_key).map(|problem| match &problem.hint {
            Some(hint) => format!("{problem}: {hint}"),
            None => problem.to_string(),
        }));
        Ok(warnings)
    }

    /// What is wrong with one layer by itself, command parameters included.
    fn problems_of(&self, scope: ConfigScope, raw: &RawTable, others: &Sources) -> Vec<Problem> {
        let mut all = others.raw();
        all.push(raw);
        let root = self.known().root_shape(&all);
        let mut lifter = Lifter::new(others.is_lenient);
        let table = lifter.layer(raw, &root);
        let mut problems = lifter.problems;
        let commands = table.get("commands").filter(|_| !others.is_lenient);
        let commands = commands.and_then(|node| node.data.table());
        for (command, entry) in commands.into_iter().flat_map(|table| &table.entries) {
            let Some(known) = self.known().parameters.get(command) else { continue };
            for (name, entry) in entry.node.data.table().into_iter().flat_map(|table| &table.entries) {
                if let Some(problem) = unknown_parameter(command, name, &entry.node.origin, known) {
                    problems.push(problem);
                }
            }
        }
        debug_assert!(problems.iter().all(|problem| problem.origin.layer == layer_of(scope)));
        problems
    }
}

/// A parameter that the command does not have.
fn unknown_parameter(command: &str, name: &str, origin: &Origin, known: &[String]) -> Option<Problem> {
    let is_known = name == "default_subcommand"
        || known.iter().any(|other| other == name)
        || super::parameters::is_translated(command, name);
    if is_known {
        return None;
    }
    let command_line = command.replace('_', " ");
    Some(Problem {
        kind: ProblemKind::UnknownKey,
        key: dotted(&["commands", command, name]),
        message: format!("`mng {command_line}` has no option for `commands.{command}.{name}`"),
        origin: origin.clone(),
        hint: Some(
            did_you_mean(name, known)
                .unwrap_or_else(|| format!("`mng {command_line} --help` lists its options")),
        ),
    })
}

/// Whether two problems are one that was there before; lines move.
fn is_same(old: &Problem, new: &Problem) -> bool {
    (&old.key, old.kind, &old.message) == (&new.key, new.kind, &new.message)
}

fn steps<'t>(target: &Target<'t>, key: &str, origin: &Origin) -> Result<Vec<Step<'t>>> {
    let segments = split_path(key).ok_or_else(|| invalid_key(key))?;
    target.walk(&segments).map_err(|fault| {
        let problem = fault.at(key.to_owned(), origin.clone());
        Error::plain(ErrorClass::ConfigStructure, problem.message)
    })
}

/// The text as the key wants it: a scalar in its declared spelling, else as JSON.
fn typed_value(text: &str, steps: &[Step<'_>], origin: &Origin) -> Value {
    let Some(last) = steps.last() else { return Value::Null };
    let value = super::lift::read_text(text, last.shape, origin).to_json();
    match (value, last.shape, last.op) {
        (Value::String(text), Shape::List(_) | Shape::Parameter, MergeOp::Extend) => {
            Value::Array(vec![text.into()])
        }
        (value, shape, _) => declared(value, shape),
    }
}

/// Words and enums in their declared spelling, wherever they stand.
fn declared(value: Value, shape: &Shape) -> Value {
    match (value, shape) {
        (Value::Array(items), Shape::List(list)) => {
            Value::Array(items.into_iter().map(|item| declared(item, &list.item)).collect())
        }
        (Value::Object(map), Shape::Map(inner)) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, declared(value, inner))).collect())
        }
        (Value::Object(map), Shape::Section(section)) => {
            let field = |(key, value): (String, Value)| {
                let shape = section.shape(&section.canonical(MergeOp::split(&key).0)).unwrap_or(&Shape::Any);
                (key, declared(value, shape))
            };
            Value::Object(map.into_iter().map(field).collect())
        }
        (value, shape) => super::lift::coerce(&value, shape).unwrap_or(value),
    }
}

/// Writes the value, and its operator where that belongs: in the key, or in a patch's merge map.
fn put(
    document: &mut DocumentMut,
    scope: ConfigScope,
    steps: &mut [Step<'_>],
    value: &Value,
    is_set: bool,
) -> Result<()> {
    let written: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
    let not_a_table = |fault: document::NotATable| {
        Error::hinted(
            ErrorClass::ConfigStructure,
            format!("`{}` is no table", dotted(&written[..fault.depth])),
            format!(
                "remove it first: `mng config unset --scope {scope} {}`",
                dotted(&written[..fault.depth])
            ),
        )
    };
    let intent = patch_intent(steps);
    if intent.is_none() && is_set {
        forget_intent(document, steps);
    }
    document::write(document, steps, value).map_err(&not_a_table)?;
    if let Some((root, intent)) = intent {
        let map = intent_steps(steps, root);
        document::write(document, &map, &intent.into()).map_err(not_a_table)?;
    }
    Ok(())
}

/// The place of a patch's intent for these steps.
fn intent_steps<'t>(steps: &[Step<'t>], root: usize) -> Vec<Step<'t>> {
    let inside: Vec<&str> = steps[root + 1..].iter().map(|step| step.name.as_str()).collect();
    let names = [patch::MERGE_MAP.to_owned(), dotted(&inside)];
    let step = |step: &Step<'t>, name: String| Step {
        name,
        op: MergeOp::Assign,
        parent: step.parent,
        shape: step.shape,
    };
    let mut map: Vec<Step<'t>> = steps[..=root].iter().map(|one| step(one, one.name.clone())).collect();
    map.extend(names.map(|name| step(&steps[root], name)));
    map
}

fn forget_intent(document: &mut DocumentMut, steps: &mut [Step<'_>]) {
    let root = steps.iter().position(|step| *step.shape == Shape::Patch);
    if let Some(root) = root.filter(|root| root + 1 < steps.len()) {
        document::remove(document, &intent_steps(steps, root));
    }
}

fn literal(steps: &[Step<'_>]) -> String {
    let names: Vec<String> = steps.iter().map(|step| format!("{}{}", step.name, step.op.suffix())).collect();
    dotted(&names)
}
