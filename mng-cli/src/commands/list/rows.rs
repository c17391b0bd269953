//! Agents as lines: a table, ids, addresses, jsonl or a template.

use jiff::tz::TimeZone;
use mng_core::Result;
use mng_core::model::fields::Column;
use mng_core::model::printing;
use mng_core::operations::list::AgentView;
use serde_json::Value;

use super::Json;
use super::found::Found;
use super::view::{Shape, View};
use crate::ui::{Cell, Format, Table, Ui};

/// Prints agents as they come.
pub(super) struct Rows<'v> {
    view: &'v View,
    /// Widths of the table so far; `None` before its header is out.
    widths: Option<Vec<usize>>,
    zone: Option<TimeZone>,
    printed: usize,
}

impl<'v> Rows<'v> {
    pub(super) fn new(view: &'v View) -> Self {
        Self { view, widths: None, zone: None, printed: 0 }
    }

    /// Prints what has come, unless it has to be arranged as a whole.
    pub(super) fn show_unless_batch(&mut self, ui: &mut Ui, found: &mut Found) -> Result<()> {
        if self.view.is_batch {
            return Ok(());
        }
        self.show(ui, &self.view.arranged(std::mem::take(&mut found.agents)))
    }

    /// Says that the search goes on.
    pub(super) fn status(&self, ui: &Ui, found: &Found) {
        ui.status(Some(&match found.count {
            0 => "Searching...".to_owned(),
            count => format!("Searching... ({count} found)"),
        }));
    }

    /// Prints the rest.
    pub(super) fn finish(&mut self, ui: &mut Ui, found: &mut Found) -> Result<()> {
        let agents = self.view.arranged(std::mem::take(&mut found.agents));
        if ui.is_json() {
            return ui.json(&Json { agents: &agents, errors: &found.errors });
        }
        self.show(ui, &agents)?;
        if self.printed == 0 && ui.is_human() && self.view.shape == Shape::Agents {
            ui.human(|out| out.line(format_args!("No agents found")))?;
        }
        Ok(())
    }

    fn show(&mut self, ui: &mut Ui, agents: &[AgentView]) -> Result<()> {
        if agents.is_empty() {
            return Ok(());
        }
        self.printed += agents.len();
        match (self.view.shape, ui.format()) {
            (_, Format::Jsonl) => {
                let mut lines = Vec::new();
                for agent in agents {
                    serde_json::to_writer(&mut lines, agent)
                        .expect("keys are strings and numbers are finite");
                    lines.push(b'\n');
                }
                ui.write(&lines)
            }
            (Shape::Ids, _) => {
                ui.write(lines(agents.iter().map(|agent| agent.record.id.to_string())).as_bytes())
            }
            (Shape::Addresses, _) => ui.write(lines(agents.iter().map(AgentView::address)).as_bytes()),
            (_, Format::Template(template)) => {
                let text = lines(agents.iter().map(|agent| template.render(&agent.to_json())));
                ui.write(text.as_bytes())
            }
            _ => self.table(ui, agents),
        }
    }

    fn table(&mut self, ui: &mut Ui, agents: &[AgentView]) -> Result<()> {
        let headers = self.view.columns.iter().map(|column| column.header.clone());
        let mut table = Table::new(headers).least_widths(self.widths.clone().unwrap_or_default());
        for agent in agents {
            table.row(self.cells(agent));
        }
        let widths = &mut self.widths;
        ui.human(|out| {
            *widths = Some(out.table_part(&table, widths.is_none())?);
            Ok(())
        })
    }

    fn cells(&mut self, agent: &AgentView) -> Vec<Cell> {
        let mut json = None;
        let columns = &self.view.columns;
        columns.iter().map(|column| cell(agent, column, &mut json, &mut self.zone)).collect()
    }
}

fn lines(texts: impl Iterator<Item = String>) -> String {
    let mut all = String::new();
    for text in texts {
        all.push_str(&text);
        all.push('\n');
    }
    all
}

/// One cell. The common columns come straight from the agent; its JSON and the time zone are made only when
/// a column needs them.
fn cell(agent: &AgentView, column: &Column, json: &mut Option<Value>, zone: &mut Option<TimeZone>) -> Cell {
    let key = column.field.path.to_string();
    if let Some(text) = agent.plain_column(&key) {
        let is_state = key == "state" || key == "host.state";
        return if is_state { Cell::state(text) } else { Cell::from(text) };
    }
    let json = json.get_or_insert_with(|| agent.to_json());
    let zone = zone.get_or_insert_with(TimeZone::system);
    match column.field.path.get(json) {
        Some(value) => Cell::from(printing::human(&value, column.field.measure, zone)),
        None => Cell::from(""),
    }
}
