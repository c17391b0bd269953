//! From a machine's settings and the person's ssh configuration to a connection's target. Settings beat the
//! configuration, which beats the defaults.

use std::path::PathBuf;

use mng_core::{Error, ErrorClass, Result};
use mng_provider_remote::{HostKeyPolicy, SshTarget};

use crate::settings::HostSettings;
use crate::ssh_config::{
    AgentSocket, Asked, Here, HostKeyChecking, Jump, Proxy, Resolved, SshConfig, expand_home,
};

/// Whom to log in as on a machine of the table where nobody says.
const DEFAULT_USER: &str = "root";

/// Keys that OpenSSH tries when none is configured, in its order.
const USUAL_KEYS: [&str; 6] = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_dsa"];

/// How many machines may lie on the way to one.
const MOST_JUMPS: usize = 16;

/// The target of a machine of the table.
///
/// # Errors
/// Its jumps go round in a circle, or its address is none.
pub(crate) fn of_settings(host: &HostSettings, config: &SshConfig, here: &Here) -> Result<SshTarget> {
    let asked = Asked { host: &host.address, user: host.user.as_deref(), port: host.port };
    let mut target = build(&asked, DEFAULT_USER, config, here, 0)?;
    if let Some(key) = &host.key_file {
        target.identity_files = vec![expand_home(key, &here.home)];
        target.use_agent = false;
    }
    if let Some(file) = &host.known_hosts_file {
        target.known_hosts = vec![expand_home(file, &here.home)];
        target.host_keys = HostKeyPolicy::Strict;
    }
    let says_more = host.key_file.is_some() || host.known_hosts_file.is_some() || host.port.is_some();
    if says_more {
        target.ssh_config_alias = None;
    }
    Ok(target)
}

/// The target of a `Host` of the ssh configuration: where `ssh ALIAS` goes.
///
/// # Errors
/// As [`of_settings`].
pub(crate) fn of_alias(alias: &str, config: &SshConfig, here: &Here) -> Result<SshTarget> {
    build(&Asked { host: alias, ..Asked::default() }, &here.user, config, here, 0)
}

fn build(
    asked: &Asked<'_>,
    default_user: &str,
    config: &SshConfig,
    here: &Here,
    depth: usize,
) -> Result<SshTarget> {
    let name = asked.host;
    // A word that ssh would take for an option.
    if name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace) {
        return Err(Error::input(
            format!("`{name}` is no address of a machine"),
            "write a DNS name, an IP address, or a `Host` of `~/.ssh/config`",
        ));
    }
    if depth > MOST_JUMPS {
        return Err(Error::hinted(
            ErrorClass::Config,
            format!(
                "the way to `{name}` has no end: the `ProxyJump` lines of the ssh configuration go round"
            ),
            format!("ssh -G {name} | grep -i proxyjump"),
        ));
    }
    let found = config.resolve(asked, here);
    let mut target = SshTarget::new(&found.host, found.user.as_deref().unwrap_or(default_user));
    target.port = found.port;
    target.identity_files = identity_files(&found, here);
    (target.use_agent, target.agent_socket) = match &found.agent {
        AgentSocket::Environment => (true, None),
        AgentSocket::None => (false, None),
        AgentSocket::At(socket) => (true, Some(socket.clone())),
    };
    target.identities_only = found.is_identities_only;
    target.known_hosts.clone_from(&found.known_hosts);
    target.host_keys = match found.host_keys {
        HostKeyChecking::Ask => HostKeyPolicy::Strict,
        HostKeyChecking::AcceptNew => HostKeyPolicy::AcceptNew,
    };
    target.host_key_alias.clone_from(&found.host_key_alias);
    if let Some(timeout) = found.connect_timeout {
        target.connect_timeout = timeout;
    }
    if let Some(interval) = found.keep_alive {
        target.keep_alive = interval;
    }
    target.ssh_config_alias = config.has_alias(name).then(|| name.to_owned());
    match found.proxy {
        Some(Proxy::Command(command)) => target.proxy_command = Some(command),
        Some(Proxy::Jump(jumps)) => target.jump = way(&jumps, config, here, depth)?,
        None => {}
    }
    Ok(target)
}

