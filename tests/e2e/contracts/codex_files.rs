//! What Codex writes while it works: rollouts, its history, its title and its screen.

use std::path::PathBuf;

use serde_json::Value;

use super::super::codex::Codex;
use super::{contract, json_lines, paste, press, title};

/// A command that the model wants to run outside the sandbox, so that it asks.
const ASKS: &str = "stub:tool exec_command {\"cmd\":\"touch asked\",\"sandbox_permissions\":\"require_escalated\",\"justification\":\"may I\"}";

/// The name of the last record that is about a turn.
pub(super) fn last_turn(rollout: &[Value]) -> Option<String> {
    let events = rollout.iter().filter(|record| record["type"] == "event_msg");
    let mut names = events.filter_map(|record| record["payload"]["type"].as_str());
    let is_about_turn = |name: &&str| ["task_started", "task_complete", "turn_aborted"].contains(name);
    names.rfind(is_about_turn).map(str::to_owned)
}

/// What stands there in the person's name.
pub(super) fn texts(rollout: &[Value]) -> Vec<String> {
    let items = rollout.iter().filter(|record| record["type"] == "response_item");
    let messages = items.map(|record| &record["payload"]);
    let of_person = messages.filter(|payload| payload["type"] == "message" && payload["role"] == "user");
    of_person.filter_map(|payload| payload["content"][0]["text"].as_str().map(str::to_owned)).collect()
}

/// The only rollout of an agent.
fn rollout(codex: &Codex) -> (PathBuf, Vec<Value>) {
    let Some(path) = codex.rollouts("x1").pop() else { return Default::default() };
    let records = json_lines(&path);
    (path, records)
}

/// The end of the rollout, for messages.
fn told(codex: &Codex) -> String {
    let (path, records) = rollout(codex);
    let last: Vec<String> =
        records.iter().rev().take(12).map(|record| record.to_string().chars().take(400).collect()).collect();
    format!("{}\n{}\n{}", path.display(), last.join("\n"), codex.describe())
}

#[test]
fn a_rollout_tells_of_its_turns() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", "stub:hold one");
    codex.stub.eventually("the turn runs", |stub| stub.is_held("one"));
    let is = |event: &str| last_turn(&rollout(&codex).1).as_deref() == Some(event);
    let begins =
        contract(codex.program(), "plugins/codex/src/turn.rs", "a turn begins with `task_started`, at once");
    begins.becomes(|| is("task_started"), || told(&codex));
    let (path, records) = rollout(&codex);
    let meta = &records[0];
    let id = meta["payload"]["id"].as_str().unwrap_or_default();
    contract(
        codex.program(),
        "plugins/codex/src/rollout.rs",
        "a rollout is `sessions/YYYY/MM/DD/rollout-<time>-<thread>.jsonl`; its first line is the `session_meta` \
         with `id` and `cli_version`",
    )
    .holds(
        meta["type"] == "session_meta"
            && path.to_string_lossy().ends_with(&format!("-{id}.jsonl"))
            && path.ancestors().nth(4).is_some_and(|dir| dir.ends_with("home/sessions"))
            && codex.program().version().ends_with(meta["payload"]["cli_version"].as_str().unwrap_or("?")),
        || format!("{}\n{meta}", path.display()),
    );
    contract(codex.program(), "plugins/codex/src/adopt.rs", "the `session_meta` holds the work dir in `cwd`")
        .holds(
            meta["payload"]["cwd"].as_str().map(PathBuf::from).as_deref()
                == Some(codex.env.work_dir("x1").path()),
            || meta.to_string(),
        );
    contract(
        codex.program(),
        "plugins/codex/src/evidence.rs",
        "a message is a `response_item` of the role `user` with its text, before it is answered",
    )
    .becomes(|| texts(&rollout(&codex).1).iter().any(|text| text == "stub:hold one"), || told(&codex));
    codex.stub.release("one");
    contract(codex.program(), "plugins/codex/src/turn.rs", "a turn ends with `task_complete`")
        .becomes(|| is("task_complete"), || told(&codex));
    contract(
        codex.program(),
        "plugins/codex/src/usage.rs",
        "an answer's tokens are in `token_count` as `info.last_token_usage` and `info.total_token_usage`",
    )
    .holds(
        rollout(&codex).1.iter().any(|record| {
            record["payload"]["type"] == "token_count"
                && record["payload"]["info"]["last_token_usage"]["input_tokens"] == 10
                && record["payload"]["info"]["total_token_usage"]["total_tokens"] == 15
        }),
        || told(&codex),
    );
    paste(&codex.env, "x1", "stub:hold two");
    press(&codex.env, "x1", "Enter");
    codex.stub.eventually("the second turn runs", |stub| stub.is_held("two"));
    press(&codex.env, "x1", "Escape");
    contract(codex.program(), "plugins/codex/src/turn.rs", "Escape ends a turn with `turn_aborted`")
        .becomes(|| is("turn_aborted"), || told(&codex));
}

