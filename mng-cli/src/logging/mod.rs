//! The log: to stderr through the console, and to a file of JSON lines that all mng processes share.

mod file;
mod layer;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use mng_core::plugins::Ctx;
use mng_core::settings::LogLevel;
use tracing_subscriber::layer::SubscriberExt;

use crate::args::CommonArgs;
use crate::ui::Console;

use file::LogFile;
use layer::{Log, Rules};

/// Lines that a crash report shows.
const MOST_RECENT: usize = 50;

/// The last lines that went to the log file.
static RECENT: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Sets the console level and starts the log of this process. The file is opened when the first line is
/// written, and never where there is no data root yet: reading commands create nothing.
pub(crate) fn start(console: &Console, ctx: &Ctx, common: &CommonArgs, command: &str) {
    let logging = &ctx.settings.core.logging;
    let console_level = common.console_level().unwrap_or(logging.console_level);
    console.set_level(console_level);
    let named = common.log_file.clone().map(|path| ctx.locations.cwd.join(path));
    let named = named.or_else(|| logging.log_file_path.as_deref().map(|path| absolute(ctx, path)));
    let is_named = named.is_some();
    let path = named.unwrap_or_else(|| {
        let dir = ctx.locations.base.join(ctx.locations.expand_home(&logging.log_dir));
        dir.join(&logging.event_source).join("events.jsonl")
    });
    let file_level =
        if is_named || ctx.locations.base.is_dir() { logging.file_level } else { LogLevel::None };
    if console_level == LogLevel::None && file_level == LogLevel::None {
        return;
    }
    let flag = |on: bool, off: bool, configured: bool| (configured || on) && !off;
    let rules = Rules {
        console_level,
        file_level,
        is_logging_commands: flag(common.log_commands, common.no_log_commands, logging.is_logging_commands),
        is_logging_command_output: flag(
            common.log_command_output,
            common.no_log_command_output,
            logging.is_logging_command_output,
        ),
        is_logging_env_vars: flag(common.log_env_vars, common.no_log_env_vars, logging.is_logging_env_vars),
        event_type: logging.event_type.clone(),
        event_source: logging.event_source.clone(),
        command: command.to_owned(),
    };
    let file = LogFile::new(path, u64::from(logging.max_log_size_mb) << 20, logging.max_log_files as usize);
    if is_named && let Err(error) = file.open() {
        console.log(LogLevel::Warn, &format!("no log is written: {error}"));
    }
    // A second start in one process (tests) keeps the first log.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Log::new(
        console.clone(),
        file,
        rules,
    )));
}

fn absolute(ctx: &Ctx, path: &str) -> PathBuf {
    ctx.locations.cwd.join(ctx.locations.expand_home(path))
}

fn remember(line: &str) {
    let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    if recent.len() == MOST_RECENT {
        recent.pop_front();
    }
    recent.push_back(line.to_owned());
}

/// The last log lines of this process, oldest first.
pub(crate) fn recent() -> Vec<String> {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}
