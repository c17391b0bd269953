use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches, Parser};
use mng_core::model::filter::Shorthand;
use mng_core::model::names::ProviderName;
use mng_core::model::record::AgentRecord;
use mng_core::model::state::{AgentState, WaitingReason};
use mng_core::operations::list::{HostView, IdleView, ListedHost};
use mng_core::operations::select::AgentFilter;
use mng_core::providers::ProviderError;
use serde_json::json;

use super::*;
use crate::ui::testing::ui;
use crate::ui::{Format, to_json};

const SEEN_AT: &str = "2026-11-22T14:00:00Z";

fn host(name: &str, provider: &str) -> Arc<HostView> {
    let id = if provider == "local" { "1" } else { "2" };
    Arc::new(HostView {
        id: format!("host-{id:0>32}").parse().unwrap(),
        name: serde_json::from_value(json!(name)).unwrap(),
        provider_name: ProviderName::stored(provider),
        state: mng_core::model::state::HostState::Running,
        image: None,
        tags: [("tier".to_owned(), "a".to_owned())].into(),
        boot_time: Some("2026-11-22T13:00:00Z".parse().unwrap()),
        uptime_seconds: Some(3600.0),
        resource: None,
        ssh: None,
        snapshots: Vec::new(),
        is_locked: Some(false),
        locked_time: None,
        plugin: serde_json::Map::new(),
        ssh_activity_time: None,
        failure_reason: None,
    })
}

fn agent(number: u32, name: &str, state: AgentState, host: &Arc<HostView>) -> AgentView {
    let record = json!({
        "id": format!("agent-{number:0>32}"), "name": name, "type": "command", "work_dir": "/w",
        "create_time": format!("2026-11-22T13:{number:02}:00.000001+00:00"), "command": "sleep 900",
        "labels": {"project": "shop"}, "created_branch_name": format!("mng/{name}"),
    });
    let record: AgentRecord = serde_json::from_value(record).unwrap();
    AgentView {
        record,
        state,
        waiting_reason: (state == AgentState::Waiting).then_some(WaitingReason::EndOfTurn),
        state_reason: Some("the program runs in the pane".into()),
        state_age: Some(2.5),
        pid: Some(4711),
        cpu_seconds: Some(1.25),
        memory_bytes: Some(12_345_678),
        url: None,
        start_time: Some("2026-11-22T13:30:00Z".parse().unwrap()),
        user_activity_time: None,
        agent_activity_time: Some("2026-11-22T13:59:30Z".parse().unwrap()),
        seen_at: SEEN_AT.parse().unwrap(),
        reported: serde_json::Map::new(),
        idle: Arc::new(IdleView::default()),
        host: Arc::clone(host),
    }
}

fn part() -> Part {
    let (here, there) = (host("localhost", "local"), host("gpu", "docker"));
    let listed = |view: &Arc<HostView>| ListedHost { view: Arc::clone(view), host: None };
    Part {
        hosts: vec![listed(&here), listed(&there)],
        agents: vec![
            agent(2, "fix-auth", AgentState::Waiting, &here),
            agent(1, "a", AgentState::Running, &here),
            agent(3, "tests", AgentState::Stopped, &there),
        ],
        ..Part::default()
    }
}

#[derive(Parser)]
struct Test {
    #[command(flatten)]
    list: ListArgs,
}

fn args(words: &[&str]) -> ListArgs {
    let matches = Test::command().try_get_matches_from(["x"].iter().chain(words)).unwrap();
    Test::from_arg_matches(&matches).unwrap().list
}

