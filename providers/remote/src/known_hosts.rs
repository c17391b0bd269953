//! Which keys a host may have: files in the format of sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use data_encoding::BASE64;
use mng_core::storage::{FileLock, write_atomic};
use ring::hmac;
use russh::keys::{HashAlg, PublicKey};

use crate::error::{ChangedKey, SshError};
use crate::target::{HostKeyPolicy, SshTarget};

/// A key that some file lists for a host.
#[derive(Clone, Debug)]
pub(crate) struct KnownKey {
    pub(crate) key: PublicKey,
    pub(crate) is_revoked: bool,
    pub(crate) file: PathBuf,
    /// From 1.
    pub(crate) line: usize,
}

/// What to write about a host: `name type base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKeyLine {
    /// The host's pattern: `host` or `[host]:port`.
    pub name: String,
    /// Type and base64 text, as in the host's `.pub` file.
    pub key: String,
}

/// All keys that the files list for the target. A line about a certificate authority vouches for certificates,
/// which we do not ask for, so it lists no key. Missing files list nothing; lines that cannot be read are
/// skipped, as ssh does.
///
/// # Errors
/// A file is there and cannot be read.
pub(crate) fn keys_of(target: &SshTarget) -> Result<Vec<KnownKey>, SshError> {
    let mut keys = Vec::new();
    for file in &target.known_hosts {
        let text = match fs::read(file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(source) => return Err(SshError::KnownHosts { file: file.clone(), source: Arc::new(source) }),
        };
        for (index, line) in text.lines().enumerate() {
            let Some(parsed) = Line::parse(line) else { continue };
            if parsed.marker != Some("@cert-authority") && parsed.is_about(&target.known_name()) {
                keys.push(KnownKey {
                    key: parsed.key,
                    is_revoked: parsed.marker == Some("@revoked"),
                    file: file.clone(),
                    line: index + 1,
                });
            }
        }
    }
    Ok(keys)
}

/// Whether the host may be trusted that offers `offered`; under [`HostKeyPolicy::AcceptNew`] an unknown key is
/// written down.
///
/// # Errors
/// Revoked, changed, or unknown.
pub(crate) fn check(target: &SshTarget, known: &[KnownKey], offered: &PublicKey) -> Result<(), SshError> {
    let endpoint = target.endpoint();
    let same = |known: &&KnownKey| known.key.key_data() == offered.key_data();
    if let Some(revoked) = known.iter().filter(|known| known.is_revoked).find(same) {
        return Err(SshError::HostKeyRevoked {
            endpoint,
            fingerprint: fingerprint(offered),
            file: revoked.file.clone(),
            line: revoked.line,
        });
    }
    let mut listed = known.iter().filter(|known| !known.is_revoked);
    if listed.clone().any(|known| same(&known)) {
        return Ok(());
    }
    // A host that is known by another type of key was asked for that type: it has no longer got it, or
    // somebody stands in between who never had it.
    let same_type = listed.clone().find(|known| known.key.algorithm() == offered.algorithm());
    if let Some(other) = same_type.or_else(|| listed.next()) {
        return Err(SshError::HostKeyChanged(Box::new(ChangedKey {
            endpoint,
            name: target.known_name(),
            offered: describe(offered),
            known: describe(&other.key),
            file: other.file.clone(),
            line: other.line,
        })));
    }
    let line = HostKeyLine { name: target.known_name(), key: text_of(offered) };
    if target.host_keys == HostKeyPolicy::AcceptNew
        && let Some(file) = target.known_hosts.first()
    {
        return learn(file, &line)
            .map_err(|source| SshError::KnownHosts { file: file.clone(), source: Arc::new(source) });
    }
    Err(SshError::HostKeyUnknown {
        endpoint,
        algorithm: offered.algorithm().to_string(),
        fingerprint: fingerprint(offered),
        file: target.known_hosts.first().cloned(),
        line: Box::new(line),
    })
}

