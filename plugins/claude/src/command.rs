//! The line that starts an agent, as its record keeps it.

use mng_core::agents::types::Launch;
use mng_core::model::shell::quote;
use mng_core::{Error, Result};

use crate::claude_type::ClaudeType;

/// The script that provisioning writes, as the line names it.
const SCRIPT: &str = "sh \"$MNG_AGENT_STATE_DIR/commands/launch_claude.sh\"";

/// The settings of an agent that shares the person's directory, as the line names them.
const MANAGED: &str = "\"$MNG_AGENT_STATE_DIR/plugin/claude/mng_managed_settings.json\"";

/// Says which conversation to continue: the launch script's business.
const CONVERSATION_FLAGS: [&str; 5] = ["--resume", "-r", "--continue", "-c", "--session-id"];

const APPEND_PROMPT: &str = "--append-system-prompt";
const DISALLOW: [&str; 2] = ["--disallowed-tools", "--disallowedTools"];
const QUESTION_TOOL: &str = "AskUserQuestion";

/// The complete line: the launch script, the program as shell text in one word, its arguments.
///
/// # Errors
/// An argument that only mng can give.
pub(crate) fn command_line(kind: &ClaudeType, launch: &Launch) -> Result<String> {
    check_args(kind, &launch.args)?;
    let base = launch.command_override.as_ref().or(kind.config.command.as_ref());
    let base = base.map(|base| base.trim()).filter(|base| !base.is_empty()).unwrap_or("claude");
    // What the settings say is shell text; what the person typed are words.
    let mut words = kind.config.cli_args.clone();
    words.extend(launch.args.iter().map(|arg| quote(arg).into_owned()));
    Ok(line(kind, base, words))
}

/// The line for a program as shell text and its arguments as shell words.
pub(crate) fn line(kind: &ClaudeType, base: &str, mut words: Vec<String>) -> String {
    let own = &kind.config.own;
    let mut head = Vec::new();
    if !own.isolate_local_config_dir && kind.skill().is_none() {
        head.extend(["--settings".to_owned(), MANAGED.to_owned()]);
    }
    if let Some(text) = joined_prompt(&own.append_system_prompt, &mut words) {
        head.extend([APPEND_PROMPT.to_owned(), text]);
    }
    if own.auto_disable_questions && !forbid_questions(&mut words) {
        // With `=`: the flag takes as many values as follow.
        head.push(format!("{}={QUESTION_TOOL}", DISALLOW[0]));
    }
    if kind.is_headless() && !words.iter().any(|word| is_flag(word, "--output-format")) {
        head.extend(["--output-format", "stream-json", "--verbose"].map(str::to_owned));
        if !words.iter().any(|word| is_flag(word, "--include-partial-messages")) {
            head.push("--include-partial-messages".into());
        }
        words.retain(|word| word != "--verbose");
    }
    let mut line = format!("{SCRIPT} {}", quote(base));
    for word in head.iter().chain(&words) {
        line.push(' ');
        line.push_str(word);
    }
    line
}

/// Whether a line is one of ours.
pub(crate) fn is_ours(line: &str) -> bool {
    line.starts_with(SCRIPT)
}

/// Whether the agent of a line of ours shares the person's directory; `None`: it is no line of ours.
pub(crate) fn is_sharing(line: &str) -> Option<bool> {
    is_ours(line).then(|| line.contains(MANAGED))
}

/// `--flag` or `--flag=…`.
fn is_flag(word: &str, flag: &str) -> bool {
    word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

fn check_args(kind: &ClaudeType, args: &[String]) -> Result<()> {
    let options = || args.iter().take_while(|arg| *arg != "--");
    if let Some(arg) = options().find(|arg| CONVERSATION_FLAGS.iter().any(|flag| is_flag(arg, flag))) {
        return Err(Error::input(
            format!("`{arg}`: mng itself says which conversation an agent continues"),
            "to continue an earlier one: `--adopt ID`",
        ));
    }
    if !kind.config.own.isolate_local_config_dir && options().any(|arg| is_flag(arg, "--settings")) {
        return Err(Error::input(
            "`--settings`: an agent that shares your configuration gets mng's own settings by that option",
            "put yours into `settings_overrides`",
        ));
    }
    Ok(())
}

/// The blocks and what the arguments append, taken out of them, as one shell word: of several such options the
/// program heeds the last alone.
fn joined_prompt(blocks: &[String], words: &mut Vec<String>) -> Option<String> {
    // Shell words side by side are one word, so those of the settings need not be understood.
    let mut parts: Vec<String> = blocks.iter().map(|block| quote(block).into_owned()).collect();
    let mut left = Vec::with_capacity(words.len());
    let mut rest = std::mem::take(words).into_iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            left.push(word);
            left.extend(rest.by_ref());
        } else if word == APPEND_PROMPT {
            parts.extend(rest.next());
        } else if let Some(text) = value_of(&word, APPEND_PROMPT) {
            parts.push(text);
        } else {
            left.push(word);
        }
    }
    *words = left;
    (!parts.is_empty()).then(|| parts.join("'\n\n'"))
}

