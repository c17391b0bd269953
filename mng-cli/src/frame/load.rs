//! From the places and flags of one invocation to the context of a command.

use std::path::PathBuf;

use mng_core::Error;
use mng_core::plugins::{Activation, CommandDef, Ctx, Linked, Registry};
use mng_core::settings::{
    self, CommandParam, ConfigScope, EnvSnapshot, KnownNames, LoadRequest, Locations, Settings, find_profile,
};

use super::words::Reading;
use crate::cli;

/// Options that are needed before the settings are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct EarlyOptions {
    /// `-S KEY=VALUE`, in order.
    pub(crate) overrides: Vec<String>,
    pub(crate) enable_plugin: Vec<String>,
    pub(crate) disable_plugin: Vec<String>,
    pub(crate) context: Option<PathBuf>,
    /// `--headless` or `--interactive`; `None` leaves it to the settings.
    pub(crate) headless: Option<bool>,
    /// Whom to trust is said each time, never in a settings file.
    pub(crate) allow_unknown_host: bool,
}

impl EarlyOptions {
    pub(crate) fn of(reading: &Reading<'_>) -> Self {
        let texts = |id: &str| {
            reading.values(id).map(|value| value.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        let headless = reading.typed_ids().filter(|id| matches!(*id, "headless" | "interactive")).last();
        let is_of_unknown = |id: &&str| matches!(*id, "allow_unknown_host" | "no_allow_unknown_host");
        let unknown_host = reading.typed_ids().filter(is_of_unknown).last();
        Self {
            overrides: texts("setting"),
            enable_plugin: texts("enable_plugin"),
            disable_plugin: texts("disable_plugin"),
            context: reading.values("context").last().map(PathBuf::from),
            headless: headless.map(|id| id == "headless"),
            allow_unknown_host: unknown_host == Some("allow_unknown_host"),
        }
    }
}

/// What the settings and plugins make of an invocation.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) ctx: Ctx,
    /// What settings may name.
    pub(crate) known: KnownNames,
    /// What the person should hear about.
    pub(crate) warnings: Vec<String>,
    pub(crate) is_headless: bool,
}

impl Loaded {
    /// The command of that name that an enabled plugin brings.
    pub(crate) fn plugin_command(&self, word: &str) -> Option<CommandDef> {
        let mut commands = self.ctx.registry.enabled().flat_map(|enabled| enabled.plugin.commands());
        commands.find(|def| {
            def.command.get_name() == word || def.command.get_all_aliases().any(|alias| alias == word)
        })
    }
}

/// What is known of an invocation before its settings are read.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) env: EnvSnapshot,
    pub(crate) locations: Locations,
    pub(crate) early: EarlyOptions,
}

impl Invocation {
    /// # Errors
    /// There is no home directory, or `--context` is no directory.
    pub(crate) fn new(env: EnvSnapshot, early: EarlyOptions) -> Result<Self, Error> {
        let cwd = std::env::current_dir().map_err(|error| Error::io("find the current directory", error))?;
        let locations = Locations::find(&env, &cwd, early.context.as_deref())?;
        Ok(Self { env, locations, early })
    }

    /// Whether nobody may be asked, where the settings cannot be read.
    pub(crate) fn is_headless(&self) -> bool {
        self.early.headless.unwrap_or_else(|| self.env.is_truthy("MNG_HEADLESS"))
    }

    /// `[commands.KEY] default_subcommand`, if there is one. Broken settings name none: whoever mistypes a
    /// command should hear of that first.
    pub(crate) fn default_subcommand(&self, key: &str) -> Option<String> {
        if !self.has_settings() {
            return None;
        }
        let known = Linked::collect().ok()?.known_names(cli::settings_keys());
        self.settings(&known).ok()?.default_subcommand(key).map(str::to_owned)
    }

    /// What the settings give to the options of a command, for its help page; nothing where they are broken.
    pub(crate) fn configured(&self, key: &str) -> Vec<CommandParam> {
        let known = self.has_settings().then(|| Linked::collect().ok()).flatten();
        let known = known.map(|linked| linked.known_names(cli::settings_keys()));
        known
            .and_then(|known| self.settings(&known).ok())
            .map_or_else(Vec::new, |settings| settings.command_params(key))
    }

    /// Whether there can be any settings at all: a quick look before a slow one.
    fn has_settings(&self) -> bool {
        let profile = find_profile(&self.locations, &self.env).ok().flatten();
        !self.early.overrides.is_empty()
            || self.env.iter().any(|(name, _)| name.starts_with("MNG__") || name.starts_with("MNG_COMMANDS_"))
            || ConfigScope::ALL
                .into_iter()
                .filter_map(|scope| self.locations.settings_file(scope, profile.as_ref()))
                .any(|file| file.exists())
    }

    /// What settings may name.
    ///
    /// # Errors
    /// Two linked plugins have the same name.
    pub(crate) fn known(&self) -> Result<KnownNames, Error> {
        Ok(Linked::collect()?.known_names(cli::settings_keys()))
    }

    /// As [`Invocation::known`], with the options of every command: for changing settings.
    ///
    /// # Errors
    /// As [`Invocation::known`].
    pub(crate) fn known_with_parameters(&self) -> Result<KnownNames, Error> {
        let mut known = self.known()?;
        known.parameters = cli::settings_parameters();
        Ok(known)
    }

    fn settings(&self, known: &KnownNames) -> Result<Settings, Error> {
        let request = LoadRequest {
            locations: &self.locations,
            env: &self.env,
            overrides: &self.early.overrides,
            known,
        };
        settings::load(&request)
    }

    /// Reads the settings and decides which plugins are on.
    ///
    /// # Errors
    /// Broken settings, unknown plugins in flags.
    pub(crate) fn load(&self, is_person_there: bool) -> Result<Loaded, Error> {
        let linked = Linked::collect()?;
        let known = linked.known_names(cli::settings_keys());
        let mut settings = self.settings(&known)?;
        let mut warnings = std::mem::take(&mut settings.warnings);
        let mut entries = settings.plugins();
        if self.env.is_truthy("MNG_LOAD_ALL_PLUGINS") {
            entries.clear();
        }
        let activation = Activation {
            entries: &entries,
            enable: &self.early.enable_plugin,
            disable: &self.early.disable_plugin,
        };
        let (registry, more) = Registry::new(&linked, activation)?;
        warnings.extend(more);
        let is_headless = self.early.headless.unwrap_or(settings.core.headless);
        let profile = settings.profile().cloned();
        let is_interactive = is_person_there && !is_headless;
        let mut ctx =
            Ctx::new(settings, self.locations.clone(), self.env.clone(), registry, profile, is_interactive);
        ctx.takes_unknown_hosts = self.early.allow_unknown_host;
        Ok(Loaded { ctx, known, warnings, is_headless })
    }
}
