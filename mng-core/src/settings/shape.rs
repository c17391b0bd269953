//! What a key may hold: shapes, made from the JSON schemas of configuration structs.

use indexmap::IndexMap;
use serde_json::Value;

/// What may stand at a key, and how its tables merge.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Nothing is known: any value; tables merge field by field.
    Any,
    /// A command parameter: any value; a string can stand for a list of one.
    Parameter,
    Bool,
    Integer(Bounds),
    Number(Bounds),
    /// Seconds as a number, or a text such as `1h30m`.
    Duration {
        may_be_zero: bool,
    },
    Text {
        may_be_empty: bool,
    },
    /// One of these words, in any case.
    Choice(Choice),
    List(ListShape),
    /// A table whose keys are the user's data; assigned as a whole.
    Map(Box<Shape>),
    /// A table with known fields; merged field by field.
    Section(Section),
    /// A table of named entries; merged entry by entry, field by field.
    Registry(Registry),
    /// A patch on another program's settings: no suffixes, but a merge map.
    Patch,
    /// The body of a create template: operators stay until the template is applied.
    Template,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Choice {
    pub(crate) words: Vec<String>,
    /// Other spellings, each with the word that it stands for.
    pub(crate) synonyms: Vec<(String, String)>,
}

impl Choice {
    /// The word as it is declared.
    pub(crate) fn canonical(&self, text: &str) -> Option<&str> {
        let synonym = self.synonyms.iter().find(|(other, _)| other.eq_ignore_ascii_case(text));
        let text = synonym.map_or(text, |(_, word)| word);
        self.words.iter().find(|word| word.eq_ignore_ascii_case(text)).map(String::as_str)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) at_least: Option<f64>,
    pub(crate) more_than: Option<f64>,
    pub(crate) at_most: Option<f64>,
}

impl Bounds {
    pub(crate) fn hold(self, number: f64) -> bool {
        self.at_least.is_none_or(|least| number >= least)
            && self.more_than.is_none_or(|least| number > least)
            && self.at_most.is_none_or(|most| number <= most)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListShape {
    pub(crate) item: Box<Shape>,
    /// A string is split into words, quotes kept; otherwise it is a list of one.
    pub(crate) is_words: bool,
    pub(crate) is_set: bool,
    pub(crate) is_replace_only: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Section {
    pub(crate) fields: IndexMap<String, Field>,
    /// Shape of fields that are not listed; without it they are unknown.
    pub(crate) others: Option<Box<Shape>>,
    /// Other spellings of fields.
    pub(crate) aliases: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) shape: Shape,
    pub(crate) description: String,
    pub(crate) default: Option<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Registry {
    /// Shapes of the entries that are known by name.
    pub(crate) entries: IndexMap<String, Shape>,
    pub(crate) others: Box<Shape>,
    /// Names that may be spelled with other joiners: `snapshot-create`, `snapshot create`.
    pub(crate) are_commands: bool,
    /// Other names of entries.
    pub(crate) aliases: Vec<(String, String)>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            entries: IndexMap::new(),
            others: Box::new(Shape::Any),
            are_commands: false,
            aliases: Vec::new(),
        }
    }
}

impl Registry {
    pub(crate) fn shape(&self, entry: &str) -> &Shape {
        self.entries.get(entry).unwrap_or(&self.others)
    }
}

impl Section {
    /// A section that takes any field.
    pub(crate) fn open() -> Self {
        Self { others: Some(Box::new(Shape::Any)), ..Self::default() }
    }

    /// The name of a field as it is declared: `-` is `_`, and aliases count.
    pub(crate) fn canonical(&self, name: &str) -> String {
        let name = name.replace('-', "_");
        self.aliases.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, field)| field.clone())
    }

    pub(crate) fn shape(&self, field: &str) -> Option<&Shape> {
        self.fields.get(field).map(|field| &field.shape).or(self.others.as_deref())
    }
}

impl Shape {
    /// Whether a plain table at this key adds to the one below.
    pub(crate) fn merges_by_itself(&self) -> bool {
        matches!(self, Self::Any | Self::Section(_) | Self::Registry(_) | Self::Patch | Self::Template)
    }

