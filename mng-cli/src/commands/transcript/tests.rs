use serde_json::json;

use super::*;
use crate::ui::Format;
use crate::ui::testing::ui;

fn records() -> Vec<Value> {
    let step = |id: &str, second: u32, rest: Value| {
        let mut record = json!({"type": "step", "event_id": id, "emitter": "toy/common_transcript",
            "timestamp": format!("2026-11-25T13:16:{second:02}.123456Z")});
        record.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        record
    };
    vec![
        step("1", 1, json!({"source": "user", "message": "List the files,\nplease."})),
        step(
            "2",
            2,
            json!({"source": "agent", "message": "I look.", "reasoning_content": format!("They want {}", "x".repeat(600)),
            "tool_calls": [
                {"tool_call_id": "c1", "function_name": "Bash", "arguments": {"command": "ls"}},
                {"tool_call_id": "c2", "function_name": "Write", "arguments": {"text": "y".repeat(300)}}]}),
        ),
        step(
            "3",
            3,
            json!({"type": "observation", "results": [
                {"source_call_id": "c1", "content": "\u{1b}[31ma.txt\u{1b}[0m\r\nb.txt\n", "extra": {"tool_name": "Bash", "is_error": false}},
                {"source_call_id": "c2", "content": "permission denied", "extra": {"tool_name": "Write", "is_error": true}}]}),
        ),
        step("4", 4, json!({"source": "agent", "message": ""})),
        step(
            "5",
            5,
            json!({"source": "system", "message": "compacted", "observation": {"results": [{"content": "the summary"}]}}),
        ),
        json!({"type": "novelty", "event_id": "6", "what": 1}),
    ]
}

fn shown(format: Format, is_full: bool, records: &[Value]) -> String {
    let (mut ui, screen) = ui();
    ui.set_format(format);
    let mut printer = Printer { ui: &mut ui, is_full, is_first: true };
    records.iter().for_each(|record| printer.record(record).unwrap());
    printer.finish().unwrap();
    screen.stdout()
}

#[test]
fn what_a_person_sees() {
    let text = shown(Format::Human, false, &records());
    let text = text.replace(&"x".repeat(490), "x{490}").replace(&"y".repeat(191), "y{191}");
    insta::assert_snapshot!(text, @r#"
    [2026-11-25T13:16:01Z] user:
    List the files,
    please.

    [2026-11-25T13:16:02Z] agent:
      (thinking) They want x{490}...
    I look.
      -> Bash({"command":"ls"})
      -> Write({"text":"y{191}...)

    [2026-11-25T13:16:03Z] tool (Bash):
    \u{1b}[31ma.txt\u{1b}[0m
    b.txt

    [2026-11-25T13:16:03Z] tool (Write) [ERROR]:
    permission denied

    [2026-11-25T13:16:04Z] agent:
    (no content)

    [2026-11-25T13:16:05Z] system:
    compacted
    the summary

    record:
    {"type":"novelty","event_id":"6","what":1}
    "#);
    let full = shown(Format::Human, true, &records());
    assert!(full.contains(&"x".repeat(600)) && full.contains(&"y".repeat(300)) && !full.contains("..."));
}

#[test]
fn machines_get_every_record_whole() {
    let records = &records()[..2];
    let lines = shown(Format::Jsonl, false, records);
    let back: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(back, records);
    let array = shown(Format::Json, false, records);
    assert!(array.starts_with("[\n  {\n    \"type\": \"step\",\n"), "{array}");
    assert_eq!(serde_json::from_str::<Vec<Value>>(&array).unwrap(), records);
    assert_eq!(shown(Format::Json, false, &[]), "[]\n");
    assert_eq!(shown(Format::Human, false, &[]), "");
}

#[test]
fn sub_agents_are_told_from_the_agent() {
    let extra = json!({"is_sidechain": true, "agent_name": "Rawls"});
    let records = [
        json!({"type": "step", "source": "user", "message": "look", "extra": {"is_sidechain": true}}),
        json!({"type": "step", "source": "agent", "message": "I look", "extra": extra}),
        json!({"type": "observation", "extra": extra,
            "results": [{"content": "a", "extra": {"tool_name": "Bash", "is_error": true}}]}),
        json!({"type": "observation", "results": [{"content": "b", "extra":
            {"tool_name": "Bash", "is_sidechain": true, "agent_name": "Rawls"}}]}),
    ];
    insta::assert_snapshot!(shown(Format::Human, false, &records), @r"
    user (sub-agent):
    look

    agent (sub-agent Rawls):
    I look

    tool (Bash) (sub-agent Rawls) [ERROR]:
    a

    tool (Bash) (sub-agent Rawls):
    b
    ");
}
