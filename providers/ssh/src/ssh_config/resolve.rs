//! What the configuration says of one host. The first value of a keyword counts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::tokens::{Tokens, variables};
use super::{Criterion, Here, Item, MatchOn, SshConfig, expand_home, pattern};

/// What is asked for: values here beat the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked<'a> {
    /// A name of the configuration, or an address.
    pub(crate) host: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) port: Option<u16>,
}

/// The configuration of one host, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resolved {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `None`: neither asked for nor configured.
    pub(crate) user: Option<String>,
    /// As configured; `None`: the usual files.
    pub(crate) identity_files: Option<Vec<PathBuf>>,
    pub(crate) is_identities_only: bool,
    pub(crate) agent: AgentSocket,
    pub(crate) proxy: Option<Proxy>,
    /// The person's files, then the system's.
    pub(crate) known_hosts: Vec<PathBuf>,
    pub(crate) host_keys: HostKeyChecking,
    pub(crate) host_key_alias: Option<String>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) keep_alive: Option<Duration>,
}

/// Whose keys are asked of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum AgentSocket {
    /// That of `SSH_AUTH_SOCK`.
    #[default]
    Environment,
    None,
    At(PathBuf),
}

/// What is between here and the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// The machines to go through, the first one first.
    Jump(Vec<Jump>),
    /// `%h`, `%p`, `%r` and `%%` are left in it.
    Command(String),
}

/// One machine of `ProxyJump`: again a name of the configuration, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Jump {
    pub(crate) host: String,
    pub(crate) user: Option<String>,
    pub(crate) port: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HostKeyChecking {
    /// Unknown keys are refused until a person agrees.
    #[default]
    Ask,
    /// The configuration takes unknown keys. Nothing takes a changed one.
    AcceptNew,
}

/// Values by keyword; each only the first, files of keys all.
#[derive(Default)]
struct Values {
    first: BTreeMap<String, Vec<String>>,
    identity_files: Vec<String>,
}

impl SshConfig {
    pub(crate) fn resolve(&self, asked: &Asked<'_>, here: &Here) -> Resolved {
        let mut values = Values::default();
        for file in &self.files {
            values.collect(file, true, asked, here);
        }
        values.resolved(asked, here)
    }
}

impl Values {
    /// `is_active`: whether what stands before the first `Host` line counts.
    fn collect(&mut self, items: &[Item], is_active: bool, asked: &Asked<'_>, here: &Here) {
        let mut is_counting = is_active;
        for item in items {
            match item {
                Item::Host(patterns) => is_counting = is_active && pattern::matches(patterns, asked.host),
                Item::Match(criteria) => {
                    is_counting = is_active && criteria.iter().all(|one| self.holds(one, asked, here));
                }
                Item::Include(files) => {
                    for file in files {
                        self.collect(file, is_counting, asked, here);
                    }
                }
                Item::Set(keyword, words) if is_counting => self.set(keyword, words),
                Item::Set(..) => {}
            }
        }
    }

    fn set(&mut self, keyword: &str, words: &[String]) {
        match keyword {
            "identityfile" => {
                let file = words.first().filter(|file| !self.identity_files.contains(file));
                self.identity_files.extend(file.cloned());
            }
            // Either of the two says how the connection goes; the later one is not looked at.
            "proxyjump" | "proxycommand" => {
                if !self.first.contains_key("proxyjump") && !self.first.contains_key("proxycommand") {
                    self.first.insert(keyword.to_owned(), words.to_vec());
                }
            }
            _ => {
                self.first.entry(keyword.to_owned()).or_insert_with(|| words.to_vec());
            }
        }
    }

    fn holds(&self, criterion: &Criterion, asked: &Asked<'_>, here: &Here) -> bool {
        let is_held = match &criterion.on {
            MatchOn::All => true,
            MatchOn::OriginalHost(patterns) => pattern::matches(patterns, &asked.host.to_lowercase()),
            MatchOn::Host(patterns) => pattern::matches(patterns, &self.host(asked).to_lowercase()),
            MatchOn::User(patterns) => {
                let user = asked.user.or_else(|| self.text("user")).unwrap_or(&here.user);
                pattern::matches(patterns, user)
            }
            MatchOn::LocalUser(patterns) => pattern::matches(patterns, &here.user),
            // Not judged: neither it nor its opposite.
            MatchOn::Unknown => return false,
        };
        is_held != criterion.is_negated
    }

    fn text(&self, keyword: &str) -> Option<&str> {
        self.first.get(keyword)?.first().map(String::as_str)
    }

    fn is_yes(&self, keyword: &str) -> bool {
        self.text(keyword).is_some_and(|word| word.eq_ignore_ascii_case("yes"))
    }

