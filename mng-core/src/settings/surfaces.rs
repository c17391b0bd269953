//! Settings written as text: environment variables and `KEY=VALUE` arguments.

use super::environment::EnvSnapshot;
use super::lift::fold;
use super::parameters;
use super::patch;
use super::problem::{Problem, ProblemKind, dotted, split_path};
use super::shape::{Section, Shape};
use super::tree::{Layer, MergeOp, Origin, Raw, RawTable, RawValue, parse_text};
use crate::model::error::{Error, ErrorClass, Result};

/// A key that no value can stand at.
#[derive(Debug)]
pub(crate) struct PathFault {
    pub(crate) message: String,
}

impl PathFault {
    pub(crate) fn at(self, key: String, origin: Origin) -> Problem {
        Problem { kind: ProblemKind::UnknownKey, key, message: self.message, origin, hint: None }
    }
}

/// Where text settings go: the shape of the tree, and the entries that lower layers have already named.
pub(crate) struct Target<'a> {
    pub(crate) root: &'a Section,
    pub(crate) below: Vec<&'a RawTable>,
}

/// Takes the operator of the last key if that is inside a patch: where the patch starts, and the word for
/// its merge map.
pub(crate) fn patch_intent(steps: &mut [Step<'_>]) -> Option<(usize, &'static str)> {
    let root = steps.iter().position(|step| *step.shape == Shape::Patch)?;
    let last = steps.get_mut(root + 1..)?.last_mut()?;
    let intent = match std::mem::replace(&mut last.op, MergeOp::Assign) {
        MergeOp::Assign => return None,
        MergeOp::Extend => "extend",
        MergeOp::Force => "assign",
    };
    Some((root, intent))
}

/// What a table is whose keys a path goes through.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    Section(&'a Section),
    Shape(&'a Shape),
}

impl At<'_> {
    /// A key as it is declared, as far as that needs no look at other keys.
    pub(crate) fn canonical(self, name: &str) -> String {
        match self {
            At::Section(section) | At::Shape(Shape::Section(section)) => section.canonical(name),
            At::Shape(Shape::Registry(registry)) => {
                match registry.aliases.iter().find(|(alias, _)| alias == name) {
                    Some((_, entry)) => entry.clone(),
                    None if registry.are_commands => parameters::canonical_command(name),
                    None => name.to_owned(),
                }
            }
            At::Shape(Shape::Template) => parameters::canonical("create", name),
            At::Shape(_) => name.to_owned(),
        }
    }
}

/// One step of a path.
pub(crate) struct Step<'a> {
    pub(crate) name: String,
    /// The suffix that the person wrote.
    pub(crate) op: MergeOp,
    /// The table that holds the key.
    pub(crate) parent: At<'a>,
    /// What the key holds.
    pub(crate) shape: &'a Shape,
}

impl<'a> Target<'a> {
    /// The keys that a path of segments means. Fields take their declared spelling; an entry that exists or
    /// is registered is found whatever its case and joiners, so that a variable never makes a second one.
    pub(crate) fn resolve(&self, segments: &[String]) -> Result<Vec<String>, PathFault> {
        let steps = self.walk(segments)?;
        Ok(steps.iter().map(|step| format!("{}{}", step.name, step.op.suffix())).collect())
    }

    /// Puts a text at a path; the last writer of a key wins.
    fn put(
        &self,
        table: &mut RawTable,
        segments: &[String],
        text: &str,
        origin: &Origin,
    ) -> Result<(), PathFault> {
        let mut steps = self.walk(segments)?;
        // In a patch the operator of the last key goes into the merge map.
        if let Some((root, intent)) = patch_intent(&mut steps) {
            let mut path: Vec<String> = steps[..=root].iter().map(|step| step.name.clone()).collect();
            let inside: Vec<&str> = steps[root + 1..].iter().map(|step| step.name.as_str()).collect();
            path.extend([patch::MERGE_MAP.to_owned(), dotted(&inside)]);
            insert(table, &path, intent, origin);
        }
        let path: Vec<String> =
            steps.iter().map(|step| format!("{}{}", step.name, step.op.suffix())).collect();
        insert(table, &path, text, origin);
        Ok(())
    }

    /// As [`Target::resolve`], with what stands at each step.
    pub(crate) fn walk(&self, segments: &[String]) -> Result<Vec<Step<'a>>, PathFault> {
        let mut parent = At::Section(self.root);
        let mut below = self.below.clone();
        let mut steps: Vec<Step<'a>> = Vec::with_capacity(segments.len());
        for segment in segments {
            let (name, op) = MergeOp::split(segment);
            let name = parent.canonical(name);
            let (name, shape) = match parent {
                At::Section(section) | At::Shape(Shape::Section(section)) => {
                    let shape = section.shape(&name).unwrap_or(&Shape::Any);
                    (name, shape)
                }
                At::Shape(Shape::Registry(registry)) => {
                    let known = existing(&below).into_iter();
                    let name = matching(&name, known.chain(registry.entries.keys().map(String::as_str)));
                    let shape = registry.shape(&name);
                    (name, shape)
                }
                At::Shape(Shape::Template) => (name, &Shape::Parameter),
                At::Shape(shape @ (Shape::Any | Shape::Parameter | Shape::Patch)) => {
                    (matching(&name, existing(&below).into_iter()), shape)
                }
                At::Shape(Shape::Map(value)) => (matching(&name, existing(&below).into_iter()), &**value),
                At::Shape(shape) => {
                    let path: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
                    let what = if matches!(shape, Shape::List(_)) { "a list" } else { "a single value" };
                    let message = format!("`{}` is {what} and has no key `{name}`", dotted(&path));
                    return Err(PathFault { message });
                }
            };
            below = below.iter().flat_map(|table| children(table, &name)).collect();
            steps.push(Step { name, op, parent, shape });
            parent = At::Shape(shape);
        }
        Ok(steps)
    }
}

