//! One whole ATIF document made of a stream.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::records::{Role, SCHEMA_VERSION, text};

/// A conversation in the Agent Trajectory Interchange Format, v1.7.
#[derive(Debug, Serialize)]
pub struct Document {
    schema_version: &'static str,
    session_id: String,
    trajectory_id: String,
    agent: DocumentAgent,
    steps: Vec<Value>,
    final_metrics: Map<String, Value>,
    #[serde(skip)]
    unmatched: usize,
}

#[derive(Debug, Serialize)]
struct DocumentAgent {
    name: String,
    version: String,
}

impl Document {
    /// Of the records in their order. `agent_type` and `version` are the program's; an unknown version is
    /// `unknown`.
    #[must_use]
    pub fn new(agent_id: &str, agent_type: &str, version: Option<&str>, records: Vec<Value>) -> Self {
        let mut steps: Vec<Value> = Vec::new();
        let mut callers: HashMap<String, usize> = HashMap::new();
        let mut unmatched = 0;
        for record in records {
            match Role::of(&record) {
                Some(Role::Tool) => unmatched += add_results(&mut steps, &callers, record),
                Some(_) => {
                    let calls = record.get("tool_calls").and_then(Value::as_array);
                    for id in calls.into_iter().flatten().filter_map(|call| text(call, "tool_call_id")) {
                        callers.insert(id.to_owned(), steps.len());
                    }
                    let number = steps.len() + 1;
                    steps.push(step(number, record));
                }
                None => {}
            }
        }
        let final_metrics = final_metrics(&steps);
        Self {
            schema_version: SCHEMA_VERSION,
            session_id: agent_id.to_owned(),
            trajectory_id: agent_id.to_owned(),
            agent: DocumentAgent {
                name: agent_type.to_owned(),
                version: version.unwrap_or("unknown").to_owned(),
            },
            steps,
            final_metrics,
            unmatched,
        }
    }

    /// One sentence about tool results whose call is not in the stream.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        (self.unmatched > 0).then(|| {
            format!(
                "{} tool results belong to no call of the transcript; the step before has them",
                self.unmatched
            )
        })
    }
}

/// A record as a step of the document: the framing goes into `extra`.
fn step(number: usize, record: Value) -> Value {
    let Value::Object(record) = record else { return record };
    let mut step = Map::new();
    step.insert("step_id".into(), number.into());
    let mut extra = Map::new();
    for (key, value) in record {
        match (key.as_str(), value) {
            ("type", _) => {}
            ("event_id" | "emitter", value) => {
                extra.insert(key, value);
            }
            ("extra", Value::Object(more)) => extra.extend(more),
            (_, value) => {
                step.insert(key, value);
            }
        }
    }
    if !extra.is_empty() {
        step.insert("extra".into(), Value::Object(extra));
    }
    Value::Object(step)
}

/// Puts each result into the step that declared its call. Returns how many had none.
fn add_results(steps: &mut Vec<Value>, callers: &HashMap<String, usize>, record: Value) -> usize {
    let event_id = record.get("event_id").cloned().unwrap_or_default();
    let results = record.get("results").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut unmatched = 0;
    for mut result in results {
        let caller = text(&result, "source_call_id").and_then(|id| callers.get(id)).copied();
        if !result.get("extra").is_some_and(Value::is_object) {
            result["extra"] = json!({});
        }
        result["extra"]["event_id"] = event_id.clone();
        let at = match caller {
            Some(at) => Some(at),
            None => {
                unmatched += 1;
                result["source_call_id"] = Value::Null;
                result["extra"]["unmatched"] = true.into();
                steps.iter().rposition(|step| text(step, "source") == Some("agent"))
            }
        };
        let at = at.unwrap_or_else(|| {
            // Nothing came before: the result stands by itself.
            let number = steps.len() + 1;
            let mut alone = json!({"step_id": number, "source": "system", "message": ""});
            if let Some(time) = record.get("timestamp") {
                alone["timestamp"] = time.clone();
            }
            steps.push(alone);
            number - 1
        });
        let Some(step) = steps[at].as_object_mut() else { continue };
        let observation = step.entry("observation").or_insert_with(|| json!({"results": []}));
        if let Some(list) = observation.get_mut("results").and_then(Value::as_array_mut) {
            list.push(result);
        }
    }
    unmatched
}

