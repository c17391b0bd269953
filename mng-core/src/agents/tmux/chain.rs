//! Several tmux commands in one process.

/// Commands that tmux runs one after the other, as one argument list.
///
/// tmux takes a `;` at the end of any argument for the end of a command, also inside text that is to be
/// typed; [`Chain`] escapes it. Text that may begin with a dash still wants `--` before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    argv: Vec<String>,
}

impl Chain {
    /// One command.
    pub fn new<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Self {
        Self::default().then(words)
    }

    /// Adds a command.
    #[must_use]
    pub fn then<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        if !self.argv.is_empty() {
            self.argv.push(";".into());
        }
        self.argv.extend(words.into_iter().map(|word| escaped(word.into())));
        self
    }

    /// Bytes of all arguments. tmux takes about 16 kB in one call.
    #[must_use]
    pub fn size(&self) -> usize {
        self.argv.iter().map(|word| word.len() + 1).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.argv.is_empty()
    }

    pub(super) fn into_argv(self) -> Vec<String> {
        self.argv
    }
}

fn escaped(mut word: String) -> String {
    if word.ends_with(';') {
        word.pop();
        word.push_str("\\;");
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_semicolons_end_a_command() {
        let chain = Chain::new(["send-keys", "-l", "--", "a; b;"]).then(["send-keys", ";"]);
        assert_eq!(chain.into_argv(), ["send-keys", "-l", "--", "a; b\\;", ";", "send-keys", "\\;"]);
    }
}
