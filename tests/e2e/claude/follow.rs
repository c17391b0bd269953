//! A conversation is told as it goes on.

use std::fs;
use std::time::Duration;

use mng_tests::{Background, TestEnv};
use rustix::process::Signal;

use super::Claude;

/// `mng transcript c1 --follow` and what it has printed.
struct Followed<'a> {
    env: &'a TestEnv,
    out: std::path::PathBuf,
    follower: Background,
}

impl<'a> Followed<'a> {
    fn start(env: &'a TestEnv, name: &str, options: &str) -> Self {
        let out = env.root().join(name);
        let line = format!("exec mng transcript c1 --follow {options} >{}", out.display());
        let follower = env.bash(&line).deadline(Duration::from_secs(240)).spawn();
        Self { env, out, follower }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    #[track_caller]
    fn until(&self, part: &str) {
        self.env.eventually(&format!("`{part}` is printed"), |_| self.text().contains(part));
    }
}

#[test]
fn a_turn_is_told_while_it_runs_and_what_comes_after_restarts() {
    let Some(claude) = Claude::new() else { return };
    let _ = claude.create_with("c1", &["--", "--permission-mode", "manual", "--allowedTools=Bash"]);
    // From before the first word.
    let mut people = Followed::start(&claude.env, "people", "");
    let lines = Followed::start(&claude.env, "lines", "--format jsonl");
    let _ = claude.env.mng("message c1 -m 'stub:say first answer'").success();
    people.until(" agent:\nfirst answer\n");
    lines.until("first answer");
    let mut agent = Followed::start(&claude.env, "agent", "--role agent --tail 1");
    agent.until("first answer");

    let gate = claude.env.root().join("gate");
    let command = format!("stub:bash echo begun; until [ -e {} ]; do sleep 0.1; done", gate.display());
    let _ = claude.env.mng_args(&["message", "c1", "-m", &command]).success();
    // The call stands there while its tool runs.
    people.until("  -> Bash({");
    agent.until("  -> Bash({");
    assert_eq!(claude.state("c1"), "RUNNING", "with {}", claude.version());
    assert!(!people.text().contains("tool (Bash):"));
    fs::write(&gate, "").unwrap();
    people.until("tool (Bash):\nbegun\n");
    people.until(" agent:\nstub: tool done: begun\n");

    let _ = claude.env.mng("stop c1").success();
    let _ = claude.env.mng("start c1").success();
    let _ = claude.env.mng("message c1 -m 'stub:say second answer'").success();
    people.until(" agent:\nsecond answer\n");
    agent.until("second answer");
    claude.until_state("c1", "WAITING END_OF_TURN");
    let session = claude.session("c1");
    let _ = claude.env.mng("message c1 -m /clear").success();
    claude.env.eventually("another session", |_| claude.session("c1") != session);
    let _ = claude.env.mng("message c1 -m 'stub:say third answer'").success();
    people.until(" agent:\nthird answer\n");
    agent.until("third answer");

    assert!(!agent.follower.has_ended());
    agent.follower.signal(Signal::INT);
    let text = agent.text();
    agent.follower.wait().success();
    assert!(!text.contains("] user:") && !text.contains("] tool"), "{text}");

    lines.until("third answer");
    claude.until_state("c1", "WAITING END_OF_TURN");
    let told = claude.env.mng("transcript c1").success().stdout;
    let records = claude.env.mng("transcript c1 --format jsonl").success().jsonl();
    assert!(!people.follower.has_ended());
    let _ = claude.env.mng("destroy c1 --force").success();
    // Both end by themselves, and have told all of it once.
    let text = people.text();
    people.follower.wait().success();
    assert_eq!(text, told, "with {}", claude.version());
    let followed = fs::read_to_string(&lines.out).unwrap();
    lines.follower.wait().success();
    let followed: Vec<serde_json::Value> =
        followed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(followed, records, "with {}", claude.version());
}
