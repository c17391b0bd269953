//! Shell completion: `mng __complete` answers from the command tree and from local files. It starts no
//! runtime, reads no settings, asks no host and writes nothing but candidates.

mod candidates;
mod keys;
mod kind;
mod scripts;
mod shell;
mod world;

use std::ffi::OsString;
use std::io::Write;

use mng_core::settings::EnvSnapshot;

use crate::exit::ExitCode;

pub(crate) use scripts::{Shell, script};

/// `mng __complete SHELL …`: prints one candidate a line. Never fails: a shell would show the message in the
/// middle of a command line.
pub(crate) fn answer(env: &EnvSnapshot, words: &[OsString]) -> ExitCode {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let Some((shell, words)) = words.split_first() else { return ExitCode::SUCCESS };
    let Ok(shell) = shell.parse::<Shell>() else { return ExitCode::SUCCESS };
    let request = shell::Request::read(shell, words);
    let answer = candidates::complete(&request.before, &request.current, &world::Local::new(env));
    let text = request.render(&answer);
    // The shell may have lost interest.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
