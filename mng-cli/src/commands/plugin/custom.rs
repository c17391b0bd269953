//! `mng plugin add` and `remove`: a plugin is compiled in, so they describe a binary of one's own and say how
//! to build it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use mng_core::storage::{create_private_dir, read_optional, write_atomic};
use mng_core::{Error, ErrorClass};
use serde_json::{Value, json};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use crate::commands::config::answer;
use crate::exit::{CliResult, ExitCode};
use crate::frame::Invocation;
use crate::linked::{BUILT_IN, FEATURES, OTHER_FEATURES};
use crate::ui::Ui;

/// Add a plugin crate to a binary of your own
///
/// Notes the crate, writes a small package that links it beside mng, and prints the line that installs this
/// package in the place of mng. It needs cargo, the build tool of Rust.
#[derive(Args, Debug)]
pub(super) struct AddArgs {
    /// A crate, as NAME or NAME@VERSION
    #[arg(value_name = "NAME", required_unless_present_any = ["path", "git"])]
    names: Vec<String>,

    /// A crate in this directory; repeatable
    #[arg(long, value_name = "DIR")]
    path: Vec<PathBuf>,

    /// A crate in this git repository; repeatable
    #[arg(long, value_name = "URL")]
    git: Vec<String>,

    /// Build and install at once
    #[arg(long)]
    build: bool,
}

/// Remove a plugin crate from your binary
#[derive(Args, Debug)]
pub(super) struct RemoveArgs {
    /// The crate
    #[arg(value_name = "NAME", required_unless_present = "path")]
    names: Vec<String>,

    /// The crate in this directory; repeatable
    #[arg(long, value_name = "DIR")]
    path: Vec<PathBuf>,

    /// Build and install at once
    #[arg(long)]
    build: bool,
}

/// A crate to link.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    package: String,
    from: From,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Version(String),
    Path(String),
    Git(String),
}

impl Source {
    fn specifier(&self) -> &str {
        match &self.from {
            From::Version(_) => &self.package,
            From::Path(text) | From::Git(text) => text,
        }
    }

    /// The line in `[dependencies]`.
    fn dependency(&self) -> String {
        let (key, text) = match &self.from {
            From::Version(version) => ("version", version),
            From::Path(path) => ("path", path),
            From::Git(url) => ("git", url),
        };
        format!("{} = {{ {key} = {} }}", self.package, Value::from(text.as_str()))
    }
}

/// The files under `BASE/build`.
struct Build {
    dir: PathBuf,
}

impl Build {
    fn new(invocation: &Invocation) -> Self {
        Self { dir: invocation.locations.base.join("build") }
    }

    fn list(&self) -> PathBuf {
        self.dir.join("plugins.toml")
    }

    fn package(&self) -> PathBuf {
        self.dir.join("mng-custom")
    }

    fn sources(&self) -> Result<Vec<Source>, Error> {
        let path = self.list();
        let Some(bytes) = read_optional(&path)? else { return Ok(Vec::new()) };
        let document: DocumentMut = String::from_utf8_lossy(&bytes).parse().map_err(|error| {
            Error::plain(ErrorClass::ConfigParse, format!("`{}` is no TOML: {error}", path.display()))
        })?;
        let entries = document.get("plugin").and_then(Item::as_array_of_tables);
        let text = |table: &Table, key: &str| table.get(key).and_then(Item::as_str).map(str::to_owned);
        let source = |table: &Table| {
            let from = text(table, "path").map(From::Path).or_else(|| text(table, "git").map(From::Git));
            let from = from.or_else(|| text(table, "version").map(From::Version))?;
            Some(Source { package: text(table, "package")?, from })
        };
        Ok(entries.into_iter().flat_map(ArrayOfTables::iter).filter_map(source).collect())
    }

    fn save(&self, sources: &[Source]) -> Result<(), Error> {
        let mut tables = ArrayOfTables::new();
        for source in sources {
            let mut table = Table::new();
            table["package"] = value(&*source.package);
            let (key, text) = match &source.from {
                From::Version(text) => ("version", text),
                From::Path(text) => ("path", text),
                From::Git(text) => ("git", text),
            };
            table[key] = value(text);
            tables.push(table);
        }
        let mut document = DocumentMut::new();
        document["plugin"] = Item::ArrayOfTables(tables);
        create_private_dir(&self.package().join("src"))?;
        write_atomic(&self.list(), document.to_string().as_bytes(), 0o600)?;
        write_atomic(&self.package().join("Cargo.toml"), manifest(sources).as_bytes(), 0o600)?;
        write_atomic(&self.package().join("src/main.rs"), main_file(sources).as_bytes(), 0o600)
    }

