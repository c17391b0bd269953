//! `%h`, `~` and `${NAME}` in values.

use super::Here;

/// What the tokens stand for.
pub(super) struct Tokens<'a> {
    pub(super) here: &'a Here,
    /// As it was asked for.
    pub(super) original: &'a str,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
    /// `HostKeyAlias`, else as it was asked for.
    pub(super) key_name: &'a str,
    pub(super) jump: &'a str,
}

impl Tokens<'_> {
    /// Puts the values in; those of `kept` stay as they are. One that is not known stays, too.
    pub(super) fn expand(&self, text: &str, kept: &[char]) -> String {
        let mut expanded = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                expanded.push(c);
                continue;
            }
            let Some(token) = chars.next() else {
                expanded.push('%');
                break;
            };
            match self.value(token).filter(|_| !kept.contains(&token)) {
                Some(value) => expanded.push_str(&value),
                None => expanded.extend(['%', token]),
            }
        }
        expanded
    }

    fn value(&self, token: char) -> Option<String> {
        let short = |host: &str| host.split('.').next().unwrap_or_default().to_owned();
        Some(match token {
            '%' => "%".into(),
            'd' => self.here.home.display().to_string(),
            'h' => self.host.to_owned(),
            'i' => self.here.uid.to_string(),
            'j' => self.jump.to_owned(),
            'k' => self.key_name.to_owned(),
            'L' => short(&self.here.host),
            'l' => self.here.host.clone(),
            'n' => self.original.to_owned(),
            'p' => self.port.to_string(),
            'r' => self.user.to_owned(),
            'u' => self.here.user.clone(),
            _ => return None,
        })
    }
}

/// Puts environment variables in; one that is not set stays as it is written.
pub(super) fn variables(text: &str, here: &Here) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, tail) = rest.split_at(start);
        expanded.push_str(before);
        let Some(end) = tail.find('}') else {
            rest = tail;
            break;
        };
        let (name, after) = (&tail[2..end], &tail[end + 1..]);
        match (here.variable)(name) {
            Some(value) => expanded.push_str(&value),
            None => expanded.push_str(&tail[..=end]),
        }
        rest = after;
    }
    expanded.push_str(rest);
    expanded
}
