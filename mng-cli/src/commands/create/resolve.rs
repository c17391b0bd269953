//! From the options as typed to the request: pieces put together, texts parsed, contradictions refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mng_core::model::address::{AgentAddress, HostAddress, HostRef, NewAgentAddress, SourceAddress};
use mng_core::model::branch::{BranchSpec, SeedBranchFlags};
use mng_core::model::env_file::parse_assignment;
use mng_core::model::names::ProviderName;
use mng_core::model::record::{ExtraWindow, TmuxSize, TransferMode};
use mng_core::operations::create::{
    AgentOptions, CreateRequest, HostOptions, Provisioning, TransferChoice, TransferOptions,
};
use mng_core::{Error, ErrorClass};

use super::args::{AgentArgs, ConnectionArgs, CreateOptions, SetupArgs, SourceArgs};

impl CreateOptions {
    /// The request, without a first message.
    ///
    /// # Errors
    /// Usage errors: contradictions, and texts that cannot be parsed.
    pub(crate) fn request(&self) -> Result<CreateRequest, Error> {
        self.refuse_what_is_not_there()?;
        let cwd = working_dir()?;
        let address = self.address()?;
        let new_host = self.new_host_wish().is_some() || self.host.host_name.is_some();
        let mut typed_options: BTreeSet<String> = self.explicit.long_names().collect();
        if self.positional_type.is_some() {
            typed_options.insert("type".into());
        }
        let mut args = self.args.clone();
        args.extend(self.last_args.iter().cloned());
        Ok(CreateRequest {
            address,
            agent: self.agent.options(
                self.agent_type()?,
                args,
                &self.connection,
                self.behaviour.ready_timeout,
            )?,
            source: self.source.source()?,
            transfer: self.source.transfer(&self.explicit)?,
            provisioning: self.setup.provisioning(&cwd)?,
            host: HostOptions {
                new_host,
                install_packages: self.host.install_packages,
                tags: labels("--host-label", &self.host.host_label)?,
            },
            cwd,
            reuse: self.behaviour.reuse,
            update: self.behaviour.update,
            auto_start: !self.behaviour.no_auto_start,
            await_ready: !self.behaviour.no_await_ready,
            message: None,
            is_yes: self.behaviour.yes,
            foreground: self.behaviour.foreground,
            typed_options,
        })
    }

    /// For `clone` and `migrate`: the source, and its uncommitted changes unless they are told to stay.
    ///
    /// # Errors
    /// Another source is given as well: a usage error.
    pub(crate) fn go_on_from(&mut self, source: String, command: &str) -> Result<(), Error> {
        let given = ["from", "from_agent", "source_host", "source_path"];
        if let Some(option) = given.iter().find(|option| self.explicit.has(option)) {
            return Err(usage(
                format!("`mng {command}` has its source, and `--{}` names another", option.replace('_', "-")),
                format!("write `mng {command} SOURCE`"),
            ));
        }
        self.source.from = Some(source);
        if !self.explicit.has("ensure_clean") {
            self.source.no_ensure_clean = true;
        }
        if !self.explicit.has("include_unclean") {
            self.source.include_unclean = true;
            self.source.no_include_unclean = false;
        }
        Ok(())
    }

    /// Options that older versions accepted and ignored.
    fn refuse_what_is_not_there(&self) -> Result<(), Error> {
        let refused = [
            ("--user", self.agent.user.is_some()),
            ("--session-command", self.connection.session_command.is_some()),
            ("--snapshot-source", self.source.snapshot_source),
        ];
        match refused.iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) => Err(Error::input(format!("`{flag}` is not supported yet"), "leave it out")),
            None => Ok(()),
        }
    }

    /// The type: `--type` or the second word, which must agree.
    fn agent_type(&self) -> Result<Option<String>, Error> {
        let is_typed = self.explicit.has("type");
        match (&self.agent.agent_type, &self.positional_type) {
            (Some(option), Some(word)) if is_typed && option != word => Err(usage(
                format!("two types are given: `{word}` and `--type {option}`"),
                "leave one of them out",
            )),
            (_, Some(word)) => Ok(Some(word.clone())),
            (option, None) => Ok(option.clone()),
        }
    }

    /// `--new-host`, its old form with a provider, or `--in`: the provider, if one is named.
    fn new_host_wish(&self) -> Option<Option<&str>> {
        if let Some(provider) = &self.host.in_provider {
            return Some(Some(provider));
        }
        match self.host.new_host.as_deref()? {
            // Settings write the switch as a bool.
            "" | "true" => Some(None),
            "false" => None,
            provider => Some(Some(provider)),
        }
    }

    /// The address with everything that options say about it.
    fn address(&self) -> Result<NewAgentAddress, Error> {
        let text = match (&self.address, &self.agent.name) {
            (Some(_), Some(_)) if self.explicit.has("name") => {
                return Err(usage(
                    "the agent is named twice, by position and by `--name`",
                    "leave one of them out",
                ));
            }
            (Some(text), _) | (None, Some(text)) => text.as_str(),
            (None, None) => "",
        };
        let mut address: NewAgentAddress = text.parse().map_err(Error::from)?;
        for (flag, host) in [("--host", &self.host.host), ("--host-name", &self.host.host_name)] {
            if let Some(host) = host {
                let parsed: HostAddress = host.parse().map_err(Error::from)?;
                merge(&mut address.host, parsed.host, flag)?;
                merge(&mut address.provider, parsed.provider, flag)?;
            }
        }
        if let Some(target) = &self.source.target {
            let (host, path) = target.split_once(':').unwrap_or((target, ""));
            if !host.is_empty() {
                let parsed: HostAddress = host.parse().map_err(Error::from)?;
                merge(&mut address.host, parsed.host, "--target")?;
                merge(&mut address.provider, parsed.provider, "--target")?;
            }
            merge(&mut address.path, (!path.is_empty()).then(|| path.to_owned()), "--target")?;
        }
        for (flag, provider) in
            [("--provider", self.host.provider.as_deref()), ("--new-host", self.new_host_wish().flatten())]
        {
            let provider = provider.map(str::parse::<ProviderName>).transpose().map_err(Error::from)?;
            merge(&mut address.provider, provider, flag)?;
        }
        merge(&mut address.path, self.source.target_path.clone(), "--target-path")?;
        if let Some(HostRef::Id(id)) = &address.host
            && (self.new_host_wish().is_some() || self.host.host_name.is_some())
        {
            return Err(usage(format!("a new host cannot be given the id `{id}`"), "give it a name"));
        }
        Ok(address)
    }
}