fn existing<'a>(below: &[&'a RawTable]) -> Vec<&'a str> {
    below.iter().flat_map(|table| table.keys()).map(|key| MergeOp::split(key).0).collect()
}

fn children<'a>(table: &'a RawTable, name: &str) -> impl Iterator<Item = &'a RawTable> {
    let forms = [MergeOp::Assign, MergeOp::Force, MergeOp::Extend];
    forms.map(|op| table.get(&format!("{name}{}", op.suffix())).and_then(Raw::table)).into_iter().flatten()
}

/// The known name that this spelling means, else the spelling itself.
fn matching<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let folded = fold(name);
    let mut near = None;
    for other in known {
        if other == name {
            return name.to_owned();
        }
        if near.is_none() && fold(other) == folded {
            near = Some(other);
        }
    }
    near.unwrap_or(name).to_owned()
}

/// Puts a text at a path; the last writer of a key wins. The last key carries its operator as a suffix.
fn insert(table: &mut RawTable, path: &[String], text: &str, origin: &Origin) {
    let Some((key, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        let (name, op) = MergeOp::split(key);
        // `k=1` and `k__assign=2` say the same thing twice; the later one counts.
        match op {
            MergeOp::Assign => table.shift_remove(&format!("{name}{}", MergeOp::Force.suffix())),
            MergeOp::Force => table.shift_remove(name),
            MergeOp::Extend => None,
        };
        let value =
            if parse_text(text).is_null() { RawValue::Unset } else { RawValue::Text(text.to_owned()) };
        table.insert(key.clone(), Raw { value, origin: origin.clone() });
        return;
    }
    let parent = table
        .entry(key.clone())
        .or_insert_with(|| Raw { value: RawValue::Table(RawTable::new()), origin: origin.clone() });
    if let RawValue::Text(text) = &parent.value {
        parent.value = Raw::from_json(parse_text(text), &parent.origin).value;
    }
    if parent.table().is_none() {
        parent.value = RawValue::Table(RawTable::new());
    }
    if let RawValue::Table(inner) = &mut parent.value {
        insert(inner, rest, text, origin);
    }
}

/// The layer of `MNG__A__B` and its older spellings.
pub(crate) fn environment(
    env: &EnvSnapshot,
    target: &Target<'_>,
    commands: &[String],
    problems: &mut Vec<Problem>,
) -> RawTable {
    let mut table = RawTable::new();
    let mut put = |name: &str, segments: Vec<String>, text: &str, problems: &mut Vec<Problem>| {
        let origin = Origin::of(Layer::Environment, name);
        if let Err(fault) = target.put(&mut table, &segments, text, &origin) {
            problems.push(fault.at(dotted(&segments), origin));
        }
    };
    for (name, value) in env.iter() {
        if let Some(rest) = name.strip_prefix("MNG_COMMANDS_")
            && let Some((command, parameter)) = old_parameter(rest, commands)
        {
            // The original took every value as a text, so quotes keep JSON out.
            let text = serde_json::Value::from(value).to_string();
            put(name, vec!["commands".into(), command, parameter], &text, problems);
        }
    }
    for (name, value) in env.iter() {
        if let Some(segments) = name.strip_prefix("MNG__").and_then(segments) {
            put(name, segments, value, problems);
        }
    }
    aliases(env, &mut table, problems);
    table
}

/// `LOGGING__CONSOLE_LEVEL` as a path; `None` for what only looks like a setting.
fn segments(rest: &str) -> Option<Vec<String>> {
    let is_ours = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if !rest.bytes().all(is_ours) {
        return None;
    }
    let mut segments: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
    if segments.iter().any(String::is_empty) {
        return None;
    }
    if let [.., key, op @ ("extend" | "assign")] = segments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        let key = format!("{key}__{op}");
        segments.truncate(segments.len() - 2);
        segments.push(key);
    }
    Some(segments)
}

/// Splits `CREATE_PASS_ENV`: the longest known command counts, else the first word.
fn old_parameter(rest: &str, commands: &[String]) -> Option<(String, String)> {
    let rest = rest.to_ascii_lowercase();
    let known = commands
        .iter()
        .filter(|command| {
            rest.strip_prefix(command.as_str()).is_some_and(|tail| tail.len() > 1 && tail.starts_with('_'))
        })
        .max_by_key(|command| command.len());
    let split = known.map_or_else(|| rest.find('_'), |command| Some(command.len()))?;
    let (command, parameter) = (&rest[..split], &rest[split + 1..]);
    (!command.is_empty() && !parameter.is_empty()).then(|| (command.to_owned(), parameter.to_owned()))
}