/// Sums of what the steps say; what none says is left out.
fn final_metrics(steps: &[Value]) -> Map<String, Value> {
    let mut metrics = Map::new();
    for key in ["prompt_tokens", "completion_tokens", "cached_tokens"] {
        let counts = steps.iter().filter_map(|step| step.get("metrics")?.get(key)?.as_u64());
        if let Some(sum) = counts.reduce(u64::saturating_add) {
            metrics.insert(format!("total_{key}"), sum.into());
        }
    }
    let costs = steps.iter().filter_map(|step| step.get("metrics")?.get("cost_usd")?.as_f64());
    if let Some(sum) = costs.reduce(|sum, cost| sum + cost) {
        metrics.insert("total_cost_usd".into(), sum.into());
    }
    metrics.insert("total_steps".into(), steps.len().into());
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, rest: Value) -> Value {
        let mut record = json!({"type": "step", "event_id": id, "emitter": "toy/common_transcript",
            "timestamp": "2026-11-25T00:00:00Z"});
        record.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        record
    }

    fn result(id: &str, call: &str) -> Value {
        record(
            id,
            json!({"type": "observation", "results": [
                {"source_call_id": call, "content": id, "extra": {"tool_name": "Bash", "is_error": false}}]}),
        )
    }

    #[test]
    fn results_join_their_calls_and_metrics_add_up() {
        let call = |id: &str| json!({"tool_call_id": id, "function_name": "Bash", "arguments": {}});
        let records = vec![
            json!({"type": "header", "event_id": "header-1"}),
            record("e1", json!({"source": "user", "message": "go"})),
            record(
                "e2",
                json!({"source": "agent", "message": "", "tool_calls": [call("c1"), call("c2")],
                "metrics": {"prompt_tokens": 10, "completion_tokens": 1}, "extra": {"finish_reason": "tool_use"}}),
            ),
            record("e3", json!({"source": "agent", "message": "wait", "metrics": {"prompt_tokens": 5}})),
            result("r2", "c2"),
            result("r1", "c1"),
            result("r3", "gone"),
        ];
        let document = Document::new("agent-1", "toy", Some("1.2.3"), records);
        assert!(document.warning().unwrap().starts_with("1 tool results"));
        insta::assert_json_snapshot!(document, @r#"
        {
          "schema_version": "ATIF-v1.7",
          "session_id": "agent-1",
          "trajectory_id": "agent-1",
          "agent": {
            "name": "toy",
            "version": "1.2.3"
          },
          "steps": [
            {
              "step_id": 1,
              "timestamp": "2026-11-25T00:00:00Z",
              "source": "user",
              "message": "go",
              "extra": {
                "event_id": "e1",
                "emitter": "toy/common_transcript"
              }
            },
            {
              "step_id": 2,
              "timestamp": "2026-11-25T00:00:00Z",
              "source": "agent",
              "message": "",
              "tool_calls": [
                {
                  "tool_call_id": "c1",
                  "function_name": "Bash",
                  "arguments": {}
                },
                {
                  "tool_call_id": "c2",
                  "function_name": "Bash",
                  "arguments": {}
                }
              ],
              "metrics": {
                "prompt_tokens": 10,
                "completion_tokens": 1
              },
              "extra": {
                "event_id": "e2",
                "emitter": "toy/common_transcript",
                "finish_reason": "tool_use"
              },
              "observation": {
                "results": [
                  {
                    "source_call_id": "c2",
                    "content": "r2",
                    "extra": {
                      "tool_name": "Bash",
                      "is_error": false,
                      "event_id": "r2"
                    }
                  },
                  {
                    "source_call_id": "c1",
                    "content": "r1",
                    "extra": {
                      "tool_name": "Bash",
                      "is_error": false,
                      "event_id": "r1"
                    }
                  }
                ]
              }
            },
            {
              "step_id": 3,
              "timestamp": "2026-11-25T00:00:00Z",
              "source": "agent",
              "message": "wait",
              "metrics": {
                "prompt_tokens": 5
              },
              "extra": {
                "event_id": "e3",
                "emitter": "toy/common_transcript"
              },
              "observation": {
                "results": [
                  {
                    "source_call_id": null,
                    "content": "r3",
                    "extra": {
                      "tool_name": "Bash",
                      "is_error": false,
                      "event_id": "r3",
                      "unmatched": true
                    }
                  }
                ]
              }
            }
          ],
          "final_metrics": {
            "total_prompt_tokens": 15,
            "total_completion_tokens": 1,
            "total_steps": 3
          }
        }
        "#);
    }

    #[test]
    fn a_result_before_everything_stands_alone() {
        let document = Document::new("agent-1", "toy", None, vec![result("r1", "c1")]);
        let json = serde_json::to_value(&document).unwrap();
        assert_eq!(
            (&json["agent"]["version"], &json["steps"][0]["source"]),
            (&json!("unknown"), &json!("system"))
        );
        assert_eq!(json["steps"][0]["observation"]["results"][0]["content"], "r1");
    }
}
