use clap::Args;
use mng_core::{Error, ErrorClass};

use crate::exit::CliResult;
use crate::frame::Invocation;
use crate::help::{self, Channel, Subject};
use crate::ui::Ui;
use mng_core::model::suggest::did_you_mean;

/// Show help about a command or a topic
///
/// Without a name, lists all commands and topics. A command's page is also what `--help` shows.
#[derive(Args, Debug)]
#[command(after_help = "$ mng help create\n$ mng help config set\n$ mng help address")]
pub(crate) struct HelpArgs {
    /// A command with its subcommand, or a topic
    #[arg(value_name = "COMMAND|TOPIC")]
    words: Vec<String>,
}

pub(crate) fn run(ui: &mut Ui, invocation: &Invocation, args: HelpArgs) -> CliResult {
    let env = &invocation.env;
    if args.words.is_empty() {
        return help::overview(ui, env, Channel::Stdout);
    }
    match help::find(&args.words) {
        Some(Subject::Command { called, command }) => help::command_page(ui, env, &called, &command),
        Some(Subject::Topic(topic)) => help::topic_page(ui, env, &topic),
        None => Err(unknown(&args.words)),
    }
}

fn unknown(words: &[String]) -> Error {
    let name = words.join(" ");
    let near = did_you_mean(&name, help::known_names()).map(|near| near + " ").unwrap_or_default();
    Error::hinted(
        ErrorClass::UserInput,
        format!("there is no command or topic `{name}`"),
        format!("{near}`mng help` lists all"),
    )
}
