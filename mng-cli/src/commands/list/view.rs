//! A listing as it was asked for.

use std::time::Duration;

use mng_core::Error;
use mng_core::model::address::AgentAddress;
use mng_core::model::fields::{Column, DEFAULT_COLUMNS};
use mng_core::model::filter::SortSpec;
use mng_core::model::order;
use mng_core::model::time::Time;
use mng_core::operations::list::{AgentView, ListRequest, Wants};
use mng_core::operations::select::AgentFilter;

use super::{ListArgs, SortOrder, usage};
use crate::args::{OnError, read_names};
use crate::ui::{Format, Ui};

/// What the options ask for, read once.
pub(super) struct View {
    pub(super) filter: AgentFilter,
    /// Only these, if given.
    pub(super) named: Option<Vec<AgentAddress>>,
    pub(super) shape: Shape,
    pub(super) columns: Vec<Column>,
    /// `None`: by creation time.
    pub(super) sort: Option<SortSpec>,
    pub(super) limit: Option<usize>,
    /// Everything is collected before anything is printed.
    pub(super) is_batch: bool,
    pub(super) watch: Option<Duration>,
    pub(super) on_error: OnError,
    pub(super) request: ListRequest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Agents,
    Ids,
    Addresses,
    Hosts,
}

impl View {
    pub(super) fn of(ui: &Ui, filter: AgentFilter, args: ListArgs) -> Result<Self, Error> {
        let columns = columns(args.fields.as_deref().unwrap_or(DEFAULT_COLUMNS), &args.header)?;
        let is_descending = args.sort_order == Some(SortOrder::Desc);
        let is_plain = args.sort.trim() == SortSpec::DEFAULT && !is_descending;
        let sort = if is_plain { None } else { Some(SortSpec::parse(&args.sort)?) };
        let sort = if is_descending { sort.map(SortSpec::reversed) } else { sort };
        let named = if args.stdin {
            Some(read_names()?.iter().map(|name| name.parse()).collect::<Result<_, _>>()?)
        } else {
            None
        };
        let shape = match (args.ids, args.addrs, args.hosts) {
            (true, ..) => Shape::Ids,
            (_, true, _) => Shape::Addresses,
            (_, _, true) => Shape::Hosts,
            _ => Shape::Agents,
        };
        let wants = wants(ui.format(), &filter, &args.sort, &columns, shape);
        let is_arranged = args.explicit.has("sort") || args.sort_order.is_some() || args.limit.is_some();
        Ok(Self {
            named,
            shape,
            columns,
            sort,
            limit: args.limit,
            is_batch: is_arranged || ui.is_json(),
            watch: args.watch,
            on_error: args.on_error,
            request: ListRequest { scope: filter.scope(), wants },
            filter,
        })
    }

    /// Whether the listing leaves nobody out, so that what it shows is all there is.
    pub(super) fn is_whole(&self) -> bool {
        self.filter.is_empty() && self.named.is_none()
    }

    /// The agents in the order asked for, and no more than asked for.
    pub(super) fn arranged(&self, mut agents: Vec<AgentView>) -> Vec<AgentView> {
        match &self.sort {
            None => agents.sort_by(AgentView::listing_order),
            Some(sort) => {
                order::sort_by(&mut agents, AgentView::listing_order);
                let mut keyed: Vec<_> = agents.into_iter().map(|agent| (agent.to_json(), agent)).collect();
                sort.sort(&mut keyed, |(json, _)| json, Time::now());
                agents = keyed.into_iter().map(|(_, agent)| agent).collect();
            }
        }
        agents.truncate(self.limit.unwrap_or(usize::MAX));
        agents
    }
}

/// The columns, with the headers that were asked for.
fn columns(fields: &str, headers: &[String]) -> Result<Vec<Column>, Error> {
    let mut columns = Column::list(fields)?;
    for header in headers {
        let (field, label) = header.split_once('=').ok_or_else(|| {
            usage(format!("`--header {header}`: expected FIELD=LABEL"), "for example `--header name=AGENT`")
        })?;
        let column = columns.iter_mut().find(|column| column.is(field)).ok_or_else(|| {
            usage(format!("`--header {header}`: there is no column `{field}`"), "name it in `--fields` too")
        })?;
        label.clone_into(&mut column.header);
    }
    Ok(columns)
}

/// What has to be measured: json has all fields, a table or template those it shows, and a filter or an order
/// those that it names.
fn wants(format: &Format, filter: &AgentFilter, sort: &str, columns: &[Column], shape: Shape) -> Wants {
    let keys: Vec<String> = match (shape, format) {
        (Shape::Hosts, format) => {
            return Wants { usage: false, resources: *format != Format::Human, activity: true };
        }
        (Shape::Agents, Format::Json | Format::Jsonl) => {
            return Wants { usage: true, resources: true, activity: true };
        }
        (Shape::Agents, Format::Human) => columns.iter().map(|column| column.field.path.key()).collect(),
        (Shape::Agents, Format::Template(template)) => template.keys().collect(),
        _ => Vec::new(),
    };
    let is_wanted = |field: &str| {
        filter.mentions(field) || sort.contains(field) || keys.iter().any(|key| key.contains(field))
    };
    Wants {
        usage: is_wanted("cpu_seconds") || is_wanted("memory_bytes"),
        resources: is_wanted("resource") || keys.iter().any(|key| key == "host"),
        activity: ["activity", "idle", "url"].into_iter().any(is_wanted),
    }
}
