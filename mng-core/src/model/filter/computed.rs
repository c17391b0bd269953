//! Fields that filters have on top of an agent's JSON.

use serde_json::Value;

use crate::model::time::Time;

/// Seconds since `create_time`; `None` if that is missing.
#[must_use]
pub fn age_seconds(item: &Value, now: Time) -> Option<f64> {
    time(item.get("create_time")).map(|time| seconds_between(time, now))
}

/// Seconds since the newest of user, agent and ssh activity; `None` when there was none.
#[must_use]
pub fn idle_seconds(item: &Value, now: Time) -> Option<f64> {
    let host = item.get("host");
    let activities = [
        item.get("user_activity_time"),
        item.get("agent_activity_time"),
        host.and_then(|host| host.get("ssh_activity_time")),
    ];
    let newest = activities.into_iter().filter_map(time).max()?;
    Some(seconds_between(newest, now))
}

/// The value of `age`, `runtime` or `idle`; `None` for any other name.
pub(super) fn field(item: &Value, name: &str, now: Time) -> Option<Option<f64>> {
    match name {
        "age" => Some(age_seconds(item, now)),
        "runtime" => Some(item.get("runtime_seconds").and_then(Value::as_f64)),
        "idle" => Some(idle_seconds(item, now)),
        _ => None,
    }
}

fn time(value: Option<&Value>) -> Option<Time> {
    value?.as_str()?.parse().ok()
}

fn seconds_between(then: Time, now: Time) -> f64 {
    now.as_unix_seconds() - then.as_unix_seconds()
}
