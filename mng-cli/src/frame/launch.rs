//! `main`: from the process's words to its exit code.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use clap::{ArgMatches, Command, FromArgMatches};
use mng_core::Error;
use mng_core::plugins::CommandDef;
use mng_core::settings::EnvSnapshot;
use mng_core::transports::relay;

use super::inject::Params;
use super::load::{EarlyOptions, Invocation, Loaded};
use super::locate::{CommandLine, Located};
use super::usage::{synopsis, unknown_command, usage_error};
use super::words::{Reading, read};
use super::{external, report, runtime, scripts, tree};
use crate::args::{CommonArgs, Explicit};
use crate::cli::{self, CommandSpec, Run, Templates};
use crate::exit::{CliResult, ExitCode};
use crate::help::{self, Channel};
use crate::ui::{Format, Ui};

/// Everything from the words of the process to its exit code.
pub(crate) fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if words.next().is_some_and(|name| Path::new(&name).file_name() == Some(relay::HELPER.as_ref())) {
        return as_relay_helper(words);
    }
    let env = EnvSnapshot::from_process();
    let mut words: Vec<OsString> = words.collect();
    if words.first().is_some_and(|word| word == "__complete") {
        return crate::completion::answer(&env, &words.split_off(1));
    }
    crate::crash::install(&env);
    let mut ui = Ui::on_process(env.clone());
    let mut frame = Frame { ui: &mut ui, env, usage: None };
    // What a panic left behind in these is only read for the last words.
    match catch_unwind(AssertUnwindSafe(|| frame.run(CommandLine::new(words)))) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            let usage = frame.usage.take();
            report::report(&mut ui, &error, usage.as_deref())
        }
        // The hook has told the person already.
        Err(_) => report::report_to_scripts(&mut ui, &crate::crash::error()),
    }
}

/// git, rsync or unison started us in place of `ssh`: no settings, no runtime.
fn as_relay_helper(words: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let var = |name: &str| std::env::var(name).ok();
    ExitCode::new(relay::run_helper(&words, var, std::io::stdin(), std::io::stdout(), std::io::stderr()))
}

/// What a top-level name stands for.
enum Target {
    BuiltIn(&'static CommandSpec),
    Plugin(Box<CommandDef>),
}

struct Frame<'a> {
    ui: &'a mut Ui,
    env: EnvSnapshot,
    /// The lines before a usage error.
    usage: Option<String>,
}