    fn install_line(&self) -> Vec<String> {
        let path = self.package().display().to_string();
        ["cargo", "install", "--path", &path, "--force"].map(str::to_owned).to_vec()
    }

    fn shown_line(&self) -> String {
        let words: Vec<_> =
            self.install_line().iter().map(|word| mng_core::model::shell::quote(word).into_owned()).collect();
        words.join(" ")
    }
}

fn manifest(sources: &[Source]) -> String {
    let features: Vec<String> = FEATURES.iter().map(|feature| format!("\"{feature}\"")).collect();
    let mut text = format!(
        "[package]\nname = \"mng-custom\"\nversion = \"{version}\"\nedition = \"2024\"\npublish = false\n\n\
         [[bin]]\nname = \"mng\"\npath = \"src/main.rs\"\n\n[workspace]\n\n[dependencies]\n\
         mng = {{ version = \"{version}\", default-features = false, features = [{}] }}\n",
        features.join(", "),
        version = env!("CARGO_PKG_VERSION"),
    );
    for source in sources {
        let _ = writeln!(text, "{}", source.dependency());
    }
    text
}

fn main_file(sources: &[Source]) -> String {
    let mut text = String::new();
    for source in sources {
        let _ = writeln!(text, "use {} as _;", source.package.replace('-', "_"));
    }
    text.push_str("\nfn main() -> std::process::ExitCode {\n    mng_cli::main()\n}\n");
    text
}

pub(super) fn add(ui: &mut Ui, invocation: &Invocation, args: AddArgs) -> CliResult {
    if let ([name], [], []) = (args.names.as_slice(), args.path.as_slice(), args.git.as_slice())
        && BUILT_IN.contains(&name.as_str())
    {
        let object = json!({ "specifier": name, "package": name, "has_entry_points": true, "built": true });
        answer(ui, "plugin_added", &object, |ui| {
            ui.human(|out| {
                out.line(format_args!("{name} is built in; `mng plugin enable {name}` switches it on"))
            })
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut new = Vec::new();
    for name in &args.names {
        new.push(of_name(name)?);
    }
    for path in &args.path {
        new.push(of_path(&invocation.locations.cwd.join(path))?);
    }
    for url in &args.git {
        new.push(of_git(url)?);
    }
    need_cargo()?;
    let build = Build::new(invocation);
    let mut sources = build.sources()?;
    sources.retain(|known| new.iter().all(|source| source.package != known.package));
    sources.extend(new.iter().cloned());
    build.save(&sources)?;
    let is_built = install(ui, &build, args.build)?;
    for source in &new {
        let object = json!({
            "specifier": source.specifier(),
            "package": source.package,
            "has_entry_points": registers(source),
            "built": is_built,
        });
        added(ui, "plugin_added", &object, &format!("Added plugin crate {}", source.package), new.len())?;
    }
    finish(ui, &build, is_built)
}

pub(super) fn remove(ui: &mut Ui, invocation: &Invocation, args: RemoveArgs) -> CliResult {
    let build = Build::new(invocation);
    let mut sources = build.sources()?;
    let mut gone = Vec::new();
    let paths = args.path.iter().map(|path| invocation.locations.cwd.join(path));
    let paths: Vec<String> =
        paths.map(|path| path.canonicalize().unwrap_or(path).display().to_string()).collect();
    for wanted in args.names.iter().chain(&paths) {
        let at = sources.iter().position(|source| {
            source.package == *wanted || matches!(&source.from, From::Path(path) if path == wanted)
        });
        let Some(at) = at else {
            let known: Vec<&str> = sources.iter().map(|source| source.package.as_str()).collect();
            let hint = match known.as_slice() {
                [] => "no crate was added with `mng plugin add`".to_owned(),
                known => format!("added: {}", known.join(", ")),
            };
            return Err(Error::hinted(
                ErrorClass::Plugin,
                format!("no plugin crate `{wanted}` was added"),
                hint,
            ));
        };
        gone.push(sources.remove(at));
    }
    build.save(&sources)?;
    let is_built = install(ui, &build, args.build)?;
    for source in &gone {
        let object = json!({ "package": source.package, "built": is_built });
        added(
            ui,
            "plugin_removed",
            &object,
            &format!("Removed plugin crate {}", source.package),
            gone.len(),
        )?;
    }
    finish(ui, &build, is_built)
}

/// One object in json mode has room for one crate only.
fn added(ui: &mut Ui, event: &str, object: &Value, sentence: &str, count: usize) -> Result<(), Error> {
    if ui.is_json() && count > 1 {
        ui.info(sentence);
        return Ok(());
    }
    answer(ui, event, object, |ui| ui.human(|out| out.line(format_args!("{sentence}"))))
}

fn finish(ui: &mut Ui, build: &Build, is_built: bool) -> CliResult {
    if ui.is_json() && !ui.has_result() {
        let packages: Vec<String> = build.sources()?.into_iter().map(|source| source.package).collect();
        ui.json(&json!({ "packages": packages, "built": is_built }))?;
    }
    if !is_built {
        ui.info(&format!("To take effect, install your binary:\n  {}", build.shown_line()));
    }
    Ok(ExitCode::SUCCESS)
}

fn install(ui: &mut Ui, build: &Build, is_wanted: bool) -> Result<bool, Error> {
    let is_wanted = is_wanted
        || (ui.is_human()
            && ui.can_ask()
            && ui.confirm_blocking(&format!("Run `{}` now?", build.shown_line()), "--build")?);
    if !is_wanted {
        return Ok(false);
    }
    let line = build.install_line();
    let status = Command::new(&line[0])
        .args(&line[1..])
        // What cargo says is progress, not a result.
        .stdout(Stdio::null())
        .status()
        .map_err(|error| Error::io("run cargo", error))?;
    if status.success() {
        return Ok(true);
    }
    Err(Error::hinted(ErrorClass::Plugin, "cargo could not build your binary", build.shown_line()))
}

fn of_name(name: &str) -> Result<Source, Error> {
    let (package, version) = name.split_once('@').unwrap_or((name, "*"));
    if OTHER_FEATURES.contains(&package) {
        return Err(Error::hinted(
            ErrorClass::Plugin,
            format!("`{package}` is a part of mng that this binary was built without"),
            format!("cargo install mng --features {package}"),
        ));
    }
    let is_plain = package.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if package.is_empty() || !is_plain {
        return Err(Error::hinted(
            ErrorClass::Usage,
            format!("`{name}` is no name of a crate"),
            "mng plugin add NAME@VERSION, or `--path DIR`, or `--git URL`",
        ));
    }
    Ok(Source { package: package.to_owned(), from: From::Version(version.to_owned()) })
}

fn of_path(path: &Path) -> Result<Source, Error> {
    let path = path.canonicalize().map_err(|error| Error::io(format!("find `{}`", path.display()), error))?;
    let manifest = path.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest)
        .map_err(|error| Error::io(format!("read `{}`", manifest.display()), error))?;
    let document: Option<DocumentMut> = text.parse().ok();
    let name = document.as_ref().and_then(|document| document.get("package")?.get("name")?.as_str());
    let Some(name) = name else {
        return Err(Error::input(
            format!("`{}` describes no package", manifest.display()),
            "name the directory of a crate, not of a workspace",
        ));
    };
    Ok(Source { package: name.to_owned(), from: From::Path(path.display().to_string()) })
}

/// The package of a repository is taken to be named like it.
fn of_git(url: &str) -> Result<Source, Error> {
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    let package = of_name(last.strip_suffix(".git").unwrap_or(last))?.package;
    Ok(Source { package, from: From::Git(url.to_owned()) })
}

/// Whether the crate registers a plugin, where that can be seen.
fn registers(source: &Source) -> Option<bool> {
    let From::Path(path) = &source.from else { return None };
    let mut dirs = vec![Path::new(path).join("src")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains("register_plugin!")) {
                return Some(true);
            }
        }
    }
    Some(false)
}

