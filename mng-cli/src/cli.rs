//! The table of commands.

use std::collections::BTreeMap;
use std::pin::Pin;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use mng_core::Error;
use mng_core::model::fields::{FieldSet, PlainFields};
use mng_core::plugins::Ctx;
use mng_core::settings::CommandParam;

use crate::commands;
use crate::exit::CliResult;
use crate::frame::{self, Invocation, Loaded, Reading};
use crate::ui::Ui;

/// One command: how it is called, how it is parsed, how it runs.
pub(crate) struct CommandSpec {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    about: Option<&'static str>,
    /// Left out of command lists.
    pub(crate) is_hidden: bool,
    /// Has subcommands.
    pub(crate) is_group: bool,
    pub(crate) templates: Templates,
    /// Adds the arguments, and the about and long about of the help page.
    pub(crate) args: fn(Command) -> Command,
    pub(crate) run: Run,
    /// Changes what stands in for options that were not typed (`create`: the templates).
    pub(crate) adjust: Option<Adjust>,
    /// The command whose pre-command scripts it runs, if it is that one in another guise.
    pub(crate) acts_as: Option<&'static str>,
}

/// Gets what the settings say, the command and what was typed; hands back what stands in for the rest. It may
/// change the settings of this run.
pub(crate) type Adjust =
    fn(&mut Loaded, Vec<CommandParam>, &Command, &Reading<'_>) -> Result<Vec<CommandParam>, Error>;

/// What `--format TEMPLATE` can name.
#[derive(Clone, Copy)]
pub(crate) enum Templates {
    /// The command takes no templates.
    None,
    Fields(&'static (dyn FieldSet + Sync)),
    /// The fields depend on other options: the command calls `Ui::use_template_fields` before it prints.
    Own,
}

pub(crate) type CommandFuture<'a> = Pin<Box<dyn Future<Output = CliResult> + 'a>>;

/// The body of a command, by what it needs.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// Waits for processes or hosts: gets a runtime.
    Waits(for<'a> fn(&'a mut Ui, &'a Ctx, &'a ArgMatches) -> CommandFuture<'a>),
    /// Works although the settings are broken: reads them itself, if at all.
    Bare(fn(&mut Ui, &Invocation, &ArgMatches) -> CliResult),
}

impl CommandSpec {
    const fn new(
        name: &'static str,
        aliases: &'static [&'static str],
        args: fn(Command) -> Command,
        run: Run,
    ) -> Self {
        Self {
            name,
            aliases,
            about: None,
            is_hidden: false,
            is_group: false,
            templates: Templates::None,
            args,
            run,
            adjust: None,
            acts_as: None,
        }
    }

    /// Not in command lists.
    const fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    /// Has subcommands.
    const fn group(mut self) -> Self {
        self.is_group = true;
        self
    }

    /// Takes templates over these fields.
    const fn templates(mut self, fields: &'static (dyn FieldSet + Sync)) -> Self {
        self.templates = Templates::Fields(fields);
        self
    }

    /// Takes templates; the command itself says over which fields.
    const fn own_templates(mut self) -> Self {
        self.templates = Templates::Own;
        self
    }

    /// The one line of the command lists, so that these need not build every command. It is the first line of
    /// the arguments' doc comment (a test compares them); without it that line is looked up.
    const fn about(mut self, about: &'static str) -> Self {
        self.about = Some(about);
        self
    }

    /// The one line of the command.
    pub(crate) fn summary(&self) -> String {
        match self.about {
            Some(about) => about.to_owned(),
            None => crate::help::summary(&(self.args)(Command::new(self.name))),
        }
    }

    /// Lets a function change what stands in for options that were not typed.
    const fn adjusted_by(mut self, adjust: Adjust) -> Self {
        self.adjust = Some(adjust);
        self
    }

    /// Runs the pre-command scripts of that command instead of its own.
    const fn acting_as(mut self, command: &'static str) -> Self {
        self.acts_as = Some(command);
        self
    }

    pub(crate) fn is_called(&self, word: &str) -> bool {
        self.name == word || self.aliases.contains(&word)
    }
}

/// The built-in command of that name or alias.
pub(crate) fn find(word: &str) -> Option<&'static CommandSpec> {
    COMMANDS.iter().find(|spec| spec.is_called(word))
}

