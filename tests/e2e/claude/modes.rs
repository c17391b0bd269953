//! An agent that shares the person's configuration directory.

use super::person::{Claude, conversations, read, read_json};

const SHARED: [&str; 2] = ["-S", "agent_types.claude.isolate_local_config_dir=false"];

#[test]
fn a_shared_directory_gets_no_hooks_and_the_agent_does() {
    let Some(claude) = Claude::new() else { return };
    claude.write(".claude/settings.json", r#"{"cleanupPeriodDays":9}"#);
    claude.say("c1", "stub:say hello", &[&SHARED[..], &["--resume-message", "stub:say again"]].concat());
    assert_eq!(read(claude.env.home().join(".claude/settings.json")), r#"{"cleanupPeriodDays":9}"#);
    assert!(!claude.config_dir("c1").exists());
    assert_eq!(conversations(&claude.env.home().join(".claude")).len(), 1, "{}", claude.version);
    let global = read_json(claude.env.home().join(".claude.json"));
    let repo = claude.env.repo().path().to_string_lossy().into_owned();
    assert_eq!(global["projects"][repo]["hasTrustDialogAccepted"], true);
    assert!(global.get("bypassPermissionsModeAccepted").is_none());

    // It stays as it was made, whatever the settings say later.
    claude.env.mng("stop c1").success();
    claude.env.mng("start c1").success();
    claude.stub.eventually("the conversation goes on", |stub| {
        stub.user_texts() == ["stub:say hello", "stub:say again"]
    });
    assert!(!claude.config_dir("c1").exists());
}

#[test]
fn settings_by_option_collide_with_ours() {
    let Some(claude) = Claude::new() else { return };
    let args = [&["--type", "claude"], &SHARED[..], &["--", "--settings", "x.json"]].concat();
    let _ = claude.create("c1", &args).run().exits(1).says(&["`--settings`"]);
    assert!(claude.env.agent_names().is_empty());
}
