//! How Claude Code starts: its dialogs, its first hook, its arguments, its return.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::claude::Claude;
use super::claude_files::World;
use super::{contract, press, type_text};

const TRUST: &str = "Quick safety check:";
const KEY: &str = "Detected a custom API key in your environment";

/// Starts the program by hand in a session of its own, with a configuration directory of its own.
fn by_hand(claude: &Claude, session: &str, config: &serde_json::Value) -> PathBuf {
    let dir = claude.env.home().join(session);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(".claude.json"), config.to_string()).unwrap();
    let repo = claude.env.repo().path().to_string_lossy().into_owned();
    let variable = format!("CLAUDE_CONFIG_DIR={}", dir.display());
    let start = ["new-session", "-d", "-s", session, "-x", "120", "-y", "40", "-c", &repo, "-e", &variable];
    claude.env.tmux(&[&start[..], &["claude"]].concat());
    dir
}

/// The sessions in a configuration directory's registry; other files lie beside them.
fn sessions(config_dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(config_dir.join("sessions")).into_iter().flatten().flatten();
    files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|ext| ext == "json")).collect()
}

#[test]
fn what_the_configuration_grants_is_not_asked() {
    let Some(claude) = Claude::new() else { return };
    let repo = claude.env.repo().path().to_string_lossy().into_owned();
    let unseen = by_hand(&claude, "stranger", &json!({"hasCompletedOnboarding": true}));
    let trusted = json!({"hasCompletedOnboarding": true,
        "projects": {repo.as_str(): {"hasTrustDialogAccepted": true}}});
    by_hand(&claude, "trusting", &trusted);
    let mut granted = trusted;
    // The last 20 characters of the key.
    let key = super::super::claude::KEY;
    granted["customApiKeyResponses"] = json!({"approved": [&key[key.len() - 20..]], "rejected": []});
    let quiet = by_hand(&claude, "granted", &granted);

    let screen = |session: &str| claude.env.screen(session);
    contract(
        claude.program(),
        "plugins/claude/src/input/dialogs.rs",
        "a directory without `hasTrustDialogAccepted` is asked about with \"Quick safety check:\"",
    )
    .becomes(|| screen("stranger").contains(TRUST), || screen("stranger"));
    contract(
        claude.program(),
        "plugins/claude/src/global_config.rs",
        "`hasTrustDialogAccepted` answers the trust dialog; a key that is not in \
         `customApiKeyResponses` is asked about with \"Detected a custom API key in your environment\"",
    )
    .becomes(|| screen("trusting").contains(KEY), || screen("trusting"));
    contract(
        claude.program(),
        "plugins/claude/src/global_config.rs",
        "`hasTrustDialogAccepted` and the end of the key in `customApiKeyResponses` let it start without \
         a dialog, to an input box that begins with `❯` and U+00A0 at column 0, and a session in `sessions/`",
    )
    .becomes(
        || {
            let screen = screen("granted");
            let has_box = screen.lines().any(|line| line.starts_with("❯\u{a0}"));
            has_box && sessions(&quiet).len() == 1
        },
        || screen("granted"),
    );
    contract(
        claude.program(),
        "plugins/claude/src/state.rs",
        "there is no session in `sessions/` while the trust dialog is open",
    )
    .holds(sessions(&unseen).is_empty(), || format!("{:?}\n{}", sessions(&unseen), screen("stranger")));
}

#[test]
fn the_first_hook_tells_process_session_and_file() {
    let Some(world) = World::new() else { return };
    let claude = &world.claude;
    let made = claude.env.mng("create c1 claude --no-connect --yes --pass-env ANTHROPIC_API_KEY");
    contract(
        claude.program(),
        "plugins/claude/src/start.rs",
        "the hook SessionStart fires at the start, without a message",
    )
    .holds(made.code() == Some(0) && world.file("c1", "session_started").exists(), || made.in_full());
    let id = claude.env.agent_id("c1").replace("agent-", "");
    contract(
        claude.program(),
        "plugins/claude/src/places.rs",
        "`--session-id` is the id of the session, in CLAUDE_CODE_SESSION_ID and `session_id`",
    )
    .holds(claude.session("c1").replace('-', "") == id, || format!("{} {id}", claude.session("c1")));
    contract(
        claude.program(),
        "plugins/claude/src/scripts/claude_hook.sh",
        "CLAUDE_PID in a hook is the program's own process, and the payload's `source` of a start is `startup`",
    )
    .holds(
        world.read("c1", "claude_main_pid").trim() == world.pid("c1").to_string()
            && world.read("c1", "claude_session_id_history").trim().ends_with(" startup"),
        || world.files("c1"),
    );
    let path = PathBuf::from(world.read("c1", "claude_transcript_path").trim());
    contract(
        claude.program(),
        "plugins/claude/src/transcript/mod.rs",
        "`transcript_path` is `<config dir>/projects/<work dir>/<session>.jsonl`",
    )
    .holds(
        path.ancestors().nth(3) == Some(&world.config_dir("c1"))
            && path.file_stem().is_some_and(|stem| *stem == *claude.session("c1")),
        || path.display().to_string(),
    );
    contract(
        claude.program(),
        "plugins/claude/src/input/evidence.rs",
        "a conversation has no file before its first message, and then one",
    )
    .holds(!path.exists(), || fs::read_to_string(&path).unwrap_or_default());
    type_text(&claude.env, "c1", "stub:say hello");
    press(&claude.env, "c1", "Enter");
    contract(
        claude.program(),
        "plugins/claude/src/input/evidence.rs",
        "a message is a record `user` whose `message.content` holds its text",
    )
    .becomes(
        || {
            world
                .conversation("c1")
                .iter()
                .any(|record| record["type"] == "user" && record["message"]["content"] == "stub:say hello")
        },
        || claude.describe(),
    );
}

