//! One question to Claude Code in print mode, with a configuration directory of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mng_core::agents::answer::{AnswerCommand, AnswerSite};
use mng_core::model::shell::quote;
use mng_core::{Error, Result};
use serde_json::Value;

use crate::check;
use crate::claude_type::ClaudeType;
use crate::global_config::{self, Wanted};
use crate::places::{self, CONFIG_DIR, UserClaude};

const CREDENTIALS: &str = ".credentials.json";
const KEY: &str = "ANTHROPIC_API_KEY";

/// No tools, no servers, nothing kept: verified with 2.1.332.
const FLAGS: [&str; 9] = [
    "--print",
    "--output-format",
    "stream-json",
    "--verbose",
    "--include-partial-messages",
    "--tools",
    "",
    "--strict-mcp-config",
    "--no-session-persistence",
];

/// # Errors
/// The program is missing, or the files of the run cannot be written.
pub(crate) fn answer(kind: &ClaudeType, site: &AnswerSite<'_>) -> Result<AnswerCommand> {
    let base = match check::program(kind) {
        Some(program) => quote_found(kind, site, &program)?,
        None => kind.config.command.clone().unwrap_or_default(),
    };
    let mut command = AnswerCommand::default();
    let user = UserClaude::find(site.env);
    // A login in the keychain of macOS belongs to the person's own directory.
    let is_in_keychain = cfg!(target_os = "macos") && site.env.get_non_empty(KEY).is_none();
    if !is_in_keychain {
        isolate(site, user.as_ref(), &mut command)?;
    }
    command.env.insert("DISABLE_AUTOUPDATER".into(), "1".into());
    let words: String = kind.config.cli_args.iter().map(|word| format!(" {word}")).collect();
    command.script = format!("exec {base}{words} \"$@\"");
    command.args = FLAGS.map(str::to_owned).to_vec();
    command.args.extend(["--system-prompt-file".into(), site.system_prompt.to_string_lossy().into_owned()]);
    Ok(command)
}

/// The program as a shell word; a command of several words is the person's own and goes on as it is.
fn quote_found(kind: &ClaudeType, site: &AnswerSite<'_>, program: &str) -> Result<String> {
    let found = find(site, program).ok_or_else(|| check::missing(kind, program, ""))?;
    let own = kind.config.command.as_deref().map(str::trim).filter(|command| !command.is_empty());
    let rest = own.and_then(|command| command.strip_prefix(program)).unwrap_or_default();
    Ok(format!("{}{rest}", quote(&found.to_string_lossy())))
}

/// On the search path, or where the installer puts it.
fn find(site: &AnswerSite<'_>, program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| check::is_executable(path));
    }
    let dirs = std::env::split_paths(site.env.get("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let installed = site.env.get_non_empty("HOME").map(|home| Path::new(home).join(".local/bin"));
    dirs.into_iter().chain(installed).map(|dir| dir.join(program)).find(|path| check::is_executable(path))
}

/// A directory for this run alone, so that the program writes nothing into the person's.
fn isolate(site: &AnswerSite<'_>, user: Option<&UserClaude>, command: &mut AnswerCommand) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let dir = site.dir.join("claude");
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&dir)
        .map_err(|error| Error::io(format!("make `{}`", dir.display()), error))?;
    let read = |path: &Path| -> Result<Option<Value>> {
        // What is no JSON is left out, as the program does.
        Ok(places::read_file(path)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    };
    let global = user.map(|user| read(&user.global)).transpose()?.flatten();
    let global = global.and_then(|global| global.as_object().cloned());
    let primary = global.as_ref().and_then(|global| global.get("primaryApiKey")).and_then(Value::as_str);
    let keys: BTreeSet<String> =
        [site.env.get(KEY), primary].into_iter().flatten().map(str::to_owned).collect();
    let work_dir = places::real(site.work_dir);
    let wanted = Wanted {
        work_dir: &work_dir,
        source: &work_dir,
        api_keys: &keys,
        has_credential: true,
        is_unattended: false,
        is_yes: false,
        without_login: false,
    };
    let config = global_config::isolated(None, global, &wanted);
    write(&dir.join(".claude.json"), &places::to_json(&config))?;
    if let Some(user) = user {
        // How the program logs in may stand there; what it does beside answering is not wanted.
        if let Some(Value::Object(mut settings)) = read(&user.dir.join("settings.json"))? {
            settings
                .retain(|key, _| ["env", "apiKeyHelper", "model", "awsAuthRefresh"].contains(&key.as_str()));
            write(&dir.join("settings.json"), &places::to_json(&settings))?;
        }
        let (theirs, ours) = (user.dir.join(CREDENTIALS), dir.join(CREDENTIALS));
        if theirs.exists() {
            std::os::unix::fs::symlink(&theirs, &ours)
                .map_err(|error| Error::io(format!("link `{}`", ours.display()), error))?;
            command.links.push((ours, places::real(&theirs)));
        }
    }
    command.env.insert(CONFIG_DIR.into(), dir.to_string_lossy().into_owned());
    Ok(())
}

/// A new file that only we can read.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| Error::io(format!("write `{}`", path.display()), error))
}
