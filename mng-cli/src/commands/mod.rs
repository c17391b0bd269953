//! The commands: one file each. A file parses, calls one operation of the engine and renders its report.
//!
//! # How to add a command
//!
//! 1. `commands/stop.rs`:
//!
//!    ```ignore
//!    /// Stop agents and keep their work                  <- the line in `mng help`: imperative, no full stop
//!    ///
//!    /// What changes, what is kept, what it costs.        <- DESCRIPTION of the help page
//!    #[derive(Debug, Args)]
//!    #[command(after_help = "$ mng stop alpha\n\nStop everything:\n$ mng stop --all\n\nSee also: start, destroy")]
//!    pub(crate) struct StopArgs {
//!        #[command(flatten)]
//!        targets: TargetArgs,                              // shared groups are in `crate::args`
//!        #[command(flatten)]
//!        explicit: Explicit,                               // only if it must know what was *typed*
//!        /// Also hide the agents from `mng list --active`
//!        #[arg(long)]
//!        archive: bool,
//!    }
//!
//!    pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: StopArgs) -> CliResult {
//!        let targets = args.targets.resolve()?;
//!        let request = …;
//!        let report = ui.with_progress("Stopping", async |events| operations::stop(ctx, request, &events).await).await?;
//!        ui.result(&report)?;
//!        Ok(ExitCode::for_failures(&report.failures))
//!    }
//!
//!    impl Render for StopReport { … }
//!    ```
//! 2. `pub(crate) mod stop;` below, and one line in the table of `cli.rs`, where its aliases stand too.
//! 3. A snapshot of its human output beside the `Render` (`crate::ui::testing::rendered(&report)`); its help
//!    page gets one by itself (`INSTA_UPDATE=always cargo test -p mng help_pages` writes it). End-to-end tests go to `tests/e2e/`.
//!
//! # What the frame does for every command
//!
//! - The options of `CommonArgs` (`--format`, `-q`, `-S` and so on) are added, before and after the command's name; `ui` already knows the format.
//! - Values of `[commands.NAME]` stand in for options that were not typed. An option `--[no-]x` is two
//!   fields `x` and `no_x` that override each other. `Explicit` tells what was typed.
//! - In json mode, an error becomes the one object; never print an error yourself, return it. Warnings and
//!   rows that failed while others go on: `ui.warning`, `ui.error_line`.
//! - Ctrl-C drops the future of `run`. An operation that takes a `Cancel` gets `ui.cancel()`: then it is told
//!   instead, undoes what it did and returns. Where Ctrl-C is the normal end, wait on
//!   `crate::frame::interrupted()` and return success.
//! - A question is `ui.confirm(question, "--force").await`; it fails with a usage error where nobody can answer.

pub(crate) mod archive;
pub(crate) mod ask;
pub(crate) mod capture;
pub(crate) mod cleanup;
pub(crate) mod clone;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod connect;
pub(crate) mod create;
pub(crate) mod destroy;
pub(crate) mod doctor;
pub(crate) mod dry_run;
pub(crate) mod event;
pub(crate) mod exec;
pub(crate) mod extras;
pub(crate) mod file;
pub(crate) mod gc;
pub(crate) mod git;
pub(crate) mod help;
pub(crate) mod label;
pub(crate) mod limit;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod message;
pub(crate) mod migrate;
pub(crate) mod pair;
pub(crate) mod plugin;
pub(crate) mod provision;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod rename;
pub(crate) mod rsync;
pub(crate) mod snapshot;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod transcript;
pub(crate) mod undo;
pub(crate) mod usage;
pub(crate) mod version;
pub(crate) mod why;
