//! `mng file`

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use mng_core::model::address::AgentOrHost;
use mng_core::model::base64;
use mng_core::model::fields::PlainFields;
use mng_core::operations::file::{self, Base, FileEntry, FileList, FileRead, FileWritten};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass, storage};
use serde_json::{Value, json};

use crate::exit::{CliResult, ExitCode};
use crate::ui::{Out, Render, Table, Ui, to_json};

/// Read, write and list single files of agents and hosts
///
/// Paths of an agent start at its work dir, those of a host at its host dir. Nothing is started, and `put`
/// replaces a file as a whole. For directories there are `push` and `pull`.
#[derive(Args, Debug)]
#[command(
    after_help = "$ mng file list alpha\n\nRead and write:\n$ mng file get alpha README.md\n$ echo text | mng file put alpha notes/todo.md\n\nWhat mng itself keeps of an agent:\n$ mng file list alpha --relative-to state\n\nSee also: push, pull, exec, moving_data"
)]
pub(crate) struct FileArgs {
    #[command(subcommand)]
    command: FileCommand,
}

#[derive(Debug, Subcommand)]
enum FileCommand {
    Get(GetArgs),
    Put(PutArgs),
    List(ListArgs),
}

/// Print a file, byte for byte
#[derive(Args, Debug)]
#[command(
    after_help = "$ mng file get alpha src/main.rs\n\nTo a file:\n$ mng file get alpha result.bin --output result.bin\n\nSee also: file, pull"
)]
struct GetArgs {
    #[command(flatten)]
    target: FileTarget,

    /// The file; a relative path starts where `--relative-to` says
    #[arg(value_name = "PATH")]
    path: String,

    /// Write it to this file instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Write a file as a whole
///
/// The content comes from `--input` or stdin. A reader sees the old file or the new one; missing directories
/// are made.
#[derive(Args, Debug)]
#[command(
    after_help = "$ echo text | mng file put alpha notes/todo.md\n\nFrom a file:\n$ mng file put alpha run.sh --input run.sh --mode 0755\n\nSee also: file, push"
)]
struct PutArgs {
    #[command(flatten)]
    target: FileTarget,

    /// The file; a relative path starts where `--relative-to` says
    #[arg(value_name = "PATH")]
    path: String,

    /// Read the content from this file
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,

    /// Permissions, octal; by default a file keeps those it has, and a new one gets 0644
    #[arg(long, value_name = "MODE", value_parser = octal)]
    mode: Option<u32>,
}

/// List a directory
#[derive(Args, Debug)]
#[command(
    after_help = "$ mng file list alpha src -R\n\nNames and sizes only:\n$ mng file list alpha --fields name,size\n\nSee also: file"
)]
struct ListArgs {
    #[command(flatten)]
    target: FileTarget,

    /// The directory; a relative path starts where `--relative-to` says
    #[arg(value_name = "PATH")]
    path: Option<String>,

    /// Also what is below
    #[arg(short = 'R', long)]
    recursive: bool,

    /// The columns: name, path, file_type, size, modified, permissions
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_values = ["name", "file_type", "size", "modified"])]
    fields: Vec<String>,
}

#[derive(Args, Debug)]
struct FileTarget {
    /// The agent, by name, id or address, or a host as `@HOST`
    #[arg(value_name = "TARGET")]
    target: String,

    /// Where a relative path starts: the agent's work dir, its state directory, or the host dir
    #[arg(long, value_name = "WHERE", value_enum, ignore_case = true)]
    relative_to: Option<BaseArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BaseArg {
    Work,
    State,
    Host,
}

/// Columns, and the words above them.
const COLUMNS: [(&str, &str); 6] = [
    ("name", "NAME"),
    ("path", "PATH"),
    ("file_type", "TYPE"),
    ("size", "SIZE"),
    ("modified", "MODIFIED"),
    ("permissions", "PERMISSIONS"),
];

const FIELDS: &[&str] = &["name", "path", "file_type", "size", "modified", "permissions"];

fn octal(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| format!("expected octal permissions such as `0644`, not `{text}`"))
}

impl FileTarget {
    async fn place(&self, ctx: &Ctx) -> Result<file::Place, Error> {
        let base = self.relative_to.map(|base| match base {
            BaseArg::Work => Base::Work,
            BaseArg::State => Base::State,
            BaseArg::Host => Base::Host,
        });
        file::place(ctx, &self.target.parse::<AgentOrHost>()?, base).await
    }
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: FileArgs) -> CliResult {
    match args.command {
        FileCommand::Get(args) => get(ui, ctx, args).await,
        FileCommand::Put(args) => put(ui, ctx, args).await,
        FileCommand::List(args) => list(ui, ctx, args).await,
    }
}