#[test]
fn the_last_argument_is_the_first_message() {
    let Some(world) = World::new() else { return };
    let claude = &world.claude;
    let whole = format!("-x stub:say ok\n'q' \"d\" $HOME `date` é 日本\n{}end", "word ".repeat(20_000));
    let file = claude.env.root().join("message");
    fs::write(&file, &whole).unwrap();
    claude.create_with("c1", &["--message-file", &file.to_string_lossy()]);
    claude.create_with("c2", &["--message", "!touch made-by-a-shell stub:say ok"]);
    let told = |text: &str| {
        claude.stub.requests().iter().any(|request| {
            claude.stub.texts_of(request).is_some_and(|texts| texts.iter().any(|told| told.trim() == text))
        })
    };
    contract(
        claude.program(),
        "plugins/claude/src/scripts/launch_claude.sh",
        "what follows `--` is the first message: 100 KB, lines, quotes and a leading dash as they are",
    )
    .becomes(|| told(whole.trim()), || claude.describe());
    contract(
        claude.program(),
        "plugins/claude/src/scripts/launch_claude.sh",
        "a `!` in front of the first message is text, no command",
    )
    .becomes(|| told("!touch made-by-a-shell stub:say ok"), || claude.describe());
    let made = claude.env.work_dir("c2").path().join("made-by-a-shell");
    assert!(!made.exists());
}

#[test]
fn a_killed_session_is_resumed() {
    let Some(world) = World::new() else { return };
    let claude = &world.claude;
    claude.create("c1", "stub:say one");
    claude.until_state("c1", "WAITING END_OF_TURN");
    let (session, pid) = (claude.session("c1"), world.pid("c1"));
    world.kill("c1");
    contract(
        claude.program(),
        "plugins/claude/src/state.rs",
        "the session's file stays when the process is killed: its pid must be compared",
    )
    .holds(world.registered(pid, "c1").is_some(), || world.files("c1"));
    claude.env.mng("stop c1").success();
    claude.env.mng("start c1").success();
    contract(
        claude.program(),
        "plugins/claude/src/scripts/launch_claude.sh",
        "`--resume ID` goes on with the session under its id, and SessionStart says `resume`",
    )
    .becomes(
        || {
            let history = world.read("c1", "claude_session_id_history");
            claude.session("c1") == session && history.trim().ends_with(&format!("{session} resume"))
        },
        || world.files("c1"),
    );
    type_text(&claude.env, "c1", "stub:say two");
    press(&claude.env, "c1", "Enter");
    contract(
        claude.program(),
        "plugins/claude/src/conversations.rs",
        "a resumed session goes on in its file, with all that was said",
    )
    .becomes(
        || {
            let texts: Vec<_> = world.conversation("c1").iter().filter_map(World::said).collect();
            texts == ["stub:say one", "stub:say two"]
                && claude.stub.user_texts() == ["stub:say one", "stub:say two"]
        },
        || claude.describe(),
    );
    claude.until_state("c1", "WAITING END_OF_TURN");
    type_text(&claude.env, "c1", "/clear");
    press(&claude.env, "c1", "Enter");
    contract(
        claude.program(),
        "plugins/claude/src/scripts/claude_hook.sh",
        "`/clear` begins another session, and SessionStart says `clear` and its id",
    )
    .becomes(
        || {
            let history = world.read("c1", "claude_session_id_history");
            let last = history.lines().last().unwrap_or_default().split_once(' ');
            last.is_some_and(|(id, source)| id != session && source == "clear" && id == claude.session("c1"))
        },
        || world.files("c1"),
    );
}
