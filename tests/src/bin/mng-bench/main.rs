//! Measures a release build of mng against the bare programs it stands on, as ratios within one run, and
//! prints the table of `docs/performance.md`. `scripts/bench.sh` builds what it needs and calls it.

mod agents;
mod ssh;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mng_tests::{Command, TestEnv};
use serde_json::Value;

/// One line of the table.
struct Row {
    what: String,
    measured: String,
    budget: String,
    is_met: bool,
}

struct Bench {
    mng: PathBuf,
    empty: PathBuf,
    rows: Vec<Row>,
}

fn main() -> ExitCode {
    let mut args: Vec<_> = std::env::args_os().skip(1).collect();
    let only = args.pop_if(|last| last == "agents" || last == "ssh");
    // Absolute, because commands run in a directory of their own.
    let args: Vec<PathBuf> = args.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    let [mng, mng_with_ssh, empty] = args.as_slice() else {
        let _ = writeln!(io::stderr(), "usage: mng-bench MNG MNG-WITH-SSH EMPTY-PROGRAM [agents|ssh]");
        return ExitCode::from(2);
    };
    let is_wanted = |part: &str| only.as_ref().is_none_or(|only| only == part);
    let mut bench = Bench { mng: mng.clone(), empty: empty.clone(), rows: Vec::new() };
    if only.is_none() {
        bench.manager();
    }
    if is_wanted("agents") {
        agents::measure(&mut bench);
    }
    if is_wanted("ssh") {
        ssh::measure(&mut bench, mng_with_ssh);
    }
    let _ = write!(io::stdout(), "{}", bench.table());
    if bench.rows.iter().all(|row| row.is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Creates agents until there are so many. They share the repository: a worktree each would measure git.
fn populate(env: &TestEnv, count: usize) {
    for n in env.records().len()..count {
        if n % 100 == 0 {
            note(&format!("{n} of {count} agents"));
        }
        env.mng(&format!(
            "create agent-number-{n} --type command --no-connect --transfer none -- sleep 100000"
        ))
        .success();
    }
}

fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

impl Bench {
    /// The rows that need no coding agent.
    fn manager(&mut self) {
        let env = TestEnv::running(&self.mng);
        self.binary_size();
        self.create(&env);
        populate(&env, 100);
        self.start_up(&env);
        let hundred = self.listing(&env, 100, 20);
        populate(&env, 1000);
        let thousand = self.listing(&env, 1000, 60);
        self.row(
            "`list`, 1,000 agents against 100",
            format!("{:.1}x", thousand / hundred),
            "10x",
            thousand / hundred <= 10.0,
        );
    }

    fn row(&mut self, what: &str, measured: String, budget: &str, is_met: bool) {
        note(&format!("{what}: {measured} (budget {budget})"));
        self.rows.push(Row { what: what.to_owned(), measured, budget: budget.to_owned(), is_met });
    }

    /// A ratio of two times in milliseconds.
    fn ratio(&mut self, what: &str, (ours, theirs): (f64, f64), budget: f64) {
        let ratio = ours / theirs;
        let measured = format!("{ratio:.2}x ({ours:.2} ms against {theirs:.2} ms)");
        self.row(what, measured, &format!("{budget}x"), ratio <= budget);
    }

    fn binary_size(&mut self) {
        let bytes = fs::metadata(&self.mng).expect("the binary exists").len();
        let megabytes = bytes as f64 / 1e6;
        self.row("release binary, default features", format!("{megabytes:.1} MB"), "8 MB", megabytes < 8.0);
    }

    fn start_up(&mut self, env: &TestEnv) {
        let (mng, empty) = (self.mng.display().to_string(), self.empty.display().to_string());
        let times = hyperfine(
            env,
            &[
                &empty,
                &format!("{mng} --help"),
                &format!("{mng} --version"),
                &format!("{mng} __complete bash 'mng list --pro' ' '"),
                &format!("{mng} __complete bash 'mng stop agent-number-1' ' '"),
            ],
            &["--warmup", "20", "--runs", "200"],
        );
        self.ratio("`--help` against an empty Rust program", (times[1], times[0]), 2.0);
        self.ratio("`--version`", (times[2], times[0]), 2.0);
        self.ratio("completion of a flag", (times[3], times[0]), 2.0);
        self.ratio("completion of an agent name, 100 agents", (times[4], times[0]), 3.0);
    }

    /// Returns the time of `list` in milliseconds.
    fn listing(&mut self, env: &TestEnv, agents: usize, budget_megabytes: u32) -> f64 {
        let mng = self.mng.display().to_string();
        let bare = "tmux list-panes -a -F #{session_name}|#{window_name}|#{pane_pid}|#{pane_dead}|#{pane_current_command}";
        let times = hyperfine(env, &[bare, &format!("{mng} list")], &["--warmup", "3", "--runs", "30"]);
        if agents == 100 {
            self.ratio("`list`, 100 agents, against a bare `tmux list-panes -a`", (times[1], times[0]), 3.0);
            let children = children(env, &self.mng);
            self.row("child processes of `list`, 100 agents", children.to_string(), "2", children <= 2);
        }
        let megabytes = peak_memory(env, &self.mng);
        let is_met = megabytes < f64::from(budget_megabytes);
        let what = format!("peak memory of `list`, {agents} agents");
        self.row(&what, format!("{megabytes:.1} MB"), &format!("{budget_megabytes} MB"), is_met);
        times[1]
    }

    /// In a repository of ordinary size, and in one of a single file, where nothing but the constant cost is
    /// left to see.
    fn create(&mut self, env: &TestEnv) {
        let root = env.root().display().to_string();
        // A server that runs already: starting one is no part of either side.
        env.tmux(&["new-session", "-d", "-s", "keeper", "sleep 100000"]);
        env.create("warm-up");
        env.mng("destroy warm-up --force -b").success();
        let (bare, ours) = self.create_times(env);
        let measured = format!("{:.2}x ({ours:.2} ms against {bare:.2} ms)", ours / bare);
        self.row("the same in a repository of one file", measured, "none", true);
        env.bash(&format!(
            "cd {root}/repo && for d in $(seq 20); do mkdir dir-$d; for f in $(seq 25); do \
             head -c 3000 /dev/urandom | base64 >dir-$d/file-$f; done; done; git add . && git commit -qm files"
        ))
        .run()
        .success();
        let times = self.create_times(env);
        self.ratio(
            "`create` in a worktree of 500 files against `git worktree add` + `tmux new-session`",
            (times.1, times.0),
            1.5,
        );
    }

    /// The median times of the bare commands and of `create`, in milliseconds.
    fn create_times(&self, env: &TestEnv) -> (f64, f64) {
        let (root, mng) = (env.root().display().to_string(), self.mng.display().to_string());
        let script = |name: &str, text: String| {
            let path = env.root().join(name);
            fs::write(&path, text).expect("the world can be written");
            format!("sh {}", path.display())
        };
        let bare = script(
            "bare.sh",
            format!(
                "git worktree add -q --no-track -b bare {root}/bare HEAD && \
                 exec tmux new-session -d -s bare -n agent -x 200 -y 50 -c {root}/bare 'sleep 100000'\n"
            ),
        );
        let undo_bare = script(
            "undo-bare.sh",
            format!(
                "tmux kill-session -t =bare: 2>/dev/null; git worktree remove --force {root}/bare 2>/dev/null; \
                 git branch -q -D bare 2>/dev/null; true\n"
            ),
        );
        let undo_ours =
            script("undo-ours.sh", format!("{mng} destroy ours --force -b >/dev/null 2>&1; true\n"));
        let ours = format!("{mng} create ours --type command --no-connect -- sleep 100000");
        let times = hyperfine(
            env,
            &[&bare, &ours],
            &["--warmup", "2", "--runs", "20", "--prepare", &undo_bare, "--prepare", &undo_ours],
        );
        env.bash(&format!("{undo_bare}; {undo_ours}")).run().success();
        (times[0], times[1])
    }

    fn table(&self) -> String {
        let mut text = String::from("| what | measured | budget | |\n|---|---|---|---|\n");
        for row in &self.rows {
            let verdict = if row.is_met { "met" } else { "**missed**" };
            let _ = writeln!(text, "| {} | {} | {} | {verdict} |", row.what, row.measured, row.budget);
        }
        text
    }
}

fn run(env: &TestEnv, program: &str, args: &[&str]) -> mng_tests::Run {
    let mut command: Command = env.program(program).deadline(std::time::Duration::from_secs(600));
    for arg in args {
        command = command.arg(arg);
    }
    command.run()
}

/// Median times in milliseconds, in the order of the commands; all measured in one run.
fn hyperfine(env: &TestEnv, commands: &[&str], options: &[&str]) -> Vec<f64> {
    let results = env.root().join("hyperfine.json");
    let results_text = results.display().to_string();
    let mut args = vec!["--shell=none", "--style", "none", "--export-json", &results_text];
    args.extend(options);
    args.extend(commands);
    run(env, "hyperfine", &args).success();
    let results: Value =
        serde_json::from_str(&fs::read_to_string(results).expect("hyperfine wrote its results"))
            .expect("they are JSON");
    let results = results["results"].as_array().expect("a list of results").clone();
    results.iter().map(|result| result["median"].as_f64().expect("a median in seconds") * 1e3).collect()
}

/// Programs that one `list` starts.
fn children(env: &TestEnv, mng: &Path) -> usize {
    let started = |line: &&str| line.contains("execve") && line.trim_end().ends_with("= 0");
    // The first is mng itself.
    traced(env, mng).lines().filter(started).count().saturating_sub(1)
}

/// The programs that one `list` starts and the files that it opens, as strace tells them.
fn traced(env: &TestEnv, mng: &Path) -> String {
    let trace = env.root().join("trace");
    let trace_text = trace.display().to_string();
    let mng = mng.display().to_string();
    run(env, "strace", &["-f", "-qq", "-e", "trace=execve,openat", "-o", &trace_text, &mng, "list"])
        .success();
    fs::read_to_string(trace).expect("strace wrote its trace")
}

/// The largest resident size of one `list`, in MB.
fn peak_memory(env: &TestEnv, mng: &Path) -> f64 {
    let out = env.root().join("memory");
    let out_text = out.display().to_string();
    run(env, "time", &["-f", "%M", "-o", &out_text, &mng.display().to_string(), "list"]).success();
    let text = fs::read_to_string(out).expect("time wrote its measure");
    text.trim().parse::<f64>().expect("kilobytes") * 1024.0 / 1e6
}