/// The machines to go through. As with `ssh -J`, only the first one's own way counts: the others are reached
/// through the one before.
fn way(jumps: &[Jump], config: &SshConfig, here: &Here, depth: usize) -> Result<Vec<SshTarget>> {
    let mut way = Vec::new();
    for (index, jump) in jumps.iter().enumerate() {
        let asked = Asked { host: &jump.host, user: jump.user.as_deref(), port: jump.port };
        let mut hop = build(&asked, &here.user, config, here, depth + jumps.len())?;
        if index > 0 {
            hop.jump.clear();
            hop.proxy_command = None;
        }
        way.push(hop);
    }
    Ok(way)
}

fn identity_files(found: &Resolved, here: &Here) -> Vec<PathBuf> {
    match &found.identity_files {
        // One that is not there may still be held by the agent, by its public half.
        Some(files) => files.clone(),
        None => {
            let dir = here.home.join(".ssh");
            USUAL_KEYS.iter().map(|name| dir.join(name)).filter(|file| file.exists()).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn here() -> Here {
        Here {
            home: "/home/me".into(),
            user: "me".into(),
            uid: 1000,
            host: "desk".into(),
            variable: |_| None,
        }
    }

    fn config(text: &str) -> SshConfig {
        SshConfig::of_text(text, Path::new("/home/me/.ssh"), &here())
    }

    fn host(address: &str) -> HostSettings {
        HostSettings {
            address: address.into(),
            port: None,
            user: None,
            key_file: None,
            known_hosts_file: None,
        }
    }

    const CONFIG: &str = "
Host box
  HostName box.example.net
  User worker
  Port 2200
  IdentityFile ~/.ssh/box
  ProxyJump gate,inner
Host gate
  ProxyJump outer
Host inner
  ProxyJump never
  User in
";

    #[test]
    fn settings_beat_the_configuration_which_beats_the_defaults() {
        let config = config(CONFIG);
        let plain = of_settings(&host("box"), &config, &here()).unwrap();
        assert_eq!(plain.endpoint(), "worker@box.example.net:2200");
        assert_eq!(plain.identity_files, [Path::new("/home/me/.ssh/box")]);
        assert_eq!(plain.ssh_config_alias.as_deref(), Some("box"));
        assert!(plain.use_agent);
        let own = HostSettings {
            port: Some(22),
            user: Some("admin".into()),
            key_file: Some("~/key".into()),
            known_hosts_file: Some("/pins".into()),
            ..host("box")
        };
        let own = of_settings(&own, &config, &here()).unwrap();
        assert_eq!(own.endpoint(), "admin@box.example.net");
        assert_eq!((own.identity_files, own.use_agent), (vec!["/home/me/key".into()], false));
        assert_eq!(own.known_hosts, [Path::new("/pins")]);
        assert_eq!(own.ssh_config_alias, None, "the terminal has to be told all of it");
        assert_eq!(of_settings(&host("far"), &config, &here()).unwrap().endpoint(), "root@far");
        assert_eq!(of_alias("gate", &config, &here()).unwrap().endpoint(), "me@gate");
    }

    #[test]
    fn only_the_first_jump_has_a_way_of_its_own() {
        let target = of_alias("box", &config(CONFIG), &here()).unwrap();
        let names = |targets: &[SshTarget]| targets.iter().map(SshTarget::endpoint).collect::<Vec<_>>();
        assert_eq!(names(&target.jump), ["me@gate", "in@inner"]);
        assert_eq!(names(&target.jump[0].jump), ["me@outer"]);
        assert!(target.jump[1].jump.is_empty());
    }

    #[test]
    fn circles_and_options_are_no_targets() {
        let circle = config("Host a\n ProxyJump b\nHost b\n ProxyJump a\n");
        let error = of_alias("a", &circle, &here()).unwrap_err();
        assert!(error.to_string().contains("go round"), "{error}");
        for bad in ["-oProxyCommand=x", "", "a b"] {
            assert_eq!(of_settings(&host(bad), &circle, &here()).unwrap_err().class(), ErrorClass::UserInput);
        }
    }
}
