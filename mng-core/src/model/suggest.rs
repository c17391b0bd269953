//! "Did you mean": the nearest of the words that would have been right.

use crate::model::order;
/// How alike two words must be, 0 to 1.
const THRESHOLD: f64 = 0.6;
const MOST: usize = 3;

/// At most three candidates whose similarity to `word` is at least 0.6, the likeliest first. Case does not
/// count against a candidate.
#[must_use]
pub fn suggest<C: AsRef<str>>(word: &str, candidates: impl IntoIterator<Item = C>) -> Vec<String> {
    let wanted = word.to_lowercase();
    let mut found: Vec<(f64, String)> = Vec::new();
    for candidate in candidates {
        let candidate = candidate.as_ref();
        let ratio = similarity(&wanted, &candidate.to_lowercase());
        if ratio >= THRESHOLD && !found.iter().any(|(_, known)| known == candidate) {
            found.push((ratio, candidate.to_owned()));
        }
    }
    order::sort_by(&mut found, |a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    found.into_iter().take(MOST).map(|(_, candidate)| candidate).collect()
}

/// The suggestions as a hint, ``did you mean `list` or `limit`?``; `None` when nothing is near.
#[must_use]
pub fn did_you_mean<C: AsRef<str>>(word: &str, candidates: impl IntoIterator<Item = C>) -> Option<String> {
    let words: Vec<String> =
        suggest(word, candidates).into_iter().map(|candidate| format!("`{candidate}`")).collect();
    let (last, others) = words.split_last()?;
    if others.is_empty() {
        return Some(format!("did you mean {last}?"));
    }
    Some(format!("did you mean {} or {last}?", others.join(", ")))
}

/// Twice the length of the common subsequence over the sum of lengths: forgiving of letters left out or
/// swapped, as `difflib` is, where an edit distance punishes short words.
fn similarity(a: &str, b: &str) -> f64 {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let mut row = vec![0_usize; b.len() + 1];
    for left in &a {
        let mut diagonal = 0;
        for (column, right) in b.iter().enumerate() {
            let above = row[column + 1];
            row[column + 1] = if left == right { diagonal + 1 } else { above.max(row[column]) };
            diagonal = above;
        }
    }
    2.0 * row[b.len()] as f64 / (a.len() + b.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMANDS: [&str; 8] = ["create", "list", "ls", "limit", "connect", "stop", "start", "destroy"];

    #[test]
    fn typos_find_their_word() {
        assert_eq!(suggest("lst", COMMANDS), ["list", "ls"]);
        assert_eq!(suggest("CONECT", COMMANDS), ["connect"]);
        assert_eq!(suggest("--runing", ["--running", "--plugin", "--all"])[0], "--running");
        assert!(suggest("xyzzy", COMMANDS).is_empty());
        assert!(suggest("", COMMANDS).is_empty());
    }

    #[test]
    fn never_more_than_three_and_none_twice() {
        assert_eq!(suggest("aaaa", ["aaab", "aaac", "aaad", "aaae", "aaab"]), ["aaab", "aaac", "aaad"]);
    }

    #[test]
    fn a_hint_reads_as_a_question() {
        assert_eq!(did_you_mean("lst", COMMANDS).unwrap(), "did you mean `list` or `ls`?");
        assert_eq!(did_you_mean("strat", COMMANDS).unwrap(), "did you mean `start`?");
        assert_eq!(did_you_mean("q", COMMANDS), None);
    }
}
