//! An agent that the Python original made.

use std::fs;

use mng_tests::{Fingerprint, PythonTree};

use super::person::{Claude, KEY, read_json};

#[test]
fn an_agent_of_the_original_continues_in_a_directory_of_its_own() {
    let Some(claude) = Claude::new() else { return };
    // A conversation as the program writes it.
    claude.say("model", "stub:say one", &[]);
    let conversation = fs::read_to_string(&claude.conversations("model")[0]).unwrap();
    let model_id = claude.env.agent_id("model").replace("agent-", "");
    claude.env.mng("destroy model --force").success();

    let tree = PythonTree::new(&claude.env);
    let agent = tree.agent_in_worktree("o1", "");
    let hex = agent.id.replace("agent-", "");
    let uuid =
        |hex: &str| format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    let id = uuid(&hex);
    let path = agent.state_dir.join("data.json");
    let mut record = read_json(&path);
    record["type"] = "claude".into();
    record["command"] = format!(
        "( bash $MNG_HOST_DIR/commands/claude_background_tasks.sh mng-o1 ) & export MAIN_CLAUDE_SESSION_ID={id} && \
         ( ( find ~/.claude/ -name \"$MAIN_CLAUDE_SESSION_ID\" | grep . ) && claude --resume \
         \"$MAIN_CLAUDE_SESSION_ID\" --model opus ) || claude --session-id {id} --model opus"
    )
    .into();
    record["resume_message"] = "stub:say two".into();
    fs::write(&path, record.to_string()).unwrap();
    let env = agent.state_dir.join("env");
    fs::write(&env, fs::read_to_string(&env).unwrap() + &format!("ANTHROPIC_API_KEY={KEY}\n")).unwrap();
    fs::write(agent.state_dir.join("claude_session_id"), &id).unwrap();
    fs::write(agent.state_dir.join("claude_session_id_history"), format!("{id}\n")).unwrap();
    let folder = agent.work_dir.to_string_lossy().replace(|ch: char| !ch.is_ascii_alphanumeric(), "-");
    claude.write(
        &format!(".claude/projects/{folder}/{id}.jsonl"),
        &conversation.replace(&uuid(&model_id), &id),
    );
    let before = Fingerprint::of(&claude.env.home(), &[".mng", ".bash_history", ".local", ".cache", ".npm"]);

    claude.env.mng("start o1").success().says(&["1 conversation copied from"]);
    claude.stub.eventually(&format!("the conversation goes on; {}", claude.version), |stub| {
        stub.user_texts() == ["stub:say one", "stub:say two"]
    });
    claude.at_rest("o1");
    let main = claude.env.processes_of(&agent.id);
    assert!(main.iter().any(|process| process.command.contains("--model opus")), "{main:?}");
    assert_eq!(
        Fingerprint::of(&claude.env.home(), &[".mng", ".bash_history", ".local", ".cache", ".npm"]),
        before
    );
    assert_eq!(read_json(&path)["command"], record["command"], "the original can still type its line");
}
