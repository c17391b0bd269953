//! What a text of the user asks the stub to do.

use std::time::Duration;

use serde_json::Value;

/// What is sent back.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Say(String),
    Bash(String),
    Tool { name: String, input: Value },
    Error(u16),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) hold: Option<String>,
    pub(super) sleep: Duration,
    pub(super) reply: Reply,
}

/// What follows `stub:NAME ` on the first line that has it.
fn rest<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let directive = format!("stub:{name} ");
    let start = text.find(&directive)? + directive.len();
    let rest = text[start..].trim_start();
    (!rest.is_empty()).then_some(rest)
}

fn word<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    rest(text, name)?.split_whitespace().next()
}

fn line<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    rest(text, name)?.lines().next().map(str::trim)
}

/// A tool's name and the JSON object behind it, which may go over several lines.
fn tool(text: &str) -> Option<Reply> {
    let (name, input) = rest(text, "tool")?.split_once(char::is_whitespace)?;
    let input = serde_json::Deserializer::from_str(input).into_iter::<Value>().next()?.ok()?;
    input.is_object().then(|| Reply::Tool { name: name.to_owned(), input })
}

/// How long at most, whatever a text says.
const LONGEST_SLEEP: f64 = 120.0;

/// The plan for the newest text of the user. `tool_result` is what ends the conversation when a tool has run:
/// then the turn is under way, and neither waits nor calls a tool again.
pub(super) fn plan(text: &str, tool_result: Option<&str>) -> Plan {
    let opening = tool_result.is_none();
    let hold = word(text, "hold").filter(|_| opening).map(str::to_owned);
    let sleep = word(text, "sleep").filter(|_| opening).and_then(|seconds| seconds.parse::<f64>().ok());
    let sleep = sleep.filter(|seconds| *seconds >= 0.0).unwrap_or_default().min(LONGEST_SLEEP);
    Plan { hold, sleep: Duration::from_secs_f64(sleep), reply: reply(text, tool_result) }
}

fn reply(text: &str, tool_result: Option<&str>) -> Reply {
    if let Some(status) = word(text, "error").and_then(|status| status.parse().ok()) {
        return Reply::Error(status);
    }
    if let Some(result) = tool_result {
        return Reply::Say(format!("stub: tool done: {}", beginning(result)));
    }
    if let Some(tool) = tool(text) {
        return tool;
    }
    if let Some(command) = line(text, "bash") {
        return Reply::Bash(command.to_owned());
    }
    if let Some(count) = word(text, "words").and_then(|count| count.parse::<usize>().ok()) {
        return Reply::Say((0..count).map(|i| format!("w{i}")).collect::<Vec<_>>().join(" "));
    }
    match line(text, "say") {
        Some(said) => Reply::Say(said.replace("\\n", "\n")),
        None => Reply::Say(format!("stub: {}", beginning(text))),
    }
}

fn beginning(text: &str) -> String {
    text.chars().take(400).collect()
}

/// The words of a reply with the space behind each: one event carries one.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    if pieces.is_empty() {
        pieces.push("");
    }
    pieces
}

/// The gate that stands for a word of a reply.
pub(super) fn gate(piece: &str) -> Option<&str> {
    piece.trim().strip_prefix("stub:gate=").filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_without_directive_is_echoed() {
        assert_eq!(plan("hello", None).reply, Reply::Say("stub: hello".into()));
        assert_eq!(plan("stub:say", None).reply, Reply::Say("stub: stub:say".into()));
    }

    #[test]
    fn each_directive_is_understood() {
        assert_eq!(plan("stub:say a b\nmore", None).reply, Reply::Say("a b".into()));
        assert_eq!(plan(r"stub:say a\nb", None).reply, Reply::Say("a\nb".into()));
        assert_eq!(plan("stub:words 3", None).reply, Reply::Say("w0 w1 w2".into()));
        assert_eq!(plan("stub:bash ls -l", None).reply, Reply::Bash("ls -l".into()));
        assert_eq!(plan("stub:error 529", None).reply, Reply::Error(529));
        let tool = Reply::Tool { name: "Read".into(), input: json!({"file_path": "a\n"}) };
        assert_eq!(plan("stub:tool Read {\"file_path\":\n\"a\\n\"} and so on", None).reply, tool);
    }

    #[test]
    fn a_gate_is_a_word_of_a_reply() {
        let Reply::Say(text) = plan("stub:say one stub:gate=g1 two", None).reply else {
            panic!("it is said")
        };
        let gates: Vec<_> = pieces(&text).into_iter().map(gate).collect();
        assert_eq!(gates, [None, Some("g1"), None]);
    }

    #[test]
    fn waits_stand_before_the_first_answer_of_a_turn_only() {
        let first = plan("stub:hold g1 stub:sleep 2 stub:bash true", None);
        assert_eq!(first.hold.as_deref(), Some("g1"));
        assert_eq!(first.sleep, Duration::from_secs(2));
        assert_eq!(first.reply, Reply::Bash("true".into()));
        let second = plan("stub:hold g1 stub:sleep 2 stub:bash true", Some("out"));
        assert_eq!((second.hold, second.sleep), (None, Duration::ZERO));
        assert_eq!(second.reply, Reply::Say("stub: tool done: out".into()));
    }
}