/// Sets a piece that an option gives; it may repeat what is there, not contradict it.
fn merge<T: PartialEq + std::fmt::Display>(
    piece: &mut Option<T>,
    given: Option<T>,
    flag: &str,
) -> Result<(), Error> {
    match (&piece, given) {
        (_, None) => Ok(()),
        (Some(known), Some(given)) if *known != given => Err(usage(
            format!("`{flag} {given}` contradicts `{known}`, which is given already"),
            "leave one of them out",
        )),
        (_, Some(given)) => {
            *piece = Some(given);
            Ok(())
        }
    }
}

impl AgentArgs {
    fn options(
        &self,
        agent_type: Option<String>,
        args: Vec<String>,
        connection: &ConnectionArgs,
        ready_timeout: Option<f64>,
    ) -> Result<AgentOptions, Error> {
        let windows = self.extra_window.iter().map(|text| ExtraWindow::parse(text));
        let ready_timeout = ready_timeout
            .map(|seconds| {
                Duration::try_from_secs_f64(seconds).map_err(|_| {
                    usage(format!("`--ready-timeout {seconds}`: expected seconds"), "for example 10")
                })
            })
            .transpose()?;
        let id = self.id.as_deref().map(str::parse).transpose();
        Ok(AgentOptions {
            id: id.map_err(|error| usage(format!("`--id`: {error}"), "leave it out, and one is made"))?,
            name_style: Some(self.name_style.parse().map_err(Error::from)?),
            agent_type: agent_type.map(|name| name.parse()).transpose().map_err(Error::from)?,
            command: self.agent_cmd.clone(),
            args,
            windows: windows.collect::<Result<_, _>>().map_err(Error::from)?,
            labels: labels("--label", &self.label)?,
            project: self.project.clone(),
            tmux: TmuxSize {
                width: self.tmux_width,
                height: self.tmux_height,
                window_size: self.tmux_window_size.as_ref().map(|policy| policy.to_uppercase()),
            },
            permissions: self.grant.clone(),
            start_on_boot: self.start_on_boot,
            ready_timeout,
            resume_message: connection.resume_message()?,
            adopt: self.adopt.clone(),
            ..AgentOptions::default()
        })
    }
}

impl ConnectionArgs {
    fn resume_message(&self) -> Result<Option<String>, Error> {
        let Some(path) = &self.resume_message_file else { return Ok(self.resume_message.clone()) };
        read_text(path).map(Some)
    }
}

/// A text file that an option names. A missing one is a wrong command line.
pub(super) fn read_text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path)
        .map_err(|error| usage(format!("cannot read `{}`: {error}", path.display()), "check the path"))
}

impl SourceArgs {
    /// The source, from one address or from the pieces that older versions took.
    fn source(&self) -> Result<Option<SourceAddress>, Error> {
        let pieces = [&self.from_agent, &self.source_host, &self.source_path];
        let has_pieces = pieces.iter().any(|piece| piece.is_some());
        if let Some(from) = &self.from {
            if has_pieces {
                return Err(usage(
                    "`--from` and its older pieces exclude each other",
                    "write it all in `--from`",
                ));
            }
            return from.parse().map(Some).map_err(Error::from);
        }
        let host = self.source_host.as_deref();
        Ok(match (&self.from_agent, host, &self.source_path) {
            (None, None, None) => None,
            (Some(agent), host, path) => {
                let text = host.map_or_else(|| agent.clone(), |host| format!("{agent}@{host}"));
                let address: AgentAddress = text.parse().map_err(Error::from)?;
                Some(SourceAddress::Agent { address, path: path.clone() })
            }
            (None, Some(host), Some(path)) => {
                Some(SourceAddress::Host { address: host.parse().map_err(Error::from)?, path: path.clone() })
            }
            (None, None, Some(path)) => Some(SourceAddress::Path(path.clone())),
            (None, Some(host), None) => {
                return Err(usage(
                    format!("`--source-host {host}` names neither an agent nor a path"),
                    format!("write `--from @{host}:PATH`"),
                ));
            }
        })
    }

