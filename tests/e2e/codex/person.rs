//! What is the person's own stays as it is, and nothing starts without consent.

use std::fs;

use super::Codex;

#[test]
fn without_consent_nothing_is_made() {
    let Some(codex) = Codex::new() else { return };
    let refused = codex.env.mng("create x1 codex --no-connect");
    let refused = refused.exits(1);
    assert!(refused.stderr.contains("codex has not been told to trust"), "{}", refused.stderr);
    assert!(codex.env.agent_names().is_empty());
}

#[test]
fn two_agents_share_nothing_and_leave_the_persons_home_alone() {
    let Some(codex) = Codex::new() else { return };
    codex.env.settings("[agent_types.codex]\nauto_dismiss_dialogs = true\n");
    let home = codex.env.home().join(".codex");
    let before = fs::read(home.join("config.toml")).unwrap();
    for name in ["x1", "x2"] {
        let message = format!("stub:say {name}");
        codex.env.mng_args(&["create", name, "codex", "--no-connect", "--message", &message]).success();
    }
    for name in ["x1", "x2"] {
        codex.until_state(name, "WAITING END_OF_TURN");
        assert_eq!(codex.rollouts(name).len(), 1, "{}", codex.describe());
        let told = codex.transcript(name);
        assert!(told.contains(&format!("stub:say {name}")), "{told}");
    }
    assert_eq!(fs::read(home.join("config.toml")).unwrap(), before);
    let names: Vec<_> = fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["config.toml"]);
}

#[test]
fn a_malformed_configuration_is_told_and_kept() {
    let Some(codex) = Codex::new() else { return };
    let path = codex.env.home().join(".codex/config.toml");
    fs::write(&path, "model = \n").unwrap();
    let refused = codex.env.mng("create x1 codex --no-connect --yes");
    assert!(refused.stderr.contains("config.toml` is malformed"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), "model = \n");
    assert!(codex.env.agent_names().is_empty());
}
