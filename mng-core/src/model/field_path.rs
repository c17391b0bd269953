//! Paths into the JSON of one item: `host.name`, `host.snapshots[0].name`, `activity_sources[:2]`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// A text that is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no field: {reason}")]
pub struct FieldPathError {
    pub text: String,
    pub reason: &'static str,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A key of an object.
    Key(String),
    /// A place in a list, negative from its end.
    Index(i64),
    /// A part of a list, with Python's rules.
    Slice { start: Option<i64>, stop: Option<i64>, step: i64 },
}

/// A path, `KEY(.KEY | [INDEX] | [START:STOP:STEP] | [KEY])*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldPath {
    steps: Vec<Step>,
}

impl FieldPath {
    /// The path of a dotted key without indexes.
    #[must_use]
    pub fn of_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self { steps: keys.into_iter().map(|key| Step::Key(key.to_owned())).collect() }
    }

    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The keys alone, dotted: what the field is called wherever its lists are cut.
    #[must_use]
    pub fn key(&self) -> String {
        let keys: Vec<&str> = self
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Key(key) => Some(key.as_str()),
                Step::Index(_) | Step::Slice { .. } => None,
            })
            .collect();
        keys.join(".")
    }

    /// Exchanges the leading keys, which must be there, for others.
    #[must_use]
    pub(super) fn with_prefix(&self, old_len: usize, new: &str) -> Self {
        let mut steps: Vec<Step> = new.split('.').map(|key| Step::Key(key.to_owned())).collect();
        steps.extend(self.steps.iter().skip(old_len).cloned());
        Self { steps }
    }

    /// What stands there; `None` for a missing key or a place outside the list.
    #[must_use]
    pub fn get<'a>(&self, root: &'a Value) -> Option<Cow<'a, Value>> {
        let mut at = Cow::Borrowed(root);
        for step in &self.steps {
            at = match at {
                Cow::Borrowed(value) => take(value, step)?,
                Cow::Owned(value) => Cow::Owned(take(&value, step)?.into_owned()),
            };
        }
        Some(at)
    }
}

fn take<'a>(value: &'a Value, step: &Step) -> Option<Cow<'a, Value>> {
    match (value, step) {
        (Value::Object(map), Step::Key(key)) => map.get(key).map(Cow::Borrowed),
        (Value::Object(map), Step::Index(index)) => map.get(&index.to_string()).map(Cow::Borrowed),
        (Value::Array(list), Step::Index(index)) => {
            let from_end = if *index < 0 { list.len() as i64 } else { 0 };
            list.get(usize::try_from(index.checked_add(from_end)?).ok()?).map(Cow::Borrowed)
        }
        (Value::Array(list), Step::Slice { start, stop, step }) => {
            Some(Cow::Owned(Value::Array(slice(list, *start, *stop, *step))))
        }
        _ => None,
    }
}

fn slice(list: &[Value], start: Option<i64>, stop: Option<i64>, step: i64) -> Vec<Value> {
    let len = list.len() as i64;
    let (lowest, highest) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let bound = |bound: i64| {
        let bound = if bound < 0 { bound.saturating_add(len) } else { bound };
        bound.clamp(lowest, highest)
    };
    let mut at = start.map_or(if step > 0 { lowest } else { highest }, bound);
    let stop = stop.map_or(if step > 0 { highest } else { lowest }, bound);
    let mut part = Vec::new();
    while (step > 0 && at < stop) || (step < 0 && at > stop) {
        let Some(value) = usize::try_from(at).ok().and_then(|at| list.get(at)) else { break };
        part.push(value.clone());
        at = at.saturating_add(step);
    }
    part
}

impl FromStr for FieldPath {
    type Err = FieldPathError;

    fn from_str(text: &str) -> Result<Self, FieldPathError> {
        let error = |reason: &'static str| FieldPathError { text: text.chars().take(80).collect(), reason };
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
            let (key, tail) = rest.split_at(end);
            if key.trim().is_empty() {
                return Err(error("a name is missing"));
            }
            steps.push(Step::Key(key.trim().to_owned()));
            rest = tail;
            while let Some(inside) = rest.strip_prefix('[') {
                let (index, tail) = inside.split_once(']').ok_or_else(|| error("a `]` is missing"))?;
                steps.push(bracket(index.trim()).map_err(error)?);
                rest = tail;
            }
            match rest.strip_prefix('.') {
                Some(tail) => rest = tail,
                None if rest.is_empty() => return Ok(Self { steps }),
                None => return Err(error("a `.` is missing behind `]`")),
            }
        }
    }
}

