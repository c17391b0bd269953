//! The fields of an agent in a listing: one catalogue behind `--schema`, `--fields`, templates and filters.
//! Its order is the order of the JSON of one agent.

mod table;

use serde::Serialize;

use super::error::{ErrorClass, Explain};
use super::field_path::{FieldPath, FieldPathError, Step};
use super::printing::Measure;
use super::suggest::did_you_mean;

pub use table::{ALIASES, FIELDS};

/// The JSON type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    String,
    Int,
    Float,
    Bool,
    /// A string, UTC: `2026-11-22T13:58:02.372790Z`.
    Time,
    List,
    /// An object with keys that people and plugins choose. Any key may be asked for; a missing one is no
    /// error.
    Map,
    /// An object with fixed keys.
    Object,
    Any,
}

impl FieldType {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Time => "time",
            Self::List => "list",
            Self::Map => "map",
            Self::Object => "object",
            Self::Any => "any",
        }
    }
}

/// Where a field stands in `list --schema`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Agent,
    Host,
    /// Computed for filters, or another name.
    Computed,
    /// Keys below a map.
    Dynamic,
    /// Inside an object or list that is a field itself: usable, not listed.
    Nested,
}

impl Section {
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Agent => "Agent fields",
            Self::Host => "Host fields",
            Self::Computed => "Computed and alias fields",
            Self::Dynamic => "Dynamic fields",
            Self::Nested => "Nested fields",
        }
    }
}

/// One field of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Dotted, without indexes. Dynamic ones end in `$KEY` or `$PLUGIN.*`.
    pub key: &'static str,
    pub field_type: FieldType,
    pub nullable: bool,
    pub measure: Measure,
    pub section: Section,
    /// Usable in `--include`, `--exclude` and `--sort` only: not part of the JSON.
    pub cel_only: bool,
    pub description: &'static str,
}

/// One row of `list --schema`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SchemaRow {
    pub key: &'static str,
    #[serde(rename = "type")]
    pub type_name: &'static str,
    pub nullable: bool,
    pub description: &'static str,
    /// `cel, template` or `cel`.
    pub contexts: &'static str,
    pub section: &'static str,
}

/// The catalogue as `list --schema` shows it: section by section.
pub fn schema() -> impl Iterator<Item = SchemaRow> {
    const LISTED: [Section; 4] = [Section::Agent, Section::Host, Section::Computed, Section::Dynamic];
    let of_section = |section| FIELDS.iter().filter(move |field| field.section == section);
    LISTED.into_iter().flat_map(of_section).map(|field| SchemaRow {
        key: field.key,
        type_name: field.field_type.name(),
        nullable: field.nullable,
        description: field.description,
        contexts: if field.cel_only { "cel" } else { "cel, template" },
        section: field.section.title(),
    })
}

/// A field that a command does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    #[error("unknown field `{name}`")]
    Unknown { name: String, known: Vec<String> },
    #[error("the field `{name}` exists in filters and `--sort` only")]
    CelOnly { name: String },
    #[error("no field is named")]
    Empty,
    #[error(transparent)]
    Path(#[from] FieldPathError),
}

impl Explain for FieldError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown { name, known } => {
                let near = did_you_mean(name, known).map(|near| near + " ").unwrap_or_default();
                format!("{near}valid fields: {}", known.join(", "))
            }
            Self::CelOnly { name } => match name.as_str() {
                "age" => "ask for `create_time`".into(),
                _ => format!("ask for `{name}_seconds`"),
            },
            Self::Empty | Self::Path(_) => "`mng list --schema` lists the fields".into(),
        })
    }
}

/// A field as a template or column uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundField {
    /// Where it stands in the JSON: aliases are resolved.
    pub path: FieldPath,
    pub measure: Measure,
}

/// The fields that one kind of output has.
pub trait FieldSet {
    /// The field at a path as typed.
    ///
    /// # Errors
    /// There is none; the error lists what there is.
    fn find(&self, path: &FieldPath) -> Result<FoundField, FieldError>;
}

