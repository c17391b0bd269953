//! `mng config`: works while the settings are broken, since that is when it is needed.

mod show;

use clap::{Args, Subcommand, ValueEnum};
use mng_core::model::fields::PlainFields;
use mng_core::settings::{ConfigScope, Edited, Editor, LoadRequest, WriteForm};
use mng_core::{Error, ErrorClass};
use serde_json::{Map, Value, json};

use crate::exit::{CliResult, ExitCode};
use crate::frame::Invocation;
use crate::ui::{Ui, with_event};

/// Show and change settings
///
/// Settings come from five layers, the later ones above the earlier: the user's file, the project's file
/// (`.mng/settings.toml`), the project's local file (`.mng/settings.local.toml`), the environment, and `-S`.
/// A key is a dotted path such as `commands.create.type`; a value is read as JSON, and as plain text where
/// it is none.
#[derive(Args, Debug)]
#[command(
    after_help = "Always create claude agents:\n$ mng config set --scope user commands.create.type claude\n\nSee also: environment_variables, plugin"
)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    List(ListArgs),
    Get(GetArgs),
    Set(WriteArgs),
    Extend(ExtendArgs),
    Assign(AssignArgs),
    Unset(UnsetArgs),
    Edit(EditArgs),
    Path(PathArgs),
    Schema(SchemaArgs),
    Wizard(WizardArgs),
}

/// List settings that are set
#[derive(Args, Debug)]
struct ListArgs {
    /// Only what this file says
    #[arg(long, value_enum, value_name = "SCOPE", ignore_case = true)]
    scope: Option<Scope>,

    /// Also what is left at its default
    #[arg(long, conflicts_with = "scope")]
    all: bool,

    /// Say where each value comes from
    #[arg(long)]
    show_origin: bool,

    /// List every key with its type and meaning instead
    #[arg(long, conflicts_with_all = ["scope", "show_origin"])]
    schema: bool,
}

/// Print the value of a key
#[derive(Args, Debug)]
struct GetArgs {
    /// The key, such as `retry.connect_retry_times`
    #[arg(value_name = "KEY")]
    key: String,

    /// What this file says, instead of the merged value
    #[arg(long, value_enum, value_name = "SCOPE", ignore_case = true)]
    scope: Option<Scope>,
}

/// Set a key
///
/// A list or table that a lower layer fills may not lose entries this way: `extend` adds to it, `assign`
/// replaces it. `null` unsets the key.
#[derive(Args, Debug)]
struct WriteArgs {
    /// The key
    #[arg(value_name = "KEY")]
    key: String,

    /// The value: JSON, or plain text
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: String,

    /// The file to write
    #[arg(long, value_enum, value_name = "SCOPE", ignore_case = true, default_value_t = Scope::Project)]
    scope: Scope,

    /// Save a key or value that is not valid, too
    #[arg(long)]
    force: bool,
}

/// Add to a list or table of a lower layer
#[derive(Args, Debug)]
struct ExtendArgs {
    #[command(flatten)]
    write: WriteArgs,
}

/// Replace a list or table of a lower layer, whatever that drops
#[derive(Args, Debug)]
struct AssignArgs {
    #[command(flatten)]
    write: WriteArgs,
}

/// Remove a key from a file
#[derive(Args, Debug)]
struct UnsetArgs {
    /// The key
    #[arg(value_name = "KEY")]
    key: String,

    /// The file to change
    #[arg(long, value_enum, value_name = "SCOPE", ignore_case = true, default_value_t = Scope::Project)]
    scope: Scope,
}

/// Open a settings file in the editor
///
/// Makes the file if there is none. Afterwards the file is checked; what is wrong is named, and stays as it
/// is. The exit code is the editor's.
#[derive(Args, Debug)]
struct EditArgs {
    /// The file to open
    #[arg(long, value_enum, value_name = "SCOPE", ignore_case = true, default_value_t = Scope::Project)]
    scope: Scope,
}

/// Print where the settings files are
#[derive(Args, Debug)]
struct PathArgs {
    /// Only the path of this file
    #[arg(long, value_enum, value_name = "SCOPE", ignore_case = true)]
    scope: Option<Scope>,
}

/// List every key with its type, value and meaning
#[derive(Args, Debug)]
struct SchemaArgs {}

/// Answer the questions that mng has once
#[derive(Args, Debug)]
struct WizardArgs {}

/// A settings file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scope {
    /// Yours, for every project
    User,
    /// The project's, committed with it
    Project,
    /// The project's, for this machine only
    Local,
}

impl From<Scope> for ConfigScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::User => Self::User,
            Scope::Project => Self::Project,
            Scope::Local => Self::Local,
        }
    }
}

