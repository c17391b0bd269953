//! `mng extras`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mng_core::settings::{ConfigScope, Editor, EnvSnapshot, LoadRequest, WriteForm};
use mng_core::{Error, ErrorClass};
use serde_json::{Value, json};

use super::config::{answer, report};
use crate::completion::{Shell, script};
use crate::exit::{CliResult, ExitCode};
use crate::frame::Invocation;
use crate::ui::Ui;

/// Set up what makes mng pleasant to use
///
/// Without a name, says what is set up. `completion` makes new shells complete mng, `config` chooses the
/// agent type that `mng create` takes by default, `plugins` lists what can be switched on.
#[derive(Args, Debug)]
#[command(
    after_help = "$ mng extras\n$ mng extras completion -y\n\nSee also: completion, config, plugin, doctor"
)]
pub(crate) struct ExtrasArgs {
    /// What to set up
    #[arg(value_name = "WHAT", value_enum)]
    what: Option<Extra>,

    /// Ask no questions
    #[arg(short, long)]
    yes: bool,

    /// Go through everything, asking
    #[arg(short = 'i', long = "walk", visible_alias = "all", conflicts_with_all = ["what", "yes"])]
    walk: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Extra {
    /// Plugins and whether they are on
    Plugins,
    /// Completion in new shells
    Completion,
    /// The default agent type
    Config,
    /// Helpers inside Claude Code
    ClaudePlugin,
}

pub(crate) fn run(ui: &mut Ui, invocation: &Invocation, args: ExtrasArgs) -> CliResult {
    match args.what {
        None if args.walk => {
            complete_shell(ui, invocation, false)?;
            ask_default_type(ui, invocation, false)
        }
        None => status(ui, invocation),
        Some(Extra::Completion) => complete_shell(ui, invocation, args.yes),
        Some(Extra::Config) => ask_default_type(ui, invocation, args.yes),
        Some(Extra::Plugins) => status(ui, invocation),
        Some(Extra::ClaudePlugin) => Err(Error::hinted(
            ErrorClass::UnknownAgentType,
            "this mng was built without the agent type `claude`, so there is nothing to set up for it",
            "`mng plugin list` shows what this mng has",
        )),
    }
}

fn status(ui: &mut Ui, invocation: &Invocation) -> CliResult {
    let ctx = invocation.load(false)?.ctx;
    let on: Vec<&str> = ctx.registry.enabled().map(|enabled| enabled.descriptor.name).collect();
    let shell = Place::of_person(&invocation.env, &invocation.locations.home);
    let is_completing = shell.as_ref().map(Place::is_set_up);
    let default_type = ctx.settings.command_params("create").into_iter().find(|param| param.name == "type");
    let default_type = default_type.and_then(|param| param.value.as_str().map(str::to_owned));
    let object = json!({
        "plugins": on,
        "completion": is_completing,
        "shell": shell.as_ref().map(|place| place.shell.as_str()),
        "default_type": default_type,
    });
    answer(ui, "extras", &object, |ui| {
        ui.human(|out| {
            out.line(format_args!("plugins: {}", on.join(", ")))?;
            match (&shell, is_completing) {
                (Some(place), Some(true)) => {
                    out.line(format_args!("completion: on for {}", place.shell.as_str()))?
                }
                (Some(place), _) => out.line(format_args!(
                    "completion: off for {}; `mng extras completion` switches it on",
                    place.shell.as_str()
                ))?,
                _ => out.line(format_args!("completion: SHELL names no shell that mng completes"))?,
            }
            match &default_type {
                Some(name) => out.line(format_args!("default type: {name}")),
                None => out.line(format_args!("default type: none; `mng extras config` chooses one")),
            }
        })
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Marks what we wrote into a file of the person's.
const MARK: &str = "# mng shell completion (managed by mng)";

/// Where a shell looks for completion.
struct Place {
    shell: Shell,
    file: PathBuf,
}

impl Place {
    fn of_person(env: &EnvSnapshot, home: &Path) -> Option<Self> {
        let shell = Path::new(env.get_non_empty("SHELL")?).file_name()?.to_str()?.parse().ok()?;
        Some(Self::of(shell, env, home))
    }

    fn of(shell: Shell, env: &EnvSnapshot, home: &Path) -> Self {
        let dir =
            |name: &str, below: &str| env.get_non_empty(name).map_or_else(|| home.join(below), PathBuf::from);
        let file = match shell {
            // A login shell of macOS reads no .bashrc.
            Shell::Bash if cfg!(target_os = "macos") => home.join(".bash_profile"),
            Shell::Bash => home.join(".bashrc"),
            Shell::Zsh => dir("ZDOTDIR", "").join(".zshrc"),
            Shell::Fish => dir("XDG_CONFIG_HOME", ".config").join("fish/completions/mng.fish"),
        };
        Self { shell, file }
    }

    fn is_set_up(&self) -> bool {
        std::fs::read_to_string(&self.file)
            .is_ok_and(|text| text.contains(MARK) || text.contains("mng completion"))
    }

    /// What belongs into the file.
    fn lines(&self) -> String {
        let eval = match self.shell {
            Shell::Bash | Shell::Zsh => {
                format!("command -v mng >/dev/null && eval \"$(mng completion {})\"", self.shell.as_str())
            }
            Shell::Fish => "command -q mng; and mng completion fish | source".to_owned(),
        };
        format!("{MARK}\n{eval}\n")
    }

    /// Appends, so that whatever the file is, a link to a repository of dotfiles even, stays what it is.
    fn set_up(&self) -> std::io::Result<()> {
        if let Some(dir) = self.file.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let old = std::fs::read(&self.file).unwrap_or_default();
        let gap = match old.last() {
            None => "",
            Some(b'\n') => "\n",
            Some(_) => "\n\n",
        };
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.file)?;
        file.write_all(format!("{gap}{}", self.lines()).as_bytes())
    }
}

fn complete_shell(ui: &mut Ui, invocation: &Invocation, yes: bool) -> CliResult {
    let Some(place) = Place::of_person(&invocation.env, &invocation.locations.home) else {
        return Err(Error::hinted(
            ErrorClass::UserInput,
            "SHELL names no shell that mng completes",
            "`mng completion bash`, `zsh` or `fish` prints the script for one",
        ));
    };
    let file = invocation.locations.contract_home(&place.file);
    let mut object = json!({ "shell": place.shell.as_str(), "path": place.file, "changed": false });
    let sentence = if place.is_set_up() {
        format!("{file} switches completion on already")
    } else if yes || (ui.can_ask() && ui.confirm_blocking(&format!("Add completion to {file}?"), "-y")?) {
        debug_assert!(!script(place.shell).is_empty());
        place.set_up().map_err(|error| Error::io(format!("write `{}`", place.file.display()), error))?;
        object["changed"] = Value::Bool(true);
        format!("Added completion to {file}; it works in new shells")
    } else {
        format!("Add this to {file}:\n{}", place.lines().trim_end())
    };
    answer(ui, "extras_completion", &object, |ui| ui.human(|out| out.line(format_args!("{sentence}"))))?;
    Ok(ExitCode::SUCCESS)
}

/// Asks for the agent type that `mng create` takes by default, and stores it for every project.
pub(crate) fn ask_default_type(ui: &mut Ui, invocation: &Invocation, yes: bool) -> CliResult {
    let ctx = invocation.load(false)?.ctx;
    let mut types: Vec<String> = ctx.registry.agent_types().map(|def| def.name.to_owned()).collect();
    types.extend(ctx.settings.agent_types().into_keys());
    types.sort();
    types.dedup();
    if yes || !ui.can_ask() || !ui.is_human() {
        let object =
            json!({ "types": types, "command": "mng config set --scope user commands.create.type TYPE" });
        answer(ui, "extras_config", &object, |ui| {
            ui.human(|out| {
                out.line(format_args!("To choose the default agent type ({}):", types.join(", ")))?;
                out.line(format_args!("  mng config set --scope user commands.create.type TYPE"))
            })
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let prompt = format!("Default agent type ({}; empty: none): ", types.join(", "));
    let chosen = ui.ask_blocking(&prompt, "-y")?.trim().to_owned();
    if chosen.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if !types.contains(&chosen) {
        return Err(Error::hinted(
            ErrorClass::UnknownAgentType,
            format!("there is no agent type `{chosen}`"),
            format!("types: {}", types.join(", ")),
        ));
    }
    let known = invocation.known_with_parameters()?;
    let editor = Editor::new(LoadRequest {
        locations: &invocation.locations,
        env: &invocation.env,
        overrides: &invocation.early.overrides,
        known: &known,
    });
    let edited = editor.write(ConfigScope::User, "commands.create.type", &chosen, WriteForm::Set, false)?;
    report(ui, invocation, "config_set", &edited, |edited, place| {
        format!("Set {} = {chosen} in {place}", edited.key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_set_up_sees_the_first() {
        let home = tempfile::tempdir().unwrap();
        let env: EnvSnapshot = [("SHELL", "/usr/bin/bash")].into_iter().collect();
        std::fs::write(home.path().join(".bashrc"), "export A=1").unwrap();
        let place = Place::of(Shell::Bash, &env, home.path());
        assert!(!place.is_set_up());
        if !cfg!(target_os = "macos") {
            place.set_up().unwrap();
            assert!(place.is_set_up());
            insta::assert_snapshot!(std::fs::read_to_string(place.file).unwrap(), @r#"
            export A=1

            # mng shell completion (managed by mng)
            command -v mng >/dev/null && eval "$(mng completion bash)"
            "#);
        }
    }

    #[test]
    fn shells_keep_their_files_in_their_own_places() {
        let env: EnvSnapshot =
            [("ZDOTDIR", "/z"), ("XDG_CONFIG_HOME", "/x"), ("SHELL", "/bin/zsh")].into_iter().collect();
        let file = |shell| Place::of(shell, &env, Path::new("/h")).file;
        assert_eq!(file(Shell::Zsh), Path::new("/z/.zshrc"));
        assert_eq!(file(Shell::Fish), Path::new("/x/fish/completions/mng.fish"));
        assert_eq!(Place::of_person(&env, Path::new("/h")).unwrap().shell, Shell::Zsh);
    }
}