    fn duration(&self, keyword: &str) -> Option<Duration> {
        let text = self.text(keyword)?;
        let duration = time(text);
        if duration.is_none() {
            tracing::debug!(keyword, text, "value of the ssh configuration left out");
        }
        duration.filter(|duration| !duration.is_zero())
    }

    /// The name to connect to: `HostName` with its `%h`.
    fn host(&self, asked: &Asked<'_>) -> String {
        match self.text("hostname") {
            None => asked.host.to_owned(),
            Some(name) => {
                name.split("%%").map(|part| part.replace("%h", asked.host)).collect::<Vec<_>>().join("%")
            }
        }
    }

    fn resolved(self, asked: &Asked<'_>, here: &Here) -> Resolved {
        let host = self.host(asked);
        let port = asked.port.or_else(|| self.text("port")?.parse().ok()).unwrap_or(22);
        let user = asked.user.or_else(|| self.text("user")).map(str::to_owned);
        let host_key_alias = self.text("hostkeyalias").map(str::to_owned);
        let jump = self.text("proxyjump").unwrap_or_default();
        let tokens = Tokens {
            here,
            original: asked.host,
            host: &host,
            port,
            user: user.as_deref().unwrap_or(&here.user),
            key_name: host_key_alias.as_deref().unwrap_or(asked.host),
            jump,
        };
        let path = |text: &str| expand_home(&tokens.expand(&variables(text, here), &[]), &here.home);
        let known = |keyword: &str, usual: &[&str]| -> Vec<PathBuf> {
            let configured = self.first.get(keyword).map(|words| words.iter().map(String::as_str).collect());
            let words: Vec<&str> = configured.unwrap_or_else(|| usual.to_vec());
            words.into_iter().filter(|word| !word.eq_ignore_ascii_case("none")).map(path).collect()
        };
        let mut known_hosts = known("userknownhostsfile", &["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]);
        known_hosts.extend(known(
            "globalknownhostsfile",
            &["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"],
        ));
        let identity_files = (!self.identity_files.is_empty()).then(|| {
            let files = self.identity_files.iter().filter(|word| !word.eq_ignore_ascii_case("none"));
            files.map(|word| path(word)).collect()
        });
        Resolved {
            identity_files,
            is_identities_only: self.is_yes("identitiesonly"),
            agent: match self.text("identityagent") {
                None | Some("SSH_AUTH_SOCK") => AgentSocket::Environment,
                Some(word) if word.eq_ignore_ascii_case("none") => AgentSocket::None,
                Some(word) => match word.strip_prefix('$').filter(|name| !name.starts_with('{')) {
                    Some(name) => (here.variable)(name)
                        .map_or(AgentSocket::None, |socket| AgentSocket::At(socket.into())),
                    None => AgentSocket::At(path(word)),
                },
            },
            proxy: self.proxy(&tokens),
            known_hosts,
            host_keys: match self.text("stricthostkeychecking").map(str::to_ascii_lowercase).as_deref() {
                Some("accept-new" | "no" | "off") => HostKeyChecking::AcceptNew,
                _ => HostKeyChecking::Ask,
            },
            connect_timeout: self.duration("connecttimeout"),
            keep_alive: self.duration("serveraliveinterval"),
            host_key_alias: host_key_alias.clone(),
            user: user.clone(),
            port,
            host: host.clone(),
        }
    }

    fn proxy(&self, tokens: &Tokens<'_>) -> Option<Proxy> {
        let is_none = |text: &str| text.trim().eq_ignore_ascii_case("none");
        if let Some(jumps) = self.text("proxyjump").filter(|jumps| !is_none(jumps)) {
            let jumps: Vec<Jump> = jumps.split(',').filter_map(|jump| Jump::parse(jump.trim())).collect();
            return (!jumps.is_empty()).then_some(Proxy::Jump(jumps));
        }
        let command = self.text("proxycommand").filter(|command| !is_none(command))?;
        Some(Proxy::Command(tokens.expand(command, &['h', 'p', 'r', '%'])))
    }
}

impl Jump {
    /// `[user@]host[:port]` or `ssh://[user@]host[:port]`; an address of version 6 stands in brackets.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("ssh://").unwrap_or(text).trim_end_matches('/');
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, text),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => match place.rsplit_once(':') {
                Some((host, port)) if !host.contains(':') => (host, Some(port)),
                _ => (place, None),
            },
        };
        let port = match port {
            Some(port) => Some(port.parse().ok()?),
            None => None,
        };
        (!host.is_empty()).then(|| Self { host: host.to_owned(), user, port })
    }
}

/// Seconds, or `1h30m`.
fn time(text: &str) -> Option<Duration> {
    let mut total: u64 = 0;
    let mut number: Option<u64> = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit.into())?);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    match (number, text.is_empty()) {
        (_, true) => None,
        (number, false) => Some(Duration::from_secs(total.checked_add(number.unwrap_or(0))?)),
    }
}
