use std::fs;
use std::sync::Arc;

use serde_json::Value;

use super::testing::{Toy, ToyAgent, line, toy};
use super::{Follower, Life, Part, Request, Store};
use crate::agents::mirror::{FilePart, WatchedFile};
use crate::agents::sight::Sight;
use crate::agents::testing::{PrivateHost, block, here_and_far};

fn texts(records: &[Value]) -> Vec<String> {
    let text = |record: &Value| {
        let result = record.pointer("/results/0/content");
        record.get("message").or(result).and_then(Value::as_str).unwrap_or("-").to_owned()
    };
    records.iter().map(text).collect()
}

struct Watched {
    agent: ToyAgent,
    follower: Follower,
}

impl Watched {
    fn start(agent: ToyAgent, source: Toy, is_turn_over: bool) -> Self {
        let follower = block(Follower::start(agent.store(source), is_turn_over)).unwrap();
        Self { agent, follower }
    }

    fn news(&mut self) -> Vec<String> {
        texts(&self.follower.news().unwrap().unwrap_or_default())
    }

    fn look_for_files(&mut self) {
        block(self.follower.look_for_files()).unwrap();
    }
}

#[test]
fn only_what_comes_is_handed_out_whatever_can_be_kept() {
    for (can_resume, is_kept) in [(true, true), (true, false), (false, true)] {
        let agent = ToyAgent::new();
        agent.say("a", 1, "user", "one");
        agent.say("a", 2, "agent", "held");
        let mut watched = Watched::start(agent, Toy { can_resume, is_kept }, false);
        assert!(watched.follower.news().unwrap().is_none());
        assert!(watched.follower.is_holding());
        watched.agent.say("a", 3, "user", "two");
        assert_eq!(watched.news(), ["held", "two"], "{can_resume} {is_kept}");
        assert!(!watched.follower.is_holding());
        assert!(watched.follower.news().unwrap().is_none());
    }
}

#[test]
fn a_line_is_taken_when_it_has_its_end() {
    let mut watched = Watched::start(ToyAgent::new(), toy(), true);
    let whole = line(1, "user", "äöü");
    watched.agent.append("a", "");
    watched.look_for_files();
    for byte in whole.as_bytes().chunks(7).map(<[u8]>::to_vec) {
        assert_eq!(watched.news(), Vec::<String>::new());
        let mut bytes = fs::read(watched.agent.native("a")).unwrap();
        bytes.extend(byte);
        fs::write(watched.agent.native("a"), bytes).unwrap();
    }
    assert_eq!(watched.news(), ["äöü"]);
}

#[test]
fn what_was_held_comes_once_when_the_turn_is_over() {
    let agent = ToyAgent::new();
    agent.say("a", 1, "agent", "at its end before");
    let mut watched = Watched::start(agent, toy(), true);
    assert!(!watched.follower.is_holding());
    watched.agent.say("a", 2, "agent", "answer");
    assert_eq!(watched.news(), Vec::<String>::new());
    assert_eq!(texts(&watched.follower.finished()), ["answer"]);
    assert_eq!(texts(&watched.follower.finished()), Vec::<String>::new());
    watched.agent.say("a", 3, "user", "next");
    assert_eq!(watched.news(), ["next"]);
}

#[test]
fn a_conversation_that_turns_up_begins_where_the_known_one_ends() {
    let agent = ToyAgent::new();
    agent.say("a", 5, "user", "old");
    let mut watched = Watched::start(agent, toy(), true);
    // As a program does that resumes by copying what was said.
    watched.agent.say("b", 4, "user", "copied");
    watched.agent.say("b", 5, "user", "old");
    watched.agent.say("b", 6, "user", "new");
    assert_eq!(watched.news(), Vec::<String>::new());
    watched.look_for_files();
    assert_eq!(watched.news(), ["new"]);
    watched.agent.say("a", 8, "user", "later");
    watched.agent.say("b", 7, "user", "sooner");
    assert_eq!(watched.news(), ["sooner", "later"]);
}

