//! Patterns of host and user names: `*`, `?` and a leading `!`.

/// One pattern of a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    is_negated: bool,
    text: String,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        match text.strip_prefix('!') {
            Some(text) => Self { is_negated: true, text: text.to_owned() },
            None => Self { is_negated: false, text: text.to_owned() },
        }
    }

    /// A comma-separated list, as `Match` lines have it.
    pub(super) fn list(text: &str) -> Vec<Self> {
        text.split(',').map(Self::new).collect()
    }

    /// Whether the pattern is this very name, without anything to match.
    pub(super) fn is_literally(&self, name: &str) -> bool {
        !self.is_negated && !self.text.contains(['*', '?']) && self.text == name
    }
}

/// Whether a list matches: one pattern does, and no negated one does.
pub(super) fn matches(patterns: &[Pattern], name: &str) -> bool {
    let mut is_matched = false;
    for pattern in patterns {
        if wildcard(pattern.text.as_bytes(), name.as_bytes()) {
            if pattern.is_negated {
                return false;
            }
            is_matched = true;
        }
    }
    is_matched
}

/// `*` stands for any bytes, `?` for one. Goes back to the last star only, so its time is bounded by the
/// product of the lengths.
fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((star_at, star_seen)) => {
                    at = star_at + 1;
                    seen = star_seen + 1;
                    star = Some((star_at, seen));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(patterns: &[&str]) -> Vec<Pattern> {
        patterns.iter().map(|pattern| Pattern::new(pattern)).collect()
    }

    #[test]
    fn a_negated_pattern_beats_all_others_and_is_no_match_alone() {
        assert!(matches(&list(&["*.example.net"]), "a.example.net"));
        assert!(!matches(&list(&["*.example.net", "!a.*"]), "a.example.net"));
        assert!(!matches(&list(&["!a.*", "*.example.net"]), "a.example.net"));
        assert!(!matches(&list(&["!a"]), "b"));
        assert!(matches(&list(&["192.168.?.*"]), "192.168.0.17"));
        assert!(!matches(&list(&["?"]), ""));
        assert!(!matches(&[], "a"));
    }

    /// The definition, without any thought of time.
    fn plainly(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|skipped| plainly(rest, &name[skipped..])),
            Some((b'?', rest)) => !name.is_empty() && plainly(rest, &name[1..]),
            Some((byte, rest)) => name.first() == Some(byte) && plainly(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn wildcards_are_what_they_are_defined_as(pattern in "[ab*?]{0,7}", name in "[ab]{0,7}") {
            prop_assert_eq!(
                wildcard(pattern.as_bytes(), name.as_bytes()),
                plainly(pattern.as_bytes(), name.as_bytes())
            );
        }
    }
}
