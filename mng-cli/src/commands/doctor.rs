//! `mng doctor`

mod far;
mod install;
mod tools;

use std::io;
use std::path::Path;

use clap::{Args, ValueEnum};
use mng_core::hosts::Layout;
use mng_core::storage::FileLock;
use serde::Serialize;

use crate::exit::{CliResult, ExitCode};
use crate::frame::Invocation;
use crate::ui::{Cell, Out, Render, Style, Table, Ui};

/// Check what mng needs on this machine
///
/// Looks for the programs that mng runs and their versions, the settings, the data directory, the providers
/// and what an interrupted command may have left. Changes nothing, unless `--install` is given.
#[derive(Args, Debug)]
#[command(after_help = "$ mng doctor\n$ mng doctor --scope core --install auto\n\nSee also: extras, gc")]
pub(crate) struct DoctorArgs {
    /// Which programs must be there
    #[arg(long, value_enum, value_name = "SCOPE", default_value_t = Scope::All, ignore_case = true)]
    scope: Scope,

    /// Whether to install missing programs with this machine's package manager
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Install::None, ignore_case = true)]
    install: Install,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// Those without which nothing works
    Core,
    /// Those that some commands need, too
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Install {
    /// Only say what is missing
    None,
    /// Ask first
    Interactive,
    /// Without a question
    Auto,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    /// Worth knowing, but nothing fails for it.
    Note,
    Missing,
    /// There, but unusable.
    Bad,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Missing => "missing",
            Self::Bad => "bad",
        }
    }

    fn is_failure(self) -> bool {
        matches!(self, Self::Missing | Self::Bad)
    }
}

/// One thing that was looked at. Field names are the JSON contract.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: String,
    /// `core`, `optional` or `state`.
    pub(super) kind: &'static str,
    pub(super) status: Status,
    pub(super) version: Option<String>,
    pub(super) detail: String,
    pub(super) hint: Option<String>,
}

impl Check {
    fn state(name: &str, status: Status, detail: impl Into<String>) -> Self {
        Self { name: name.into(), kind: "state", status, version: None, detail: detail.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

#[derive(Serialize)]
struct Report {
    checks: Vec<Check>,
    failure_count: usize,
}

impl Render for Report {
    fn event(&self) -> &'static str {
        "doctor"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        let mut table = Table::new(["CHECK", "KIND", "STATUS", "VERSION", "DETAIL"]);
        for check in &self.checks {
            let style = match check.status {
                Status::Ok => Style::Green,
                Status::Note => Style::Yellow,
                Status::Missing | Status::Bad => Style::Red,
            };
            table.row([
                Cell::from(&*check.name),
                Cell::from(check.kind),
                Cell::styled(check.status.word(), style),
                Cell::from(check.version.as_deref().unwrap_or("-")),
                Cell::from(&*check.detail),
            ]);
        }
        out.table(&table)?;
        for check in &self.checks {
            if let Some(hint) = &check.hint {
                out.note(format_args!("{}: {hint}", check.name));
            }
        }
        Ok(())
    }
}

pub(crate) fn run(ui: &mut Ui, invocation: &Invocation, args: DoctorArgs) -> CliResult {
    let optional = args.scope == Scope::All;
    let mut checks = tools::check(&invocation.env, optional);
    if args.install != Install::None && install::missing(ui, &checks, args.install)? {
        checks = tools::check(&invocation.env, optional);
    }
    checks.extend(state(invocation));
    let failure_count = checks.iter().filter(|check| check.status.is_failure()).count();
    ui.result(&Report { checks, failure_count })?;
    Ok(if failure_count == 0 { ExitCode::SUCCESS } else { ExitCode::OTHER })
}

fn state(invocation: &Invocation) -> Vec<Check> {
    let base = &invocation.locations.base;
    let shown = invocation.locations.contract_home(base);
    let mut checks = vec![data_root(base, &shown)];
    let host_dir = match invocation.load(false) {
        Ok(loaded) => {
            let note = match loaded.warnings.as_slice() {
                [] => Check::state("settings", Status::Ok, "valid"),
                warnings => Check::state("settings", Status::Note, warnings.join("; ")),
            };
            checks.push(note);
            for backend in loaded.ctx.registry.backends() {
                let name = mng_core::model::names::ProviderName::stored(backend.name);
                checks.push(match loaded.ctx.provider(&name) {
                    Ok(_) => Check::state(&format!("provider {name}"), Status::Ok, backend.description),
                    Err(error) => Check::state(&format!("provider {name}"), Status::Note, error.to_string()),
                });
            }
            checks.extend(far::check(&loaded.ctx));
            loaded.ctx.settings.host_dir().to_path_buf()
        }
        Err(error) => {
            let hint = error.hint().unwrap_or_else(|| "mng config edit".to_owned());
            checks.push(Check::state("settings", Status::Bad, error.to_string()).hint(hint));
            base.clone()
        }
    };
    let layout = Layout::new(host_dir);
    checks.push(lock(&layout.lock()));
    checks.extend(interrupted(&layout.journal()));
    checks
}

/// Whether the data root can be written; nothing is made for the answer.
fn data_root(base: &Path, shown: &str) -> Check {
    let nearest = base.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let is_writable = rustix::fs::access(nearest, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    match (is_writable, base.is_dir(), base.exists()) {
        (Err(error), ..) => {
            Check::state("data root", Status::Bad, format!("`{shown}` cannot be written: {error}"))
                .hint("check who owns the directory, or point MNG_HOST_DIR at one that you may write")
        }
        (_, false, true) => Check::state("data root", Status::Bad, format!("`{shown}` is no directory"))
            .hint("move the file away, or point MNG_HOST_DIR at a directory"),
        (Ok(()), true, _) => Check::state("data root", Status::Ok, shown),
        (Ok(()), ..) => Check::state("data root", Status::Ok, format!("{shown} (made on first use)")),
    }
}

/// Who holds the host's lock. The kernel frees it when its holder ends, so it is never stale.
fn lock(path: &Path) -> Check {
    if !FileLock::is_held(path) {
        return Check::state("host lock", Status::Ok, "free");
    }
    let detail = match holder(path) {
        Some(holder) => format!("held by {holder}"),
        None => "held by another process".to_owned(),
    };
    Check::state("host lock", Status::Note, detail).hint("other commands wait until it is done")
}

/// The process that holds a flock, as the kernel's list tells (Linux).
fn holder(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let inode = path.metadata().ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = holder_pid(&locks, inode)?;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    Some(format!("process {pid}: {}", line.trim()))
}

/// `1: FLOCK  ADVISORY  WRITE 123 08:01:4711 0 EOF`
fn holder_pid(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, place, ..] = words.as_slice() else { return None };
        let found: u64 = place.rsplit(':').next()?.parse().ok()?;
        (found == inode).then(|| pid.parse().ok())?
    })
}

