//! The script that starts the program, and the line that calls it.

use mng_core::agents::types::Launch;
use mng_core::model::shell::quote;

use crate::config::Config;

/// The launch script, relative to the agent's state dir.
pub(crate) const SCRIPT: &str = "commands/launch_codex.sh";

/// Resumes the recorded conversation if its rollout is still there, and hands over the first message.
///
/// The command comes in a variable, as the shell text that it is; arguments stay words.
pub(crate) const SCRIPT_TEXT: &str = r#"# mng writes this file anew whenever it provisions the agent.
mng_state=${MNG_AGENT_STATE_DIR:?}
mng_home=$mng_state/plugin/codex/home
mng_codex=${MNG_CODEX_COMMAND:-codex}
unset MNG_CODEX_COMMAND
rm -f "$mng_state/active" "$mng_state/permissions_waiting"
touch "$mng_state/codex_process_started"
mng_id=
if [ -f "$mng_state/codex_root_session" ]; then
    read -r mng_id <"$mng_state/codex_root_session" || :
fi
case $mng_id in
    '' | *[!0-9a-fA-F-]*) ;;
    *)
        for mng_rollout in "$mng_home"/sessions/*/*/*/rollout-*-"$mng_id".jsonl; do
            if [ -s "$mng_rollout" ]; then
                set -- resume "$mng_id" "$@"
                break
            fi
        done
        ;;
esac
if [ -f "$mng_state/initial_prompt" ] && mv "$mng_state/initial_prompt" "$mng_state/initial_prompt.sent"; then
    touch "$mng_state/initial_prompt.sent"
    # The mark keeps line breaks at the end.
    mng_prompt=$(cat "$mng_state/initial_prompt.sent" && printf x)
    set -- "$@" -- "${mng_prompt%x}"
fi
eval "exec $mng_codex \"\$@\""
"#;

/// The line that starts an agent: stored in its record, and run in its pane.
pub(crate) fn line(config: &Config, launch: &Launch) -> String {
    let given = launch.command_override.as_deref().map(str::trim).filter(|command| !command.is_empty());
    let command = given.unwrap_or_else(|| config.command());
    let mut line = String::new();
    if command != "codex" {
        line.push_str("MNG_CODEX_COMMAND=");
        line.push_str(&quote(command));
        line.push(' ');
    }
    line.push_str("bash \"$MNG_AGENT_STATE_DIR/");
    line.push_str(SCRIPT);
    line.push('"');
    // What the settings say is shell text; what the person typed are words.
    let settings = config.cli_args.iter().map(|arg| arg.as_str().into());
    for word in settings.chain(launch.args.iter().map(|arg| quote(arg))) {
        line.push(' ');
        line.push_str(&word);
    }
    line
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::Command;

    use serde_json::json;

    use super::*;

    const ID: &str = "01a212dc-1783-7250-aac2-8b255d7a55ed";

    fn of(config: serde_json::Value, over: Option<&str>, args: &[&str]) -> String {
        let launch = Launch {
            command_override: over.map(str::to_owned),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        };
        line(&Config::read(&config).unwrap(), &launch)
    }

    #[test]
    fn settings_are_shell_text_and_arguments_are_words() {
        insta::assert_snapshot!(of(json!({}), None, &[]), @r#"bash "$MNG_AGENT_STATE_DIR/commands/launch_codex.sh""#);
        insta::assert_snapshot!(
            of(json!({"cli_args": ["--model", "\"$M\""]}), None, &["-c", "a=\"X (Y)\""]),
            @r#"bash "$MNG_AGENT_STATE_DIR/commands/launch_codex.sh" --model "$M" -c 'a="X (Y)"'"#
        );
        insta::assert_snapshot!(
            of(json!({"command": "/opt/my codex"}), Some("npx codex"), &[]),
            @r#"MNG_CODEX_COMMAND='npx codex' bash "$MNG_AGENT_STATE_DIR/commands/launch_codex.sh""#
        );
    }

    /// Runs the line with a program that prints its arguments, one a line in brackets.
    fn run(state: &Path, line: &str) -> String {
        let bin = state.join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(state.join("commands")).unwrap();
        fs::write(state.join(SCRIPT), SCRIPT_TEXT).unwrap();
        let program = bin.join("codex");
        fs::write(&program, "#!/bin/sh\nprintf '[%s]\\n' \"$@\" ${MNG_CODEX_COMMAND-}\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let output = Command::new("bash")
            .args(["-c", line])
            .env("PATH", path)
            .env("MNG_AGENT_STATE_DIR", state)
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_conversation_is_resumed_while_its_rollout_is_there() {
        let dir = tempfile::Builder::new().prefix("it's $HOME").tempdir().unwrap();
        let state = dir.path();
        let line = of(json!({}), None, &["--model", "a b"]);
        fs::write(state.join("active"), "").unwrap();
        assert_eq!(run(state, &line), "[--model]\n[a b]\n");
        assert!(!state.join("active").exists() && state.join("codex_process_started").exists());
        fs::write(state.join("codex_root_session"), format!("{ID}\n")).unwrap();
        assert_eq!(run(state, &line), "[--model]\n[a b]\n", "its rollout is gone");
        let day = state.join("plugin/codex/home/sessions/2026/11/25");
        fs::create_dir_all(&day).unwrap();
        let rollout = day.join(format!("rollout-2026-11-25T13-19-03-{ID}.jsonl"));
        fs::write(&rollout, "").unwrap();
        assert_eq!(run(state, &line), "[--model]\n[a b]\n", "its rollout is empty");
        fs::write(&rollout, "x").unwrap();
        assert_eq!(run(state, &line), format!("[resume]\n[{ID}]\n[--model]\n[a b]\n"));
        fs::write(state.join("codex_root_session"), "*\n").unwrap();
        assert_eq!(run(state, &line), "[--model]\n[a b]\n", "no id");
    }

    #[test]
    fn the_first_message_is_passed_once_and_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        let line = of(json!({}), None, &["--search"]);
        let text = "-fix 'it' \"now\" $HOME `date`\n\n";
        fs::write(state.join("initial_prompt"), text).unwrap();
        assert_eq!(run(state, &line), format!("[--search]\n[--]\n[{text}]\n"));
        assert_eq!(fs::read_to_string(state.join("initial_prompt.sent")).unwrap(), text);
        assert_eq!(run(state, &line), "[--search]\n");
        let long = "x".repeat(100 * 1024);
        fs::write(state.join("initial_prompt"), &long).unwrap();
        assert_eq!(run(state, &line), format!("[--search]\n[--]\n[{long}]\n"));
    }

    #[test]
    fn another_command_is_shell_text() {
        let dir = tempfile::tempdir().unwrap();
        let line = of(json!({"command": "env X=1 codex --yolo"}), None, &["a b"]);
        assert_eq!(run(dir.path(), &line), "[--yolo]\n[a b]\n");
    }
}