/// Appends a line, unless the file has it. Several processes may do so at once: the file is replaced whole,
/// under a lock beside it.
///
/// # Errors
/// The file cannot be read, locked or written.
pub fn learn(file: &Path, line: &HostKeyLine) -> io::Result<()> {
    let other = |error: mng_core::model::error::Error| io::Error::other(error.to_string());
    let mut lock = file.as_os_str().to_owned();
    lock.push(".lock");
    let _lock =
        FileLock::acquire(Path::new(&lock), Some(std::time::Duration::from_secs(10))).map_err(other)?;
    let mut text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let new = format!("{} {}", line.name, line.key);
    if text.split(|byte| *byte == b'\n').any(|old| old == new.as_bytes()) {
        return Ok(());
    }
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
    text.extend_from_slice(new.as_bytes());
    text.push(b'\n');
    write_atomic(file, &text, 0o600).map_err(other)
}

/// `SHA256:…`, as `ssh-keygen -l` prints it.
pub(crate) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn describe(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), fingerprint(key))
}

fn text_of(key: &PublicKey) -> String {
    let text = key.to_openssh().unwrap_or_default();
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// A line that lists a key.
struct Line<'a> {
    marker: Option<&'a str>,
    hosts: &'a str,
    key: PublicKey,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with('#') {
            return None;
        }
        let mut words = line.split_ascii_whitespace();
        let mut next = words.next()?;
        let marker = next.starts_with('@').then_some(next);
        if marker.is_some() {
            next = words.next()?;
        }
        let key = format!("{} {}", words.next()?, words.next()?);
        Some(Self { marker, hosts: next, key: PublicKey::from_openssh(&key).ok()? })
    }

    /// Whether the host is meant. A pattern after `!` takes the host out, whatever else matches.
    fn is_about(&self, name: &str) -> bool {
        if self.hosts.starts_with("|1|") {
            return is_hash_of(self.hosts, name);
        }
        let mut is_about = false;
        for pattern in self.hosts.split(',') {
            match pattern.strip_prefix('!') {
                Some(pattern) if matches(&pattern.to_lowercase(), name) => return false,
                Some(_) => {}
                None => is_about |= matches(&pattern.to_lowercase(), name),
            }
        }
        is_about
    }
}

/// `*` stands for any text, `?` for one character.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p, n));
                p += 1;
            }
            Some(ch) if *ch == '?' || *ch == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                // Let the last star take one more character.
                let Some((star, taken)) = retry else { return false };
                retry = Some((star, taken + 1));
                p = star + 1;
                n = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|ch| *ch == '*')
}

