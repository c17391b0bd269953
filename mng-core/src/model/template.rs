//! `--format` templates: `{name:<20} {host.provider_name}\t{labels.env!r}`, one line an item.

use std::fmt;

use serde_json::Value;

use super::error::{ErrorClass, Explain};
use super::field_path::{FieldPath, FieldPathError};
use super::fields::{FieldError, FieldSet, FoundField};
use super::printing;

/// A template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("invalid format template: {0}")]
    Syntax(String),
    #[error("invalid format template: {0}")]
    Field(FieldError),
}

impl Explain for TemplateError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax(_) => Some(
                "a field is written `{name}` or `{name:<20}`, a brace `{{` or `}}`: see `mng help common`"
                    .into(),
            ),
            Self::Field(error) => error.hint(),
        }
    }
}

impl From<FieldPathError> for TemplateError {
    fn from(error: FieldPathError) -> Self {
        Self::Syntax(error.to_string())
    }
}

/// A parsed template whose fields all exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field { field: FoundField, conversion: Conversion, spec: Spec },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conversion {
    /// `!s` or nothing.
    Text,
    /// `!r`: quoted.
    Quoted,
    /// `!a`: quoted, ASCII only.
    Ascii,
}

impl Template {
    /// Reads a template for items that have the fields of `fields`. `\t \n \r \\` are exchanged first.
    ///
    /// # Errors
    /// Broken syntax, and a field that the items do not have; the hint lists those that they have.
    pub fn parse(text: &str, fields: &dyn FieldSet) -> Result<Self, TemplateError> {
        let text = unescape(text);
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(tail) = rest.strip_prefix("{{") {
                literal.push('{');
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("}}") {
                literal.push('}');
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix('{') {
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                let (inside, tail) = tail
                    .split_once('}')
                    .ok_or_else(|| syntax(format!("`{}` has no `}}`", first_word(rest))))?;
                pieces.push(placeholder(inside, fields)?);
                rest = tail;
            } else {
                return Err(syntax("a `}` stands alone".into()));
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self { pieces })
    }

    /// The line of one item, without a line break of its own. What is missing or null is empty.
    #[must_use]
    pub fn render(&self, item: &Value) -> String {
        let mut line = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Field { field, conversion, spec } => {
                    let value = field.path.get(item);
                    let text = value.map(|value| printing::script(&value, field.measure)).unwrap_or_default();
                    let text = match conversion {
                        Conversion::Text => text,
                        Conversion::Quoted => quoted(&text, false),
                        Conversion::Ascii => quoted(&text, true),
                    };
                    spec.apply(&text, &mut line);
                }
            }
        }
        line
    }

    /// The dotted keys of the fields used, so that a command need not gather the others.
    pub fn keys(&self) -> impl Iterator<Item = String> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Field { field, .. } => Some(field.path.key()),
        })
    }
}