/// Creates that were killed half-way.
fn interrupted(journal: &Path) -> Option<Check> {
    let entries = std::fs::read_dir(journal).ok()?;
    let names = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().ends_with(".json"));
    let count = names.count();
    (count > 0).then(|| {
        Check::state("journal", Status::Note, format!("{count} create(s) are under way or were interrupted"))
            .hint("`mng gc` removes what an interrupted one left")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::testing;

    #[test]
    fn a_lock_is_traced_to_its_holder() {
        let locks = "1: POSIX  ADVISORY  WRITE 1 08:01:5 0 EOF\n2: FLOCK  ADVISORY  WRITE 42 08:01:5 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 43 08:01:5 0 EOF\n";
        assert_eq!(holder_pid(locks, 5), Some(42));
        assert_eq!(holder_pid(locks, 6), None);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("host_lock");
        assert_eq!(lock(&path).detail, "free");
        assert!(!path.exists(), "looking creates nothing");
        let _held = FileLock::acquire(&path, None).unwrap();
        let check = lock(&path);
        assert_eq!(check.status, Status::Note);
        if cfg!(target_os = "linux") {
            assert!(check.detail.contains(&format!("process {}", std::process::id())), "{}", check.detail);
        }
    }

    #[test]
    fn a_data_root_is_judged_without_making_it() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("a/b");
        assert_eq!(data_root(&base, "~/b").detail, "~/b (made on first use)");
        assert!(!base.exists());
        std::fs::write(dir.path().join("a"), "").unwrap();
        assert_eq!(data_root(&dir.path().join("a"), "~/a").status, Status::Bad);
    }

    #[test]
    fn the_table_says_what_is_wrong_and_what_to_do() {
        let checks = vec![
            Check {
                name: "git".into(),
                kind: "core",
                status: Status::Ok,
                version: Some("2.39.2".into()),
                detail: "work dirs and branches".into(),
                hint: None,
            },
            Check::state("settings", Status::Bad, "`~/x.toml:3`: expected `=`").hint("mng config edit"),
        ];
        insta::assert_snapshot!(testing::rendered(&Report { checks, failure_count: 1 }), @r"
        ---- stdout
        CHECK     KIND   STATUS  VERSION  DETAIL
        git       core   ok      2.39.2   work dirs and branches
        settings  state  bad     -        `~/x.toml:3`: expected `=`
        ---- stderr
        settings: mng config edit
        ");
    }
}
