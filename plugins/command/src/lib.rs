//! The agent types `command` and `headless_command`: any program as an agent.

use std::sync::Arc;

use mng_core::agents::types::{AgentType, AgentTypeDef, Launch, TypeCapabilities};
use mng_core::model::shell::{ShellCommand, needs_shell, quote};
use mng_core::plugins::{Plugin, PluginDescriptor};
use mng_core::settings::FieldSchema;
use mng_core::{Error, ErrorClass, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

mng_core::register_plugin!(PluginDescriptor {
    name: "command",
    version: env!("CARGO_PKG_VERSION"),
    description: "any program as an agent",
    make: || Box::new(CommandPlugin),
    ..PluginDescriptor::DEFAULT
});

struct CommandPlugin;

impl Plugin for CommandPlugin {
    fn agent_types(&self) -> Vec<AgentTypeDef> {
        vec![
            AgentTypeDef {
                name: "command",
                description: "any program in a terminal; a message is typed into it",
                // What the original calls a literal command.
                aliases: &["generic"],
                config_fields: FieldSchema::of::<CommandConfig>(),
                build: |config| {
                    Ok(Arc::new(CommandType { name: "command", is_headless: false, config: read(config)? }))
                },
            },
            AgentTypeDef {
                name: "headless_command",
                description: "any program without a terminal's reader; its output is streamed and kept in files",
                aliases: &[],
                config_fields: FieldSchema::of::<CommandConfig>(),
                build: |config| {
                    Ok(Arc::new(CommandType {
                        name: "headless_command",
                        is_headless: true,
                        config: read(config)?,
                    }))
                },
            },
        ]
    }
}

/// What `[agent_types.NAME]` of these types holds beside the fields of every type.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct CommandConfig {
    /// Whether the program marks its turns itself, by making and removing `$MNG_AGENT_STATE_DIR/active`; an
    /// agent without the mark is then WAITING.
    tracks_activity: bool,
}

/// The merged table: our own fields and those of every type that matter here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    command: Option<String>,
    cli_args: Vec<String>,
    #[serde(flatten)]
    own: CommandConfig,
}

fn read(config: &Value) -> Result<Config> {
    if config.is_null() {
        return Ok(Config::default());
    }
    Config::deserialize(config)
        .map_err(|error| Error::plain(ErrorClass::ConfigStructure, format!("`agent_types`: {error}")))
}

#[derive(Debug)]
struct CommandType {
    name: &'static str,
    is_headless: bool,
    config: Config,
}

impl CommandType {
    /// The shell command line, before a headless one is given its files.
    fn line(&self, launch: &Launch) -> Result<String> {
        let base = launch.command_override.as_ref().or(self.config.command.as_ref());
        let base = base.map(|base| base.trim()).filter(|base| !base.is_empty());
        let (head, args) = match (base, launch.args.as_slice()) {
            (Some(base), args) => (base.to_owned(), args),
            // One argument that a shell would act on is a command line, not a program of that name.
            (None, [line]) if needs_shell(line) && !line.trim().is_empty() => {
                (line.trim().to_owned(), &[][..])
            }
            (None, [program, args @ ..]) if !program.trim().is_empty() => {
                (ShellCommand::new(program).to_string(), args)
            }
            (None, _) => return Err(self.nothing_to_run()),
        };
        let mut line = head;
        // What the settings say is shell text; what the person typed are words.
        let settings = self.config.cli_args.iter().map(|arg| arg.as_str().into());
        for word in settings.chain(args.iter().map(|arg| quote(arg))) {
            line.push(' ');
            line.push_str(&word);
        }
        Ok(line)
    }

    fn nothing_to_run(&self) -> Error {
        Error::hinted(
            ErrorClass::NoCommandDefined,
            format!("an agent of type `{}` needs a command to run", self.name),
            format!("mng create NAME --type {} -- PROGRAM ARGS", self.name),
        )
    }
}

impl AgentType for CommandType {
    fn name(&self) -> &str {
        self.name
    }

    fn capabilities(&self) -> TypeCapabilities {
        TypeCapabilities {
            headless: self.is_headless,
            unattended: true,
            tracks_activity: self.config.own.tracks_activity,
            ..TypeCapabilities::default()
        }
    }

