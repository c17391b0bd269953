//! `--format`: human, json, jsonl or a template.

use mng_core::model::fields::FieldSet;
use mng_core::model::template::{FormatWord, Template};
use mng_core::{Error, ErrorClass};

/// How results are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Human,
    /// Exactly one object, also when the command fails.
    Json,
    /// One object a line.
    Jsonl,
    Template(Template),
}

impl Format {
    /// One of the three words in any case, else a template over the fields that the command named `command`
    /// has; `None` when it takes no templates.
    ///
    /// # Errors
    /// Usage errors: a template that cannot be read, and any template for a command without fields.
    pub(crate) fn parse(text: &str, command: &str, fields: Option<&dyn FieldSet>) -> Result<Self, Error> {
        match (FormatWord::of(text), fields) {
            (Some(FormatWord::Human), _) => Ok(Self::Human),
            (Some(FormatWord::Json), _) => Ok(Self::Json),
            (Some(FormatWord::Jsonl), _) => Ok(Self::Jsonl),
            (None, Some(fields)) => Ok(Self::Template(Template::parse(text, fields)?)),
            (None, None) => Err(Error::hinted(
                ErrorClass::Usage,
                format!("`mng {command}` takes no format template"),
                "use `--format human`, `--format json` or `--format jsonl`",
            )),
        }
    }
}