/// Output whose items have a few keys with values of any shape, such as `exec`'s
/// `agent stdout stderr success`.
#[derive(Clone, Copy, Debug)]
pub struct PlainFields<'a>(pub &'a [&'a str]);

impl FieldSet for PlainFields<'_> {
    fn find(&self, path: &FieldPath) -> Result<FoundField, FieldError> {
        match path.steps().first() {
            Some(Step::Key(key)) if self.0.contains(&key.as_str()) => {
                Ok(FoundField { path: path.clone(), measure: Measure::Plain })
            }
            _ => Err(FieldError::Unknown {
                name: path.to_string(),
                known: self.0.iter().map(|key| (*key).to_owned()).collect(),
            }),
        }
    }
}

/// The catalogue: what `list` has.
#[derive(Clone, Copy, Debug)]
pub struct AgentFields;

impl AgentFields {
    /// The catalogue entry for a dotted key; a key below a map belongs to the map.
    #[must_use]
    pub fn entry(key: &str) -> Option<&'static Field> {
        FIELDS.iter().filter(|field| field.section != Section::Dynamic).find(|field| {
            field.key == key
                || (field.field_type == FieldType::Map
                    && key.strip_prefix(field.key).is_some_and(|rest| rest.starts_with('.')))
        })
    }

    /// The maps whose keys people and plugins choose, dotted.
    pub fn maps() -> impl Iterator<Item = &'static str> {
        FIELDS.iter().filter(|field| field.field_type == FieldType::Map).map(|field| field.key)
    }

    fn known() -> Vec<String> {
        FIELDS
            .iter()
            .filter(|field| !field.cel_only && field.section != Section::Nested)
            .map(|field| field.key.to_owned())
            .collect()
    }
}

impl FieldSet for AgentFields {
    fn find(&self, path: &FieldPath) -> Result<FoundField, FieldError> {
        let key = path.key();
        let path = match ALIASES.iter().find(|(alias, _)| *alias == key) {
            Some((alias, full)) => path.with_prefix(alias.split('.').count(), full),
            None => path.clone(),
        };
        match Self::entry(&path.key()) {
            Some(field) if field.cel_only => Err(FieldError::CelOnly { name: key }),
            Some(field) if field.key == path.key() => Ok(FoundField { path, measure: field.measure }),
            Some(_) => Ok(FoundField { path, measure: Measure::Plain }),
            None => Err(FieldError::Unknown { name: key, known: Self::known() }),
        }
    }
}

/// One column of a listing for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub field: FoundField,
    pub header: String,
}

impl Column {
    /// The column of one field as typed, with its usual header.
    ///
    /// # Errors
    /// The field is not in the catalogue.
    pub fn new(text: &str) -> Result<Self, FieldError> {
        let path: FieldPath = text.trim().parse()?;
        let field = AgentFields.find(&path)?;
        let header = header(&field.path.to_string());
        Ok(Self { field, header })
    }

    /// The columns of `--fields a,b`. A comma between brackets parts nothing.
    ///
    /// # Errors
    /// As [`Column::new`], and a text that names none.
    pub fn list(text: &str) -> Result<Vec<Self>, FieldError> {
        let mut depth = 0_u32;
        let columns: Vec<Self> = text
            .split(|ch| {
                match ch {
                    '[' => depth += 1,
                    ']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                ch == ',' && depth == 0
            })
            .filter(|part| !part.trim().is_empty())
            .map(Self::new)
            .collect::<Result<_, _>>()?;
        if columns.is_empty() { Err(FieldError::Empty) } else { Ok(columns) }
    }

    /// Whether this is the column of that field, as typed in `--header FIELD=LABEL`.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        Self::new(text).is_ok_and(|column| column.field.path == self.field.path)
    }
}

/// The columns of `list` when none are asked for.
pub const DEFAULT_COLUMNS: &str = "name,state,host.name,host.provider_name,host.state,labels.project";

