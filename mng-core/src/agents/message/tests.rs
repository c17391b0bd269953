use std::fs;

use super::*;
use crate::agents::testing::{PrivateHost, block, eventually, here_and_far};
use crate::model::error::ErrorClass;

fn traits(record: &AgentRecord) -> TypeTraits {
    TypeTraits { is_known: true, ..TypeTraits::unknown(record) }
}

fn send(private: &PrivateHost, record: &AgentRecord, text: &str, id: Option<&str>) -> Result<Receipt> {
    let traits = traits(record);
    let request = MessageRequest {
        record,
        traits: &traits,
        text,
        id,
        primary_window: "agent",
        wait: Duration::from_secs(15),
    };
    block(send_message(&private.host, &request))
}

/// An agent that writes each line it reads to the file `got`.
fn listener(private: &PrivateHost) -> AgentRecord {
    let record =
        private.agent("a1", "touch ready; while IFS= read -r l; do printf '%s\\n' \"got:$l\" >>got; done");
    private.start(&record).unwrap();
    eventually("it listens", || private.path("work/ready").exists());
    record
}

fn events(private: &PrivateHost, record: &AgentRecord) -> Vec<String> {
    let log = EventStream::new(&private.host.layout.agent(&record.id), SOURCE);
    let events = block(log.read(&private.host)).unwrap();
    events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

here_and_far! {
    fn a_message_arrives_as_it_is(private) {
        let record = listener(&private);
        let hostile = "hello; $(touch x) \"q\" #{pane_id} -- `id`;";
        let receipt = send(&private, &record, hostile, None).unwrap();
        assert_eq!(receipt.status, ReceiptStatus::Queued);
        assert!(receipt.message_id.starts_with("msg-"));
        eventually("it is read", || private.read("work/got") == format!("got:{hostile}\n"));
        send(&private, &record, "two\nlines", None).unwrap();
        eventually("lines arrive", || private.read("work/got").ends_with("got:two\ngot:lines\n"));
        assert!(!private.path("work/x").exists());
        assert_eq!(events(&private, &record), [STARTED, QUEUED, STARTED, QUEUED]);
    }
}

here_and_far! {
    fn a_split_does_not_divert_the_message(private) {
        let record = listener(&private);
        private.tmux(&["split-window", "-t", "=mng-a1:"]);
        private.tmux(&["new-window", "-t", "=mng-a1:"]);
        send(&private, &record, "hi", None).unwrap();
        eventually("it is read", || private.read("work/got") == "got:hi\n");
    }
}

here_and_far! {
    fn a_known_id_is_typed_once(private) {
        let record = listener(&private);
        let first = send(&private, &record, "once", Some("m1")).unwrap();
        let second = send(&private, &record, "once", Some("m1")).unwrap();
        assert_eq!(second, Receipt { is_repeat: true, sent_at: second.sent_at, ..first.clone() });
        assert!(second.sent_at.age(first.sent_at) < Duration::from_secs(1));
        send(&private, &record, "end", Some("m2")).unwrap();
        eventually("all is read", || private.read("work/got").ends_with("got:end\n"));
        assert_eq!(private.read("work/got"), "got:once\ngot:end\n");
    }
}

here_and_far! {
    fn a_sender_that_died_half_way_leaves_unknown(private) {
        let record = listener(&private);
        let log = EventStream::new(&private.host.layout.agent(&record.id), SOURCE);
        log.append_local(STARTED, json!({"message_id": "m1", "text": "x"}).as_object().unwrap().clone()).unwrap();
        let receipt = send(&private, &record, "x", Some("m1")).unwrap();
        assert_eq!((receipt.status, receipt.is_repeat), (ReceiptStatus::Unknown, true));
    }
}

#[test]
fn a_message_of_which_nothing_was_typed_may_come_again() {
    let event = |kind: &str, extra: Value| {
        let mut event = json!({"type": kind, "message_id": "m1", "timestamp": "2026-11-22T13:00:00.0Z"});
        event.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        event.as_object().unwrap().clone()
    };
    let started = event(STARTED, json!({}));
    let status = |events: &[Map<String, Value>]| known(events, "m1").map(|receipt| receipt.status);
    assert_eq!(status(&[]), None);
    assert_eq!(status(std::slice::from_ref(&started)), Some(ReceiptStatus::Unknown));
    assert_eq!(status(&[started.clone(), event(FAILED, json!({"was_typed": false}))]), None);
    let typed = event(FAILED, json!({"was_typed": true}));
    assert_eq!(status(&[started.clone(), typed]), Some(ReceiptStatus::Unknown));
    assert_eq!(status(&[started, event(QUEUED, json!({}))]), Some(ReceiptStatus::Queued));
}

here_and_far! {
    fn a_shell_never_gets_a_message(private) {
        let record = private.agent("a1", "exit 0");
        let error = send(&private, &record, "touch ran", None).unwrap_err();
        assert_eq!(error.to_string(), "agent `a1` is not running (state: STOPPED): it has no tmux session");
        private.start(&record).unwrap();
        let launch = private.host.layout.agent(&record.id).join("launch");
        eventually("it has ended", || private.read(&launch).contains("exit_code"));
        let error = send(&private, &record, "touch ran", None).unwrap_err();
        assert_eq!(error.class(), ErrorClass::SendMessage);
        assert!(error.to_string().contains("state: DONE"), "{error}");
        assert!(events(&private, &record).is_empty());
        assert!(!private.path("work/ran").exists());
        assert_eq!(send(&private, &record, "", None).unwrap_err().class(), ErrorClass::UserInput);
    }
}

here_and_far! {
    fn senders_wait_for_each_other(private) {
        let record = listener(&private);
        let lock = private.host.layout.agent(&record.id).join("message.lock");
        let held = crate::storage::FileLock::acquire(&lock, None).unwrap();
        let traits = traits(&record);
        let request = MessageRequest {
            record: &record,
            traits: &traits,
            text: "x",
            id: None,
            primary_window: "agent",
            wait: Duration::from_millis(50),
        };
        let error = block(send_message(&private.host, &request)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::LockNotHeld);
        drop(held);
        block(send_message(&private.host, &request)).unwrap();
        assert_eq!(fs::metadata(lock).unwrap().len(), 0);
    }
}

here_and_far! {
    /// The line end of a message that is typed while the shell still edits its line would be another one.
    fn a_message_waits_for_the_program_to_come_up(private) {
        fs::write(private.path("home/.bashrc"), "sleep 0.4").unwrap();
        let record = private.agent("a1", "while IFS= read -r l; do printf '%s\\n' \"got:$l\" >>got; done");
        private.start(&record).unwrap();
        send(&private, &record, "early", None).unwrap();
        eventually("it is read", || private.read("work/got") == "got:early\n");
    }
}
