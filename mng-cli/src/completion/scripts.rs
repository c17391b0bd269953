//! What a shell must know to ask `mng __complete`.

use std::str::FromStr;

/// A shell that we complete for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }
}

impl FromStr for Shell {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "bash" => Ok(Self::Bash),
            "zsh" => Ok(Self::Zsh),
            "fish" => Ok(Self::Fish),
            _ => Err(()),
        }
    }
}

/// The script that switches completion on in a running shell.
pub(crate) fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("mng.bash"),
        Shell::Zsh => include_str!("mng.zsh"),
        Shell::Fish => include_str!("mng.fish"),
    }
}
