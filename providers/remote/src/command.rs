//! One command line for the host's login shell, and how its output is told from what login scripts print.

use std::fmt::Write as _;

use mng_core::model::error::Result;
use mng_core::model::shell::{is_variable_name, quote};
use mng_core::transports::{ExecRequest, TransportError};

/// Most bytes that login scripts may print before the command starts.
const MOST_NOISE: usize = 256 * 1024;

/// Marks where a command's own output begins: words that no login script prints.
#[derive(Clone, Debug)]
pub(crate) struct Fence(String);

impl Fence {
    pub(crate) fn new() -> Self {
        Self(format!("mng-{:016x}", fastrand::u64(..)))
    }

    /// The command as one line that any login shell (sh, bash, zsh, fish, csh) hands to `sh`: directory and
    /// variables first, every word quoted.
    ///
    /// On standard output comes `FENCE PID` before all else, on standard error `FENCE ok` right before the
    /// program takes over, or what prevented that.
    ///
    /// # Errors
    /// An empty command, or a NUL byte, which no argument can hold.
    pub(crate) fn line(&self, request: &ExecRequest, login: &str) -> Result<String> {
        let fence = &self.0;
        let mut argv = request.argv.clone();
        if let Some(user) = request.user.as_ref().filter(|user| *user != login) {
            argv.splice(0..0, ["sudo", "-n", "-u", user, "--"].map(str::to_owned));
        }
        // `exec` would read the name as an option of its own.
        if argv.first().is_some_and(|program| program.starts_with('-')) {
            argv.splice(0..0, ["env", "--"].map(str::to_owned));
        }
        let odd: Vec<_> = request.env.iter().filter(|(key, _)| !is_variable_name(key)).collect();
        if !odd.is_empty() {
            let words = odd.iter().map(|(key, value)| format!("{key}={value}"));
            argv.splice(0..0, ["env".to_owned(), "--".into()].into_iter().chain(words));
        }
        let Some(program) = argv.first() else { return Err(not_startable("")) };

        let mut script = format!("echo {fence} $$;");
        if let Some(dir) = &request.cwd {
            let dir = dir.display().to_string();
            // `./` keeps `cd` from searching CDPATH and from reading `-` as "where I was before".
            let anchor = if dir.starts_with(['/', '.']) { "" } else { "./" };
            let _ = write!(
                script,
                "cd -- {} 2>/dev/null||{{ echo {fence} cwd >&2;exit 1;}};",
                quote(&format!("{anchor}{dir}"))
            );
        }
        for key in request.unset.iter().filter(|key| is_variable_name(key)) {
            let _ = write!(script, "unset {key};");
        }
        for (key, value) in request.env.iter().filter(|(key, _)| is_variable_name(key)) {
            let _ = write!(script, "export {key}={};", quote(value));
        }
        let program = quote(program);
        let _ = write!(
            script,
            "command -v {program} >/dev/null 2>&1||{{ echo {fence} missing >&2;exit 127;}};\
             echo {fence} ok >&2;exec"
        );
        for word in &argv {
            let _ = write!(script, " {}", quote(word));
        }
        if script.contains('\0') {
            return Err(not_startable(&argv[0]));
        }
        Ok(for_login_shell(&script))
    }

    /// A reader of the command's standard output.
    pub(crate) fn stdout(&self) -> Gate {
        Gate { fence: format!("{} ", self.0), held: Vec::new(), word: None }
    }

    /// A reader of its standard error.
    pub(crate) fn stderr(&self) -> Gate {
        self.stdout()
    }
}

fn not_startable(program: &str) -> mng_core::model::error::Error {
    let source = std::io::ErrorKind::InvalidInput.into();
    TransportError::NotStarted { program: program.to_owned(), source }.into()
}

