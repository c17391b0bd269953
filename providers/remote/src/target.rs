//! Where a host is and how to log in there.

use std::path::PathBuf;
use std::time::Duration;

use mng_core::model::shell::{ShellCommand, quote};
use mng_core::transports::AttachPlan;

use crate::command;

/// What to do about a host key that no known_hosts file has. A key that differs from the known one is refused
/// under both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// Refuse it and show its fingerprint.
    #[default]
    Strict,
    /// Take it and append it to the first known_hosts file: the person said so.
    AcceptNew,
}

/// One machine to ssh into. Nothing is read from the person's ssh config here: who makes the value has done so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshTarget {
    /// Address or DNS name to connect to.
    pub host: String,
    pub port: u16,
    pub user: String,
    /// Private keys to try, in this order: OpenSSH or PEM files without a passphrase. One with a passphrase
    /// works while an agent holds it.
    pub identity_files: Vec<PathBuf>,
    /// Whether the keys of a running agent may be used.
    pub use_agent: bool,
    /// Of the agent's keys only those that stand in `identity_files`, too.
    pub identities_only: bool,
    /// The agent's socket; unset: `SSH_AUTH_SOCK`.
    pub agent_socket: Option<PathBuf>,
    /// Files in the format of OpenSSH's `known_hosts`; new keys go to the first one.
    pub known_hosts: Vec<PathBuf>,
    pub host_keys: HostKeyPolicy,
    /// The name under which known_hosts files list the host, instead of address and port.
    pub host_key_alias: Option<String>,
    /// Machines to go through, the first one first. Their own `jump` comes before them.
    pub jump: Vec<SshTarget>,
    /// A command line whose standard streams are the connection; `%h`, `%p`, `%r` and `%%` are replaced.
    pub proxy_command: Option<String>,
    /// Longest wait for the TCP connection, per machine.
    pub connect_timeout: Duration,
    /// How long a connection may be silent before the host is asked whether it is there; three missing answers
    /// end it.
    pub keep_alive: Duration,
    /// The name in the person's ssh config. The terminal of `connect` uses it, so that all else in the config
    /// counts there.
    pub ssh_config_alias: Option<String>,
}

impl SshTarget {
    /// A machine at port 22 that takes keys of the agent, with no known_hosts file yet.
    #[must_use]
    pub fn new(host: impl Into<String>, user: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: 22,
            user: user.into(),
            identity_files: Vec::new(),
            use_agent: true,
            identities_only: false,
            agent_socket: None,
            known_hosts: Vec::new(),
            host_keys: HostKeyPolicy::Strict,
            host_key_alias: None,
            jump: Vec::new(),
            proxy_command: None,
            connect_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(15),
            ssh_config_alias: None,
        }
    }

    /// How messages call it: `user@host`, with the port if it is not 22.
    #[must_use]
    pub fn endpoint(&self) -> String {
        if self.port == 22 {
            return format!("{}@{}", self.user, self.host);
        }
        format!("{}@{}:{}", self.user, self.host, self.port)
    }

    /// How known_hosts files call it: the alias, the address, or `[address]:port`.
    #[must_use]
    pub fn known_name(&self) -> String {
        match &self.host_key_alias {
            Some(alias) => alias.to_lowercase(),
            None if self.port == 22 => self.host.to_lowercase(),
            None => format!("[{}]:{}", self.host.to_lowercase(), self.port),
        }
    }

    /// This machine after all that lie on the way to it.
    pub(crate) fn chain(&self) -> Vec<&Self> {
        let mut chain: Vec<&Self> = self.jump.iter().flat_map(Self::chain).collect();
        chain.push(self);
        chain
    }

    /// Where the agent listens, if one may be asked.
    pub(crate) fn agent(&self) -> Option<PathBuf> {
        if !self.use_agent {
            return None;
        }
        self.agent_socket
            .clone()
            .or_else(|| std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from))
            .filter(|socket| !socket.as_os_str().is_empty())
    }

    /// The system's `ssh` with a terminal, running `argv` there. A name of the person's ssh config is given to
    /// it as it is; a target without one gets every option here and nothing from the config. Either is given the
    /// known_hosts files, strictly: a host whose key they lack was refused before.
    pub(crate) fn attach(&self, argv: Vec<String>) -> AttachPlan {
        let mut words = vec!["ssh".to_owned(), "-tt".into()];
        words.extend(self.options(self.ssh_config_alias.is_none()));
        words.push("--".into());
        words.push(self.ssh_config_alias.clone().unwrap_or_else(|| self.host.clone()));
        words.push(command::for_login_shell(&format!("exec {}", command_line(argv))));
        AttachPlan { argv: words, unset: Vec::new(), env: std::collections::BTreeMap::new() }
    }

    /// The options of `ssh` that say what this target says.
    fn options(&self, is_self_contained: bool) -> Vec<String> {
        let mut words = Vec::new();
        let mut option =
            |name: &str, value: String| words.extend(["-o".to_owned(), format!("{name}={value}")]);
        let files = self.known_hosts.iter().map(|file| double_quoted(&file.display().to_string()));
        let files = files.collect::<Vec<_>>().join(" ");
        if !files.is_empty() {
            option("UserKnownHostsFile", files);
        }
        option("StrictHostKeyChecking", "yes".into());
        if is_self_contained {
            if let Some(alias) = &self.host_key_alias {
                option("HostKeyAlias", alias.clone());
            }
            if !self.use_agent {
                option("IdentityAgent", "none".into());
            } else if let Some(socket) = &self.agent_socket {
                option("IdentityAgent", double_quoted(&socket.display().to_string()));
            }
            if self.identities_only || !self.use_agent {
                option("IdentitiesOnly", "yes".into());
            }
            option("ConnectTimeout", self.connect_timeout.as_secs().max(1).to_string());
            if let Some(proxy) = self.proxy() {
                option("ProxyCommand", proxy);
            }
            for file in &self.identity_files {
                words.extend(["-i".to_owned(), file.display().to_string()]);
            }
            words.extend(["-p".to_owned(), self.port.to_string()]);
        }
        // A dropped line is noticed, so that the terminal does not hang for ever.
        let mut option =
            |name: &str, value: String| words.extend(["-o".to_owned(), format!("{name}={value}")]);
        option("ServerAliveInterval", self.keep_alive.as_secs().max(1).to_string());
        words.extend(["-l".to_owned(), self.user.clone()]);
        words
    }

    /// `ProxyJump` cannot carry keys or known_hosts files of its own, so a jump is an `ssh -W` of ours.
    fn proxy(&self) -> Option<String> {
        let chain = self.chain();
        let Some(jump) = chain.len().checked_sub(2).map(|last| chain[last]) else {
            return self.proxy_command.clone();
        };
        // The rest of the chain goes through the machine before.
        let jump =
            Self { jump: chain[..chain.len() - 2].iter().map(|&hop| hop.alone()).collect(), ..jump.clone() };
        let mut words = jump.options(true);
        words.extend(["-W".to_owned(), format!("[{}]:{}", self.host, self.port), "--".into(), jump.host]);
        let line = ShellCommand::new("ssh").args(words).to_string();
        Some(line.replace('%', "%%"))
    }

    fn alone(&self) -> Self {
        Self { jump: Vec::new(), ..self.clone() }
    }
}