fn bracket(text: &str) -> Result<Step, &'static str> {
    const SLICE: &str = "a slice is written `[START:STOP]` or `[START:STOP:STEP]`";
    if text.is_empty() {
        return Err("`[]` needs an index");
    }
    if let Ok(index) = text.parse() {
        return Ok(Step::Index(index));
    }
    for quote in ['\'', '"'] {
        if let Some(key) = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)) {
            return Ok(Step::Key(key.to_owned()));
        }
    }
    if !text.contains(':') {
        return Ok(Step::Key(text.to_owned()));
    }
    let mut parts = text.split(':').map(|part| match part.trim() {
        "" => Ok(None),
        number => number.parse::<i64>().map(Some).map_err(|_| SLICE),
    });
    let mut next = || parts.next().unwrap_or(Ok(None));
    let (start, stop, step) = (next()?, next()?, next()?);
    if parts.next().is_some() {
        return Err(SLICE);
    }
    match step.unwrap_or(1) {
        0 => Err("the step of a slice cannot be 0"),
        step => Ok(Step::Slice { start, stop, step }),
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: &Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
        for (place, step) in self.steps.iter().enumerate() {
            match step {
                Step::Key(key) if key.trim() != key || key.is_empty() || key.contains(['.', '[', ']']) => {
                    write!(f, "['{key}']")?;
                }
                Step::Key(key) if place == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Slice { start, stop, step: 1 } => write!(f, "[{}:{}]", number(start), number(stop))?,
                Step::Slice { start, stop, step } => {
                    write!(f, "[{}:{}:{step}]", number(start), number(stop))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn get(path: &str) -> Option<Value> {
        let item = json!({
            "name": "a",
            "labels": {"env": "dev", "a.b/c": "x", "0": "zero"},
            "list": [0, 1, 2, 3],
            "host": {"snapshots": [{"name": "first"}, {"name": "last"}]},
        });
        path.parse::<FieldPath>().unwrap().get(&item).map(Cow::into_owned)
    }

    #[test]
    fn keys_places_and_parts() {
        assert_eq!(get("name"), Some(json!("a")));
        assert_eq!(get("labels.env"), Some(json!("dev")));
        assert_eq!(get("labels[a.b/c]"), Some(json!("x")));
        assert_eq!(get("labels['a.b/c']"), Some(json!("x")));
        assert_eq!(get("labels[0]"), Some(json!("zero")));
        assert_eq!(get("list[0]"), Some(json!(0)));
        assert_eq!(get("list[-1]"), Some(json!(3)));
        assert_eq!(get("list[:3]"), Some(json!([0, 1, 2])));
        assert_eq!(get("list[-2:]"), Some(json!([2, 3])));
        assert_eq!(get("list[1:10:2]"), Some(json!([1, 3])));
        assert_eq!(get("list[::-1]"), Some(json!([3, 2, 1, 0])));
        assert_eq!(get("list[2:0:-1]"), Some(json!([2, 1])));
        assert_eq!(get("list[9:]"), Some(json!([])));
        assert_eq!(get("host.snapshots[-1].name"), Some(json!("last")));
        assert_eq!(get("host.snapshots[:1][0].name"), Some(json!("first")));
    }

    #[test]
    fn what_is_not_there_is_none() {
        for path in
            ["other", "labels.other", "list[4]", "list[-5]", "name.x", "name[0]", "list.x", "name[:1]"]
        {
            assert_eq!(get(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_says_why() {
        let told = |text: &str| text.parse::<FieldPath>().unwrap_err().to_string();
        insta::assert_snapshot!(told("a..b"), @"`a..b` is no field: a name is missing");
        insta::assert_snapshot!(told("a["), @"`a[` is no field: a `]` is missing");
        insta::assert_snapshot!(told("a[1:x]"), @"`a[1:x]` is no field: a slice is written `[START:STOP]` or `[START:STOP:STEP]`");
        for bad in ["", ".", "a.", ".a", "[0]", "a[]", "a[::0]", "a[1:2:3:4]", "a]b", "a[0]b"] {
            assert!(bad.parse::<FieldPath>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(text in "[ab.\\[\\]:0-3-]{0,12}|\\PC{0,12}") {
            if let Ok(path) = text.parse::<FieldPath>() {
                let item = json!({"a": [[1, 2], {"b": [3]}], "b": {"a": [1, 2, 3]}});
                let again: FieldPath = path.to_string().parse().unwrap();
                prop_assert_eq!(again.get(&item), path.get(&item));
            }
        }

        #[test]
        fn slices_stay_inside(start in any::<Option<i64>>(), stop in any::<Option<i64>>(), step in any::<i64>()) {
            prop_assume!(step != 0);
            let list: Vec<Value> = (0..5).map(Value::from).collect();
            prop_assert!(slice(&list, start, stop, step).len() <= 5);
        }
    }
}