/// A script for `sh`, as one line that means the same to every login shell.
///
/// Quotes are read alike by all of them only while no backslash, line break or `!` stands between: fish reads
/// `\\` in single quotes, csh ends a word at a line break and replaces `!`. Scripts with any of these travel in
/// printf's notation.
pub(crate) fn for_login_shell(script: &str) -> String {
    if !script.contains(['\\', '\n', '!']) {
        return format!("exec sh -c {}", single_quoted(script));
    }
    let mut text = String::with_capacity(script.len() + script.len() / 8);
    for ch in script.chars() {
        match ch {
            '\\' | '\n' | '!' | '\'' | '%' => {
                let _ = write!(text, "\\{:03o}", u32::from(ch));
            }
            _ => text.push(ch),
        }
    }
    format!("exec sh -c 'eval \"$(printf \"$1\")\"' sh '{text}'")
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Holds a stream back until the fence has passed.
#[derive(Debug)]
pub(crate) struct Gate {
    fence: String,
    held: Vec<u8>,
    word: Option<String>,
}

impl Gate {
    /// What of these bytes is the command's own output.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.word.is_some() {
            return bytes.to_vec();
        }
        self.held.extend_from_slice(bytes);
        let fence = self.fence.as_bytes();
        let found = self.held.windows(fence.len()).position(|window| window == fence);
        let Some(start) = found.map(|at| at + fence.len()) else {
            if self.held.len() > MOST_NOISE {
                self.held.drain(..self.held.len() - fence.len());
            }
            return Vec::new();
        };
        let Some(length) = self.held[start..].iter().position(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        self.word = Some(String::from_utf8_lossy(&self.held[start..start + length]).into_owned());
        let rest = self.held.split_off(start + length + 1);
        self.held = Vec::new();
        rest
    }

    /// What stood beside the fence, once that has passed.
    pub(crate) fn word(&self) -> Option<&str> {
        self.word.as_deref()
    }

    /// What came instead of the fence.
    pub(crate) fn noise(&self) -> String {
        let text = String::from_utf8_lossy(&self.held);
        let text = text.trim();
        text.chars().take(300).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    /// What a login shell makes of the line: standard output and error behind the fence, and the exit code.
    fn run(shell: &str, fence: &Fence, line: &str) -> (String, String, Option<i32>) {
        let output = Command::new(shell).arg("-c").arg(line).output().unwrap();
        let (mut out, mut err) = (fence.stdout(), fence.stderr());
        let stdout = out.pass(&output.stdout);
        let stderr = err.pass(&output.stderr);
        assert!(out.word().is_some(), "{line}: {output:?}");
        (
            String::from_utf8(stdout).unwrap(),
            String::from_utf8_lossy(&stderr).into_owned(),
            output.status.code(),
        )
    }

    #[test]
    fn a_line_says_directory_variables_and_words() {
        let request = ExecRequest::new(["git", "log", "--grep", "a b"]).cwd("/my repo").env("LC_ALL", "C");
        let line = Fence("F".into()).line(&request.unset("X"), "me").unwrap();
        assert_snapshot!(line.replace(r"'\''", "\""), @r#"exec sh -c 'echo F $$;cd -- "/my repo" 2>/dev/null||{ echo F cwd >&2;exit 1;};unset X;export LC_ALL=C;command -v git >/dev/null 2>&1||{ echo F missing >&2;exit 127;};echo F ok >&2;exec git log --grep "a b"'"#);
    }

    #[test]
    fn another_user_is_reached_by_sudo_and_oneself_is_not() {
        let request = ExecRequest { user: Some("me".into()), ..ExecRequest::new(["id"]) };
        assert!(!Fence::new().line(&request, "me").unwrap().contains("sudo"));
        assert!(Fence::new().line(&request, "root").unwrap().contains("exec sudo -n -u me -- id"));
    }

    #[test]
    fn what_prevents_the_start_is_told_apart_from_its_end() {
        let fence = Fence::new();
        let mut err = fence.stderr();
        let line = fence.line(&ExecRequest::new(["no-such-program-here"]), "").unwrap();
        err.pass(&Command::new("sh").arg("-c").arg(line).output().unwrap().stderr);
        assert_eq!(err.word(), Some("missing"));
        let mut err = fence.stderr();
        let line = fence.line(&ExecRequest::new(["true"]).cwd("/no/such"), "").unwrap();
        err.pass(&Command::new("sh").arg("-c").arg(line).output().unwrap().stderr);
        assert_eq!(err.word(), Some("cwd"));
    }

    #[test]
    fn a_gate_passes_nothing_but_the_command() {
        let mut gate = Fence("F".into()).stdout();
        assert_eq!(gate.pass(b"Welcome to F!\nLast login: F"), b"");
        assert_eq!(gate.pass(b" 12"), b"");
        assert_eq!(gate.word(), None);
        assert_eq!(gate.pass(b"3\nF 9\n"), b"F 9\n");
        assert_eq!(gate.word(), Some("123"));
        assert_eq!(gate.pass(b"F 8\n"), b"F 8\n");
    }

    #[test]
    fn a_nul_byte_is_refused() {
        assert!(Fence::new().line(&ExecRequest::new(["echo", "a\0b"]), "me").is_err());
        assert!(Fence::new().line(&ExecRequest::new(Vec::<String>::new()), "me").is_err());
    }

    #[test]
    fn a_name_that_looks_like_an_option_is_a_name() {
        let fence = Fence::new();
        let line = fence.line(&ExecRequest::new(["-a"]), "").unwrap();
        let (_, stderr, code) = run("sh", &fence, &line);
        assert_eq!(code, Some(127), "{stderr}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_word_arrives(words in proptest::collection::vec("[^\0]{0,12}", 1..4), value in "[^\0]{0,12}") {
            let fence = Fence::new();
            let script = "for w; do printf '%s\\0' \"$w\"; done; printf %s \"$V\"; printf %s \"$(pwd)\" >&2";
            let request = ExecRequest::sh(script, &words).env("V", &value).env("odd-name", "x").cwd("/");
            let line = fence.line(&request, "me").unwrap();
            prop_assert!(!line.contains('\n'));
            let expected: String = words.iter().map(|word| format!("{word}\0")).chain([value]).collect();
            for shell in ["sh", "bash"] {
                prop_assert_eq!(run(shell, &fence, &line), (expected.clone(), "/".to_owned(), Some(0)));
            }
        }
    }
}