fn command_line(argv: Vec<String>) -> String {
    argv.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// A value with blanks in it, as ssh's own configuration syntax has it; `%` would start one of its tokens.
fn double_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn words(target: &SshTarget, argv: &[&str]) -> String {
        target.attach(argv.iter().map(|word| (*word).to_owned()).collect()).argv.join("\n")
    }

    fn box_at(host: &str) -> SshTarget {
        SshTarget {
            identity_files: vec!["/k/id".into()],
            use_agent: false,
            known_hosts: vec!["/k/known hosts".into()],
            ..SshTarget::new(host, "me")
        }
    }

    #[test]
    fn a_terminal_gets_every_option_and_quoted_words() {
        let target = SshTarget { port: 2222, ..box_at("box") };
        assert_snapshot!(words(&target, &["tmux", "attach", "-t", "=a b:"]), @r#"
        ssh
        -tt
        -o
        UserKnownHostsFile="/k/known hosts"
        -o
        StrictHostKeyChecking=yes
        -o
        IdentityAgent=none
        -o
        IdentitiesOnly=yes
        -o
        ConnectTimeout=10
        -i
        /k/id
        -p
        2222
        -o
        ServerAliveInterval=15
        -l
        me
        --
        box
        exec sh -c 'exec tmux attach -t '\''=a b:'\'''
        "#);
    }

    #[test]
    fn a_name_of_the_ssh_config_is_left_to_ssh() {
        let target = SshTarget { ssh_config_alias: Some("work".into()), ..box_at("10.0.0.1") };
        assert_snapshot!(words(&target, &["htop"]), @r#"
        ssh
        -tt
        -o
        UserKnownHostsFile="/k/known hosts"
        -o
        StrictHostKeyChecking=yes
        -o
        ServerAliveInterval=15
        -l
        me
        --
        work
        exec sh -c 'exec htop'
        "#);
    }

    #[test]
    fn a_jump_keeps_its_own_keys() {
        let inner = SshTarget { jump: vec![box_at("outer"), box_at("middle")], ..box_at("inner") };
        let proxy = inner.proxy().unwrap();
        assert!(proxy.contains("-W '[inner]:22' -- middle"), "{proxy}");
        assert!(proxy.contains("[middle]:22"), "{proxy}");
        assert!(!box_at("inner").attach(vec![]).argv.iter().any(|word| word.contains("ProxyCommand")));
    }

    #[test]
    fn known_hosts_names() {
        assert_eq!(box_at("Box").known_name(), "box");
        assert_eq!(SshTarget { port: 2, ..box_at("::1") }.known_name(), "[::1]:2");
        assert_eq!(SshTarget { host_key_alias: Some("h".into()), port: 2, ..box_at("x") }.known_name(), "h");
    }
}