impl Frame<'_> {
    fn run(&mut self, line: CommandLine) -> CliResult {
        self.set_usage("mng", "mng [OPTIONS] COMMAND [ARGS]...");
        let common = tree::common_only();
        let leading = read(&common, &line.leading);
        self.set_early_format(&leading);
        match line.first() {
            "" if leading.has("help") => help::overview(self.ui, &self.env, Channel::Stdout),
            "" if line.words.is_empty() => self.bare(line),
            "--version" | "-V" => crate::commands::version::run(self.ui, leading.has("verbose")),
            word if word.starts_with('-') => Err(stray_option(word)),
            word => match cli::find(word) {
                Some(spec) => self.command(&line, &Target::BuiltIn(spec)),
                None => self.foreign(line),
            },
        }
    }

    fn set_usage(&mut self, called: &str, synopsis: &str) {
        self.usage = Some(format!("Usage: {synopsis}\nTry `{called} --help` for help."));
    }

    /// So that an error before the parse has the right shape too.
    fn set_early_format(&mut self, reading: &Reading<'_>) {
        let format = match reading.typed_ids().filter(|id| matches!(*id, "format" | "json" | "jsonl")).last()
        {
            Some("format") => reading.value("format").unwrap_or_default(),
            Some(short) => short,
            None => return,
        };
        if let Ok(format @ (Format::Json | Format::Jsonl)) = Format::parse(format, "", None) {
            self.ui.set_format(format);
        }
    }

    /// `mng` alone: help, unless `[commands.mng] default_subcommand` names a command.
    fn bare(&mut self, mut line: CommandLine) -> CliResult {
        let invocation = self.invocation(&line.leading)?;
        if let Some(spec) = default_command(&invocation)? {
            line.words.push(spec.name.into());
            return self.command(&line, &Target::BuiltIn(spec));
        }
        help::overview(self.ui, &self.env, Channel::Stderr)?;
        Ok(ExitCode::USAGE)
    }

    /// A first word that is no built-in command: one of a plugin, an executable, an argument of the default
    /// command, or a mistake.
    fn foreign(&mut self, mut line: CommandLine) -> CliResult {
        let word = line.first().to_owned();
        let invocation = self.invocation(&[&line.leading[..], &line.words[1..]].concat())?;
        let loaded = invocation.load(self.ui.terminal().has_person());
        if let Ok(loaded) = &loaded
            && let Some(def) = loaded.plugin_command(&word)
        {
            return self.command(&line, &Target::Plugin(Box::new(def)));
        }
        if let Some(path) = external::find(&self.env, &word) {
            if !line.leading.is_empty() {
                return Err(Error::hinted(
                    mng_core::ErrorClass::Usage,
                    format!("`mng-{word}` reads its own options, so none can stand before its name"),
                    format!("mng {word} OPTIONS"),
                ));
            }
            return Err(external::exec(&loaded?.ctx, &word, &path, &line.words[1..]));
        }
        if let Some(spec) = default_command(&invocation)? {
            line.words.insert(0, spec.name.into());
            return self.command(&line, &Target::BuiltIn(spec));
        }
        let mut known = cli::visible_names();
        known.extend(external::on_path(&self.env).into_keys());
        Err(unknown_command(&word, known))
    }

    fn invocation(&self, words: &[OsString]) -> Result<Invocation, Error> {
        Invocation::new(self.env.clone(), EarlyOptions::of(&read(&tree::common_only(), words)))
    }

    fn command(&mut self, line: &CommandLine, target: &Target) -> CliResult {
        let root = match target {
            Target::BuiltIn(spec) => tree::build(spec),
            Target::Plugin(def) => tree::finish(def.command.clone()),
        };
        self.in_tree(line, target, &root)
    }

    fn in_tree(&mut self, line: &CommandLine, target: &Target, root: &Command) -> CliResult {
        let mut located = Located::find(root, line);
        if located.is_group()
            && let Some(code) = self.group(&mut located)?
        {
            return Ok(code);
        }
        let called = located.called();
        self.set_usage(&called, &synopsis(&called, located.command));
        let reading = read(located.command, &located.typed);
        self.set_early_format(&reading);
        if reading.has("help") {
            return help::command_page(self.ui, &self.env, &called, located.command);
        }
        let invocation = Invocation::new(self.env.clone(), EarlyOptions::of(&reading))?;
        match target {
            Target::BuiltIn(spec) => self.built_in(spec, root, &located, &invocation),
            Target::Plugin(def) => self.plugin(def, root, &located, &invocation),
        }
    }

    /// A group whose subcommand is not named: goes on with its default one, or shows help, or fails.
    fn group(&mut self, located: &mut Located<'_>) -> Result<Option<ExitCode>, Error> {
        let group = located.command;
        let called = located.called();
        self.set_usage(&called, &synopsis(&called, group));
        let common = tree::common_only();
        let reading = read(&common, &located.typed);
        self.set_early_format(&reading);
        if located.unknown.is_none() && reading.has("help") {
            return help::command_page(self.ui, &self.env, &called, group).map(Some);
        }
        let invocation = Invocation::new(self.env.clone(), EarlyOptions::of(&reading))?;
        if let Some(default) = invocation.default_subcommand(&located.path.join("_")) {
            let Some(command) = group.find_subcommand(&default) else {
                return Err(no_default(&located.path.join("_"), &default));
            };
            located.descend(command);
            return Ok(None);
        }
        match &located.unknown {
            Some(word) if word.starts_with('-') => Err(stray_option(word)),
            Some(word) => {
                let known = group.get_subcommands().filter(|command| !command.is_hide_set());
                let known = known.flat_map(Command::get_name_and_visible_aliases).map(str::to_owned);
                Err(unknown_command(word, known))
            }
            None => help::command_page(self.ui, &self.env, &called, group).map(Some),
        }
    }

    fn built_in(
        &mut self,
        spec: &CommandSpec,
        root: &Command,
        located: &Located<'_>,
        invocation: &Invocation,
    ) -> CliResult {
        let loaded = invocation.load(self.ui.terminal().has_person());
        let mut loaded = match (spec.run, loaded) {
            (Run::Bare(_), Err(_)) => None,
            (_, loaded) => Some(loaded?),
        };
        // Settings and flags may have switched plugins: then other options are there.
        let rebuilt = loaded.as_ref().and_then(|loaded| tree::rebuilt(spec, &loaded.ctx.registry));
        let root = rebuilt.as_ref().unwrap_or(root);
        let located = &located.moved_to(root);
        let reading = read(located.command, &located.typed);
        let params = match &mut loaded {
            Some(loaded) => params(spec, root, located, &reading, loaded)?,
            None => Params::default(),
        };
        let matches = parse(root, located, &reading, &params)?;
        let common = common_args(&matches)?;
        self.set_format(spec, &common, &located.path.join(" "))?;
        let headless = loaded.as_ref().map_or_else(|| invocation.is_headless(), |loaded| loaded.is_headless);
        self.ui.set_headless(headless);
        if let Some(loaded) = &mut loaded {
            loaded.ctx.host_key_prompt = self.ui.host_key_prompt();
        }
        let Some(Loaded { ctx, warnings, .. }) = &loaded else {
            let Run::Bare(run) = spec.run else { unreachable!("only bare commands go on without settings") };
            self.ui
                .console()
                .set_level(common.console_level().unwrap_or(mng_core::settings::LogLevel::Build));
            return run(self.ui, invocation, &matches);
        };
        crate::logging::start(self.ui.console(), ctx, &common, &located.key());
        if !matches!(spec.run, Run::Bare(_)) {
            warnings.iter().for_each(|warning| self.ui.warning(warning));
        }
        match spec.run {
            Run::Bare(run) => run(self.ui, invocation, &matches),
            Run::Waits(run) => {
                let key = located.key();
                scripts::run(ctx, spec.acts_as.unwrap_or(&key))?;
                let code = runtime::wait(
                    &ctx.cancel,
                    runtime::with_hooks(ctx, &key, innermost(&matches), run(self.ui, ctx, &matches)),
                )?;
                // Last of all: this process becomes another program, so the hooks have to be through.
                self.ui.become_other()?;
                Ok(code)
            }
        }
    }

    fn plugin(
        &mut self,
        def: &CommandDef,
        root: &Command,
        located: &Located<'_>,
        invocation: &Invocation,
    ) -> CliResult {
        let Loaded { mut ctx, warnings, is_headless, .. } =
            invocation.load(self.ui.terminal().has_person())?;
        let reading = read(located.command, &located.typed);
        let matches = parse(root, located, &reading, &Params::default())?;
        let common = common_args(&matches)?;
        if let Ok(format) = Format::parse(common.format_text(), "", None) {
            self.ui.set_format(format);
        }
        self.ui.set_headless(is_headless);
        ctx.host_key_prompt = self.ui.host_key_prompt();
        crate::logging::start(self.ui.console(), &ctx, &common, &located.key());
        for warning in &warnings {
            self.ui.warning(warning);
        }
        scripts::run(&ctx, &located.key())?;
        let mut out = self.ui.writer();
        let run = async {
            let code = (def.run)(&ctx, &matches, &mut out).await?;
            Ok(ExitCode::new(code))
        };
        runtime::wait(&ctx.cancel, runtime::with_hooks(&ctx, &located.key(), innermost(&matches), run))
    }

    fn set_format(&mut self, spec: &CommandSpec, common: &CommonArgs, command: &str) -> Result<(), Error> {
        let text = common.format_text();
        match spec.templates {
            Templates::None => self.ui.set_format(Format::parse(text, command, None)?),
            Templates::Fields(fields) => self.ui.set_format(Format::parse(text, command, Some(fields))?),
            Templates::Own => self.ui.set_format_later(text),
        }
        Ok(())
    }
}