    /// What is expected, to complete "expected …".
    pub(crate) fn expectation(&self) -> String {
        let bounded = |what: &str, bounds: &Bounds| {
            let mut text = what.to_owned();
            for (word, bound) in
                [("at least", bounds.at_least), ("more than", bounds.more_than), ("at most", bounds.at_most)]
            {
                if let Some(bound) = bound {
                    text.push_str(&format!(", {word} {bound}"));
                }
            }
            text
        };
        match self {
            Self::Any | Self::Parameter => "a value".into(),
            Self::Bool => "`true` or `false`".into(),
            Self::Integer(bounds) => bounded("a whole number", bounds),
            Self::Number(bounds) => bounded("a number", bounds),
            Self::Duration { may_be_zero: true } => "a number of seconds, or a time such as `1h30m`".into(),
            Self::Duration { may_be_zero: false } => {
                "a time such as `90s` or `1h30m`, longer than nothing".into()
            }
            Self::Text { may_be_empty: true } => "a text".into(),
            Self::Text { may_be_empty: false } => "a text that is not empty".into(),
            Self::Choice(choice) => {
                format!(
                    "one of {}",
                    choice.words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
                )
            }
            Self::List(_) => "a list".into(),
            Self::Map(_) | Self::Section(_) | Self::Registry(_) | Self::Patch | Self::Template => {
                "a table".into()
            }
        }
    }

    /// The type as the reference shows it.
    pub(crate) fn type_word(&self) -> String {
        match self {
            Self::Any | Self::Parameter => "any".into(),
            Self::Bool => "bool".into(),
            Self::Integer(_) => "integer".into(),
            Self::Number(_) => "number".into(),
            Self::Duration { .. } => "duration".into(),
            Self::Text { .. } => "string".into(),
            Self::Choice(choice) => choice.words.join("|"),
            Self::List(list) if list.is_set => format!("set of {}", list.item.type_word()),
            Self::List(list) => format!("list of {}", list.item.type_word()),
            Self::Map(value) => format!("table of {}", value.type_word()),
            Self::Section(_) | Self::Registry(_) | Self::Patch | Self::Template => "table".into(),
        }
    }

    /// Reads a JSON schema with all definitions in place. What it does not understand is [`Shape::Any`]:
    /// the struct behind the schema still has the last word.
    ///
    /// Extension keywords: `x-mng-words` (a string is split into words), `x-mng-replace-only`,
    /// `x-mng-patch`, `x-mng-synonyms` (other spellings of the words of an enum).
    pub(crate) fn from_schema(schema: &Value) -> Self {
        if let Some(variants) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array)
        {
            return Self::from_variants(variants);
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            let words: Vec<String> = words.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            return if words.is_empty() { Self::Any } else { Self::choice(schema, words) };
        }
        if let Some(word) = schema.get("const").and_then(Value::as_str) {
            return Self::choice(schema, vec![word.to_owned()]);
        }
        let number = |key: &str| schema.get(key).and_then(Value::as_f64);
        let bounds = Bounds {
            at_least: number("minimum"),
            more_than: number("exclusiveMinimum"),
            at_most: number("maximum"),
        };
        if schema.get("format").and_then(Value::as_str) == Some("duration") {
            return Self::Duration { may_be_zero: bounds.more_than.is_none() };
        }
        match type_of(schema) {
            Some("boolean") => Self::Bool,
            Some("integer") => Self::Integer(bounds),
            Some("number") => Self::Number(bounds),
            Some("string") => {
                Self::Text { may_be_empty: schema.get("minLength").and_then(Value::as_u64).unwrap_or(0) == 0 }
            }
            Some("array") => Self::List(ListShape::from_schema(schema)),
            Some("object") => Self::from_object(schema),
            _ => Self::Any,
        }
    }

    fn from_variants(variants: &[Value]) -> Self {
        let mut shapes: Vec<Self> = variants
            .iter()
            .filter(|variant| type_of(variant) != Some("null"))
            .map(Self::from_schema)
            .collect();
        if shapes.len() == 1 {
            return shapes.remove(0);
        }
        if shapes.iter().all(|shape| matches!(shape, Self::Choice(_))) {
            let mut all = Choice::default();
            for shape in shapes {
                if let Self::Choice(choice) = shape {
                    all.words.extend(choice.words);
                    all.synonyms.extend(choice.synonyms);
                }
            }
            return Self::Choice(all);
        }
        // A list that may be written as one string.
        match shapes.iter().find(|shape| matches!(shape, Self::List(_))) {
            Some(list) if shapes.iter().all(|s| matches!(s, Self::List(_) | Self::Text { .. })) => {
                list.clone()
            }
            _ => Self::Any,
        }
    }

    fn choice(schema: &Value, words: Vec<String>) -> Self {
        let synonyms = schema.get("x-mng-synonyms").and_then(Value::as_object).into_iter().flatten();
        let pair = |(other, word): (&String, &Value)| Some((other.clone(), word.as_str()?.to_owned()));
        Self::Choice(Choice { words, synonyms: synonyms.filter_map(pair).collect() })
    }

    fn from_object(schema: &Value) -> Self {
        if is_set(schema, "x-mng-patch") {
            return Self::Patch;
        }
        let others = schema.get("additionalProperties");
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            let field = |(name, schema): (&String, &Value)| (name.clone(), Field::from_schema(schema));
            let others = match others {
                Some(Value::Bool(false)) => None,
                Some(schema @ Value::Object(_)) => Some(Box::new(Self::from_schema(schema))),
                _ => Some(Box::new(Self::Any)),
            };
            let fields = properties.iter().map(field).collect();
            return Self::Section(Section { fields, others, aliases: Vec::new() });
        }
        match others.filter(|others| others.is_object()).map(Self::from_schema) {
            // Tables of tables, such as the hosts of an ssh provider, are filled from several files.
            Some(shape @ Self::Section(_)) => {
                Self::Registry(Registry { others: Box::new(shape), ..Registry::default() })
            }
            Some(shape) => Self::Map(Box::new(shape)),
            None => Self::Map(Box::new(Self::Any)),
        }
    }
}

