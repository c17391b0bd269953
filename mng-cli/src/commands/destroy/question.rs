//! What a person is told before agents go.

use mng_core::hosts::rescue::LostItem;
use mng_core::model::duration;
use mng_core::model::printing::size;
use mng_core::operations::destroy::Prospect;
use mng_core::plugins::Ctx;

/// One agent: its address, then what would be missed of it.
pub(in crate::commands) fn describe(prospect: &Prospect) -> Vec<String> {
    let agent = &prospect.agent;
    let mut lines = vec![format!("  - {}@{}", agent.record.name, agent.host.info.name)];
    let mut say = |text: String| lines.push(format!("      {text}"));
    let stake = &prospect.stake;
    if let Some(branch) = stake.branch.as_ref().filter(|branch| branch.commits > 0) {
        let commits = count(branch.commits, "commit that is", "commits that are");
        match branch.goes {
            true => {
                say(format!("its branch {} goes, with {commits} nowhere else:", branch.name));
                branch.newest_commits.iter().for_each(|commit| say(format!("  {commit}")));
            }
            false => say(format!("its branch {} stays, with {commits} nowhere else", branch.name)),
        }
    }
    if stake.commits > 0 {
        say(format!("{} on no branch:", count(stake.commits, "commit that is", "commits that are")));
        stake.newest_commits.iter().for_each(|commit| say(format!("  {commit}")));
    }
    let changed = Some(stake.changed_files).filter(|files| *files > 0);
    let changed = changed.map(|files| count(files, "changed file", "changed files"));
    let untracked = Some(stake.untracked_files).filter(|files| *files > 0);
    let untracked = untracked.map(|files| count(files, "untracked file", "untracked files"));
    let files: Vec<String> = changed.into_iter().chain(untracked).collect();
    if !files.is_empty() {
        say(format!("{}, not committed", files.join(" and ")));
    }
    if !stake.lost.is_empty() {
        say(format!("ignored files that are too big to keep: {}", lost(&stake.lost)));
    }
    if let Some(trouble) = &stake.trouble {
        say(format!("cannot tell what is in its work dir: {trouble}"));
    }
    lines
}

fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// How long there is a way back, and for what there is none.
pub(in crate::commands) fn undo_promise(ctx: &Ctx, going: &[Prospect]) -> String {
    let keep = duration::human(ctx.settings.core.rescue_keep.0);
    let lost: Vec<LostItem> = going.iter().flat_map(|seen| seen.stake.lost.iter().cloned()).collect();
    match lost.is_empty() {
        true => format!("`mng undo` can bring them back for {keep}."),
        false => format!("`mng undo` can bring them back for {keep}, but not {}.", self::lost(&lost)),
    }
}

/// Files that are not kept, with their sizes.
pub(super) fn lost(items: &[LostItem]) -> String {
    const SHOWN: usize = 5;
    let mut names: Vec<String> =
        items.iter().take(SHOWN).map(|item| format!("{} ({})", item.path, size(item.bytes))).collect();
    if items.len() > SHOWN {
        names.push(format!("{} more", items.len() - SHOWN));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_agree() {
        assert_eq!(count(1, "changed file", "changed files"), "1 changed file");
        assert_eq!(count(2, "changed file", "changed files"), "2 changed files");
    }

    #[test]
    fn many_lost_files_are_counted() {
        let item = |n: u64| LostItem { path: format!("big{n}/").into(), bytes: n << 20 };
        assert_eq!(lost(&[item(40)]), "big40/ (40.0 MB)");
        let many: Vec<LostItem> = (40..47).map(item).collect();
        assert!(lost(&many).ends_with("big44/ (44.0 MB), 2 more"), "{}", lost(&many));
    }
}