    fn command_line(&self, launch: &Launch) -> Result<String> {
        let line = self.line(launch)?;
        if !self.is_headless {
            return Ok(line);
        }
        // `eval` so that the files belong to the whole line, whatever it ends in.
        let line = if needs_shell(&line) && launch_is_line(launch, &self.config) {
            format!("eval {}", quote(&line))
        } else {
            line
        };
        Ok(format!("{line} >\"$MNG_AGENT_STATE_DIR/stdout.log\" 2>\"$MNG_AGENT_STATE_DIR/stderr.log\""))
    }
}

/// Whether the command is somebody's shell text, and not words that we have quoted.
fn launch_is_line(launch: &Launch, config: &Config) -> bool {
    launch.command_override.is_some()
        || config.command.is_some()
        || !config.cli_args.is_empty()
        || matches!(launch.args.as_slice(), [line] if needs_shell(line))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn build(name: &str, config: Value) -> Arc<dyn AgentType> {
        let def = CommandPlugin.agent_types().into_iter().find(|def| def.name == name).unwrap();
        (def.build)(&config).unwrap()
    }

    fn line(config: Value, args: &[&str]) -> String {
        let launch =
            Launch { command_override: None, args: args.iter().map(|arg| (*arg).to_owned()).collect() };
        build("command", config).command_line(&launch).unwrap()
    }

    #[test]
    fn words_are_quoted_and_one_line_is_a_line() {
        assert_eq!(line(Value::Null, &["sleep", "1000"]), "sleep 1000");
        assert_eq!(line(Value::Null, &["htop"]), "htop");
        assert_eq!(line(Value::Null, &["echo a && echo b"]), "echo a && echo b");
        assert_eq!(line(Value::Null, &["echo", "a && b", "$X"]), "echo 'a && b' '$X'");
        assert_eq!(line(Value::Null, &["/my dir/prog", "x"]), "'/my dir/prog' x");
        assert_eq!(line(Value::Null, &["A=b", "x"]), "'A=b' x");
    }

    #[test]
    fn a_configured_command_keeps_its_shell_text() {
        let config = json!({"command": "aider --yes", "cli_args": ["--model", "'a b'"], "env": ["X=1"]});
        assert_eq!(line(config.clone(), &[]), "aider --yes --model 'a b'");
        assert_eq!(line(config.clone(), &["fix it; now"]), "aider --yes --model 'a b' 'fix it; now'");
        let launch = Launch { command_override: Some("vi".into()), args: vec!["x y".into()] };
        assert_eq!(build("command", config).command_line(&launch).unwrap(), "vi --model 'a b' 'x y'");
    }

    #[test]
    fn nothing_to_run_is_said() {
        for args in [vec![], vec![String::new()], vec!["  ".into()]] {
            let error = build("command", Value::Null)
                .command_line(&Launch { args, ..Launch::default() })
                .unwrap_err();
            assert_eq!(error.class(), ErrorClass::NoCommandDefined);
            assert_eq!(error.to_string(), "an agent of type `command` needs a command to run");
        }
    }

    #[test]
    fn headless_output_goes_to_files_whatever_the_line() {
        let dir = tempfile::tempdir().unwrap();
        for (args, out, err) in [
            (vec!["sh", "-c", "echo out; echo err >&2"], "out\n", "err\n"),
            (vec!["echo a; echo b >&2 # and so on"], "a\n", "b\n"),
            (vec!["echo a && (echo b >&2)"], "a\n", "b\n"),
            (vec!["printf '%s' \"it's\""], "it's", ""),
        ] {
            let args = args.into_iter().map(str::to_owned).collect();
            let launch = Launch { args, ..Launch::default() };
            let line = build("headless_command", Value::Null).command_line(&launch).unwrap();
            let output = std::process::Command::new("sh")
                .args(["-c", &line])
                .env("MNG_AGENT_STATE_DIR", dir.path())
                .output()
                .unwrap();
            assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{line}: {output:?}");
            assert_eq!(std::fs::read_to_string(dir.path().join("stdout.log")).unwrap(), out, "{line}");
            assert_eq!(std::fs::read_to_string(dir.path().join("stderr.log")).unwrap(), err, "{line}");
        }
    }

    #[test]
    fn turns_are_tracked_where_the_settings_say_so() {
        assert!(!build("command", Value::Null).capabilities().tracks_activity);
        let capabilities = build("command", json!({"tracks_activity": true})).capabilities();
        assert!(capabilities.tracks_activity && !capabilities.headless);
        assert!(build("headless_command", json!({})).capabilities().headless);
    }
}