fn syntax(reason: String) -> TemplateError {
    TemplateError::Syntax(reason)
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|ch| !ch.is_whitespace()).take(40).collect()
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(ch) = chars.next() {
        if ch != '\\' {
            out.push(ch);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('\\') => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// Reads what stands between the braces: `PATH[!CONVERSION][:SPEC]`.
fn placeholder(inside: &str, fields: &dyn FieldSet) -> Result<Piece, TemplateError> {
    if inside.contains('{') {
        return Err(syntax(format!("`{{{inside}}}` has a brace inside")));
    }
    // A colon between brackets belongs to a slice, not to the spec.
    let mut depth = 0_u32;
    let end = inside
        .find(|ch| {
            match ch {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && (ch == '!' || ch == ':')
        })
        .unwrap_or(inside.len());
    let (path, tail) = inside.split_at(end);
    if path.trim().is_empty() {
        return Err(syntax("`{}` names no field".into()));
    }
    let path: FieldPath = path.parse()?;
    let (conversion, spec) = match tail.strip_prefix('!') {
        None => (Conversion::Text, tail.strip_prefix(':').unwrap_or_default()),
        Some(tail) => {
            let (name, spec) = tail.split_once(':').unwrap_or((tail, ""));
            let conversion = match name {
                "s" => Conversion::Text,
                "r" => Conversion::Quoted,
                "a" => Conversion::Ascii,
                _ => return Err(syntax(format!("`!{name}` is none of `!s`, `!r` and `!a`"))),
            };
            (conversion, spec)
        }
    };
    let spec = Spec::parse(spec).ok_or_else(|| {
        syntax(format!("`:{spec}` is no alignment, width and precision such as `:<20`, `:>8` or `:.5`"))
    })?;
    let field = fields.find(&path).map_err(TemplateError::Field)?;
    Ok(Piece::Field { field, conversion, spec })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Center,
    Right,
}

/// `[[FILL]ALIGN][WIDTH][.PRECISION]`, counted in characters. A trailing `s` is Python's name of the
/// string type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spec {
    fill: char,
    align: Align,
    width: usize,
    precision: Option<usize>,
}

/// No terminal is wider, and a typo must not fill the memory.
const MAX_WIDTH: usize = 10_000;

impl Spec {
    fn parse(text: &str) -> Option<Self> {
        let align = |ch: char| match ch {
            '<' => Some(Align::Left),
            '^' => Some(Align::Center),
            '>' => Some(Align::Right),
            _ => None,
        };
        let mut spec = Self { fill: ' ', align: Align::Left, width: 0, precision: None };
        let mut rest = text;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(fill), Some(second)) if align(second).is_some() => {
                spec.fill = fill;
                spec.align = align(second)?;
                rest = &rest[fill.len_utf8() + second.len_utf8()..];
            }
            (Some(first), _) if align(first).is_some() => {
                spec.align = align(first)?;
                rest = &rest[first.len_utf8()..];
            }
            _ => {}
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            spec.width = rest[..digits].parse().ok().filter(|width| *width <= MAX_WIDTH)?;
            rest = &rest[digits..];
        }
        if let Some(tail) = rest.strip_prefix('.') {
            let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
            spec.precision = Some(tail[..digits].parse().ok()?);
            rest = &tail[digits..];
        }
        matches!(rest, "" | "s").then_some(spec)
    }

    fn apply(&self, text: &str, out: &mut String) {
        let text: String = match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.to_owned(),
        };
        let padding = self.width.saturating_sub(text.chars().count());
        let before = match self.align {
            Align::Left => 0,
            Align::Center => padding / 2,
            Align::Right => padding,
        };
        out.extend(std::iter::repeat_n(self.fill, before));
        out.push_str(&text);
        out.extend(std::iter::repeat_n(self.fill, padding - before));
    }
}

/// As Python's `repr`: single quotes, double ones when the text has single but no double quotes.
fn quoted(text: &str, ascii_only: bool) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for ch in text.chars() {
        match ch {
            '\\' => out.push_str(r"\\"),
            '\n' => out.push_str(r"\n"),
            '\r' => out.push_str(r"\r"),
            '\t' => out.push_str(r"\t"),
            ch if ch == quote => out.extend(['\\', ch]),
            ch if ch.is_control() || (ascii_only && !ch.is_ascii()) => out.push_str(&escaped(ch)),
            ch => out.push(ch),
        }
    }
    out.push(quote);
    out
}

fn escaped(ch: char) -> String {
    match u32::from(ch) {
        code @ 0..=0xff => format!("\\x{code:02x}"),
        code @ 0x100..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

/// What `--format` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatWord {
    Human,
    Json,
    Jsonl,
}

impl FormatWord {
    /// `human`, `json` or `jsonl`, in any case; all other texts are templates.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        [Self::Human, Self::Json, Self::Jsonl]
            .into_iter()
            .find(|word| word.as_str().eq_ignore_ascii_case(text.trim()))
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
        }
    }
}

