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
    match (stake.changed_files, stake.untracked_files) {
        (0, 0) => {}
        (changed, 0) => say(format!("{}, not committed", count(changed, "changed file", "changed files"))),
        (0, untracked) => say(count(untracked, "untracked file", "untracked files")),
        (changed, untracked) => {
            say(format!("{changed} changed and {untracked} untracked files, not committed"))
        }
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
