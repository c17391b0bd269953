use std::io::{BufRead, IsTerminal};
use std::str::FromStr;

use clap::{ArgAction, Args};
use mng_core::model::address::AgentAddress;
use mng_core::{Error, ErrorClass, Explain};

use super::filters::{ExpressionArgs, Filters};

/// Several agents, by position or by option.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Targets")]
pub(crate) struct TargetArgs {
    /// Agents by name, id or address; `-` reads them from stdin
    #[arg(value_name = "AGENT")]
    pub(crate) agents: Vec<String>,

    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// The options of [`TargetArgs`], for commands whose positionals mean something else too.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Targets")]
pub(crate) struct SelectArgs {
    /// An agent, as if it stood first; repeatable
    #[arg(long, value_name = "AGENT", action = ArgAction::Append)]
    pub(crate) agent: Vec<String>,

    /// Read agents from stdin, one a line; as `-`
    #[arg(long)]
    pub(crate) stdin: bool,

    /// Every agent
    #[arg(short, long, visible_alias = "all-agents")]
    pub(crate) all: bool,

    #[command(flatten)]
    pub(crate) expressions: ExpressionArgs,
}

/// `--session`, for commands that tmux key bindings call.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Targets")]
pub(crate) struct SessionArgs {
    /// The agent whose tmux session this is; repeatable
    #[arg(long, value_name = "SESSION", action = ArgAction::Append, conflicts_with_all = ["agents", "agent", "all", "stdin"])]
    pub(crate) session: Vec<String>,
}

/// What a person pointed at; resolving it to agents is the engine's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Targets<A = AgentAddress> {
    /// In the order given, `--agent` first.
    pub(crate) named: Vec<A>,
    /// `--all`, or only a filter: every discovered agent that passes it.
    pub(crate) is_all: bool,
    pub(crate) filters: Filters,
    /// Names came from stdin and there was none: do nothing, print nothing, succeed.
    pub(crate) is_empty_input: bool,
    /// Stdin was read for names, so no message can come from it.
    pub(crate) has_read_stdin: bool,
}

impl TargetArgs {
    /// Reads stdin where asked and parses the addresses.
    ///
    /// # Errors
    /// Usage errors: no target at all, names together with `--all`, a bad address, `-` on a terminal.
    pub(crate) fn resolve<A>(self) -> Result<Targets<A>, Error>
    where
        A: FromStr,
        A::Err: Explain,
    {
        self.select.resolve(self.agents)
    }
}

impl SelectArgs {
    /// As [`TargetArgs::resolve`], with the positionals that are agents.
    ///
    /// # Errors
    /// As [`TargetArgs::resolve`].
    pub(crate) fn resolve<A>(self, positionals: Vec<String>) -> Result<Targets<A>, Error>
    where
        A: FromStr,
        A::Err: Explain,
    {
        let dashes = positionals.iter().filter(|word| *word == "-").count() + usize::from(self.stdin);
        if dashes > 1 {
            return Err(usage("stdin can be read only once", "give `-` or `--stdin` once"));
        }
        let has_names = !self.agent.is_empty() || !positionals.is_empty();
        if self.all && (has_names || self.stdin) {
            return Err(usage("names and `--all` exclude each other", "leave one of them out"));
        }
        if !has_names && !self.stdin && !self.all && self.expressions.is_empty() {
            return Err(usage(
                "no agent is named",
                "name agents, or use `--all`; `mng list` shows what there is",
            ));
        }
        let mut names = self.agent;
        for word in positionals {
            if word == "-" { names.extend(read_names()?) } else { names.push(word) }
        }
        if self.stdin {
            names.extend(read_names()?);
        }
        let named =
            names.iter().map(|name| name.parse::<A>().map_err(Error::from)).collect::<Result<_, _>>()?;
        Ok(Targets {
            is_all: self.all || (!has_names && !self.stdin),
            filters: self.expressions.resolve(),
            is_empty_input: dashes == 1 && names.is_empty(),
            has_read_stdin: dashes == 1,
            named,
        })
    }
}

/// The lines of stdin, trimmed, blank ones left out.
///
/// # Errors
/// A usage error when stdin is a terminal: nobody wants to type names there.
pub(crate) fn read_names() -> Result<Vec<String>, Error> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(usage(
            "`-` reads names from stdin, and stdin is a terminal",
            "mng list --ids | mng stop -",
        ));
    }
    let mut names = Vec::new();
    for line in stdin.lock().lines() {
        let line = line.map_err(|error| Error::io("read names from stdin", error))?;
        if !line.trim().is_empty() {
            names.push(line.trim().to_owned());
        }
    }
    Ok(names)
}

fn usage(message: &str, hint: &str) -> Error {
    Error::hinted(ErrorClass::Usage, message, hint)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Test {
        #[command(flatten)]
        targets: TargetArgs,
    }

    fn targets(words: &[&str]) -> Result<Targets, Error> {
        Test::try_parse_from(["x"].iter().chain(words)).unwrap().targets.resolve()
    }

    #[test]
    fn options_come_before_positionals() {
        let found = targets(&["b", "--agent", "a", "c@gpu"]).unwrap();
        let names: Vec<String> = found.named.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "b", "c@gpu"]);
        assert!(!found.is_all && !found.is_empty_input);
    }

    #[test]
    fn a_filter_alone_means_all() {
        let found = targets(&["--include", "true"]).unwrap();
        assert!(found.is_all);
        assert_eq!(found.filters.include, ["true"]);
        assert!(!targets(&["a", "--include", "true"]).unwrap().is_all);
        assert!(targets(&["-a"]).unwrap().is_all);
        assert!(targets(&["--all-agents"]).unwrap().is_all);
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error() {
        for words in
            [&[][..], &["a", "--all"], &["-", "-"], &["-", "--stdin"], &["a b"], &["--all", "--stdin"]]
        {
            assert_eq!(targets(words).unwrap_err().exit_code(), 2, "{words:?}");
        }
    }
}