async fn get(ui: &mut Ui, ctx: &Ctx, args: GetArgs) -> CliResult {
    ui.refuse_template("file get")?;
    let place = args.target.place(ctx).await?;
    let read = file::get(&place, &args.path).await?;
    let mut object = json!({ "event": "file_read", "path": read.path, "size": read.bytes.len() });
    match &args.output {
        Some(output) => {
            let output = written_to(ctx, output, &read)?;
            object["output"] = json!(output);
        }
        None if ui.is_human() => ui.write(&read.bytes)?,
        None => object["content_base64"] = base64::encode(&read.bytes).into(),
    }
    if ui.is_json() {
        ui.json(&object)?;
    } else if ui.is_jsonl() {
        ui.json_line(&object)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Into a directory under its own name, as copies go.
fn written_to(ctx: &Ctx, output: &Path, read: &FileRead) -> Result<PathBuf, Error> {
    let mut path = ctx.locations.cwd.join(ctx.locations.expand_home(&output.to_string_lossy()));
    if path.is_dir() {
        path.push(read.path.file_name().unwrap_or_default());
    }
    storage::write_atomic(&path, &read.bytes, 0o644)?;
    Ok(path)
}

async fn put(ui: &mut Ui, ctx: &Ctx, args: PutArgs) -> CliResult {
    ui.refuse_template("file put")?;
    let bytes = match &args.input {
        Some(input) => {
            let path = ctx.locations.cwd.join(ctx.locations.expand_home(&input.to_string_lossy()));
            std::fs::read(&path).map_err(|error| Error::io(format!("read `{}`", path.display()), error))?
        }
        None if ui.terminal().is_stdin => {
            return Err(Error::hinted(
                ErrorClass::Usage,
                "the content comes from stdin, and stdin is a terminal",
                format!(
                    "`mng file put {0} {1} --input FILE`, or `echo text | mng file put {0} {1}`",
                    args.target.target, args.path
                ),
            ));
        }
        None => {
            let mut bytes = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|error| Error::io("read the content from stdin", error))?;
            bytes
        }
    };
    let place = args.target.place(ctx).await?;
    ui.result(&file::put(&place, &args.path, &bytes, args.mode).await?)?;
    Ok(ExitCode::SUCCESS)
}

impl Render for FileWritten {
    fn event(&self) -> &'static str {
        "file_written"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.line(format_args!("Wrote {} bytes to {}", self.size, self.path.display()))
    }
}

async fn list(ui: &mut Ui, ctx: &Ctx, args: ListArgs) -> CliResult {
    ui.use_template_fields(&PlainFields(FIELDS))?;
    let mut columns = Vec::new();
    for field in &args.fields {
        let known = COLUMNS.into_iter().find(|(name, _)| name == field);
        columns.push(known.ok_or_else(|| {
            Error::hinted(
                ErrorClass::Usage,
                format!("there is no field `{field}`"),
                format!("the fields are {}", FIELDS.join(", ")),
            )
        })?);
    }
    let place = args.target.place(ctx).await?;
    let list = file::list(&place, args.path.as_deref(), args.recursive).await?;
    ui.result(&Listing { list: &list, columns })?;
    Ok(ExitCode::SUCCESS)
}

struct Listing<'a> {
    list: &'a FileList,
    columns: Vec<(&'static str, &'static str)>,
}

impl serde::Serialize for Listing<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

impl Render for Listing<'_> {
    fn event(&self) -> &'static str {
        "file_list"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        if self.list.files.is_empty() {
            return out.line(format_args!("(empty)"));
        }
        let mut table = Table::new(self.columns.iter().map(|(_, header)| *header));
        for file in &self.list.files {
            table.row(self.columns.iter().map(|(field, _)| cell(file, field).into()));
        }
        out.table(&table)
    }

    fn rows(&self) -> Vec<Value> {
        self.list.files.iter().map(to_json).collect()
    }

    fn jsonl(&self) -> Vec<Value> {
        self.rows()
    }
}

fn cell(file: &FileEntry, field: &str) -> String {
    match field {
        "path" => file.path.clone(),
        "file_type" => file.file_type.to_string(),
        "size" => size(file.size),
        "modified" => file.modified.map(|time| time.to_string()).unwrap_or_default(),
        "permissions" => file.permissions.clone().unwrap_or_default(),
        _ => file.name.clone(),
    }
}

/// Base 1024: whole bytes, one decimal up to megabytes, two above.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, usize); 4] = [("KB", 1), ("MB", 1), ("GB", 2), ("TB", 2)];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    for (unit, decimals) in UNITS {
        if value < 1024.0 || unit == "TB" {
            return format!("{value:.decimals$} {unit}");
        }
        value /= 1024.0;
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(
            [0, 1023, 1024, 1536, 5 << 20, 3 << 29, 1 << 40, 5000 << 40].map(size),
            ["0 B", "1023 B", "1.0 KB", "1.5 KB", "5.0 MB", "1.50 GB", "1.00 TB", "5000.00 TB"]
        );
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!((octal("0644"), octal("755")), (Ok(0o644), Ok(0o755)));
        for bad in ["8", "rwx", "10000", ""] {
            assert!(octal(bad).is_err(), "{bad}");
        }
    }
}