#[test]
fn a_question_shows_in_title_and_screen() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", ASKS);
    contract(
        codex.program(),
        "plugins/codex/src/screen.rs",
        "a question for permission says `Would you like to`, above a menu",
    )
    .becomes(
        || {
            let screen = codex.env.screen("mng-x1");
            screen.contains("Would you like to ") && screen.lines().any(|row| row.starts_with("› 1."))
        },
        || codex.describe(),
    );
    contract(
        codex.program(),
        "plugins/codex/src/probe.rs",
        "while a question is open the title begins with `[ ! ] Action Required` or `[ . ] Action Required`",
    )
    .becomes(
        || {
            let title = title(&codex.env, "x1");
            ["[ ! ] Action Required", "[ . ] Action Required"].iter().any(|start| title.starts_with(start))
        },
        || format!("{}\n{}", title(&codex.env, "x1"), codex.describe()),
    );
    contract(
        codex.program(),
        "plugins/codex/src/probe.rs",
        "an open question is part of a turn that has not ended",
    )
    .holds(last_turn(&rollout(&codex).1).as_deref() == Some("task_started"), || told(&codex));
    press(&codex.env, "x1", "Escape");
    contract(
        codex.program(),
        "plugins/codex/src/probe.rs",
        "a refusal ends the turn in the rollout, and the title asks for nothing",
    )
    .becomes(
        || {
            let is_over = last_turn(&rollout(&codex).1).is_some_and(|event| event != "task_started");
            is_over && !title(&codex.env, "x1").contains("Action Required")
        },
        || format!("{}\n{}", title(&codex.env, "x1"), told(&codex)),
    );
}

#[test]
fn a_text_pasted_while_it_works_joins_the_turn() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", "stub:hold one stub:bash true");
    codex.stub.eventually("the turn runs", |stub| stub.is_held("one"));
    let pasted = format!("stub:say ok\n{}the end", "0123456789 größe\n".repeat(200));
    paste(&codex.env, "x1", &pasted);
    contract(
        codex.program(),
        "plugins/codex/src/evidence.rs",
        "a long text that is pasted, also while it works, shows as `[Pasted Content`",
    )
    .becomes(|| codex.env.screen("mng-x1").contains("[Pasted Content"), || codex.describe());
    press(&codex.env, "x1", "Enter");
    let history = codex.env.agent_dir("x1").join("plugin/codex/home/history.jsonl");
    let is_last = |entry: &Value| entry["text"].as_str().is_some_and(|text| text.trim() == pasted.trim());
    contract(
        codex.program(),
        "plugins/codex/src/evidence.rs",
        "`history.jsonl` has a message as `text` when it leaves the box, also while a turn runs",
    )
    .becomes(|| json_lines(&history).last().is_some_and(is_last), || codex.describe());
    let entry = json_lines(&history).pop().unwrap_or_default();
    contract(
        codex.program(),
        "plugins/codex/src/rollout.rs",
        "an entry of `history.jsonl` names its conversation as `session_id`",
    )
    .holds(
        entry["session_id"]
            .as_str()
            .is_some_and(|thread| rollout(&codex).0.to_string_lossy().ends_with(&format!("-{thread}.jsonl"))),
        || entry["session_id"].to_string(),
    );
    let holds = || texts(&rollout(&codex).1).iter().any(|text| text.trim() == pasted.trim());
    contract(
        codex.program(),
        "plugins/codex/src/evidence.rs",
        "a message that waits is not in the rollout before it joins the turn",
    )
    .holds(!holds(), || told(&codex));
    codex.stub.release("one");
    contract(
        codex.program(),
        "plugins/codex/src/evidence.rs",
        "a message that waited is in the rollout when the turn goes on",
    )
    .becomes(holds, || told(&codex));
}

#[test]
fn a_sub_agents_rollout_says_what_it_is() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", "stub:tool multi_agent_v1.spawn_agent {\"message\":\"stub:say from below\"}");
    let metas = || -> Vec<Value> {
        let metas = codex.rollouts("x1").into_iter().filter_map(|path| json_lines(&path).into_iter().next());
        metas.map(|meta| meta["payload"].clone()).collect()
    };
    let described = || format!("{:?}\n{}", metas(), codex.describe());
    let fact = "a sub-agent has a rollout of its own, whose `session_meta` has `thread_source` `subagent`, an \
                object with `subagent` as `source` and the conversation that began it as `parent_thread_id`";
    let sub_agent = contract(codex.program(), "plugins/codex/src/rollout.rs", fact).soon(
        || {
            metas()
                .into_iter()
                .find(|meta| meta["thread_source"] == "subagent" && meta["source"]["subagent"].is_object())
        },
        described,
    );
    let fact = "the conversation in front has `thread_source` `user`, and no object as `source`";
    let front = contract(codex.program(), "plugins/codex/src/rollout.rs", fact).soon(
        || metas().into_iter().find(|meta| meta["thread_source"] == "user" && meta["source"].is_string()),
        described,
    );
    contract(
        codex.program(),
        "plugins/codex/src/probe.rs",
        "`parent_thread_id` is the `id` of the one in front",
    )
    .holds(sub_agent["parent_thread_id"] == front["id"], described);
}
