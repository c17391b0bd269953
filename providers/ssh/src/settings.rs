//! `[providers.NAME]` of this back end, and the hosts that other programs write into a file.

use std::collections::BTreeMap;
use std::path::Path;

use mng_core::storage;
use schemars::JsonSchema;
use serde::Deserialize;

/// `[providers.NAME]` where `backend = "ssh"`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SshSettings {
    /// Directory of mng's state on the hosts; `~` is the home directory there. Unset: `~/.mng`, or `/tmp/mng`
    /// where that holds state already.
    pub host_dir: Option<String>,
    /// The machines, by the name that addresses use: `[providers.NAME.hosts.alpha]`.
    pub hosts: BTreeMap<String, HostSettings>,
    /// File with more machines, one table each with the same keys, which other programs write. Unset:
    /// `providers/NAME/dynamic_hosts.toml` in the profile.
    pub dynamic_hosts_file: Option<String>,
    /// Shell line that stops the machine when it is idle, for example `sudo -n systemctl poweroff`. Unset:
    /// nothing ever stops it.
    pub shutdown_command: Option<String>,
}

/// One machine. What is unset comes from the person's ssh configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostSettings {
    /// Address, DNS name, or a `Host` of `~/.ssh/config`.
    pub address: String,
    /// Port of the ssh server. Unset: that of the ssh configuration, else 22.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Whom to log in as. Unset: the `User` of the ssh configuration, else `root`.
    #[serde(default)]
    pub user: Option<String>,
    /// The private key to use, and no other. Unset: the keys of the ssh configuration and of the agent.
    #[serde(default)]
    pub key_file: Option<String>,
    /// The only file to look the host's key up in. Unset: the known_hosts files of the ssh configuration.
    #[serde(default)]
    pub known_hosts_file: Option<String>,
}

/// The machines of a file that other programs write. One that makes no sense is left out with a warning, and
/// so is a file that cannot be read.
pub(crate) fn dynamic_hosts(path: &Path) -> BTreeMap<String, HostSettings> {
    let bytes = match storage::read_optional(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return BTreeMap::new(),
        Err(error) => {
            tracing::warn!(%error, "no dynamic hosts");
            return BTreeMap::new();
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let tables = match text.parse::<toml_edit::DocumentMut>() {
        Ok(tables) => tables,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "no dynamic hosts");
            return BTreeMap::new();
        }
    };
    let mut hosts = BTreeMap::new();
    for (name, item) in tables.iter() {
        match one(item) {
            Ok(host) => {
                hosts.insert(name.to_owned(), host);
            }
            Err(reason) => {
                tracing::warn!(path = %path.display(), host = name, reason, "dynamic host left out")
            }
        }
    }
    hosts
}

fn one(item: &toml_edit::Item) -> Result<HostSettings, String> {
    let table = item.as_table().cloned().or_else(|| Some(item.as_inline_table()?.clone().into_table()));
    let document = toml_edit::DocumentMut::from(table.ok_or("it is no table")?);
    toml_edit::de::from_document(document).map_err(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_entries_of_other_programs_hide_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dynamic_hosts.toml");
        assert!(dynamic_hosts(&path).is_empty());
        std::fs::write(
            &path,
            "number = 7\ninline = { address = \"i\", port = 2200 }\n[good]\naddress = \"g\"\nuser = \"me\"\n\
             [no-address]\nport = 22\n[typo]\naddress = \"t\"\nprot = 1\n[port]\naddress = \"p\"\nport = 99999\n",
        )
        .unwrap();
        let hosts = dynamic_hosts(&path);
        assert_eq!(hosts.keys().collect::<Vec<_>>(), ["good", "inline"]);
        assert_eq!(hosts["good"].user.as_deref(), Some("me"));
        assert_eq!(hosts["inline"].port, Some(2200));
        std::fs::write(&path, "[[[").unwrap();
        assert!(dynamic_hosts(&path).is_empty());
    }
}