/// The header of a column: a few have a short one, the rest is the key in upper case with dots as spaces.
#[must_use]
pub fn header(key: &str) -> String {
    let short = match key {
        "host.name" => "HOST",
        "host.provider_name" => "PROVIDER",
        "host.state" => "HOST STATE",
        "host.tags" => "HOST LABELS",
        "labels" => "LABELS",
        "labels.project" => "PROJECT",
        "host.ssh.host" => "SSH HOST",
        "idle_timeout_seconds" => "IDLE TIMEOUT",
        "activity_sources" => "ACTIVITY",
        _ => return key.to_uppercase().replace('.', " "),
    };
    short.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<FoundField, FieldError> {
        AgentFields.find(&text.parse().unwrap())
    }

    #[test]
    fn every_key_is_there_once_and_is_a_path() {
        let mut keys: Vec<&str> = FIELDS.iter().map(|field| field.key).collect();
        for key in &keys {
            assert!(key.parse::<FieldPath>().is_ok(), "{key}");
        }
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn sections_are_not_mixed_and_aliases_lead_somewhere() {
        let sections: Vec<Section> = FIELDS.iter().map(|field| field.section).collect();
        let mut seen = sections.clone();
        seen.dedup();
        assert_eq!(
            seen,
            [
                Section::Agent,
                Section::Host,
                Section::Agent,
                Section::Computed,
                Section::Dynamic,
                Section::Nested
            ]
        );
        for (alias, full) in ALIASES {
            assert!(
                AgentFields::entry(alias).is_some_and(|field| field.section == Section::Computed),
                "{alias}"
            );
            assert!(AgentFields::entry(full).is_some(), "{full}");
        }
    }

    #[test]
    fn fields_are_found_by_key_alias_and_below_maps() {
        assert_eq!(found("host.provider").unwrap().path.to_string(), "host.provider_name");
        assert_eq!(found("project").unwrap().path.to_string(), "labels.project");
        assert_eq!(found("host.snapshots[0].created_at").unwrap().measure, Measure::Time);
        assert_eq!(found("idle_seconds").unwrap().measure, Measure::Seconds);
        for key in ["labels.anything", "plugin.claude.x.y", "host.tags[a.b]", "activity_sources[:2]", "host"]
        {
            assert!(found(key).is_ok(), "{key}");
        }
        for key in ["nmae", "host.nmae", "labelsx", "name.first", "project.x", "host.resource.ram"] {
            assert!(matches!(found(key), Err(FieldError::Unknown { .. })), "{key}");
        }
    }

    #[test]
    fn an_unknown_field_comes_with_the_known_ones() {
        let error = Column::list("name,idle_secnds").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert_eq!(error.to_string(), "unknown field `idle_secnds`");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("did you mean `idle_seconds`"), "{hint}");
        assert!(hint.contains("valid fields: resource_type, id, name, type,"), "{hint}");
        let error = Column::new("idle").unwrap_err();
        insta::assert_snapshot!(error, @"the field `idle` exists in filters and `--sort` only");
        assert_eq!(error.hint().unwrap(), "ask for `idle_seconds`");
    }

    #[test]
    fn columns_have_headers() {
        let headers = |text: &str| -> Vec<String> {
            Column::list(text).unwrap().into_iter().map(|column| column.header).collect()
        };
        assert_eq!(headers(DEFAULT_COLUMNS), ["NAME", "STATE", "HOST", "PROVIDER", "HOST STATE", "PROJECT"]);
        assert_eq!(
            headers("create_time, host.provider ,labels[a,b]"),
            ["CREATE_TIME", "PROVIDER", "LABELS A,B"]
        );
        assert!(Column::new("project").unwrap().is("labels.project"));
        assert!(matches!(Column::list(" , "), Err(FieldError::Empty)));
    }

    #[test]
    fn other_commands_have_few_fields() {
        let fields = PlainFields(&["agent", "stdout"]);
        assert!(fields.find(&"agent".parse().unwrap()).is_ok());
        let error = fields.find(&"agnt".parse().unwrap()).unwrap_err();
        assert_eq!(error.hint().unwrap(), "did you mean `agent`? valid fields: agent, stdout");
    }

    #[test]
    fn the_schema() {
        let rows: Vec<String> = schema()
            .map(|row| {
                let null = if row.nullable { "?" } else { "" };
                format!("{} {}{null} [{}]", row.key, row.type_name, row.contexts)
            })
            .collect();
        let mut sections: Vec<&str> = schema().map(|row| row.section).collect();
        sections.dedup();
        assert_eq!(sections, ["Agent fields", "Host fields", "Computed and alias fields", "Dynamic fields"]);
        assert!(rows.contains(&"pid int? [cel, template]".to_owned()));
        assert!(rows.contains(&"age float [cel]".to_owned()));
        assert!(rows.contains(&"host.plugin.$PLUGIN.* any? [cel, template]".to_owned()));
    }
}
