//! What an agent starts with, and what of the person it leaves alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mng_tests::Fingerprint;
use serde_json::json;

use super::person::{Claude, KEY, read, read_json};

/// The home without what mng and the pane's shell keep, and without caches that hold nothing of the person's.
fn home(claude: &Claude) -> Fingerprint {
    Fingerprint::of(&claude.env.home(), &[".mng", ".bash_history", ".local", ".cache", ".npm"])
}

#[test]
fn an_agent_starts_without_a_dialog_and_changes_nothing_of_the_persons() {
    let Some(claude) = Claude::new() else { return };
    claude.write(".claude/settings.json", r#"{"permissions":{"allow":["Bash(ls)"]}}"#);
    claude.write(".claude/agents/mine.md", "---\nname: mine\ndescription: d\n---\nx\n");
    claude.write(".claude/skills/mine/SKILL.md", "---\nname: mine\ndescription: d\n---\nx\n");
    claude.write(".claude/CLAUDE.md", "Be brief, says the person.\n");
    let before = home(&claude);

    claude.say("c1", "stub:say hello", &[]);
    assert_eq!(claude.stub.user_texts(), ["stub:say hello"]);
    let screen = claude.env.screen("mng-c1");
    assert!(screen.contains("● hello") || screen.contains("⏺ hello"), "{}: {screen}", claude.version);
    let dir = claude.config_dir("c1");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join(".claude.json"))), (0o700, 0o600));
    let settings = read_json(dir.join("settings.json"));
    assert_eq!(settings["permissions"]["allow"], json!(["Bash(ls)"]));
    assert!(settings["hooks"]["SessionStart"].is_array());
    for link in ["agents", "skills/mine", "CLAUDE.md"] {
        assert_eq!(fs::read_link(dir.join(link)).unwrap(), claude.env.home().join(".claude").join(link));
    }
    let asked = claude.stub.requests().iter().map(|request| request.body.to_string()).collect::<String>();
    assert!(asked.contains("Be brief, says the person."), "{}: the person's memory is read", claude.version);

    claude.env.mng("stop c1").success();
    claude.env.mng("destroy c1 --force").success();
    assert_eq!(home(&claude), before);
}

#[test]
fn a_key_is_in_no_argument_and_in_no_file_that_others_can_read() {
    let Some(claude) = Claude::new() else { return };
    claude.say("c1", "stub:say hello", &[]);
    for process in claude.env.processes_of(&claude.env.agent_id("c1")) {
        assert!(!process.command.contains(KEY), "{process:?}");
    }
    for scope in [&["show-environment", "-g"][..], &["show-environment", "-t", "=mng-c1:"]] {
        assert!(!claude.env.tmux(scope).contains(KEY), "{scope:?}");
    }
    assert!(!claude.env.screen("mng-c1").contains(KEY));
    let mut left = vec![claude.env.state_dir()];
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if meta.is_file() && meta.permissions().mode() & 0o077 != 0 {
            assert!(!String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(KEY), "{}", path.display());
        }
    }
}

#[test]
fn agents_of_one_repository_do_not_see_each_other() {
    let Some(claude) = Claude::new() else { return };
    claude.say("c1", "stub:say one", &["-S", "agent_types.claude.settings_overrides.cleanupPeriodDays=7"]);
    claude.say("c2", "stub:say two", &[]);
    let (one, two) = (claude.config_dir("c1"), claude.config_dir("c2"));
    assert_eq!(read_json(one.join("settings.json"))["cleanupPeriodDays"], 7);
    assert!(read_json(two.join("settings.json")).get("cleanupPeriodDays").is_none());
    assert_eq!((claude.conversations("c1").len(), claude.conversations("c2").len()), (1, 1));
    assert!(!read(&claude.conversations("c2")[0]).contains("stub:say one"));
    let trusted = |agent: &str| {
        let projects = read_json(claude.config_dir(agent).join(".claude.json"))["projects"].clone();
        let accepted =
            projects.as_object().unwrap().iter().filter(|(_, entry)| entry["hasTrustDialogAccepted"] == true);
        accepted.map(|(dir, _)| dir.clone()).collect::<Vec<_>>()
    };
    assert_eq!(trusted("c1"), [claude.env.work_dir("c1").path().to_str().unwrap()]);
    assert_eq!(trusted("c2"), [claude.env.work_dir("c2").path().to_str().unwrap()]);
}

#[test]
fn an_untrusted_repository_is_refused_before_anything_is_made() {
    let Some(claude) = Claude::untrusted() else { return };
    let before = claude.env.repo().fingerprint();
    let run = claude.create("c1", &["--type", "claude"]).run().exits(1);
    let _ = run.says(&["Claude Code has not been told to trust", "--yes", "auto_dismiss_dialogs"]);
    assert!(claude.env.agent_names().is_empty());
    assert_eq!(claude.env.repo().fingerprint(), before);
    let _ = claude.create("c1", &["--type", "claude", "--yes", "--message", "stub:say hi"]).run().success();
    claude.at_rest("c1");
    assert!(!claude.env.home().join(".claude.json").exists(), "the person's file is theirs");
}