impl fmt::Display for FormatWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::fields::{AgentFields, PlainFields};

    fn render(template: &str) -> String {
        let item = json!({
            "name": "alpha",
            "create_time": "2026-11-22T13:31:17.960870Z",
            "url": null,
            "idle_seconds": 0.5,
            "start_on_boot": false,
            "activity_sources": ["BOOT", "SSH", "USER"],
            "labels": {"project": "it's", "emoji": "é\u{1f980}"},
            "host": {
                "id": "host-1",
                "name": "localhost",
                "provider_name": "local",
                "snapshots": [{"id": "s1", "name": "one"}, {"id": "s2", "name": "two"}],
            },
        });
        Template::parse(template, &AgentFields)
            .unwrap_or_else(|error| panic!("{template}: {error:?}"))
            .render(&item)
    }

    fn told(template: &str) -> String {
        let error = crate::Error::from(Template::parse(template, &AgentFields).unwrap_err());
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn fields_are_filled_in() {
        assert_eq!(render("{name} on {host.name}.{host.provider}"), "alpha on localhost.local");
        assert_eq!(render("{create_time}"), "2026-11-22 13:31:17.960870+00:00");
        assert_eq!(render("[{url}|{pid}|{labels.none}]"), "[||]");
        assert_eq!(render("{idle_seconds} {start_on_boot} {project}"), "0.5 false it's");
        assert_eq!(render("{host} {host.snapshots}"), "localhost one, two");
        assert_eq!(render("no field"), "no field");
        assert_eq!(render(""), "");
    }

    #[test]
    fn lists_are_indexed_and_cut() {
        assert_eq!(render("{activity_sources[0]}{activity_sources[-1]:>5}"), "BOOT USER");
        assert_eq!(render("{activity_sources[:2]}"), "BOOT, SSH");
        assert_eq!(render("{activity_sources[1:]:>12}"), "   SSH, USER");
        assert_eq!(render("{host.snapshots[0].name}{activity_sources[9]}"), "one");
    }

    #[test]
    fn escapes_come_first_and_braces_are_doubled() {
        assert_eq!(render(r"{name}\t{{x}}\n\\\q"), "alpha\t{x}\n\\\\q");
        assert_eq!(render(r"{{{name}}}"), "{alpha}");
    }

    #[test]
    fn strings_are_aligned_and_cut() {
        assert_eq!(render("{name:>8}|{name:<8}|{name:^8}|{name:8}|"), "   alpha|alpha   | alpha  |alpha   |");
        assert_eq!(render("{name:*^9}|{name:.2}|{name:>4.2s}|"), "**alpha**|al|  al|");
        assert_eq!(render("{url:-<3}|{name:}"), "---|alpha");
        assert_eq!(render("{labels.emoji:é>4}|"), "éé\u{e9}\u{1f980}|");
    }

    #[test]
    fn conversions() {
        assert_eq!(render("{name!s:>6} {name!r} {project!r}"), " alpha 'alpha' \"it's\"");
        assert_eq!(render("{labels.emoji!r} {labels.emoji!a}"), "'é\u{1f980}' '\\xe9\\U0001f980'");
    }

    #[test]
    fn broken_templates_say_what_is_wrong() {
        insta::assert_snapshot!(told("{name"), @"invalid format template: `{name` has no `}`");
        insta::assert_snapshot!(told("name}"), @"invalid format template: a `}` stands alone");
        insta::assert_snapshot!(told("{}"), @"invalid format template: `{}` names no field");
        insta::assert_snapshot!(told("{name!x}"), @"invalid format template: `!x` is none of `!s`, `!r` and `!a`");
        insta::assert_snapshot!(told("{name:z}"), @"invalid format template: `:z` is no alignment, width and precision such as `:<20`, `:>8` or `:.5`");
        insta::assert_snapshot!(told("{name:{width}}"), @"invalid format template: `{name:{width}` has a brace inside");
        insta::assert_snapshot!(told("{activity_sources[}"), @"invalid format template: `activity_sources[` is no field: a `]` is missing");
        for bad in ["{", "{ }", "{!r}", "{:>3}", "{name:.}", "{name:99999999}", "{name:=5}", "{name!}"] {
            told(bad);
        }
    }

    #[test]
    fn an_unknown_field_lists_the_known_ones() {
        let error = Template::parse("{nmae}", &AgentFields).unwrap_err();
        insta::assert_snapshot!(error, @"invalid format template: unknown field `nmae`");
        assert!(error.hint().unwrap().starts_with("did you mean `name`"));
        let exec = PlainFields(&["agent", "stdout", "stderr", "success"]);
        let error = Template::parse("{name}", &exec).unwrap_err();
        assert_eq!(error.hint().unwrap(), "valid fields: agent, stdout, stderr, success");
        let line = Template::parse("{agent}: {success}", &exec).unwrap();
        assert_eq!(line.render(&json!({"agent": "a", "success": true})), "a: true");
        assert_eq!(line.keys().collect::<Vec<_>>(), ["agent", "success"]);
    }

    #[test]
    fn three_words_are_no_templates() {
        assert_eq!(FormatWord::of("JSON"), Some(FormatWord::Json));
        assert_eq!(FormatWord::of("{name}"), None);
    }

    proptest! {
        #[test]
        fn no_template_makes_it_panic(text in "[{}a-z\\[\\]!:<>^.0-9\\\\é]{0,16}|\\PC{0,16}") {
            if let Ok(template) = Template::parse(&text, &PlainFields(&["a", "b"])) {
                let _ = template.render(&json!({"a": [1, 2], "b": {"c": "d"}}));
            }
        }

        #[test]
        fn text_without_braces_and_backslashes_stays(text in "[^{}\\\\]{0,16}") {
            let template = Template::parse(&text, &AgentFields).unwrap();
            prop_assert_eq!(template.render(&Value::Null), text);
        }
    }
}