fn need_cargo() -> Result<(), Error> {
    match Command::new("cargo").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Error::hinted(
            ErrorClass::BinaryNotInstalled,
            "plugins are compiled in, and there is no `cargo` to do it",
            "install Rust from https://rustup.rs; or put an executable `mng-NAME` on PATH, which needs no build",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_links_every_crate() {
        let sources = [
            Source { package: "acme-hosts".into(), from: From::Path("/x \"y\"".into()) },
            Source { package: "other".into(), from: From::Version("1.2".into()) },
        ];
        insta::assert_snapshot!(main_file(&sources), @r"
        use acme_hosts as _;
        use other as _;

        fn main() -> std::process::ExitCode {
            mng_cli::main()
        }
        ");
        let manifest = manifest(&sources);
        assert!(manifest.parse::<DocumentMut>().is_ok(), "{manifest}");
        assert!(manifest.contains(r#"acme-hosts = { path = "/x \"y\"" }"#), "{manifest}");
    }

    #[test]
    fn sources_survive_a_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let build = Build { dir: dir.path().join("build") };
        assert_eq!(build.sources().unwrap(), []);
        let sources = [
            Source { package: "a".into(), from: From::Path("/a".into()) },
            of_git("https://example.com/x/mng-acme.git").unwrap(),
            of_name("b@2").unwrap(),
        ];
        build.save(&sources).unwrap();
        assert_eq!(build.sources().unwrap(), sources);
        assert_eq!(sources[1].package, "mng-acme");
        assert!(of_name("a b").is_err() && of_name("docker").is_err());
    }
}