#[test]
fn a_person_is_asked_about_a_repository_once() {
    let Some(claude) = Claude::untrusted() else { return };
    claude.env.settings("");
    let create = |name: &str| claude.env.terminal_of(claude.create(name, &["--type", "claude"]), (160, 24));
    let refusal = create("c1");
    refusal.wait_for("do you trust who made it? [y/N]");
    refusal.press(&["Enter"]);
    assert_eq!(refusal.wait_exit(), 1);
    assert!(claude.env.agent_names().is_empty());

    let consent = create("c1");
    consent.wait_for("[y/N]");
    consent.type_text("y");
    consent.press(&["Enter"]);
    assert_eq!(consent.wait_exit(), 0, "{}", consent.screen());
    let again = create("c2");
    assert_eq!(again.wait_exit(), 0, "{}", again.screen());
    assert_eq!(claude.env.agent_names(), ["c1", "c2"]);
}

#[test]
fn the_configuration_reaches_the_program() {
    let Some(claude) = Claude::new() else { return };
    claude.write(".claude/settings.json", r#"{"permissions":{"allow":["Bash(ls)"]}}"#);
    claude.env.settings(
        r#"
        [agent_types.claude]
        append_system_prompt = ["It's the first block."]
        auto_allow_permissions = true
        auto_disable_questions = true
        [agent_types.claude.settings_overrides.permissions]
        allow = ["Bash(just *)"]
        [agent_types.claude.settings_overrides.__mng_merge]
        "permissions.allow" = "extend"
        "#,
    );
    let args = ["--", "--permission-mode", "manual", "--append-system-prompt", "And the second."];
    claude.say("c1", "stub:bash touch done-by-the-program", &args);
    let turn = claude.stub.requests();
    let turn = turn.iter().rev().find(|request| claude.stub.texts_of(request).is_some()).unwrap();
    let system = turn.body["system"].to_string();
    assert!(system.contains("It's the first block.\\n\\nAnd the second."), "{}", claude.version);
    let tools = turn.body["tools"].to_string();
    assert!(tools.contains("\"Bash\"") && !tools.contains("\"AskUserQuestion\""), "{}", claude.version);
    assert!(
        claude.env.work_dir("c1").has("done-by-the-program"),
        "{}: the permission was granted",
        claude.version
    );
    let settings = read_json(claude.config_dir("c1").join("settings.json"));
    assert_eq!(settings["permissions"]["allow"], json!(["Bash(ls)", "Bash(just *)"]));
    assert!(settings.get("__mng_merge").is_none());
}

#[test]
fn a_style_of_the_repository_is_used() {
    let Some(claude) = Claude::new() else { return };
    let style = "---\nname: Terse\ndescription: d\n---\nAnswer in the style of a telegram.\n";
    claude.env.repo().write(".claude/output-styles/terse.md", style);
    claude.env.repo().commit("a style");
    claude.say("c1", "stub:say hi", &["-S", "agent_types.claude.output_style=Terse"]);
    let asked = claude.stub.requests().iter().map(|request| request.body.to_string()).collect::<String>();
    assert!(asked.contains("style of a telegram"), "{}", claude.version);
}

#[test]
fn a_missing_style_undoes_the_create() {
    let Some(claude) = Claude::new() else { return };
    let args = ["--type", "claude", "-S", "agent_types.claude.output_style=Terse"];
    let _ = claude.create("c1", &args).run().exits(1).says(&["there is no output style `Terse`"]);
    assert!(claude.env.agent_names().is_empty());
    assert_eq!(claude.env.repo().branches(), ["main"]);
}

#[test]
fn local_settings_of_the_repository_come_along() {
    let Some(claude) = Claude::new() else { return };
    claude.env.repo().write(".gitignore", "*.local.*\n");
    claude.env.repo().commit("ignore");
    claude.env.repo().write(".claude/settings.local.json", r#"{"permissions":{"deny":["WebFetch"]}}"#);
    claude.say("c1", "stub:say hi", &[]);
    assert_eq!(
        claude.env.work_dir("c1").read(".claude/settings.local.json"),
        r#"{"permissions":{"deny":["WebFetch"]}}"#
    );
}

#[test]
fn a_skill_agent_has_its_skill_and_the_person_keeps_theirs() {
    let Some(claude) = Claude::new() else { return };
    let own = claude.write(".claude/skills/fixme-fairy/SKILL.md", "mine");
    let _ = claude.create("f1", &["--type", "fixme-fairy", "--message", "stub:say hi"]).run().success();
    claude.at_rest("f1");
    assert!(read(claude.config_dir("f1").join("skills/fixme-fairy/SKILL.md")).contains("FIXME fairy"));
    assert_eq!(read(own), "mine");
    let asked = claude.stub.requests().iter().map(|request| request.body.to_string()).collect::<String>();
    assert!(
        asked.contains("Picks one FIXME in the code"),
        "{}: the program offers the skill",
        claude.version
    );
}
