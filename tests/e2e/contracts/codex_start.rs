//! How Codex starts and returns.

use std::fs;

use super::super::codex::Codex;
use super::codex_files::{last_turn, texts};
use super::{contract, json_lines, paste, press};

#[test]
fn what_the_configuration_grants_is_not_asked() {
    let Some(codex) = Codex::new() else { return };
    let repo = codex.env.repo().path().to_string_lossy().into_owned();
    let by_hand = |session: &str, config: String| {
        let home = codex.env.home().join(session);
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("config.toml"), config).unwrap();
        let variable = format!("CODEX_HOME={}", home.display());
        let start =
            ["new-session", "-d", "-s", session, "-x", "120", "-y", "40", "-c", &repo, "-e", &variable];
        codex.env.tmux(&[&start[..], &["codex"]].concat());
    };
    let trusted = format!("[projects.\"{repo}\"]\ntrust_level = \"trusted\"\n");
    by_hand("stranger", codex.stub.codex_config());
    by_hand("granted", format!("{}{trusted}", codex.stub.codex_config()));
    by_hand("nobody", trusted);

    let screen = |session: &str| codex.env.screen(session);
    contract(
        codex.program(),
        "plugins/codex/src/screen.rs",
        "a directory without `trust_level` is asked about with `Trust this folder?`",
    )
    .becomes(|| screen("stranger").contains("Trust this folder?"), || screen("stranger"));
    contract(
        codex.program(),
        "plugins/codex/src/screen.rs",
        "without a login and a provider that needs none, it asks with `Sign in with ChatGPT`",
    )
    .becomes(|| screen("nobody").contains("Sign in with ChatGPT"), || screen("nobody"));
    contract(
        codex.program(),
        "plugins/codex/src/provision.rs",
        "`trust_level = \"trusted\"` and a provider with `requires_openai_auth = false` let it start without a \
         dialog, to an input box that begins with `› ` at column 0",
    )
    .becomes(
        || {
            let screen = screen("granted");
            let has_box = screen.lines().any(|line| line.starts_with("› ") && !line.starts_with("› 1."));
            has_box && !screen.contains("Trust this folder?") && !screen.contains("Sign in")
        },
        || screen("granted"),
    );
}

#[test]
fn the_last_argument_is_the_first_message() {
    let Some(codex) = Codex::new() else { return };
    let whole = format!("-x stub:say ok\n'q' \"d\" $HOME `date` é 日本\n{}end", "word ".repeat(20_000));
    let file = codex.env.root().join("message");
    fs::write(&file, &whole).unwrap();
    let create =
        ["create", "x1", "codex", "--no-connect", "--yes", "--message-file", &file.to_string_lossy()];
    codex.env.mng_args(&create).success();
    contract(
        codex.program(),
        "plugins/codex/src/launch.rs",
        "what follows `--` is the first message: 100 KB, lines, quotes and a leading dash as they are",
    )
    .becomes(|| codex.stub.user_texts().iter().any(|told| told.trim() == whole.trim()), || codex.describe());
}

#[test]
fn a_killed_conversation_is_resumed() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", "stub:say one");
    codex.until_state("x1", "WAITING END_OF_TURN");
    let thread = codex.file("x1", "codex_root_session");
    let id = codex.env.agent_id("x1");
    for process in codex.env.processes_of(&id).iter().filter(|process| process.command.contains("codex")) {
        process.kill();
    }
    codex.env.mng("stop x1").success();
    codex.env.mng("start x1").success();
    codex
        .env
        .eventually("its box is there", |env| env.screen("mng-x1").lines().any(|row| row.starts_with("› ")));
    paste(&codex.env, "x1", "stub:say two");
    codex.env.eventually("it is typed", |env| env.screen("mng-x1").contains("stub:say two"));
    press(&codex.env, "x1", "Enter");
    contract(
        codex.program(),
        "plugins/codex/src/launch.rs",
        "`resume ID` goes on with the conversation in its rollout, with all that was said",
    )
    .becomes(
        || {
            let rollouts = codex.rollouts("x1");
            rollouts.len() == 1
                && rollouts[0].to_string_lossy().ends_with(&format!("-{thread}.jsonl"))
                && texts(&json_lines(&rollouts[0])).ends_with(&["stub:say two".to_owned()])
                && codex.stub.user_texts() == ["stub:say one", "stub:say two"]
        },
        || codex.describe(),
    );
    contract(
        codex.program(),
        "plugins/codex/src/turn.rs",
        "a resumed conversation ends its turns in the same rollout",
    )
    .becomes(
        || last_turn(&json_lines(&codex.rollouts("x1")[0])).as_deref() == Some("task_complete"),
        || codex.describe(),
    );
}