#[test]
fn a_file_that_is_cut_short_is_read_anew() {
    let agent = ToyAgent::new();
    agent.say("a", 1, "user", "one");
    agent.say("a", 2, "user", "two");
    let mut watched = Watched::start(agent, toy(), true);
    watched.agent.say("a", 3, "user", "three");
    assert_eq!(watched.news(), ["three"]);
    fs::write(watched.agent.native("a"), line(3, "user", "three")).unwrap();
    assert_eq!(watched.news(), Vec::<String>::new());
    watched.agent.say("a", 4, "user", "four");
    assert_eq!(watched.news(), ["four"]);
    fs::remove_file(watched.agent.native("a")).unwrap();
    assert_eq!(watched.news(), Vec::<String>::new());
}

#[test]
fn what_the_reader_has_does_not_come_again() {
    let agent = ToyAgent::new();
    agent.say("a", 1, "user", "one");
    let mut watched = Watched::start(agent, toy(), true);
    watched.agent.say("a", 2, "user", "between");
    let store = watched.agent.store(toy());
    let request = Request { part: Part::Tail(1), ..Request::default() };
    let mut sink = |record: Value| {
        watched.follower.know(&record);
        Ok(true)
    };
    assert_eq!(store.read(Life::Live { is_turn_over: true }, &request, &mut sink).unwrap().count, 1);
    watched.agent.say("a", 3, "user", "after");
    assert_eq!(watched.news(), ["after"]);
}

#[test]
fn quiet_files_are_looked_at_with_the_search_for_new_ones() {
    let agent = ToyAgent::new();
    agent.say("a", 1, "user", "one");
    let mut watched = Watched::start(agent, toy(), true);
    for _ in 0..60 {
        assert_eq!(watched.news(), Vec::<String>::new());
    }
    watched.agent.say("a", 2, "user", "two");
    assert_eq!(watched.news(), Vec::<String>::new());
    watched.look_for_files();
    assert_eq!(watched.news(), ["two"]);
}

#[test]
fn lines_that_cannot_be_read_are_told_once() {
    let agent = ToyAgent::new();
    agent.say("a", 1, "user", "one");
    let mut watched = Watched::start(agent, toy(), true);
    watched.agent.append("a", "nonsense\n");
    watched.agent.say("a", 2, "user", "two");
    assert_eq!(watched.news(), ["two"]);
    assert!(watched.follower.warning().unwrap().starts_with("1 line of the transcript could not be read"));
    assert_eq!(watched.follower.warning(), None);
}

here_and_far! {
    fn a_conversation_is_followed_from_before_its_first_word(private) {
        let record = private.agent("a1", "sleep 600");
        let native = private.host.layout.agent(&record.id).join("native");
        let mut sight = Sight::of(&record.id, vec![WatchedFile::new("native/*.jsonl", FilePart::All)]);
        block(sight.fill(&private.host)).unwrap();
        let store = Store::new(sight.dir(&private.host), record.id.as_str(), Arc::new(toy()));
        let mut follower = block(Follower::start(store, true)).unwrap();
        let mut news = || {
            block(sight.fill(&private.host)).unwrap();
            block(follower.look_for_files()).unwrap();
            texts(&follower.news().unwrap().unwrap_or_default())
        };
        assert_eq!(news(), Vec::<String>::new());
        fs::create_dir_all(&native).unwrap();
        fs::write(native.join("a.jsonl"), line(1, "user", "one")).unwrap();
        assert_eq!(news(), ["one"]);
        fs::write(native.join("a.jsonl"), line(1, "user", "one") + &line(2, "user", "two")).unwrap();
        assert_eq!(news(), ["two"]);
        fs::write(native.join("b.jsonl"), line(3, "user", "three")).unwrap();
        assert_eq!(news(), ["three"]);
        // Begun anew: a look sees that, the next one what is in it.
        fs::write(native.join("a.jsonl"), line(4, "user", "four")).unwrap();
        assert_eq!([news(), news()].concat(), ["four"]);
    }
}