/// What stands in for the options that were not typed.
fn params(
    spec: &CommandSpec,
    root: &Command,
    located: &Located<'_>,
    reading: &Reading<'_>,
    loaded: &mut Loaded,
) -> Result<Params, Error> {
    let key = located.key();
    let configured = loaded.ctx.settings.command_params(&key);
    let adjusted = match spec.adjust {
        Some(adjust) => adjust(loaded, configured.clone(), located.command, reading)?,
        None => configured.clone(),
    };
    let params = Params::new(&key, &configured, adjusted);
    let family: Vec<&Command> =
        if located.is_shared() { root.get_subcommands().collect() } else { vec![located.command] };
    for unknown in params.unknown(&family, &key) {
        if loaded.ctx.env.is_truthy("MNG_ALLOW_UNKNOWN_CONFIG") {
            loaded.warnings.push(unknown.to_string());
        } else {
            return Err(unknown);
        }
    }
    Ok(params)
}

/// Parses the words with what stands in for untyped ones.
fn parse(
    root: &Command,
    located: &Located<'_>,
    reading: &Reading<'_>,
    params: &Params,
) -> Result<ArgMatches, Error> {
    let mut words: Vec<OsString> = located.path[1..].iter().map(OsString::from).collect();
    words.push(Explicit::new(reading.typed_ids().map(str::to_owned)).as_word().into());
    words.extend(params.words(located.command, reading)?);
    words.extend(located.typed.iter().cloned());
    root.clone().try_get_matches_from(words).map_err(|error| {
        params.blame(&error, reading).unwrap_or_else(|| usage_error(&error, Some(located.command)))
    })
}

/// The options of every command, which stand in the innermost subcommand.
fn common_args(matches: &ArgMatches) -> Result<CommonArgs, Error> {
    CommonArgs::from_arg_matches(innermost(matches)).map_err(|error| usage_error(&error, None))
}

/// What was parsed for the command itself, below the groups.
fn innermost(mut matches: &ArgMatches) -> &ArgMatches {
    while let Some((_, below)) = matches.subcommand() {
        matches = below;
    }
    matches
}

/// An option before the command's name that is none of those that may stand there.
fn stray_option(word: &str) -> Error {
    let common = tree::common_only();
    match common.clone().no_binary_name(true).try_get_matches_from([word]) {
        Err(error) => usage_error(&error, Some(&common)),
        Ok(_) => unknown_command(word, std::iter::empty::<String>()),
    }
}

fn default_command(invocation: &Invocation) -> Result<Option<&'static CommandSpec>, Error> {
    let Some(name) = invocation.default_subcommand("mng") else { return Ok(None) };
    cli::find(&name).map(Some).ok_or_else(|| no_default("mng", &name))
}

fn no_default(key: &str, name: &str) -> Error {
    Error::hinted(
        mng_core::ErrorClass::Config,
        format!("`commands.{key}.default_subcommand` is `{name}`, which is no command"),
        format!("mng config unset commands.{key}.default_subcommand"),
    )
}