    fn choice(&self) -> TransferChoice {
        let mode = match self.transfer.as_deref() {
            Some("none") => TransferMode::None,
            Some("rsync") => TransferMode::Rsync,
            Some("git-mirror") => TransferMode::GitMirror,
            Some("git-worktree") => TransferMode::GitWorktree,
            _ if self.in_place => TransferMode::None,
            _ if self.worktree => TransferMode::GitWorktree,
            _ if self.clone_mode => TransferMode::GitMirror,
            _ if self.copy => return TransferChoice::Copy,
            _ => return TransferChoice::Auto,
        };
        TransferChoice::Mode(mode)
    }

    fn branch(&self) -> Result<BranchSpec, Error> {
        if let Some(spec) = &self.branch {
            return spec.parse().map_err(Error::from);
        }
        BranchSpec::from_seed(&SeedBranchFlags {
            base_branch: self.base_branch.as_deref(),
            new_branch: self.new_branch.as_deref(),
            no_new_branch: self.no_new_branch,
            new_branch_prefix: self.new_branch_prefix.as_deref(),
        })
        .map_err(Error::from)
    }

    fn transfer(&self, explicit: &crate::args::Explicit) -> Result<TransferOptions, Error> {
        // Whoever asks to carry the changes knows that they are there.
        let is_carrying = self.include_unclean && explicit.has("include_unclean");
        let ensure_clean = match (explicit.has("ensure_clean"), is_carrying) {
            (false, true) => false,
            _ => !self.no_ensure_clean,
        };
        let include_unclean = if self.include_unclean || self.no_include_unclean {
            self.include_unclean
        } else {
            !ensure_clean
        };
        let rsync = (self.rsync || self.no_rsync).then_some(self.rsync);
        Ok(TransferOptions {
            choice: self.choice(),
            branch: self.branch()?,
            rsync,
            rsync_args: words("--rsync-args", self.rsync_args.as_deref())?,
            verify: false,
            ensure_clean,
            include_unclean,
            include_gitignored: self.include_gitignored,
            include_git: !self.no_include_git,
            clone_args: self.clone_args()?,
            worktree_base_folder: self.worktree_base_folder.clone(),
        })
    }

    /// Options for `git clone`, which only a git URL needs.
    fn clone_args(&self) -> Result<Vec<String>, Error> {
        let mut args = Vec::new();
        args.extend(self.depth.map(|depth| format!("--depth={depth}")));
        args.extend(self.shallow_since.as_ref().map(|date| format!("--shallow-since={date}")));
        let is_url = matches!(self.source()?, Some(SourceAddress::GitUrl(_)));
        if !args.is_empty() && !is_url {
            return Err(Error::input(
                "`--depth` and `--shallow-since` are for a git URL as the source",
                "leave them out: a worktree and a copy on this machine cost little",
            ));
        }
        Ok(args)
    }
}

impl SetupArgs {
    /// # Errors
    /// Texts that cannot be parsed.
    pub(crate) fn provisioning(&self, cwd: &Path) -> Result<Provisioning, Error> {
        Ok(Provisioning {
            env: self.env.iter().map(|text| parse_assignment(text)).collect::<Result<_, _>>()?,
            env_files: self.env_file.iter().map(|file| cwd.join(file)).collect(),
            pass_env: self.pass_env.clone(),
            directories: self.create_directory.clone(),
            uploads: parse_all(&self.upload_file)?,
            appends: parse_all(&self.append_to_file)?,
            prepends: parse_all(&self.prepend_to_file)?,
            sudo_commands: self.sudo_command.clone(),
            commands: self.extra_provision_command.clone(),
        })
    }
}

fn parse_all<T: std::str::FromStr<Err = Error>>(texts: &[String]) -> Result<Vec<T>, Error> {
    texts.iter().map(|text| text.parse()).collect()
}

/// Where relative paths start.
pub(crate) fn working_dir() -> Result<PathBuf, Error> {
    std::env::current_dir().map_err(|error| Error::io("find the current directory", error))
}

/// `KEY=VALUE` texts; key and value trimmed.
fn labels(flag: &str, texts: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let split = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err(usage(
            format!("`{flag} {text}`: expected KEY=VALUE"),
            format!("for example `{flag} team=web`"),
        )),
    };
    texts.iter().map(split).collect()
}

/// Words as a shell splits them.
fn words(flag: &str, text: Option<&str>) -> Result<Vec<String>, Error> {
    let Some(text) = text else { return Ok(Vec::new()) };
    shlex::split(text).ok_or_else(|| usage(format!("`{flag}`: a quote does not end"), "check the quotes"))
}

fn usage(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::hinted(ErrorClass::Usage, message, hint)
}
