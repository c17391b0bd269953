//! The records that `claude --print --output-format stream-json` prints, as text.

use mng_core::agents::output::HeadlessOutput;
use mng_core::{Error, ErrorClass, Result};
use serde_json::Value;

/// Longest piece of a complaint in an error.
const LONGEST: usize = 400;

/// Hands on the text of the answer as it grows; where the program streams none, its final result.
#[derive(Debug, Default)]
pub(crate) struct StreamOutput {
    /// A line that has not ended yet.
    partial: Vec<u8>,
    has_text: bool,
    ends_in_newline: bool,
    /// The last record, with the answer as a whole.
    result: Option<Value>,
}

impl StreamOutput {
    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let Ok(Value::Object(record)) = serde_json::from_slice::<Value>(line) else {
            // Another output format was asked for, or the program failed before it began to speak in records.
            if !line.trim_ascii().is_empty() {
                self.put(&String::from_utf8_lossy(line), out);
                self.put("\n", out);
            }
            return;
        };
        // What a sub-agent says is not the answer.
        let is_inner = record.get("parent_tool_use_id").is_some_and(|id| !id.is_null());
        match record.get("type").and_then(Value::as_str) {
            Some("stream_event") if !is_inner => {
                let event = &record["event"];
                if event["type"] == "content_block_start"
                    && event["content_block"]["type"] == "text"
                    && self.has_text
                {
                    self.put(if self.ends_in_newline { "\n" } else { "\n\n" }, out);
                }
                if event["type"] == "content_block_delta" && event["delta"]["type"] == "text_delta" {
                    self.put(event["delta"]["text"].as_str().unwrap_or_default(), out);
                }
            }
            Some("result") => self.result = Some(Value::Object(record)),
            _ => {}
        }
    }

    fn put(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.has_text = true;
        self.ends_in_newline = text.ends_with('\n');
        out.extend_from_slice(text.as_bytes());
    }
}

impl HeadlessOutput for StreamOutput {
    fn files(&self) -> (&'static str, &'static str) {
        ("stdout.jsonl", "stderr.log")
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            self.line(&line[..end], &mut out);
        }
        out
    }

    fn finish(&mut self, complaint: &str) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let partial = std::mem::take(&mut self.partial);
        self.line(&partial, &mut out);
        let text =
            self.result.as_ref().and_then(|result| result["result"].as_str()).unwrap_or_default().to_owned();
        if self.result.as_ref().is_some_and(|result| result["is_error"] == true) {
            let said = if text.is_empty() { "it does not say why" } else { text.trim() };
            return Err(Error::plain(ErrorClass::Agent, format!("Claude Code failed: {}", shortened(said))));
        }
        if !self.has_text && !text.is_empty() {
            self.put(&text, &mut out);
        }
        if self.has_text || self.result.is_some() {
            return Ok(out);
        }
        let said = complaint.trim();
        let said = if said.is_empty() { "it printed nothing at all" } else { said };
        Err(Error::plain(ErrorClass::Agent, format!("Claude Code gave no answer: {}", shortened(said))))
    }
}

/// The end of a long text.
fn shortened(text: &str) -> String {
    let surplus = text.chars().count().saturating_sub(LONGEST);
    text.chars().skip(surplus).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is handed on of records that come in pieces of `size` bytes, and how it ends.
    fn read(records: &[Value], size: usize) -> (String, Result<String>) {
        let raw: String = records.iter().map(|record| format!("{record}\n")).collect();
        let mut output = StreamOutput::default();
        let mut text = Vec::new();
        for piece in raw.as_bytes().chunks(size) {
            text.extend(output.take(piece));
        }
        let rest = output.finish("the end of stderr");
        (String::from_utf8(text).unwrap(), rest.map(|rest| String::from_utf8(rest).unwrap()))
    }

    fn delta(text: &str) -> Value {
        json!({"type": "stream_event", "parent_tool_use_id": null, "event": {
            "type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}})
    }

    fn block() -> Value {
        json!({"type": "stream_event", "event": {
            "type": "content_block_start", "content_block": {"type": "text", "text": ""}}})
    }

    #[test]
    fn text_is_handed_on_as_it_grows_and_only_once() {
        let mut inner = delta("not the answer");
        inner["parent_tool_use_id"] = "toolu_1".into();
        let records = [
            json!({"type": "system", "subtype": "init"}),
            block(),
            delta("hé"),
            delta("llo"),
            inner,
            json!({"type": "assistant", "message": {"content": [{"type": "text", "text": "héllo"}]}}),
            block(),
            delta("again\n"),
            block(),
            delta("third"),
            json!({"type": "result", "is_error": false, "result": "third"}),
        ];
        for size in [1, 7, 100_000] {
            let (text, rest) = read(&records, size);
            assert_eq!(text, "héllo\n\nagain\n\nthird", "{size}");
            assert_eq!(rest.unwrap(), "", "{size}");
        }
    }

    #[test]
    fn without_a_stream_the_result_is_the_answer() {
        let (text, rest) = read(&[json!({"type": "result", "is_error": false, "result": "done"})], 10);
        assert_eq!((text.as_str(), rest.unwrap().as_str()), ("", "done"));
    }

    #[test]
    fn a_failure_is_told_in_the_programs_words() {
        let failed = json!({"type": "result", "is_error": true, "result": "API Error: 400 no"});
        let (_, rest) = read(&[failed], 10);
        assert_eq!(rest.unwrap_err().to_string(), "Claude Code failed: API Error: 400 no");
        let (_, rest) = read(&[], 10);
        assert_eq!(rest.unwrap_err().to_string(), "Claude Code gave no answer: the end of stderr");
    }

    #[test]
    fn what_is_no_record_is_text() {
        let mut output = StreamOutput::default();
        assert_eq!(output.take(b"plain answer\nand "), b"plain answer\n");
        assert_eq!(output.finish("").unwrap(), b"and \n");
    }
}
