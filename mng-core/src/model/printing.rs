//! How the values of fields are printed: one style for scripts, which never changes, and one for people.

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::duration;
use super::time::Time;

/// What a value measures, where its JSON does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    #[default]
    Plain,
    /// A string that is a point in time.
    Time,
    /// A number of seconds.
    Seconds,
    /// A number of bytes.
    Bytes,
}

/// The style of templates: null is empty, maps `k=v, k2=v2`, lists joined by `, `, an object that has id
/// and name is its name, times `2026-11-22 13:31:17.960870+00:00`, numbers as in JSON.
#[must_use]
pub fn script(value: &Value, measure: Measure) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => match (measure, text.parse::<Time>()) {
            (Measure::Time, Ok(time)) => time.with_offset().replacen('T', " ", 1),
            _ => text.clone(),
        },
        Value::Array(list) => {
            let items: Vec<String> = list.iter().map(|item| script(item, measure)).collect();
            items.join(", ")
        }
        Value::Object(map) => object(map),
    }
}

fn object(map: &Map<String, Value>) -> String {
    if let (Some(_), Some(Value::String(name))) = (map.get("id"), map.get("name")) {
        return name.clone();
    }
    let entries: Vec<String> = map
        .iter()
        .map(|(key, value)| match value {
            // A list in a list could not be told apart when all are joined by `, `.
            Value::Array(_) | Value::Object(_) => format!("{key}={value}"),
            value => format!("{key}={}", script(value, Measure::Plain)),
        })
        .collect();
    entries.join(", ")
}

/// The style of tables: as [`script`], but times are local and to the second, seconds `3d4h`, bytes
/// `12.0 MB`. A control character shows as its escape: fields may come from an agent, and a cell must not
/// move the cursor.
#[must_use]
pub fn human(value: &Value, measure: Measure, zone: &TimeZone) -> String {
    let text = match (measure, value) {
        (Measure::Time, Value::String(text)) => match text.parse::<Time>() {
            Ok(time) => local_time(time, zone),
            Err(_) => text.clone(),
        },
        (Measure::Seconds, Value::Number(number)) => {
            number.as_f64().map(duration::human_seconds).unwrap_or_default()
        }
        (Measure::Bytes, Value::Number(number)) => match number.as_u64() {
            Some(bytes) => size(bytes),
            None => number.to_string(),
        },
        (_, Value::Array(list)) => {
            let items: Vec<String> = list.iter().map(|item| human(item, measure, zone)).collect();
            items.join(", ")
        }
        _ => script(value, measure),
    };
    visible(&text)
}

/// `2026-11-22 14:31:17` in the zone given.
#[must_use]
pub fn local_time(time: Time, zone: &TimeZone) -> String {
    time.timestamp().to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `17 B`, `1.5 KB`, `12.0 MB`, `1.25 GB`: 1024-based.
#[must_use]
pub fn size(bytes: u64) -> String {
    const STEP: f64 = 1024.0;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64;
    let mut unit = "B";
    for next in ["KB", "MB", "GB", "TB"] {
        if amount < STEP {
            break;
        }
        amount /= STEP;
        unit = next;
    }
    match unit {
        "GB" | "TB" => format!("{amount:.2} {unit}"),
        _ => format!("{amount:.1} {unit}"),
    }
}

/// The text with control characters as escapes, `\n`, `\u{1b}`.
#[must_use]
pub fn visible(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        if ch.is_control() {
            out.extend(ch.escape_default());
        } else {
            out.push(ch);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_style_of_scripts() {
        let plain = |value: Value| script(&value, Measure::Plain);
        assert_eq!(plain(json!(null)), "");
        assert_eq!(plain(json!(true)), "true");
        assert_eq!(plain(json!(1.0)), "1.0");
        assert_eq!(plain(json!(300)), "300");
        assert_eq!(plain(json!({"a": "b", "c": null, "d": [1, {"e": 2}]})), r#"a=b, c=, d=[1,{"e":2}]"#);
        assert_eq!(plain(json!(["BOOT", "SSH"])), "BOOT, SSH");
        assert_eq!(
            plain(json!([{"id": "s1", "name": "first"}, {"id": "s2", "name": "second"}])),
            "first, second"
        );
        assert_eq!(plain(json!("2026-11-22T13:31:17Z")), "2026-11-22T13:31:17Z");
        let time = |text: &str| script(&json!(text), Measure::Time);
        assert_eq!(time("2026-11-22T13:31:17.960870Z"), "2026-11-22 13:31:17.960870+00:00");
        assert_eq!(time("2026-11-22T13:31:17Z"), "2026-11-22 13:31:17+00:00");
        assert_eq!(time("soon"), "soon");
    }

    #[test]
    fn the_style_of_tables() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let shown = |value: Value, measure: Measure| human(&value, measure, &zone);
        assert_eq!(shown(json!("2026-11-22T23:31:17.960870Z"), Measure::Time), "2026-11-23 01:31:17");
        assert_eq!(shown(json!(273_900.7), Measure::Seconds), "3d4h");
        assert_eq!(shown(json!(312), Measure::Seconds), "5m12s");
        assert_eq!(shown(json!(null), Measure::Seconds), "");
        assert_eq!(shown(json!(12_582_912), Measure::Bytes), "12.0 MB");
        assert_eq!(shown(json!("a\n\u{1b}[31mb"), Measure::Plain), r"a\n\u{1b}[31mb");
    }

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KB"),
            (24_576, "24.0 KB"),
            (1_342_177_280, "1.25 GB"),
            (1 << 41, "2.00 TB"),
            (1 << 51, "2048.00 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