pub(crate) fn run(ui: &mut Ui, invocation: &Invocation, args: ConfigArgs) -> CliResult {
    let is_schema = matches!(
        &args.command,
        ConfigCommand::Schema(_) | ConfigCommand::List(ListArgs { schema: true, .. })
    );
    match &args.command {
        ConfigCommand::List(_) | ConfigCommand::Schema(_) if is_schema => {
            ui.use_template_fields(&PlainFields(&["key", "type", "value", "description"]))?;
        }
        ConfigCommand::List(_) => ui.use_template_fields(&PlainFields(&["key", "value"]))?,
        _ => ui.refuse_template("config")?,
    }
    let is_reading = matches!(
        &args.command,
        ConfigCommand::List(_) | ConfigCommand::Schema(_) | ConfigCommand::Get(_) | ConfigCommand::Path(_)
    );
    let known = if is_reading { invocation.known()? } else { invocation.known_with_parameters()? };
    let editor = Editor::new(LoadRequest {
        locations: &invocation.locations,
        env: &invocation.env,
        overrides: &invocation.early.overrides,
        known: &known,
    });
    match args.command {
        ConfigCommand::List(args) if !args.schema => {
            show::list(ui, invocation, &editor, args.scope.map(Into::into), args.all, args.show_origin)
        }
        ConfigCommand::List(_) | ConfigCommand::Schema(_) => show::schema(ui, &editor),
        ConfigCommand::Get(args) => show::get(ui, &editor, &args.key, args.scope.map(Into::into)),
        ConfigCommand::Path(args) => show::paths(ui, invocation, &editor, args.scope.map(Into::into)),
        ConfigCommand::Set(args) => write(ui, invocation, &editor, &args, WriteForm::Set),
        ConfigCommand::Extend(args) => write(ui, invocation, &editor, &args.write, WriteForm::Extend),
        ConfigCommand::Assign(args) => write(ui, invocation, &editor, &args.write, WriteForm::Assign),
        ConfigCommand::Unset(args) => {
            let edited = editor.unset(args.scope.into(), &args.key)?;
            report(ui, invocation, "config_unset", &edited, |edited, place| {
                format!("Removed {} from {place}", edited.key)
            })
        }
        ConfigCommand::Edit(args) => edit(ui, invocation, &editor, args.scope.into()),
        ConfigCommand::Wizard(_) => super::extras::ask_default_type(ui, invocation, false),
    }
}

fn write(
    ui: &mut Ui,
    invocation: &Invocation,
    editor: &Editor<'_>,
    args: &WriteArgs,
    form: WriteForm,
) -> CliResult {
    let edited = editor.write(args.scope.into(), &args.key, &args.value, form, args.force)?;
    let (event, verb) = match form {
        WriteForm::Set => ("config_set", "Set"),
        WriteForm::Extend => ("config_extend", "Set"),
        WriteForm::Assign => ("config_assign", "Set"),
    };
    report(ui, invocation, event, &edited, |edited, place| {
        format!("{verb} {} = {} in {place}", edited.key, mng_core::settings::human_value(&edited.value))
    })
}

/// Says what an edit did, and what is wrong with the settings since.
pub(crate) fn report(
    ui: &mut Ui,
    invocation: &Invocation,
    event: &str,
    edited: &Edited,
    sentence: impl FnOnce(&Edited, &str) -> String,
) -> CliResult {
    for warning in &edited.warnings {
        ui.warning(warning);
    }
    let mut object = Map::new();
    object.insert("key".into(), edited.key.as_str().into());
    if event != "config_unset" {
        object.insert("value".into(), edited.value.clone());
    }
    object.insert("scope".into(), edited.scope.as_str().into());
    object.insert("path".into(), edited.path.display().to_string().into());
    answer(ui, event, &Value::Object(object), |ui| {
        let place = format!("{} ({})", edited.scope, invocation.locations.contract_home(&edited.path));
        let sentence = sentence(edited, &place);
        ui.human(|out| out.line(format_args!("{sentence}")))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn edit(ui: &mut Ui, invocation: &Invocation, editor: &Editor<'_>, scope: ConfigScope) -> CliResult {
    if ui.is_headless() {
        return Err(Error::hinted(
            ErrorClass::Usage,
            "an editor cannot be opened with `--headless`",
            "mng config set KEY VALUE",
        ));
    }
    let path = editor.file_to_edit(scope)?;
    let status = ui.run_editor(&path)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    for problem in editor.check_file(scope)? {
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        ui.warning(&format!("{problem}{hint}"));
    }
    let object = json!({ "scope": scope.as_str(), "path": path.display().to_string() });
    answer(ui, "config_edited", &object, |ui| {
        let path = invocation.locations.contract_home(&path);
        ui.human(|out| out.line(format_args!("Edited {scope} ({path})")))
    })?;
    Ok(ExitCode::new(code))
}

/// Prints an object in the machine formats, something else for people.
pub(crate) fn answer(
    ui: &mut Ui,
    event: &str,
    object: &Value,
    human: impl FnOnce(&mut Ui) -> Result<(), Error>,
) -> Result<(), Error> {
    if ui.is_json() {
        ui.json(object)
    } else if ui.is_jsonl() {
        ui.json_line(&with_event(event, object))
    } else {
        human(ui)
    }
}
