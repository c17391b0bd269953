//! A program that is missing, or another one than is wanted.

use std::fs;

use mng_tests::TestEnv;

use super::person::{Claude, read};

/// Comes up at once and lives.
const PROGRAM: &str = r#"#!/bin/sh
case $1 in --version) echo '9.8.7 (Claude Code)'; exit ;; esac
: >"$MNG_AGENT_STATE_DIR/session_started"
exec sleep 1000
"#;

/// A world without the program, and with a stand-in for the download.
fn world() -> TestEnv {
    let mut env = TestEnv::new();
    let path = format!("{}:/usr/bin:/bin", env.root().join("bin").display());
    env.set_var("PATH", path);
    fs::write(env.root().join("program"), PROGRAM).unwrap();
    // The installer takes the version as its argument.
    let installer = format!(
        "mkdir -p \"$HOME/.local/bin\"\ncp '{0}/program' \"$HOME/.local/bin/claude\"\n\
         chmod +x \"$HOME/.local/bin/claude\"\necho \"$0 $*\" >>'{0}/installed'\n",
        env.root().display()
    );
    fs::write(env.root().join("installer"), installer).unwrap();
    env.install("curl", &format!(
        "#!/bin/sh\necho \"$*\" >>'{0}/downloads'\n[ -e '{0}/installer' ] || exit 22\ncp '{0}/installer' \"$4\"\n",
        env.root().display()
    ));
    env
}

#[test]
fn a_missing_program_is_named_with_the_command_that_installs_it() {
    let env = world();
    let run = env.mng("create c1 claude --no-connect").exits(1);
    let _ = run.says(&[
        "Error: Claude Code (`claude`) is not installed",
        "curl -fsSL https://claude.ai/install.sh -o /tmp/claude-install.sh && bash /tmp/claude-install.sh",
    ]);
    assert!(env.agent_names().is_empty());
    assert!(!env.root().join("downloads").exists(), "nobody has agreed");
}

#[test]
fn a_missing_program_is_installed_on_request() {
    let env = world();
    env.settings("[agent_types.claude]\nversion = \"9.8.7\"\n");
    env.mng("create c1 claude --no-connect --yes").success();
    assert!(read(env.root().join("downloads")).starts_with("-fsSL https://claude.ai/install.sh -o "));
    let installed = read(env.root().join("installed"));
    assert!(installed.ends_with(" 9.8.7\n"), "{installed}");
    let file = installed.split(' ').next().unwrap();
    assert!(!std::path::Path::new(file).exists(), "{file} is left over");
    // Its place is on the path of shells to come, said once.
    assert_eq!(read(env.home().join(".bashrc")).matches(".local/bin").count(), 1);
    env.mng("create c2 claude --no-connect --yes").success();
    assert_eq!(read(env.root().join("installed")).lines().count(), 1);
}

#[test]
fn a_person_is_asked_before_something_is_installed() {
    let env = world();
    env.settings("[agent_types.claude]\nauto_dismiss_dialogs = true\n");
    let refusal = env.terminal("create c1 claude --no-connect");
    refusal.wait_for("Install it now? [Y/n]");
    refusal.type_text("n");
    refusal.press(&["Enter"]);
    assert_eq!(refusal.wait_exit(), 1);
    assert!(!env.root().join("downloads").exists());
    let consent = env.terminal("create c1 claude --no-connect");
    consent.wait_for("Install it now? [Y/n]");
    consent.press(&["Enter"]);
    assert_eq!(consent.wait_exit(), 0, "{}", consent.screen());
}

#[test]
fn a_failed_download_is_a_failure() {
    let env = world();
    fs::remove_file(env.root().join("installer")).unwrap();
    let _ =
        env.mng("create c1 claude --no-connect --yes").exits(1).says(&["Claude Code could not be installed"]);
    assert!(env.agent_names().is_empty());
}

#[test]
fn another_version_than_the_pinned_one_is_refused() {
    let Some(claude) = Claude::new() else { return };
    let args = ["--type", "claude", "-S", "agent_types.claude.version=0.0.1"];
    let run = claude.create("c1", &args).run().exits(1);
    let _ = run.says(&["Claude Code 0.0.1 is wanted", "bash /tmp/claude-install.sh 0.0.1"]);
    let version = claude.version.split(' ').next().unwrap_or_default();
    if !version.is_empty() {
        let pin = format!("agent_types.claude.version={version}");
        let _ = claude.create("c1", &["--type", "claude", "-S", &pin]).run().success();
    }
}

#[test]
fn contradicting_settings_are_told() {
    let env = TestEnv::new();
    env.settings("[agent_types.claude]\nuse_env_config_dir = true\nisolate_local_config_dir = true\n");
    let _ = env.mng("create c1 claude --no-connect").exits(1).says(&["contradict each other"]);
    env.settings("[agent_types.claude]\nsensibly_deal_with_dialogs = [\"NO_SUCH\"]\n");
    let _ = env.mng("create c1 claude --no-connect").exits(1).says(&["there is no dialog `NO_SUCH`"]);
}

#[test]
fn a_program_that_cannot_start_is_quoted() {
    let Some(claude) = Claude::new() else { return };
    let args = ["--type", "claude", "--", "--no-such-option"];
    let run = claude.create("c1", &args).run().exits(1);
    let _ = run.says(&["ended before it was ready", "unknown option '--no-such-option'"]);
    assert!(claude.env.agent_names().is_empty());
}