impl Field {
    pub(crate) fn from_schema(schema: &Value) -> Self {
        let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        Self {
            shape: Shape::from_schema(schema),
            description: description.split_whitespace().collect::<Vec<_>>().join(" "),
            default: schema.get("default").filter(|default| !default.is_null()).cloned(),
        }
    }

    pub(crate) fn open(shape: Shape) -> Self {
        Self { shape, description: String::new(), default: None }
    }
}

impl ListShape {
    fn from_schema(schema: &Value) -> Self {
        Self {
            item: Box::new(schema.get("items").map_or(Shape::Any, Shape::from_schema)),
            is_words: is_set(schema, "x-mng-words"),
            is_set: is_set(schema, "uniqueItems"),
            is_replace_only: is_set(schema, "x-mng-replace-only"),
        }
    }
}

fn is_set(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// The type, without the `null` that `Option` adds.
fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(word) => Some(word),
        Value::Array(words) => words.iter().filter_map(Value::as_str).find(|word| *word != "null"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn optional_and_described_types_are_seen_through() {
        let shape = |schema: Value| Shape::from_schema(&schema);
        assert_eq!(shape(json!({"type": ["string", "null"]})), Shape::Text { may_be_empty: true });
        assert_eq!(shape(json!({"anyOf": [{"type": "boolean"}, {"type": "null"}]})), Shape::Bool);
        let described =
            json!({"oneOf": [{"const": "A", "description": "x"}, {"type": "string", "enum": ["B"]}]});
        assert_eq!(shape(described).type_word(), "A|B");
        let words = json!({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]});
        assert!(matches!(shape(words), Shape::List(_)));
        assert_eq!(shape(json!(true)), Shape::Any);
    }

    #[test]
    fn tables_of_tables_merge_and_tables_of_values_do_not() {
        let table = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let hosts = Shape::from_schema(&json!({"type": "object", "additionalProperties": table}));
        assert!(hosts.merges_by_itself());
        let scripts = json!({"type": "object", "additionalProperties": {"type": "string"}});
        assert!(!Shape::from_schema(&scripts).merges_by_itself());
    }

    #[test]
    fn expectations_read_well() {
        let at_least_one = Bounds { at_least: Some(1.0), ..Bounds::default() };
        assert_eq!(Shape::Integer(at_least_one).expectation(), "a whole number, at least 1");
        let choice = Choice { words: vec!["a".into(), "b".into()], synonyms: Vec::new() };
        assert_eq!(Shape::Choice(choice).expectation(), "one of `a`, `b`");
    }
}