/// Variables with names of their own. An empty one counts as not set.
fn aliases(env: &EnvSnapshot, table: &mut RawTable, problems: &mut Vec<Problem>) {
    for (alias, key) in
        [("MNG_PREFIX", "prefix"), ("MNG_HOST_DIR", "default_host_dir"), ("MNG_HEADLESS", "headless")]
    {
        let Some(text) = env.get_non_empty(alias) else { continue };
        let text = if key == "headless" {
            let is_on = matches!(text.to_ascii_lowercase().as_str(), "1" | "true" | "yes");
            is_on.to_string()
        } else {
            serde_json::Value::from(text).to_string()
        };
        let canonical = format!("MNG__{}", key.to_ascii_uppercase());
        if let Some(written) = env.get(&canonical)
            && parse_text(written) != parse_text(&text)
        {
            problems.push(Problem {
                kind: ProblemKind::Conflict,
                key: key.to_owned(),
                message: format!("`{alias}` and `{canonical}` set `{key}` to different values"),
                origin: Origin::of(Layer::Environment, alias),
                hint: Some(format!("unset one of `{alias}` and `{canonical}`")),
            });
        }
        insert(table, &[key.to_owned()], &text, &Origin::of(Layer::Environment, alias));
    }
}

/// The layer of `KEY=VALUE` texts.
///
/// # Errors
/// A text without `=`, or with a key that is no dotted path.
pub(crate) fn key_values(
    texts: &[String],
    layer: Layer,
    target: &Target<'_>,
    problems: &mut Vec<Problem>,
) -> Result<RawTable> {
    let mut table = RawTable::new();
    for text in texts {
        let (key, value) = split_key_value(text)?;
        let origin = Origin::of(layer, text);
        let segments = split_path(key).ok_or_else(|| invalid_key(key))?;
        if let Err(fault) = target.put(&mut table, &segments, value, &origin) {
            problems.push(fault.at(key.to_owned(), origin));
        }
    }
    Ok(table)
}

/// Splits at the first `=` that stands outside quotes.
fn split_key_value(text: &str) -> Result<(&str, &str)> {
    let mut quote = None;
    for (at, ch) in text.char_indices() {
        match (quote, ch) {
            (None, '=') if at > 0 => return Ok((&text[..at], &text[at + 1..])),
            (None, '=') => break,
            (None, '"' | '\'') => quote = Some(ch),
            (Some(open), ch) if open == ch => quote = None,
            _ => {}
        }
    }
    Err(Error::input(
        format!("the setting `{text}` is not KEY=VALUE"),
        "for example `-S logging.console_level=DEBUG`",
    ))
}

pub(crate) fn invalid_key(key: &str) -> Error {
    Error::hinted(
        ErrorClass::InvalidKeyPath,
        format!("`{key}` is no settings key"),
        "a key is a dotted path such as `logging.console_level`; quote a segment that has dots: `a.\".env\"`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_paths() {
        let path = |text| segments(text).map(|segments| segments.join("."));
        assert_eq!(path("LOGGING__CONSOLE_LEVEL").unwrap(), "logging.console_level");
        assert_eq!(path("UNSET_VARS__EXTEND").unwrap(), "unset_vars__extend");
        assert_eq!(path("A__B__ASSIGN").unwrap(), "a.b__assign");
        assert_eq!(path("EXTEND").unwrap(), "extend");
        for ignored in ["", "__X", "X__", "a", "A__b", "A____B"] {
            assert_eq!(path(ignored), None, "{ignored}");
        }
    }

    #[test]
    fn the_longest_command_takes_the_variable() {
        let commands = ["snapshot".to_owned(), "snapshot_create".to_owned()];
        let split = |text| old_parameter(text, &commands).map(|(command, name)| format!("{command} {name}"));
        assert_eq!(split("SNAPSHOT_CREATE_ALL").unwrap(), "snapshot_create all");
        assert_eq!(split("SNAPSHOT_FORMAT").unwrap(), "snapshot format");
        assert_eq!(split("OTHER_FORMAT_X").unwrap(), "other format_x");
        assert_eq!(split("SNAPSHOT_"), None);
        assert_eq!(split("X"), None);
    }

    #[test]
    fn settings_split_at_the_first_equals_sign_outside_quotes() {
        assert_eq!(split_key_value("a.b=c=d").unwrap(), ("a.b", "c=d"));
        assert_eq!(split_key_value(r#"a."x=y"=1"#).unwrap(), (r#"a."x=y""#, "1"));
        assert_eq!(split_key_value("a=").unwrap(), ("a", ""));
        for bad in ["a", "=x", "", "\"a=b"] {
            assert_eq!(split_key_value(bad).unwrap_err().class(), ErrorClass::UserInput, "{bad}");
        }
    }
}
