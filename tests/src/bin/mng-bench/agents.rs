//! What mng costs on top of a coding agent: the real Claude Code against a stub, and a hundred stand-ins.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use mng_core::model::time::Time;
use mng_tests::{Program, Stub, TestEnv};
use serde_json::{Value, json};

use super::{Bench, note, traced};

const KEY: &str = "sk-ant-test-0123456789abcdefghij";
/// The machine does other things too, so the best of so many counts.
const RUNS: usize = 7;
const AGENTS: usize = 100;

/// Comes up at once and writes what Claude Code and its hook write, as an idle one.
const STAND_IN: &str = r#"#!/bin/sh
case $1 in --version) echo '9.8.7 (Claude Code)'; exit ;; esac
A=$MNG_AGENT_STATE_DIR
echo $$ >"$A/claude_main_pid"
read -r stat </proc/$$/stat
set -- ${stat##*) }
shift 19
mkdir -p "$CLAUDE_CONFIG_DIR/sessions"
printf '{"pid":%s,"procStart":"%s","status":"idle","statusUpdatedAt":1795627252299}' \
    $$ "$1" >"$CLAUDE_CONFIG_DIR/sessions/$$.json"
ln -s "$CLAUDE_CONFIG_DIR/sessions/$$.json" "$A/claude_registry"
: >"$A/session_started"
exec sleep 100000
"#;

/// Adds the rows of coding agents.
pub(super) fn measure(bench: &mut Bench) {
    listing(bench);
    let Some(program) = Program::claude() else {
        note("`create claude` and `message` are left out: Claude Code is missing");
        return;
    };
    let stub = Stub::anthropic();
    let mut env = TestEnv::running(&bench.mng);
    for (name, value) in stub.claude_env(KEY) {
        env.set_var(name, value);
    }
    let link = env.root().join("bin").join(program.name());
    std::os::unix::fs::symlink(program.path(), link).expect("the world can be written");
    let global = json!({"hasCompletedOnboarding": true, "numStartups": 3});
    fs::write(env.home().join(".claude.json"), global.to_string()).expect("the world can be written");
    // A server that runs already: starting one is no part of either side.
    env.tmux(&["new-session", "-d", "-s", "keeper", "sleep 100000"]);
    create(bench, &env);
    message(bench, &env);
}

/// The shortest of several.
fn best(mut once: impl FnMut() -> f64) -> f64 {
    (0..RUNS).map(|_| once()).fold(f64::INFINITY, f64::min)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Both sides end when the hook of the session's start has run.
fn create(bench: &mut Bench, env: &TestEnv) {
    let root = env.root().display().to_string();
    let config = env.root().join("by-hand");
    fs::create_dir(&config).expect("the world can be written");
    let ready = env.root().join("ready");
    let hook = json!([{"hooks": [{"type": "command", "command": format!(": >{}", ready.display())}]}]);
    let settings = json!({"hooks": {"SessionStart": hook}, "skipDangerousModePermissionPrompt": true});
    fs::write(config.join("settings.json"), settings.to_string()).expect("the world can be written");
    let trusted = json!({format!("{root}/bare"): {"hasTrustDialogAccepted": true}});
    let global = json!({
        "hasCompletedOnboarding": true, "numStartups": 3, "projects": trusted, "hasSeenAutoDefaultNudge": true,
        "hasSeenAutoDefaultNotice": true, "customApiKeyResponses": {"approved": [&KEY[KEY.len() - 20..]]},
    });
    let by_hand = format!(
        "git worktree add -q --no-track -b bare {root}/bare HEAD && exec tmux new-session -d -s bare -x 200 -y 50 \
         -c {root}/bare -e CLAUDE_CONFIG_DIR={root}/by-hand -e ANTHROPIC_API_KEY={KEY} claude"
    );
    let undo = format!(
        "tmux kill-session -t =bare:; cd {root}/repo; git worktree remove --force {root}/bare; git branch -q -D bare"
    );
    let bare = best(|| {
        let _ = fs::remove_file(&ready);
        fs::write(config.join(".claude.json"), global.to_string()).expect("the world can be written");
        let begun = Instant::now();
        env.bash(&format!("cd {root}/repo && {by_hand}")).run().success();
        while !ready.exists() {
            assert!(begun.elapsed() < Duration::from_secs(60), "by hand it starts\n{}", env.screen("bare"));
            thread::sleep(Duration::from_millis(1));
        }
        let took = milliseconds(begun.elapsed());
        env.bash(&undo).run().success();
        took
    });
    let ours = best(|| {
        let run = env.mng("create ours claude --no-connect --yes --pass-env ANTHROPIC_API_KEY").success();
        env.mng("destroy ours --force -b").success();
        milliseconds(run.elapsed)
    });
    let over = ours - bare;
    bench.row(
        "`create claude` until it is ready, over the same by hand",
        format!("{over:.0} ms ({ours:.0} ms against {bare:.0} ms)"),
        "150 ms",
        over <= 150.0,
    );
}

/// From the time that Claude Code gives its record of the message to the end of `mng message`.
fn message(bench: &mut Bench, env: &TestEnv) {
    env.mng("create m1 claude --no-connect --yes --pass-env ANTHROPIC_API_KEY --message 'stub:say first'")
        .success();
    let mut count = 0;
    let longest = best(|| {
        let end = Instant::now() + Duration::from_secs(60);
        while env.state_of("m1") != "WAITING" {
            assert!(Instant::now() < end, "it is idle again\n{}", env.describe());
        }
        count += 1;
        let text = format!("stub:say number-{count}");
        env.mng_args(&["message", "m1", "-m", &text]).success();
        let returned = Time::now();
        milliseconds(accepted(&env.agent_dir("m1"), &text).age(returned))
    });
    bench.row(
        "`message` to an idle claude, after it has accepted",
        format!("{longest:.0} ms"),
        "300 ms",
        longest <= 300.0,
    );
}

/// The time in the record of the message.
fn accepted(state_dir: &Path, text: &str) -> Time {
    let projects = state_dir.join("plugin/claude/anthropic/projects");
    let files = fs::read_dir(projects).into_iter().flatten().flatten();
    let files = files.flat_map(|dir| fs::read_dir(dir.path()).into_iter().flatten().flatten());
    let text_of = |record: &Value| record["message"]["content"].to_string();
    files
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .flat_map(|file| {
            file.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Value>>()
        })
        .filter(|record| record["type"] == "user" && text_of(record).contains(text))
        .find_map(|record| record["timestamp"].as_str()?.parse::<Time>().ok())
        .expect("the message stands in the conversation")
}

/// A hundred agents of the type `claude` against as many commands.
fn listing(bench: &mut Bench) {
    let of = |kind: &str| {
        let env = TestEnv::running(&bench.mng);
        env.install("claude", STAND_IN);
        for n in 0..AGENTS {
            env.mng(&format!("create a{n} --no-connect --yes --transfer none {kind}")).success();
        }
        let trace = traced(&env, &bench.mng);
        assert_eq!(env.listed().len(), AGENTS, "all are there");
        let count = |what: &dyn Fn(&str) -> bool| trace.lines().filter(|line| what(line)).count();
        let programs = count(&|line| line.contains("execve(") && line.ends_with("= 0"));
        let files = count(&|line| {
            line.contains("openat(") && (line.contains("/agents/agent-") || line.contains("\"/proc/"))
        });
        (programs, files)
    };
    let (claude, command) = (of("--type claude"), of("--type command -- sleep 100000"));
    let more = claude.0.saturating_sub(command.0);
    bench.row(
        "child processes of `list`, 100 claude agents, more than for 100 commands",
        more.to_string(),
        "0",
        more == 0,
    );
    let more = (claude.1 as f64 - command.1 as f64) / AGENTS as f64;
    bench.row(
        "files that `list` opens for a claude agent, more than for a command",
        format!("{more:.2}"),
        "1",
        more <= 1.0,
    );
}
