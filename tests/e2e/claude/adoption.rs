//! Continuing conversations: one's own after a stop, and those of others.

use std::fs;

use super::person::{Claude, conversations, read};

/// The agent's current session.
fn session(claude: &Claude, agent: &str) -> String {
    read(claude.env.agent_dir(agent).join("claude_session_id")).trim().to_owned()
}

#[test]
fn a_stopped_agent_continues_its_conversation() {
    let Some(claude) = Claude::new() else { return };
    claude.say("c1", "stub:say one", &["--resume-message", "stub:say 'two'\n"]);
    let first = session(&claude, "c1");
    assert_eq!(first.replace('-', ""), claude.env.agent_id("c1").replace("agent-", ""));
    claude.env.mng("stop c1").success();
    claude.env.mng("start c1").success();
    claude.stub.eventually("the second turn", |stub| stub.user_texts().len() == 2);
    claude.at_rest("c1");
    assert_eq!(session(&claude, "c1"), first);
    assert_eq!(claude.conversations("c1").len(), 1);
    let texts = claude.stub.user_texts();
    assert_eq!((texts[0].as_str(), texts[1].trim_end()), ("stub:say one", "stub:say 'two'"));
}

#[test]
fn a_lost_conversation_is_told_and_a_new_one_begins() {
    let Some(claude) = Claude::new() else { return };
    claude.say("c1", "stub:say one", &["--resume-message", "stub:say two"]);
    claude.env.mng("stop c1").success();
    claude.conversations("c1").into_iter().for_each(|file| fs::remove_file(file).unwrap());
    claude.env.mng("start c1").success().says(&["agent c1: its conversation is gone; it begins a new one"]);
    claude.stub.eventually("a turn of a new conversation", |stub| stub.user_texts() == ["stub:say two"]);

    // One that cannot be read is no reason to stay away either; its id is taken.
    claude.at_rest("c1");
    claude.env.mng("stop c1").success();
    for file in claude.conversations("c1") {
        fs::write(file, "{\"type\":\"mode\",\"mode\":\"x\"}\n").unwrap();
    }
    let before = session(&claude, "c1");
    claude.env.mng("start c1").success();
    claude.env.eventually("it has another session", |_| session(&claude, "c1") != before);
    assert!(read(claude.env.agent_dir("c1").join("stderr.log")).contains("cannot be continued"));
}

#[test]
fn a_conversation_of_another_is_adopted() {
    let Some(claude) = Claude::new() else { return };
    claude.say("c1", "stub:say one", &[]);
    let id = session(&claude, "c1");
    let file = claude.conversations("c1").remove(0);
    let before = fs::read_to_string(&file).unwrap();

    claude.say("c2", "stub:say two", &["--adopt", &id]);
    assert_eq!(session(&claude, "c2"), id);
    assert_eq!(claude.stub.user_texts(), ["stub:say one", "stub:say two"], "{}", claude.version);
    let after = fs::read_to_string(&file).unwrap();
    // The first agent lives, and its program adds records of its own.
    assert!(after.starts_with(&before) && !after.contains("stub:say two"), "theirs is a copy");
    let copy = claude.conversations("c2").remove(0);
    let folder = claude
        .env
        .work_dir("c2")
        .path()
        .to_string_lossy()
        .replace(|ch: char| !ch.is_ascii_alphanumeric(), "-");
    assert_eq!(copy.parent().unwrap().file_name().unwrap().to_str().unwrap(), folder);

    let adopt = |what: &str| claude.create("c3", &["--type", "claude", "--adopt", what]).run().exits(1);
    let _ = adopt(&id).says(&["there are 2 conversations of that id", file.to_str().unwrap()]);
    let _ = adopt("00000000-0000-0000-0000-000000000000").says(&["there is no conversation of that id"]);
    let _ = adopt("/etc/passwd").says(&["there is no conversation of Claude Code in that file"]);
    assert_eq!(claude.env.agent_names(), ["c1", "c2"]);

    claude.say("c3", "stub:say three", &["--adopt", file.to_str().unwrap()]);
    assert_eq!(claude.stub.user_texts(), ["stub:say one", "stub:say three"]);
}

#[test]
fn a_conversation_outlives_its_agent() {
    let Some(claude) = Claude::new() else { return };
    claude.say("c1", "stub:say one", &[]);
    let id = session(&claude, "c1");
    claude.env.mng("destroy c1 --force").success();
    let kept = fs::read_dir(claude.env.state_dir().join("preserved")).unwrap().flatten();
    let kept: Vec<_> =
        kept.flat_map(|entry| conversations(&entry.path().join("plugin/claude/anthropic"))).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    claude.say("c2", "stub:say two", &["--adopt", &id]);
    assert_eq!(claude.stub.user_texts(), ["stub:say one", "stub:say two"]);
}
