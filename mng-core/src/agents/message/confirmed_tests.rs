use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, thread};

use super::*;
use crate::agents::input::{Dialog, Evidence, EvidenceWatch, Input, Recipient, ScreenState};
use crate::agents::testing::{PrivateHost, block, eventually};
use crate::agents::type_state::TypeHandle;
use crate::agents::types::{AgentType, Launch, TypeCapabilities};

#[derive(Debug)]
struct FakeInput {
    dir: PathBuf,
}

impl FakeInput {
    fn evidence(&self) -> String {
        fs::read_to_string(self.dir.join("evidence.jsonl")).unwrap_or_default()
    }
}

impl Input for FakeInput {
    fn screen(&self, pane: &str) -> ScreenState {
        let lines: Vec<&str> = pane.lines().collect();
        if let Some(name) = lines.iter().find_map(|line| line.strip_prefix("DIALOG ")) {
            let answer = name.starts_with("a known one").then(|| vec!["x".to_owned()]);
            return ScreenState::Dialog(Dialog { name: name.trim().into(), answer });
        }
        let Some(at) = lines.iter().position(|line| line.starts_with("> ")) else {
            return ScreenState::Unclear;
        };
        let end = lines.iter().rposition(|line| line.starts_with("--")).unwrap_or(lines.len());
        let held = lines[at..end.max(at + 1)].join("\n");
        let held = held.strip_prefix("> ").unwrap_or(&held).trim_end();
        let is_placeholder = held.contains("\u{1b}[2m");
        let leftover = (!held.is_empty() && !is_placeholder).then(|| held.to_owned());
        ScreenState::Ready { leftover }
    }

    fn paste_labels(&self) -> &'static [&'static str] {
        &["[Pasted text #"]
    }

    fn is_relaxed(&self, text: &str) -> bool {
        text.starts_with('/')
    }

    fn watch(&self, _to: Recipient<'_>, text: &str) -> Result<Box<dyn EvidenceWatch>> {
        Ok(Box::new(FakeWatch {
            input: Self { dir: self.dir.clone() },
            text: text.to_owned(),
            baseline: self.evidence().len(),
        }))
    }
}

struct FakeWatch {
    input: FakeInput,
    text: String,
    baseline: usize,
}

impl EvidenceWatch for FakeWatch {
    fn poll(&mut self) -> Result<Option<Evidence>> {
        let all = self.input.evidence();
        let new = all.get(self.baseline..).unwrap_or_default();
        for line in new.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if line["accepted"].as_str().is_some_and(|text| text.ends_with(&self.text)) {
                return Ok(Some(Evidence::Accepted("it stands in evidence.jsonl".into())));
            }
            if line["rejected"].is_string() {
                return Ok(Some(Evidence::Rejected("unknown command".into())));
            }
        }
        Ok(None)
    }
}

#[derive(Debug)]
struct FakeType(Arc<FakeInput>);

impl AgentType for FakeType {
    fn name(&self) -> &str {
        "fake"
    }

    fn capabilities(&self) -> TypeCapabilities {
        TypeCapabilities::default()
    }

    fn command_line(&self, _launch: &Launch) -> Result<String> {
        Ok("python3".into())
    }

    fn input(&self) -> Option<Arc<dyn Input>> {
        Some(self.0.clone())
    }
}

struct World {
    private: PrivateHost,
    record: AgentRecord,
    traits: TypeTraits,
    work: PathBuf,
}

impl World {
    /// A running agent with an input box; `files` steer it from its first moment on.
    fn new(files: &[(&str, &str)]) -> Self {
        let private = PrivateHost::new();
        let work = private.path("work");
        fs::create_dir_all(&work).unwrap();
        for (name, text) in files {
            fs::write(work.join(name), text).unwrap();
        }
        fs::write(work.join("tui.py"), include_str!("fake_tui.py")).unwrap();
        let record = private.agent("a1", "exec python3 tui.py");
        private.start(&record).unwrap();
        let kind = FakeType(Arc::new(FakeInput { dir: work.clone() }));
        let traits = TypeTraits {
            is_known: true,
            process_names: vec!["python3".into()],
            agent_type: Some(TypeHandle(Arc::new(kind))),
            ..TypeTraits::unknown(&record)
        };
        Self { private, record, traits, work }
    }