/// Names and aliases of the commands that lists show.
pub(crate) fn visible_names() -> Vec<String> {
    let visible = COMMANDS.iter().filter(|spec| !spec.is_hidden);
    visible
        .flat_map(|spec| std::iter::once(spec.name).chain(spec.aliases.iter().copied()).map(str::to_owned))
        .collect()
}

/// The names under which settings know the commands: subcommands joined by `_`, but all of `config` and of
/// `plugin` are one, and the program itself is `mng`.
pub(crate) fn settings_keys() -> Vec<String> {
    let mut keys = vec!["mng".to_owned()];
    for spec in COMMANDS {
        keys.push(spec.name.to_owned());
        if spec.is_group && !matches!(spec.name, "config" | "plugin") {
            let group = (spec.args)(Command::new(spec.name));
            keys.extend(group.get_subcommands().map(|below| format!("{}_{}", spec.name, below.get_name())));
        }
    }
    keys
}

/// The options of every command as settings name them, by the command's name in settings.
pub(crate) fn settings_parameters() -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for spec in COMMANDS {
        let root = frame::build(spec);
        let is_shared = matches!(spec.name, "config" | "plugin");
        for command in if root.has_subcommands() { root.get_subcommands().collect() } else { vec![&root] } {
            let key = match (root.has_subcommands(), is_shared) {
                (true, false) => format!("{}_{}", spec.name, command.get_name()),
                _ => spec.name.to_owned(),
            };
            let longs = command.get_opts().filter_map(clap::Arg::get_long).map(|long| long.replace('-', "_"));
            all.entry(key).or_default().extend(longs);
        }
    }
    all
}

fn parse<A: FromArgMatches>(matches: &ArgMatches) -> Result<A, Error> {
    A::from_arg_matches(matches).map_err(|error| crate::frame::usage_error(&error, None))
}

macro_rules! waits {
    ($name:literal, $aliases:expr, $args:ty, $run:path) => {
        CommandSpec::new(
            $name,
            &$aliases,
            <$args as Args>::augment_args,
            Run::Waits(|ui, ctx, matches| {
                Box::pin(async move { $run(ui, ctx, parse::<$args>(matches)?).await })
            }),
        )
    };
}

macro_rules! bare {
    ($name:literal, $aliases:expr, $args:ty, $run:path) => {
        CommandSpec::new(
            $name,
            &$aliases,
            <$args as Args>::augment_args,
            Run::Bare(|ui, invocation, matches| $run(ui, invocation, parse::<$args>(matches)?)),
        )
    };
}