/// The value of a shell word `--flag=value`, as a shell word; the whole word may stand in quotes.
fn value_of(word: &str, flag: &str) -> Option<String> {
    if let Some(value) = word.strip_prefix(flag).and_then(|rest| rest.strip_prefix('=')) {
        return Some(value.to_owned());
    }
    let quoted = word.strip_prefix('\'').and_then(|rest| rest.strip_prefix(flag)?.strip_prefix('='))?;
    Some(format!("'{quoted}"))
}

/// Adds the question tool to an option that forbids tools already; whether there is one.
fn forbid_questions(words: &mut Vec<String>) -> bool {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    for at in 0..end {
        if DISALLOW.contains(&words[at].as_str()) {
            words.insert(at + 1, QUESTION_TOOL.into());
            return true;
        }
        if DISALLOW.iter().any(|flag| value_of(&words[at], flag).is_some()) {
            words[at].push_str(&format!(",{QUESTION_TOOL}"));
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::claude_type::Flavor;
    use crate::config::Config;

    fn kind(flavor: Flavor, config: Value) -> ClaudeType {
        ClaudeType { flavor, config: Config::read("claude", &config).unwrap() }
    }

    /// What the program gets, when a shell has read the line.
    fn argv(flavor: Flavor, config: Value, args: &[&str]) -> Vec<String> {
        let launch =
            Launch { command_override: None, args: args.iter().map(|arg| (*arg).to_owned()).collect() };
        let line = command_line(&kind(flavor, config), &launch).unwrap();
        let rest = line.strip_prefix(SCRIPT).expect("the script stands first");
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("printf '%s\\0' {rest}")])
            .env("MNG_AGENT_STATE_DIR", "/A")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
    }

    fn terminal(config: Value, args: &[&str]) -> Vec<String> {
        argv(Flavor::Terminal, config, args)
    }

    #[test]
    fn words_stay_words() {
        assert_eq!(terminal(Value::Null, &[]), ["claude"]);
        assert_eq!(
            terminal(Value::Null, &["--model", "X (Y)", "$HOME"]),
            ["claude", "--model", "X (Y)", "$HOME"]
        );
        let config = json!({"command": "A=1 my-claude --x", "cli_args": ["--model", "'a b'"]});
        assert_eq!(terminal(config, &["--debug"]), ["A=1 my-claude --x", "--model", "a b", "--debug"]);
    }

    #[test]
    fn appended_prompts_are_one() {
        let config = json!({
            "append_system_prompt": ["it's", "two\nlines"], "cli_args": ["--append-system-prompt", "'from settings'"],
        });
        let args = ["--append-system-prompt=by $hand", "--model", "m", "--append-system-prompt", "last"];
        let text = "it's\n\ntwo\nlines\n\nfrom settings\n\nby $hand\n\nlast";
        assert_eq!(terminal(config, &args), ["claude", "--append-system-prompt", text, "--model", "m"]);
        let behind = ["--", "--append-system-prompt"];
        assert_eq!(terminal(Value::Null, &behind), ["claude", "--", "--append-system-prompt"]);
    }

    #[test]
    fn the_question_tool_joins_what_is_forbidden_already() {
        let config = || json!({"auto_disable_questions": true});
        assert_eq!(terminal(config(), &["hi"]), ["claude", "--disallowed-tools=AskUserQuestion", "hi"]);
        let two = ["--disallowedTools", "Bash", "Edit"];
        assert_eq!(
            terminal(config(), &two),
            ["claude", "--disallowedTools", "AskUserQuestion", "Bash", "Edit"]
        );
        let one = ["--disallowed-tools=Bash(rm *)"];
        assert_eq!(terminal(config(), &one), ["claude", "--disallowed-tools=Bash(rm *),AskUserQuestion"]);
    }

    #[test]
    fn a_shared_configuration_gets_our_settings_by_an_option() {
        let config = || json!({"isolate_local_config_dir": false});
        let managed = "/A/plugin/claude/mng_managed_settings.json";
        assert_eq!(terminal(config(), &[]), ["claude", "--settings", managed]);
        let launch = Launch { command_override: None, args: vec!["--settings=x".into()] };
        assert!(command_line(&kind(Flavor::Terminal, config()), &launch).is_err());
        assert!(command_line(&kind(Flavor::Terminal, Value::Null), &launch).is_ok());
    }

    #[test]
    fn only_mng_says_which_conversation_is_continued() {
        for arg in ["--resume", "-c", "--session-id=x"] {
            let launch = Launch { command_override: None, args: vec![arg.into()] };
            assert!(command_line(&kind(Flavor::Terminal, Value::Null), &launch).is_err(), "{arg}");
        }
    }

    #[test]
    fn a_headless_program_streams_records() {
        let streaming = ["--output-format", "stream-json", "--verbose", "--include-partial-messages"];
        assert_eq!(argv(Flavor::Headless, Value::Null, &["--verbose"])[1..], streaming);
        assert_eq!(
            argv(Flavor::Headless, Value::Null, &["--output-format=text"])[1..],
            ["--output-format=text"]
        );
    }
}
