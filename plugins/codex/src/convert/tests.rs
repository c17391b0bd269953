use super::*;

const THREAD: &str = "01a212dc-1783-7250-aac2-8b255d7a55ed";

fn line(number: u64, kind: &str, payload: Value) -> String {
    json!({"timestamp": format!("2026-11-25T13:19:{number:02}Z"), "ordinal": number, "type": kind, "payload": payload})
        .to_string()
}

fn message(number: u64, role: &str, text: &str) -> String {
    line(
        number,
        "response_item",
        json!({"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}),
    )
}

fn usage(number: u64, input: u64, total: u64) -> String {
    let last = json!({"input_tokens": input, "cached_input_tokens": 4, "output_tokens": 5, "reasoning_output_tokens": 0, "total_tokens": input + 5});
    line(
        number,
        "event_msg",
        json!({"type": "token_count", "info": {"last_token_usage": last, "total_token_usage": {"total_tokens": total}}}),
    )
}

fn a_turn() -> Vec<String> {
    vec![
        line(0, "session_meta", json!({"id": THREAD})),
        message(1, "user", "<environment_context>\n</environment_context>"),
        line(2, "turn_context", json!({"model": "gpt-x", "effort": "high"})),
        message(3, "user", "list it"),
        line(
            4,
            "response_item",
            json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "x"}),
        ),
        line(
            5,
            "response_item",
            json!({"type": "function_call", "name": "exec_command", "arguments": "{\"cmd\":\"ls\"}", "call_id": "c1"}),
        ),
        line(
            6,
            "token_usage_record",
            json!({"usage": {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 5}, "thread_token_usage": {"total_tokens": 15}}),
        ),
        line(
            7,
            "response_item",
            json!({"type": "function_call_output", "call_id": "c1", "output": "Process exited with code 2\nOutput:\nno"}),
        ),
        usage(8, 10, 15),
        message(9, "assistant", "done"),
        usage(10, 20, 40),
        line(11, "event_msg", json!({"type": "task_complete"})),
    ]
}

fn convert(lines: &[String]) -> Vec<Value> {
    let mut converter = RolloutConverter::new(THREAD, None, 0);
    let mut out = Vec::new();
    for line in lines {
        converter.line(line.as_bytes(), &mut out).unwrap();
    }
    converter.finish(true, &mut out);
    out
}

/// What people look for, one line a record.
fn brief(records: &[Value]) -> String {
    records
        .iter()
        .map(|record| {
            let mut record = record.clone();
            let map = record.as_object_mut().unwrap();
            for key in ["type", "emitter", "timestamp"] {
                map.shift_remove(key);
            }
            format!("{record}").replace(THREAD, "T").replace('"', "'") + "\n"
        })
        .collect()
}