/// `|1|SALT|HASH`: the HMAC-SHA1 of the name, both in base64 (`HashKnownHosts` of ssh_config(5)).
fn is_hash_of(entry: &str, name: &str) -> bool {
    let mut parts = entry.trim_start_matches("|1|").split('|').map(|part| BASE64.decode(part.as_bytes()));
    let (Some(Ok(salt)), Some(Ok(hash))) = (parts.next(), parts.next()) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    hmac::verify(&key, name.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use mng_core::model::error::{ErrorClass, Explain as _};

    use super::*;

    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const TWO: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    struct World {
        _dir: tempfile::TempDir,
        target: SshTarget,
    }

    /// A target `box.example.net` with these lines in its file.
    fn world(lines: &str) -> World {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        fs::write(&file, lines).unwrap();
        let target = SshTarget { known_hosts: vec![file], ..SshTarget::new("box.example.net", "me") };
        World { _dir: dir, target }
    }

    fn verdict(target: &SshTarget, offered: &str) -> Result<(), SshError> {
        check(target, &keys_of(target).unwrap(), &PublicKey::from_openssh(offered).unwrap())
    }

    #[test]
    fn a_listed_key_is_trusted_and_another_one_is_not() {
        let world = world(&format!("# all boxes\nother {TWO}\nbox.example.net,10.0.0.1 {ONE} comment\n"));
        verdict(&world.target, ONE).unwrap();
        let error = verdict(&world.target, TWO).unwrap_err();
        assert!(matches!(&error, SshError::HostKeyChanged(changed) if changed.line == 3), "{error}");
        assert_eq!(error.class(), ErrorClass::HostAuthentication);
        let text = format!("{error} {}", error.hint().unwrap());
        for key in [ONE, TWO] {
            assert!(text.contains(&fingerprint(&PublicKey::from_openssh(key).unwrap())), "{text}");
        }
        assert!(text.contains("ssh-keygen -R box.example.net -f "), "{text}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_fingerprint() {
        let world = world("");
        let error = verdict(&world.target, ONE).unwrap_err();
        assert!(error.is_authentication() && error.to_string().contains("ssh-ed25519 SHA256:"), "{error}");
        assert!(error.hint().unwrap().contains("--allow-unknown-host"));
        let nowhere = SshTarget { known_hosts: vec!["/no/such/file".into()], ..world.target.clone() };
        assert!(matches!(verdict(&nowhere, ONE), Err(SshError::HostKeyUnknown { .. })));
    }

    #[test]
    fn markers_count() {
        let lines = format!("@revoked * {ONE}\nbox.example.net {ONE}\n@cert-authority *.example.net {TWO}\n");
        let world = world(&lines);
        assert!(matches!(verdict(&world.target, ONE), Err(SshError::HostKeyRevoked { line: 1, .. })));
        // The key of an authority is no key of a host.
        assert!(
            matches!(verdict(&world.target, TWO), Err(SshError::HostKeyChanged(changed)) if changed.line == 2)
        );
    }

    #[test]
    fn patterns_ports_and_aliases_name_a_host() {
        let world = world(&format!(
            "*.example.net,!box.example.net {TWO}\n[box.example.net]:2222 {ONE}\nalias {TWO}\n"
        ));
        assert!(matches!(verdict(&world.target, TWO), Err(SshError::HostKeyUnknown { .. })));
        let mut target = SshTarget { port: 2222, ..world.target.clone() };
        verdict(&target, ONE).unwrap();
        target.host_key_alias = Some("Alias".into());
        verdict(&target, TWO).unwrap();
        assert!(
            matches("a*c?", "abcbcd") && !matches("a*c?", "abc") && matches("**", "") && !matches("a", "ab")
        );
    }

    #[test]
    fn hashed_names_are_those_of_ssh_keygen() {
        let world = world(&format!("box.example.net {ONE}\n[box.example.net]:2222 {TWO}\n"));
        let file = &world.target.known_hosts[0];
        let made = Command::new("ssh-keygen").arg("-Hf").arg(file).output().unwrap();
        assert!(made.status.success() && !fs::read_to_string(file).unwrap().contains("box"), "{made:?}");
        verdict(&world.target, ONE).unwrap();
        verdict(&SshTarget { port: 2222, ..world.target.clone() }, TWO).unwrap();
        assert!(verdict(&SshTarget { port: 2223, ..world.target.clone() }, TWO).is_err());
    }

    #[test]
    fn a_new_key_is_learned_once_and_only_where_that_is_wanted() {
        let world = world("last line without an end");
        let target = SshTarget { host_keys: HostKeyPolicy::AcceptNew, ..world.target.clone() };
        verdict(&target, ONE).unwrap();
        verdict(&target, ONE).unwrap();
        let file = &target.known_hosts[0];
        let expected = format!("last line without an end\nbox.example.net {ONE}\n");
        assert_eq!(fs::read_to_string(file).unwrap(), expected);
        verdict(&world.target, ONE).unwrap();
        assert!(matches!(verdict(&target, TWO), Err(SshError::HostKeyChanged(_))));
    }

    #[test]
    fn processes_that_learn_at_once_lose_no_line() {
        let world = world("");
        let file = world.target.known_hosts[0].clone();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let file = &file;
                scope.spawn(move || {
                    learn(file, &HostKeyLine { name: format!("box{number}"), key: ONE.into() }).unwrap();
                });
            }
        });
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 8);
    }
}
