use clap::{ArgAction, Args};
use mng_core::{Error, ErrorClass};

/// `--include` and `--exclude`, for commands that take explicit targets.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub(crate) struct ExpressionArgs {
    /// Keep only agents for which this CEL expression holds, for example 'state == "WAITING"'; repeatable, all
    /// must hold
    #[arg(long, value_name = "CEL", action = ArgAction::Append)]
    pub(crate) include: Vec<String>,

    /// Leave out agents for which this CEL expression holds; repeatable, any is enough
    #[arg(long, value_name = "CEL", action = ArgAction::Append)]
    pub(crate) exclude: Vec<String>,
}

impl ExpressionArgs {
    pub(crate) fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    pub(crate) fn resolve(self) -> Filters {
        Filters { include: self.include, exclude: self.exclude, ..Filters::default() }
    }
}

/// All filter options of a listing.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterArgs {
    #[command(flatten)]
    expressions: ExpressionArgs,

    /// Only agents in state RUNNING
    #[arg(long)]
    running: bool,

    /// Only agents in state STOPPED
    #[arg(long)]
    stopped: bool,

    /// Only agents that are neither STOPPED nor DONE
    #[arg(long)]
    alive: bool,

    /// Only archived agents
    #[arg(long)]
    archived: bool,

    /// No archived agents, and none on a host that is gone
    #[arg(long)]
    active: bool,

    /// Only agents on this machine
    #[arg(long)]
    local: bool,

    /// Only agents on other hosts
    #[arg(long)]
    remote: bool,

    /// Only agents of this project; `.` is the current one; repeatable, any is enough
    #[arg(long, value_name = "NAME", action = ArgAction::Append)]
    project: Vec<String>,

    /// Only agents with this label; repeatable, any is enough
    #[arg(long, value_name = "KEY=VALUE", action = ArgAction::Append)]
    label: Vec<String>,

    /// Only agents on hosts with this tag; repeatable, any is enough
    #[arg(long, alias = "tag", value_name = "KEY=VALUE", action = ArgAction::Append)]
    host_label: Vec<String>,

    /// Only ask this provider; repeatable
    #[arg(long, value_name = "NAME", action = ArgAction::Append)]
    provider: Vec<String>,
}

/// A label or tag that must have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelMatch {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// What a listing keeps. Conditions of different fields must all hold; entries of one list are alternatives,
/// except `include`, where each must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters {
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) running: bool,
    pub(crate) stopped: bool,
    pub(crate) alive: bool,
    pub(crate) archived: bool,
    pub(crate) active: bool,
    pub(crate) local: bool,
    pub(crate) remote: bool,
    /// `.` stands for the current project.
    pub(crate) projects: Vec<String>,
    pub(crate) labels: Vec<LabelMatch>,
    pub(crate) host_labels: Vec<LabelMatch>,
    /// Also limits which providers are asked.
    pub(crate) providers: Vec<String>,
}

impl FilterArgs {
    /// # Errors
    /// A label without `=`: a usage error.
    pub(crate) fn resolve(self) -> Result<Filters, Error> {
        Ok(Filters {
            include: self.expressions.include,
            exclude: self.expressions.exclude,
            running: self.running,
            stopped: self.stopped,
            alive: self.alive,
            archived: self.archived,
            active: self.active,
            local: self.local,
            remote: self.remote,
            projects: self.project,
            labels: label_matches("--label", &self.label)?,
            host_labels: label_matches("--host-label", &self.host_label)?,
            providers: self.provider,
        })
    }
}

fn label_matches(flag: &str, texts: &[String]) -> Result<Vec<LabelMatch>, Error> {
    let split = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok(LabelMatch { key: key.trim().to_owned(), value: value.to_owned() })
        }
        _ => Err(Error::hinted(
            ErrorClass::Usage,
            format!("`{flag} {text}`: expected KEY=VALUE"),
            format!("for example `{flag} project=shop`"),
        )),
    };
    texts.iter().map(split).collect()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Parser)]
    struct Test {
        #[command(flatten)]
        filters: FilterArgs,
    }

    fn filters(words: &[&str]) -> Result<Filters, Error> {
        let matches = Test::command().try_get_matches_from(["x"].iter().chain(words)).unwrap();
        Test::from_arg_matches(&matches).unwrap().filters.resolve()
    }

    #[test]
    fn old_spellings_and_values_with_equal_signs() {
        let found = filters(&["--tag", "k=a=b", "--label", " env =x", "--running"]).unwrap();
        assert_eq!(found.host_labels, [LabelMatch { key: "k".into(), value: "a=b".into() }]);
        assert_eq!(found.labels, [LabelMatch { key: "env".into(), value: "x".into() }]);
        assert!(found.running && !found.stopped);
    }

    #[test]
    fn a_label_needs_its_equal_sign() {
        let error = filters(&["--label", "env"]).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.exit_code()), ("`--label env`: expected KEY=VALUE", 2));
    }
}
