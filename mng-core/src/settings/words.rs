//! Values as text: argument lists written as one string, and JSON written as TOML.

use serde_json::Value;

/// A value as it would stand after `key =` in a TOML file, on one line.
pub(crate) fn toml_value(value: &Value) -> String {
    to_toml(value).map_or_else(|| value.to_string(), |value| value.to_string())
}

/// JSON as TOML; `None` for `null`, which TOML does not have.
pub(crate) fn to_toml(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(bool) => (*bool).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => toml_edit::Value::Array(items.iter().filter_map(to_toml).collect()),
        Value::Object(map) => {
            let pairs = map.iter().filter_map(|(key, value)| Some((key.as_str(), to_toml(value)?)));
            toml_edit::Value::InlineTable(pairs.collect())
        }
    })
}

/// Splits like a shell splits words, but keeps the quotes: the words are later joined by spaces into a
/// shell line, where they must mean the same. `--settings '{"a": 1}'` is two words, the second quoted.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(ch) = chars.next() {
        match (quote, ch) {
            (None, ch) if ch.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (None, '\'' | '"') => quote = Some(ch),
            (None | Some('"'), '\\') => {
                word.push(ch);
                word.extend(chars.next());
                continue;
            }
            (Some(open), ch) if open == ch => quote = None,
            _ => {}
        }
        word.push(ch);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_are_kept() {
        assert_eq!(split(r#"--settings '{"a": 1}' -v"#), ["--settings", r#"'{"a": 1}'"#, "-v"]);
        assert_eq!(split(r#"a\ b "c \" d""#), [r"a\ b", r#""c \" d""#]);
        assert_eq!(split("  "), [""; 0]);
        assert_eq!(split("'open end"), ["'open end"]);
    }

    #[test]
    fn json_is_written_as_toml() {
        let value = serde_json::json!({"a": ["x", 1, 1.5, true], "b c": {"d": null}});
        assert_eq!(toml_value(&value), r#"{ a = ["x", 1, 1.5, true], "b c" = {} }"#);
    }

    proptest! {
        #[test]
        fn a_shell_reads_the_joined_words_as_the_string(text in "[a-z '\"\\\\]{0,20}") {
            prop_assume!(shlex::split(&text).is_some());
            prop_assert_eq!(shlex::split(&split(&text).join(" ")), shlex::split(&text));
        }
    }
}