#[test]
fn a_turn_becomes_steps_and_observations() {
    let records = convert(&a_turn());
    assert_eq!((records[0]["type"].as_str(), records[0]["emitter"].as_str()), (Some("step"), Some(EMITTER)));
    assert_eq!(records[0]["timestamp"], "2026-11-25T13:19:01Z");
    insta::assert_snapshot!(brief(&records), @"
    {'event_id':'T-line-1-system','source':'system','message':'<environment_context>\\n</environment_context>'}
    {'event_id':'T-line-3-user','source':'user','message':'list it'}
    {'event_id':'T-line-4-assistant','source':'agent','message':'','model_name':'gpt-x','reasoning_effort':'high','reasoning_content':'hm'}
    {'event_id':'T-line-5-assistant','source':'agent','message':'','model_name':'gpt-x','reasoning_effort':'high','tool_calls':[{'tool_call_id':'c1','function_name':'exec_command','arguments':{'cmd':'ls'}}],'metrics':{'prompt_tokens':10,'completion_tokens':5,'cached_tokens':4},'llm_call_count':1}
    {'event_id':'T-line-7-tool_result','results':[{'source_call_id':'c1','content':'Process exited with code 2\\nOutput:\\nno','extra':{'tool_name':'exec_command','is_error':true}}]}
    {'event_id':'T-line-9-assistant','source':'agent','message':'done','model_name':'gpt-x','reasoning_effort':'high','metrics':{'prompt_tokens':20,'completion_tokens':5,'cached_tokens':4},'llm_call_count':1}
    ");
}

#[test]
fn it_goes_on_after_any_line() {
    let lines = a_turn();
    let whole = convert(&lines);
    for at in 0..lines.len() {
        let mut out = Vec::new();
        let mut first = RolloutConverter::new(THREAD, None, 0);
        for line in &lines[..at] {
            first.line(line.as_bytes(), &mut out).unwrap();
        }
        first.finish(false, &mut out);
        let mut second = RolloutConverter::new(THREAD, None, 0);
        assert!(second.resume(&first.checkpoint().unwrap()));
        for line in &lines[at..] {
            second.line(line.as_bytes(), &mut out).unwrap();
        }
        second.finish(true, &mut out);
        assert_eq!(out, whole, "{at}");
    }
    assert!(!RolloutConverter::new(THREAD, None, 0).resume(&json!({"offset": "x"})));
}

#[test]
fn a_step_waits_for_its_tokens_or_the_turns_end() {
    let mut converter = RolloutConverter::new(THREAD, None, 0);
    let mut out = Vec::new();
    converter.line(message(1, "user", "hello").as_bytes(), &mut out).unwrap();
    assert_eq!(out.len(), 1, "what a person said is there at once");
    converter.line(message(2, "assistant", "hm").as_bytes(), &mut out).unwrap();
    converter.finish(false, &mut out);
    assert_eq!(out.len(), 1);
    converter.line(line(3, "event_msg", json!({"type": "turn_aborted"})).as_bytes(), &mut out).unwrap();
    assert_eq!(out.len(), 2);
    assert_eq!(out[1].get("metrics"), None, "unknown is not zero");
}

#[test]
fn ids_without_line_numbers_are_places_in_the_file() {
    let old = |text: &str| {
        json!({"timestamp": "2025-11-25T13:19:00Z", "type": "response_item", "payload": {"type": "message", "role": "user", "content": text}})
            .to_string()
    };
    let (first, second) = (old("one"), old("two"));
    let mut out = Vec::new();
    let mut whole = RolloutConverter::new(THREAD, None, 0);
    whole.line(first.as_bytes(), &mut out).unwrap();
    whole.line(second.as_bytes(), &mut out).unwrap();
    let mut late = RolloutConverter::new(THREAD, None, first.len() as u64 + 1);
    let mut from_there = Vec::new();
    late.line(second.as_bytes(), &mut from_there).unwrap();
    assert_eq!(from_there[0], out[1]);
    assert_ne!(out[0]["event_id"], out[1]["event_id"]);
}

#[test]
fn a_compaction_is_a_step_of_the_system() {
    let mut converter = RolloutConverter::new(THREAD, Some("Boole".into()), 0);
    let mut out = Vec::new();
    converter.line(line(1, "compacted", json!({"message": "so far"})).as_bytes(), &mut out).unwrap();
    insta::assert_snapshot!(brief(&out), @"{'event_id':'T-line-1-system','source':'system','message':'the conversation was compacted','extra':{'context_management':{'type':'compaction','boundary':'replace'},'is_sidechain':true,'agent_name':'Boole'},'observation':{'results':[{'content':'so far'}]}}");
}

#[test]
fn what_cannot_be_read_is_told_and_does_no_harm() {
    let mut converter = RolloutConverter::new(THREAD, None, 0);
    let mut out = Vec::new();
    for bad in ["{", "null", "[]", "{\"type\":\"x\"}", "\u{0}"] {
        assert!(converter.line(bad.as_bytes(), &mut out).is_err(), "{bad}");
    }
    for odd in [
        "",
        " ",
        "{\"timestamp\":\"x\",\"type\":\"response_item\"}",
        "{\"timestamp\":\"x\",\"type\":\"new\",\"payload\":7}",
    ] {
        converter.line(odd.as_bytes(), &mut out).unwrap();
    }
    assert_eq!(out, Vec::<Value>::new());
}

#[test]
fn an_error_is_told_once_in_each_turn() {
    let event = |number: u64, payload: Value| line(number, "event_msg", payload);
    let ends =
        |number: u64| event(number, json!({"type": "task_complete", "error": {"message": "too busy"}}));
    let lines = [
        event(1, json!({"type": "task_started"})),
        event(2, json!({"type": "error", "message": "too busy"})),
        ends(3),
        event(4, json!({"type": "task_started"})),
        ends(5),
        event(6, json!({"type": "task_complete", "error": null})),
    ];
    let records = convert(&lines);
    let told: Vec<_> = records.iter().map(|record| (&record["event_id"], &record["message"])).collect();
    let at = |number: u64| json!(format!("{THREAD}-line-{number}-system"));
    assert_eq!(told, [(&at(2), &json!("too busy")), (&at(5), &json!("too busy"))]);
    assert_eq!(records[1]["extra"], json!({"is_error": true}));
}
