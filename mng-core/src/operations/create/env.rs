//! What stands in an agent's env file, later entries winning.

use std::path::{Path, PathBuf};

use crate::hosts::Layout;
use crate::model::env_file::EnvVars;
use crate::model::error::{Error, ErrorClass, Explain, Result};
use crate::model::record::AgentRecord;

/// Variables that mng itself sets for every agent.
///
/// # Errors
/// A path or name that no variable can hold (a NUL byte).
pub(crate) fn builtin(layout: &Layout, record: &AgentRecord, primary_window: &str) -> Result<EnvVars> {
    let state = layout.agent(&record.id);
    let mut vars = EnvVars::new();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    vars.set("MNG_HOST_DIR", text(layout.root()))?;
    vars.set("MNG_AGENT_ID", record.id.as_str())?;
    vars.set("MNG_AGENT_NAME", record.name.as_str())?;
    vars.set("MNG_AGENT_STATE_DIR", text(&state))?;
    vars.set("MNG_AGENT_WORK_DIR", text(&record.work_dir))?;
    vars.set("LLM_USER_PATH", text(&state.join("llm_data")))?;
    vars.set("MNG_PRIMARY_WINDOW_NAME", primary_window)?;
    // An empty value would read as "the base branch is called nothing".
    if let Some(base) = record.base_branch.as_deref().filter(|base| !base.is_empty()) {
        for key in ["GIT_BASE_BRANCH", "MNG_GIT_BASE_BRANCH", "CODE_GUARDIAN_STOP_HOOK__BASE_BRANCH"] {
            vars.set(key, base)?;
        }
    }
    Ok(vars)
}

/// A file given with `--env-file`.
#[derive(Debug, thiserror::Error)]
enum EnvFileError {
    #[error("cannot read the env file `{}`", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the env file `{}` cannot be understood", path.display())]
    Malformed { path: PathBuf, source: crate::model::env_file::EnvError },
}

impl Explain for EnvFileError {
    fn class(&self) -> ErrorClass {
        ErrorClass::UserInput
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => None,
            Self::Malformed { source, .. } => source.hint(),
        }
    }

    /// A missing file is a wrong command line.
    fn exit_code(&self) -> u8 {
        2
    }
}

/// Reads env files of this machine in order.
///
/// # Errors
/// One is missing or cannot be parsed; exit code 2.
pub(crate) fn read_files(files: &[PathBuf]) -> Result<EnvVars> {
    let mut vars = EnvVars::new();
    for path in files {
        let text = std::fs::read_to_string(path)
            .map_err(|source| EnvFileError::Unreadable { path: path.clone(), source })?;
        let file = EnvVars::parse(&text)
            .map_err(|source| Error::from(EnvFileError::Malformed { path: path.clone(), source }))?;
        vars.merge(file);
    }
    Ok(vars)
}

/// The person's part of the environment: files, then the type's variables, then what is passed on from the
/// caller, then `--env`.
///
/// # Errors
/// A variable name or value that cannot be kept.
pub(crate) fn explicit<'a>(
    files: EnvVars,
    of_type: &[(String, String)],
    pass: &[String],
    caller: impl Fn(&str) -> Option<&'a str>,
    typed: &[(String, String)],
) -> Result<EnvVars> {
    let mut vars = files;
    for (key, value) in of_type {
        vars.set(key.as_str(), value.as_str())?;
    }
    for key in pass {
        if let Some(value) = caller(key) {
            vars.set(key.as_str(), value)?;
        }
    }
    for (key, value) in typed {
        vars.set(key.as_str(), value.as_str())?;
    }
    Ok(vars)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(base: Option<&str>) -> AgentRecord {
        let mut record: AgentRecord = serde_json::from_value(serde_json::json!({
            "id": "agent-00000000000000000000000000000001", "name": "alpha", "type": "command",
            "work_dir": "/w dir", "create_time": "2026-11-22T13:31:00Z", "command": "sleep 9",
        }))
        .unwrap();
        record.base_branch = base.map(str::to_owned);
        record
    }

    #[test]
    fn the_base_branch_is_named_three_times_or_not_at_all() {
        let layout = Layout::new("/h");
        let vars = builtin(&layout, &record(Some("main")), "agent").unwrap();
        insta::assert_snapshot!(vars.render(), @r"
        MNG_HOST_DIR=/h
        MNG_AGENT_ID=agent-00000000000000000000000000000001
        MNG_AGENT_NAME=alpha
        MNG_AGENT_STATE_DIR=/h/agents/agent-00000000000000000000000000000001
        MNG_AGENT_WORK_DIR='/w dir'
        LLM_USER_PATH=/h/agents/agent-00000000000000000000000000000001/llm_data
        MNG_PRIMARY_WINDOW_NAME=agent
        GIT_BASE_BRANCH=main
        MNG_GIT_BASE_BRANCH=main
        CODE_GUARDIAN_STOP_HOOK__BASE_BRANCH=main
        ");
        assert_eq!(builtin(&layout, &record(None), "agent").unwrap().get("GIT_BASE_BRANCH"), None);
    }

    #[test]
    fn later_sources_win_and_unset_variables_are_not_passed() {
        let files = EnvVars::parse("A=file\nB=file\nC=file\nD=file\n").unwrap();
        let caller = |key: &str| match key {
            "C" | "D" => Some("caller"),
            _ => None,
        };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let vars = explicit(
            files,
            &[pair("B", "type"), pair("C", "type")],
            &["C".into(), "D".into(), "UNSET".into()],
            caller,
            &[pair("D", " typed ")],
        )
        .unwrap();
        assert_eq!(vars.render(), "A=file\nB=type\nC=caller\nD=' typed '\n");
    }

    #[test]
    fn a_missing_file_is_a_usage_error() {
        let error = read_files(&["/no/such/file".into()]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert_eq!(error.to_string(), "cannot read the env file `/no/such/file`");
    }
}
