//! `--edit-message`: the person writes while the agent is made.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass, Result};
use tempfile::NamedTempFile;

use crate::ui::Ui;

/// Editors that are tried when the person names none.
const KNOWN: [&str; 3] = ["vim", "vi", "nano"];

/// An open editor. While it has the terminal nothing else is written to it.
pub(super) struct Editor {
    file: NamedTempFile,
    child: Child,
}

impl Editor {
    /// Opens the editor on `initial`.
    ///
    /// # Errors
    /// There is no editor, or it cannot be started.
    pub(super) fn open(ui: &Ui, initial: &str) -> Result<Self> {
        let failed = |error| Error::io("make a file for the editor", error);
        let mut file =
            tempfile::Builder::new().prefix("mng-message-").suffix(".txt").tempfile().map_err(failed)?;
        file.write_all(initial.as_bytes()).and_then(|()| file.flush()).map_err(failed)?;
        let words = command(ui);
        let Some((program, args)) = words.split_first() else {
            return Err(Error::input("VISUAL and EDITOR name no editor", "set one of them to a command"));
        };
        ui.console().hold();
        let child = Command::new(program)
            .args(args)
            .arg(file.path())
            .stdin(Stdio::inherit())
            .stdout(Stdio::inherit())
            .stderr(Stdio::inherit())
            .spawn();
        match child {
            Ok(child) => Ok(Self { file, child }),
            Err(error) => {
                ui.console().release();
                Err(Error::hinted(
                    ErrorClass::UserInput,
                    format!("cannot open the editor `{program}`: {error}"),
                    "set VISUAL or EDITOR, or give the text with `--message TEXT`",
                ))
            }
        }
    }

    /// Waits until the editor is closed. `None`: it failed, or the text is empty; a warning says so.
    pub(super) async fn text(mut self, ui: &Ui) -> Result<Option<String>> {
        let path = self.file.path().to_path_buf();
        let status = tokio::task::spawn_blocking(move || {
            let status = self.child.wait();
            // An editor may replace the file, so it is read by its name, before it goes away.
            (status, std::fs::read_to_string(self.file.path()))
        })
        .await
        .map_err(|error| Error::io("wait for the editor", std::io::Error::other(error)))?;
        ui.console().release();
        let (status, text) = status;
        let status = status.map_err(|error| Error::io("wait for the editor", error))?;
        if !status.success() {
            ui.warning("the editor ended with a failure, so no message is sent");
            return Ok(None);
        }
        let text = text.map_err(|error| Error::io(format!("read `{}`", path.display()), error))?;
        let text = text.trim_end();
        if text.is_empty() {
            ui.warning("the text is empty, so no message is sent");
            return Ok(None);
        }
        Ok(Some(text.to_owned()))
    }
}

/// `$VISUAL`, `$EDITOR` or the first known editor, split as a shell does.
fn command(ui: &Ui) -> Vec<String> {
    let env = ui.env();
    let named = env.get_non_empty("VISUAL").or_else(|| env.get_non_empty("EDITOR"));
    if let Some(line) = named {
        return shlex::split(line).unwrap_or_default();
    }
    let path = env.get("PATH").unwrap_or_default();
    let is_there = |name: &str| std::env::split_paths(path).any(|dir| dir.join(name).is_file());
    vec![KNOWN.into_iter().find(|name| is_there(name)).unwrap_or("vim").to_owned()]
}

/// Keeps the text of a message that could not be sent.
pub(super) fn rescue(ui: &Ui, ctx: &Ctx, text: &str) {
    let path: PathBuf = ctx.settings.host_dir().join("recovered-message.txt");
    match write(&path, text) {
        Ok(()) => ui.warning(&format!("your message is kept in `{}`", path.display())),
        Err(error) => ui.warning(&format!("your message could not be kept ({error}); here it is:\n{text}")),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    mng_core::storage::write_atomic(path, text.as_bytes(), 0o600)
}