    fn request<'a>(&'a self, text: &'a str, id: Option<&'a str>) -> MessageRequest<'a> {
        MessageRequest {
            record: &self.record,
            traits: &self.traits,
            text,
            id,
            primary_window: "agent",
            wait: Duration::from_secs(60),
        }
    }

    fn send(&self, text: &str, id: Option<&str>) -> Result<Receipt> {
        block(send_message(&self.private.host, &self.request(text, id)))
    }

    /// What the program has taken, in order.
    fn taken(&self) -> Vec<String> {
        let text = fs::read_to_string(self.work.join("evidence.jsonl")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<BTreeMap<String, String>>(line).unwrap());
        lines.filter_map(|line| line.get("accepted").cloned()).collect()
    }

    fn events(&self) -> Vec<String> {
        let log = EventStream::new(&self.private.host.layout.agent(&self.record.id), SOURCE);
        let events = block(log.read(&self.private.host)).unwrap();
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn what_is_taken_is_accepted_whatever_it_looks_like() {
    let world = World::new(&[]);
    let long = "0123456789 ".repeat(9_000);
    let texts =
        ["hello", "-- -l Enter C-c; $(x) `y` \"q\"", "two\nlines\twith a tab", "日本語 и ещё", long.trim()];
    for text in texts {
        let receipt = world.send(text, None).unwrap();
        assert_eq!(receipt.status, ReceiptStatus::Accepted, "{}", &text[..text.len().min(40)]);
        assert_eq!(receipt.evidence.as_deref(), Some("it stands in evidence.jsonl"));
    }
    assert_eq!(world.taken(), texts);
    assert_eq!(world.events()[..3], [STARTED, QUEUED, ACCEPTED]);
}

#[test]
fn many_senders_at_once_do_not_mix() {
    let world = World::new(&[]);
    thread::scope(|scope| {
        for sender in 0..5 {
            let world = &world;
            scope.spawn(move || {
                for n in 0..4 {
                    let text = format!("sender {sender} message {n} and its last word is end{sender}{n}");
                    world.send(&text, None).unwrap();
                }
            });
        }
    });
    let mut taken = world.taken();
    taken.sort();
    assert_eq!(taken.len(), 20);
    taken.dedup();
    assert_eq!(taken.len(), 20);
    assert!(taken.iter().all(|text| text.matches("sender").count() == 1), "{taken:?}");
}

#[test]
fn nothing_is_typed_at_a_dialog_that_nobody_may_answer() {
    let world = World::new(&[("dialog", "the permission prompt")]);
    let error = world.send("yes", None).unwrap_err();
    assert_eq!(error.to_string(), "agent `a1` is at the permission prompt and takes no message");
    let kind = error.downcast_ref::<MessageError>().unwrap();
    assert_eq!((kind.kind(), kind.status()), (FailureKind::InputBlocked, ReceiptStatus::Refused));
    assert!(!world.work.join("dialog_keys").exists());
    fs::remove_file(world.work.join("dialog")).unwrap();
    eventually("it closes", || {
        !world.private.tmux(&["capture-pane", "-p", "-t", "=mng-a1:"]).contains("DIALOG")
    });
    assert_eq!(world.send("now", None).unwrap().status, ReceiptStatus::Accepted);
    assert_eq!(world.taken(), ["now"]);
}

#[test]
fn a_known_dialog_is_answered_by_its_key_alone() {
    let world = World::new(&[("dialog", "a known one")]);
    assert_eq!(world.send("go on", None).unwrap().status, ReceiptStatus::Accepted);
    assert_eq!(fs::read_to_string(world.work.join("dialog_keys")).unwrap(), "x");
    assert_eq!(world.taken(), ["go on"]);
}

#[test]
fn a_lost_enter_is_pressed_again_and_a_slow_start_is_waited_for() {
    let world = World::new(&[("slow", ""), ("drop_enter", "")]);
    let slow = world.work.join("slow");
    thread::scope(|scope| {
        scope.spawn(|| {
            eventually("it runs", || world.work.join("ready").exists());
            fs::remove_file(&slow).unwrap();
        });
        assert_eq!(world.send("late", None).unwrap().status, ReceiptStatus::Accepted);
    });
    assert_eq!(world.taken(), ["late"]);
}

#[test]
fn copy_mode_is_left_and_a_persons_text_is_told() {
    let world = World::new(&[]);
    assert_eq!(world.send("first", None).unwrap().status, ReceiptStatus::Accepted);
    let pane = world.private.tmux(&["display-message", "-p", "-t", "=mng-a1:", "#{pane_id}"]);
    world.private.tmux(&["send-keys", "-t", pane.trim(), "-l", "half a thought "]);
    eventually("it shows", || {
        world.private.tmux(&["capture-pane", "-p", "-t", pane.trim()]).contains("half")
    });
    world.private.tmux(&["copy-mode", "-t", pane.trim()]);
    assert_eq!(world.send("second", None).unwrap().status, ReceiptStatus::Accepted);
    assert_eq!(world.taken(), ["first", "half a thought second"]);
    assert!(world.events().contains(&"preexisting_input_text".to_owned()));
}

#[test]
fn the_programs_own_refusal_is_told_and_commands_may_leave_no_trace() {
    let world = World::new(&[]);
    let error = world.send("/unknown thing", Some("m1")).unwrap_err();
    assert_eq!(error.to_string(), "agent `a1` refused the message: unknown command");
    let repeat = world.send("/unknown thing", Some("m1")).unwrap();
    assert_eq!((repeat.status, repeat.is_repeat), (ReceiptStatus::Refused, true));
    let error = world.send("/model", None).unwrap_err();
    assert_eq!(error.to_string(), "agent `a1` took the message and is at the model dialog now");
    assert_eq!(error.downcast_ref::<MessageError>().unwrap().status(), ReceiptStatus::Accepted);
}

/// A sender that is cut off anywhere: the message arrives once or not at all, and never as part of another.
#[test]
fn a_sender_that_is_cut_off_never_sends_twice() {
    let world = World::new(&[]);
    world.send("warm up", None).unwrap();
    for (round, millis) in [2_u64, 5, 10, 20, 30, 40, 60, 80, 120].into_iter().enumerate() {
        let text = format!("round {round} of cut messages");
        let id = format!("id-{round}");
        block(async {
            let request = world.request(&text, Some(&id));
            let send = send_message(&world.private.host, &request);
            let _ = tokio::time::timeout(Duration::from_millis(millis), send).await;
        });
        // Whatever it says now, it must not send a second one.
        let _ = world.send(&text, Some(&id));
        world.send(&format!("after {round}"), None).unwrap();
        let taken = world.taken();
        assert!(taken.iter().filter(|taken| **taken == text).count() <= 1, "{taken:?}");
        assert!(taken.contains(&format!("after {round}")), "{taken:?}");
    }
}

#[test]
fn only_the_last_message_itself_counts_as_left_over() {
    use super::confirmed::is_left_of;
    let last = "please look at the parser, it fails on empty input";
    assert!(is_left_of(last, last));
    assert!(is_left_of("at the parser, it\n  fails on empty input", last));
    assert!(!is_left_of("fails on empty input, and more", last));
    assert!(!is_left_of("empty input", last));
    assert!(is_left_of("日本", "日本") && !is_left_of("日本", "日"));
}

/// A program whose turn is interrupted before it has said anything puts the message back into its box.
#[test]
fn a_message_that_came_back_is_not_sent_with_the_next() {
    let world = World::new(&[]);
    world.send("count to a hundred", None).unwrap();
    let pane = world.private.tmux(&["display-message", "-p", "-t", "=mng-a1:", "#{pane_id}"]);
    world.private.tmux(&["send-keys", "-t", pane.trim(), "-l", "count to a hundred"]);
    eventually("it shows", || {
        world.private.tmux(&["capture-pane", "-p", "-t", pane.trim()]).contains("count")
    });
    world.send("only to ten", None).unwrap();
    assert_eq!(world.taken(), ["count to a hundred", "only to ten"]);
}