/// What a listing prints when all providers answered with `part`.
fn listed(format: &str, words: &[&str], part: Part) -> String {
    let (mut ui, screen) = ui();
    ui.set_format(Format::parse(format, "list", Some(&AgentFields)).unwrap());
    let args = args(words);
    args.check(&ui).unwrap();
    let filter = AgentFilter::new(Shorthand::default(), &[], &[]).unwrap();
    let view = View::of(&ui, filter, args).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (sender, receiver) = unbounded_channel();
        sender.send(part).unwrap();
        drop(sender);
        let found = show(&mut ui, &view, receiver).await.unwrap();
        show_errors(&mut ui, &found.errors).unwrap();
    });
    screen.both()
}

/// A provider that does not answer, and a record that cannot be read.
fn errors() -> Vec<ErrorRow> {
    let provider = ProviderName::stored("docker");
    let silent = ProviderError::Unavailable {
        provider: provider.clone(),
        reason: "the daemon does not run".into(),
        remediation: Some("sudo systemctl start docker".into()),
    };
    let damaged = Error::hinted(
        ErrorClass::CorruptedAgentData,
        "the record of agent `agent-1` is damaged: `/h/agents/agent-1/data.json`",
        "mend the JSON",
    );
    let silent = ErrorRow::new(silent.into()).of_provider(&provider);
    let here = host("localhost", "local");
    vec![ErrorRow { is_provider_inaccessible: true, ..silent }, ErrorRow::new(damaged).of_host(&here.id)]
}

