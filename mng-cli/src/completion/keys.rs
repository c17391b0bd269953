//! Settings keys, a segment at a time, and the values they take.

use super::candidates::Candidate;
use super::world::SettingsKey;

/// The keys that begin with `current`, up to the next dot: groups end in `.`.
pub(super) fn next_segments(keys: &[SettingsKey], current: &str) -> Vec<Candidate> {
    let typed = current.rfind('.').map_or(0, |at| at + 1);
    let mut found: Vec<Candidate> = Vec::new();
    for key in keys.iter().filter(|key| key.name.starts_with(current)) {
        let candidate = match key.name[typed..].find('.') {
            Some(dot) => Candidate::new(&key.name[..=typed + dot], ""),
            None => Candidate::new(&*key.name, &*key.description),
        };
        if !found.iter().any(|known| known.value == candidate.value) {
            found.push(candidate);
        }
    }
    // A table that is a key itself is only offered as the group.
    let groups: Vec<String> =
        found.iter().filter_map(|key| key.value.strip_suffix('.').map(str::to_owned)).collect();
    found.retain(|key| !groups.contains(&key.value));
    found
}

/// The words that a key takes, where they are few.
pub(super) fn values(keys: &[SettingsKey], name: &str) -> Vec<Candidate> {
    let Some(key) = keys.iter().find(|key| key.name == name) else { return Vec::new() };
    key.choices.iter().map(|choice| Candidate::new(choice, "")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<SettingsKey> {
        let key = |name: &str, choices: &[&str]| SettingsKey {
            name: name.into(),
            description: String::new(),
            choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        };
        vec![
            key("connect_command", &[]),
            key("headless", &["true", "false"]),
            key("retry", &[]),
            key("retry.connect_retry_times", &[]),
            key("retry.connect_retry_delay", &[]),
        ]
    }

    fn shown(found: Vec<Candidate>) -> String {
        found.into_iter().map(|candidate| candidate.value).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn groups_open_one_segment_at_a_time() {
        assert_eq!(shown(next_segments(&keys(), "")), "connect_command headless retry.");
        assert_eq!(shown(next_segments(&keys(), "connect")), "connect_command");
        assert_eq!(
            shown(next_segments(&keys(), "retry.")),
            "retry.connect_retry_times retry.connect_retry_delay"
        );
        assert_eq!(shown(next_segments(&keys(), "retry.connect_retry_d")), "retry.connect_retry_delay");
        assert_eq!(shown(next_segments(&keys(), "nope.")), "");
        assert_eq!(shown(values(&keys(), "headless")), "true false");
    }
}
