//! `mng list --schema`: the fields that filters, columns and templates can use.

use std::io;

use mng_core::model::fields::{SchemaRow, schema};
use serde::Serialize;

use crate::ui::{Out, Render, Style};

/// The catalogue. Field names are the JSON contract.
#[derive(Serialize)]
pub(super) struct Schema {
    schema: Vec<SchemaRow>,
}

impl Schema {
    pub(super) fn of_agents() -> Self {
        Self { schema: schema().collect() }
    }
}

impl Render for Schema {
    fn event(&self) -> &'static str {
        "list_schema"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        let mut section = "";
        for row in &self.schema {
            if row.section != section {
                if !section.is_empty() {
                    out.blank()?;
                }
                section = row.section;
                let title = out.paint(section, Style::Bold).into_owned();
                out.line(format_args!("{title}"))?;
            }
            let null = if row.nullable { " or null" } else { "" };
            let only = if row.contexts == "cel" { " (cel only)" } else { "" };
            out.line(format_args!("  {} : {}{null}{only} - {}", row.key, row.type_name, row.description))?;
        }
        Ok(())
    }
}
