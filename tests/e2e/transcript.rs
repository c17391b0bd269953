//! What `mng transcript` reads and says, whatever the agent's program.

use std::fs;
use std::path::Path;

use mng_tests::TestEnv;
use serde_json::{Value, json};

const ID: &str = "agent-00000000000000000000000000000007";

/// An archive as an older program left it: records from before ATIF.
fn archive(env: &TestEnv, name: &str, id: &str) {
    let dir = env.state_dir().join(format!("preserved/{name}--{id}/events/acme/common_transcript"));
    fs::create_dir_all(&dir).unwrap();
    let records = [
        json!({"type": "user_message", "role": "user", "content": "What is 2+2?"}),
        json!({"type": "assistant_message", "role": "assistant", "text": "Let me see.", "model": "m", "tool_calls": [
            {"tool_call_id": "c1", "tool_name": "Calc", "input_preview": "{\"sum\":\"2+2\"}"}]}),
        json!({"type": "tool_result", "tool_call_id": "c1", "tool_name": "Calc", "output": "4", "is_error": false}),
        json!({"type": "assistant_message", "role": "assistant", "text": "4", "model": "m", "tool_calls": []}),
    ];
    let lines: String = records
        .into_iter()
        .enumerate()
        .map(|(index, mut record)| {
            record["timestamp"] = format!("2026-05-01T10:00:0{index}Z").into();
            record["event_id"] = format!("e{index}").into();
            record["source"] = "acme/common_transcript".into();
            format!("{record}\n")
        })
        .collect();
    fs::write(dir.join("events.jsonl"), lines + "torn {").unwrap();
}

#[test]
fn a_type_without_a_transcript_says_so() {
    let env = TestEnv::new();
    env.create("a1");
    insta::assert_snapshot!(env.mng("transcript a1").to_string(), @r"
    exit 1
    ---- stdout
    ---- stderr
    Error: agent `a1` has type `command`, which does not produce a transcript
      hint: `mng capture a1` prints its screen
    ");
    let error = env.mng("transcript a1 --format json").exits(1).json();
    assert_eq!(error["error"]["error_class"], "UserInputError");
    env.mng("transcript nobody").exits(1).says(&["no agent matches `nobody`"]);
}

#[test]
fn what_a_destroyed_agent_said_can_be_read() {
    let env = TestEnv::new();
    archive(&env, "gone", ID);
    // It is not read unawares.
    env.mng("transcript gone").exits(1).says(&["mng transcript gone --preserved"]);
    insta::assert_snapshot!(env.mng("transcript gone --preserved").to_string(), @r#"
    exit 0
    ---- stdout
    [<time>] user:
    What is 2+2?

    [<time>] agent:
    Let me see.
      -> Calc({"sum":"2+2"})

    [<time>] tool (Calc):
    4

    [<time>] agent:
    4
    ---- stderr
    this is what a destroyed agent left, not a live one: gone (<agent-id>)
    "#);
    env.mng("transcript gone --preserved --role tool --role user --tail 1").success().prints("tool (Calc):");
    env.mng(&format!("transcript {ID} --preserved-only")).success();
    let lines = env.mng("transcript gone --preserved --format jsonl").success().jsonl();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1]["tool_calls"][0]["arguments"], json!({"sum": "2+2"}));
    let array = env.mng("transcript gone --preserved --format json --head 2").success().json();
    assert_eq!(array.as_array().unwrap().len(), 2);
    env.mng("transcript gone --preserved --role system").success().says(&["no record"]);

    archive(&env, "gone", "agent-00000000000000000000000000000008");
    env.mng("transcript gone --preserved").exits(1).says(&["matches several", ID, "--preserved-only"]);
    env.mng(&format!("transcript {ID} --preserved")).success().prints("What is 2+2?");
}

#[test]
fn one_document_of_it_all() {
    let env = TestEnv::new();
    archive(&env, "gone", ID);
    let file = env.root().join("out.json");
    let line = format!("transcript gone --preserved --format atif --output {}", file.display());
    env.mng(&line).success();
    let document: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!((&document["schema_version"], &document["session_id"]), (&json!("ATIF-v1.7"), &json!(ID)));
    assert_eq!(document["steps"].as_array().unwrap().len(), 3);
    assert_eq!(document["steps"][1]["observation"]["results"][0]["content"], "4");
    let printed = env.mng("transcript gone --preserved --format ATIF").success().json();
    assert_eq!(printed, document);

    for bad in [
        "--format atif --tail 1",
        "--format atif --role user",
        "--output x",
        "--tail 1 --head 1",
        "--tail 0",
        "--follow --format json",
        "--follow --format atif",
        "--follow --head 1",
        "--follow --preserved-only",
    ] {
        env.mng(&format!("transcript gone --preserved {bad}")).exits(2);
    }
    env.mng("transcript gone --format {name}").exits(2).says(&["takes no format template"]);
    assert!(!Path::new("x").exists());
}