#[test]
fn a_table_is_fitted_and_ordered_by_creation() {
    insta::assert_snapshot!(listed("human", &[], part()), @r"
    ---- stdout
    NAME      STATE    HOST       PROVIDER  HOST STATE  PROJECT
    a         RUNNING  localhost  local     RUNNING     shop
    fix-auth  WAITING  localhost  local     RUNNING     shop
    tests     STOPPED  gpu        docker    RUNNING     shop
    ---- stderr
    ");
    insta::assert_snapshot!(listed("human", &[], Part::default()), @r"
    ---- stdout
    No agents found
    ---- stderr
    ");
}

#[test]
fn columns_headers_and_what_people_read() {
    let words =
        ["--fields", "name,idle_seconds,memory_bytes,host.tags,waiting_reason", "--header", "name=AGENT"];
    insta::assert_snapshot!(listed("human", &words, part()), @r"
    ---- stdout
    AGENT     IDLE_SECONDS  MEMORY_BYTES  HOST LABELS  WAITING_REASON
    a         30s           11.8 MB       tier=a
    fix-auth  30s           11.8 MB       tier=a       END_OF_TURN
    tests     30s           11.8 MB       tier=a
    ---- stderr
    ");
}

#[test]
fn an_order_and_a_limit() {
    insta::assert_snapshot!(listed("human", &["--sort", "name desc", "--limit", "2", "--fields", "name"], part()), @r"
    ---- stdout
    NAME
    tests
    fix-auth
    ---- stderr
    ");
    insta::assert_snapshot!(listed("human", &["--sort-order", "desc", "--fields", "name"], part()), @r"
    ---- stdout
    NAME
    tests
    fix-auth
    a
    ---- stderr
    ");
}

#[test]
fn ids_addresses_and_templates() {
    insta::assert_snapshot!(listed("human", &["--ids"], part()), @r"
    ---- stdout
    agent-00000000000000000000000000000001
    agent-00000000000000000000000000000002
    agent-00000000000000000000000000000003
    ---- stderr
    ");
    insta::assert_snapshot!(listed("human", &["--addrs"], part()), @r"
    ---- stdout
    a@localhost.local
    fix-auth@localhost.local
    tests@gpu.docker
    ---- stderr
    ");
    insta::assert_snapshot!(listed("{name:>10}|{host.provider}|{create_time}|{pid}|{labels}", &[], part()), @r"
    ---- stdout
             a|local|2026-11-22 13:01:00.000001+00:00|4711|project=shop
      fix-auth|local|2026-11-22 13:02:00.000001+00:00|4711|project=shop
         tests|docker|2026-11-22 13:03:00.000001+00:00|4711|project=shop
    ---- stderr
    ");
    insta::assert_snapshot!(listed("{name}", &[], Part::default()), @r"
    ---- stdout
    ---- stderr
    ");
}

#[test]
fn what_could_not_be_listed_is_told_beside_the_rest() {
    let part = || Part { errors: errors(), ..part() };
    insta::assert_snapshot!(listed("human", &["--fields", "name"], part()), @r"
    ---- stdout
    NAME
    a
    fix-auth
    tests
    ---- stderr
    Errors:
      docker: cannot reach provider `docker`: the daemon does not run — sudo systemctl start docker (disable: mng config set --scope user providers.docker.is_enabled false)
      host-00000000000000000000000000000001: the record of agent `agent-1` is damaged: `/h/agents/agent-1/data.json` — mend the JSON
    ");
    let json = listed("json", &[], part());
    let json: serde_json::Value = serde_json::from_str(json.lines().nth(1).unwrap()).unwrap();
    assert_eq!(json["agents"].as_array().unwrap().len(), 3);
    insta::assert_snapshot!(serde_json::to_string_pretty(&json["errors"]).unwrap(), @r#"
    [
      {
        "exception_type": "ProviderUnavailableError",
        "error_class": "ProviderUnavailableError",
        "message": "cannot reach provider `docker`: the daemon does not run",
        "hint": "sudo systemctl start docker",
        "provider_name": "docker",
        "is_provider_inaccessible": true,
        "remediation": "sudo systemctl start docker",
        "short_reason": "cannot reach provider `docker`: the daemon does not run"
      },
      {
        "exception_type": "CorruptedAgentDataError",
        "error_class": "CorruptedAgentDataError",
        "message": "the record of agent `agent-1` is damaged: `/h/agents/agent-1/data.json`",
        "hint": "mend the JSON",
        "host_id": "host-00000000000000000000000000000001",
        "is_provider_inaccessible": false
      }
    ]
    "#);
    assert_eq!(exit_code(&errors()), ExitCode::OTHER);
    assert_eq!(exit_code(&errors()[..1]), ExitCode::new(6));
    assert_eq!(exit_code(&[]), ExitCode::SUCCESS);
    let passed_over = ErrorRow { is_counted: false, ..errors().remove(0) };
    assert_eq!(exit_code(&[passed_over]), ExitCode::SUCCESS);
}

#[test]
fn the_object_of_one_agent() {
    let view = agent(1, "a", AgentState::Waiting, &host("localhost", "local"));
    insta::assert_snapshot!(serde_json::to_string_pretty(&view).unwrap(), @r#"
    {
      "resource_type": "agent",
      "id": "agent-00000000000000000000000000000001",
      "name": "a",
      "type": "command",
      "command": "sleep 900",
      "work_dir": "/w",
      "initial_branch": "mng/a",
      "create_time": "2026-11-22T13:01:00.000001Z",
      "start_on_boot": false,
      "state": "WAITING",
      "waiting_reason": "END_OF_TURN",
      "state_reason": "the program runs in the pane",
      "state_age": 2.5,
      "pid": 4711,
      "cpu_seconds": 1.25,
      "memory_bytes": 12345678,
      "url": null,
      "start_time": "2026-11-22T13:30:00Z",
      "runtime_seconds": 1800.0,
      "user_activity_time": null,
      "agent_activity_time": "2026-11-22T13:59:30Z",
      "idle_seconds": 30.0,
      "idle_mode": null,
      "idle_timeout_seconds": null,
      "activity_sources": null,
      "labels": {
        "project": "shop"
      },
      "host": {
        "id": "host-00000000000000000000000000000001",
        "name": "localhost",
        "provider_name": "local",
        "state": "RUNNING",
        "image": null,
        "tags": {
          "tier": "a"
        },
        "boot_time": "2026-11-22T13:00:00Z",
        "uptime_seconds": 3600.0,
        "resource": null,
        "ssh": null,
        "snapshots": [],
        "is_locked": false,
        "locked_time": null,
        "plugin": {},
        "ssh_activity_time": null,
        "failure_reason": null
      },
      "plugin": {}
    }
    "#);
    let json = view.to_json();
    for field in mng_core::model::fields::FIELDS {
        use mng_core::model::fields::Section;
        if matches!(field.section, Section::Agent | Section::Host) {
            let pointer = format!("/{}", field.key.replace('.', "/"));
            assert!(
                json.pointer(&pointer).is_some(),
                "{} is in the catalogue and not in the JSON",
                field.key
            );
        }
    }
    assert_eq!(listed("jsonl", &[], part()).lines().filter(|line| line.starts_with('{')).count(), 3);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let refused = |format: &str, words: &[&str]| {
        let (mut ui, _) = ui();
        ui.set_format(Format::parse(format, "list", Some(&AgentFields)).unwrap());
        let error = args(words).check(&ui).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    };
    insta::assert_snapshot!(refused("{name}", &["--ids"]), @"`--ids` and a format template exclude each other");
    insta::assert_snapshot!(refused("human", &["--hosts", "--running"]), @"`--hosts` and `--running` exclude each other");
    insta::assert_snapshot!(refused("human", &["--schema", "--fields", "name"]), @"`--schema` and `--fields` exclude each other");
    insta::assert_snapshot!(refused("jsonl", &["--watch", "1"]), @"`--watch` is for people: it does not go with json or jsonl");
    assert!(Test::command().try_get_matches_from(["x", "--ids", "--addrs"]).is_err());
    let (ui, _) = ui();
    assert!(args(&["--hosts", "--provider", "local"]).check(&ui).is_ok());
}

#[test]
fn the_catalogue() {
    let (mut ui, screen) = ui();
    ui.result(&schema::Schema::of_agents()).unwrap();
    let shown = screen.stdout();
    assert!(shown.starts_with("Agent fields\n  resource_type : string - "), "{shown}");
    let row = to_json(&schema::Schema::of_agents())["schema"][0].clone();
    insta::assert_snapshot!(row, @r#"{"key":"resource_type","type":"string","nullable":false,"description":"always `agent`","contexts":"cel, template","section":"Agent fields"}"#);
}

#[test]
fn the_view_of_hosts() {
    let part = part();
    let listing = mng_core::operations::list::Listing {
        hosts: part.hosts,
        agents: part.agents,
        ..mng_core::operations::list::Listing::default()
    };
    let hosts = hosts::Hosts::of(&listing);
    insta::assert_snapshot!(crate::ui::testing::rendered(&hosts), @r"
    ---- stdout
    NAME       ID                                     PROVIDER  STATE    LABELS  AGENTS
    localhost  host-00000000000000000000000000000001  local     RUNNING  tier=a  fix-auth, a
    gpu        host-00000000000000000000000000000002  docker    RUNNING  tier=a  tests
    ---- stderr
    ");
    insta::assert_snapshot!(to_json(&hosts), @r#"{"hosts":[{"id":"host-00000000000000000000000000000001","name":"localhost","provider":"local","state":"RUNNING","labels":{"tier":"a"},"agents":[{"id":"agent-00000000000000000000000000000002","name":"fix-auth"},{"id":"agent-00000000000000000000000000000001","name":"a"}],"resource":null,"uptime_seconds":3600.0},{"id":"host-00000000000000000000000000000002","name":"gpu","provider":"docker","state":"RUNNING","labels":{"tier":"a"},"agents":[{"id":"agent-00000000000000000000000000000003","name":"tests"}],"resource":null,"uptime_seconds":3600.0}],"errors":[]}"#);
    let empty = hosts::Hosts::of(&mng_core::operations::list::Listing::default());
    insta::assert_snapshot!(crate::ui::testing::rendered(&empty), @r"
    ---- stdout
    No hosts found
    ---- stderr
    ");
}
