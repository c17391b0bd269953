//! A panic is our mistake: it leaves a report that can be sent, and no secrets in it.

use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};

use mng_core::settings::{EnvSnapshot, Locations};
use mng_core::{Error, ErrorClass};

/// Where reports can be sent.
const ISSUES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/issues");

/// Makes a panic write its report and say where it is, on stderr.
pub(crate) fn install(env: &EnvSnapshot) {
    let env = env.clone();
    std::panic::set_hook(Box::new(move |info| {
        crate::ui::leave_full_screen();
        let message = say(&env, info);
        // A closed stderr changes nothing any more.
        let _ = std::io::stderr().write_all(message.as_bytes());
    }));
}

/// The error that scripts see.
pub(crate) fn error() -> Error {
    Error::hinted(ErrorClass::Mng, "mng failed in a way it should not", format!("report it at {ISSUES}"))
}

fn say(env: &EnvSnapshot, info: &PanicHookInfo<'_>) -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let report = report(&info.to_string(), &words, &Backtrace::force_capture(), &crate::logging::recent());
    let what = info.payload_as_str().unwrap_or("no message");
    let mut message = format!("Error: mng failed in a way it should not: {what}\n");
    match write(env, &report) {
        Ok(path) => {
            let _ =
                writeln!(message, "  hint: `{}` holds the details; report them at {ISSUES}", path.display());
        }
        Err(error) => {
            let _ = writeln!(
                message,
                "  hint: report this at {ISSUES}\n  caused by: {info}\n  (no report: {error})"
            );
        }
    }
    message
}

fn report(panic: &str, words: &[String], backtrace: &Backtrace, log: &[String]) -> String {
    let mut text = format!(
        "mng {} on {} {}\ncommand: mng {}\n\n{panic}\n\n{backtrace}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        without_values(words),
    );
    if !log.is_empty() {
        text.push_str("\nlast log lines:\n");
        text.extend(log.iter().flat_map(|line| [line, "\n"]));
    }
    text
}

/// The command's words and the names of its options; what a person wrote beside them may be secret.
fn without_values(words: &[String]) -> String {
    let shown = words.iter().enumerate().map(|(index, word)| match word.split_once('=') {
        Some((name, _)) if word.starts_with("--") => format!("{name}=***"),
        None if word.starts_with("--") => word.clone(),
        _ if word.starts_with('-') => word.chars().take(2).collect(),
        _ if index == 0 && crate::cli::find(word).is_some() => word.clone(),
        _ => "***".to_owned(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn write(env: &EnvSnapshot, report: &str) -> std::io::Result<PathBuf> {
    let base = Locations::find(env, Path::new("/"), None).ok().map(|locations| locations.base);
    let dir = match base.filter(|base| base.is_dir()) {
        Some(base) => base.join("events/crash"),
        None => std::env::temp_dir(),
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
    let stamp = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
    let path = dir.join(format!("mng-crash-{stamp}-{}.txt", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(report.as_bytes())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_wrote_is_not_reported() {
        let words = ["help", "secret-name", "--env", "TOKEN=x", "--env=TOKEN=x", "-mhello", "-q"];
        let words: Vec<String> = words.map(str::to_owned).to_vec();
        assert_eq!(without_values(&words), "help *** --env *** --env=*** -m -q");
    }
}
