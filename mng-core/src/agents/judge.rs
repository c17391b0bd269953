//! What an agent is doing, judged from what was seen of it.

/// Programs that wait for a person: one in the foreground means that nothing of the agent's runs there.
const SHELLS: [&str; 8] = ["bash", "sh", "zsh", "fish", "dash", "ksh", "tcsh", "csh"];

/// Whether a program, by its name in the process table, is an interactive shell's.
#[must_use]
pub fn is_shell(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    SHELLS.contains(&name.strip_prefix('-').unwrap_or(name))
}