/// Every command, by name. `waits!` has an async `run(ui, ctx, args)`; `bare!` gets an `Invocation` instead of a `Ctx`. `.templates(&PlainFields(&["name"]))` lets
/// `--format TEMPLATE` in, `.hidden()` keeps it out of lists.
#[rustfmt::skip]
pub(crate) static COMMANDS: &[CommandSpec] = &[
    waits!("archive", [], commands::archive::ArchiveArgs, commands::archive::run)
        .about("Hide agents from `mng list --active`"),
    waits!("ask", [], commands::ask::AskArgs, commands::ask::run)
        .about("Ask a model how to use mng"),
    waits!("capture", [], commands::capture::CaptureArgs, commands::capture::run)
        .about("Print what an agent's screen shows"),
    waits!("cleanup", ["clean"], commands::cleanup::CleanupArgs, commands::cleanup::run)
        .about("Choose many agents, and destroy or stop them"),
    waits!("clone", [], commands::clone::CloneArgs, commands::clone::run)
        .adjusted_by(commands::create::adjust_delegate)
        .acting_as("create")
        .about("Make an agent that goes on from where another one is"),
    bare!("completion", [], commands::completion::CompletionArgs, commands::completion::run)
        .about("Print the script that completes mng in a shell"),
    bare!("config", ["cfg"], commands::config::ConfigArgs, commands::config::run).group().own_templates()
        .about("Show and change settings"),
    waits!("connect", ["conn"], commands::connect::ConnectArgs, commands::connect::run)
        .about("Put your terminal onto an agent"),
    waits!("create", ["c"], commands::create::CreateArgs, commands::create::run)
        .adjusted_by(commands::create::adjust)
        .about("Make an agent and start it"),
    waits!("destroy", ["rm"], commands::destroy::DestroyArgs, commands::destroy::run).templates(&PlainFields(&["name"]))
        .about("End agents and remove what belongs to them"),
    bare!("doctor", ["dependencies"], commands::doctor::DoctorArgs, commands::doctor::run)
        .about("Check what mng needs on this machine"),
    waits!("event", ["events"], commands::event::EventArgs, commands::event::run)
        .about("Print the event streams of an agent or host"),
    waits!("exec", ["x"], commands::exec::ExecArgs, commands::exec::run)
        .templates(&PlainFields(&["agent", "stdout", "stderr", "success", "exit_code", "timed_out", "outer_host", "agents"]))
        .about("Run a command beside agents, in their work dirs"),
    bare!("extras", [], commands::extras::ExtrasArgs, commands::extras::run).hidden()
        .about("Set up what makes mng pleasant to use"),
    waits!("file", [], commands::file::FileArgs, commands::file::run).group().own_templates()
        .about("Read, write and list single files of agents and hosts"),
    waits!("gc", [], commands::gc::GcArgs, commands::gc::run)
        .about("Remove what nobody needs any more"),
    waits!("git", [], commands::git::GitArgs, commands::git::run).group()
        .about("Run git push or pull between here and an agent or host"),
    bare!("help", [], commands::help::HelpArgs, commands::help::run)
        .about("Show help about a command or a topic"),
    waits!("label", [], commands::label::LabelArgs, commands::label::run)
        .about("Set or remove labels of agents"),
    waits!("limit", ["lim"], commands::limit::LimitArgs, commands::limit::run)
        .about("Change idle limits of hosts and permissions of agents"),
    waits!("list", ["ls"], commands::list::ListArgs, commands::list::run).own_templates()
        .about("List agents and what they are doing"),
    waits!("logs", [], commands::logs::LogsArgs, commands::logs::run).templates(&PlainFields(&["name", "size"]))
        .about("List or print the log files of an agent or host"),
    waits!("message", ["msg"], commands::message::MessageCommand, commands::message::run)
        .about("Send a text to agents, as if it was typed"),
    waits!("migrate", [], commands::migrate::MigrateArgs, commands::migrate::run)
        .adjusted_by(commands::create::adjust_delegate)
        .acting_as("create")
        .about("Move an agent: clone it, then destroy the source"),
    waits!("pair", [], commands::pair::PairArgs, commands::pair::run)
        .about("Keep a directory here and an agent's alike, continuously"),
    bare!("plugin", ["plug"], commands::plugin::PluginArgs, commands::plugin::run).group().own_templates()
        .about("List, switch and add plugins"),
    waits!("provision", ["prov"], commands::provision::ProvisionArgs, commands::provision::run)
        .about("Set up the surroundings of an agent again"),
    waits!("pull", [], commands::pull::PullArgs, commands::pull::run)
        .about("Copy files or commits from an agent to here"),
    waits!("push", [], commands::push::PushArgs, commands::push::run)
        .about("Copy files or commits from here to an agent"),
    waits!("rename", ["mv"], commands::rename::RenameArgs, commands::rename::run)
        .about("Give an agent another name"),
    waits!("rsync", [], commands::rsync::RsyncArgs, commands::rsync::run)
        .about("Run rsync between here and an agent or host"),
    waits!("snapshot", ["snap"], commands::snapshot::SnapshotArgs, commands::snapshot::run).group()
        .about("Take, list and delete snapshots of hosts"),
    waits!("start", [], commands::start::StartArgs, commands::start::run).templates(&PlainFields(&["name"]))
        .about("Start agents again, where they left off"),
    waits!("stop", ["s"], commands::stop::StopArgs, commands::stop::run).templates(&PlainFields(&["name"]))
        .about("Stop agents and keep their work"),
    waits!("transcript", [], commands::transcript::TranscriptArgs, commands::transcript::run).own_templates()
        .about("Print the conversation of an agent"),
    waits!("undo", [], commands::undo::UndoArgs, commands::undo::run)
        .templates(&PlainFields(&["undo_id", "agent_name", "agent_id", "branch", "work_dir", "created_at"]))
        .about("Bring back what was destroyed"),
    waits!("usage", [], commands::usage::UsageArgs, commands::usage::run).templates(&PlainFields(commands::usage::FIELDS))
        .about("Show what agents have cost"),
    waits!("why", [], commands::why::WhyArgs, commands::why::run)
        .about("Explain the state of an agent"),
];
