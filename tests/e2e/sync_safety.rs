//! Nothing is ever lost by moving work: random histories and work trees on both sides, every mode, and
//! `kill -9` at every step.
//!
//! Each line that somebody writes is unique. After a transfer, however it ended, every line that the
//! destination had must be found there: in a file, the index, a commit, the stash or a backup.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use fastrand::Rng;
use mng_tests::{Fingerprint, Repo, TestEnv};
use regex::Regex;

/// Lines and commits that can be got at.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) lines: BTreeSet<String>,
    commits: BTreeSet<String>,
}

impl Seen {
    pub(crate) fn of(repo: &Repo) -> Self {
        let mut seen = Self::default();
        walk(repo.path(), &mut seen);
        let stashes = repo.git("stash list --format=%H").replace('\n', " ");
        seen.commits = repo.git(&format!("rev-list --all {stashes}")).lines().map(str::to_owned).collect();
        let listed = repo.git(&format!("rev-list --objects --all {stashes}"));
        let staged = repo.git("ls-files -s");
        let oids = listed.lines().filter_map(|line| line.split(' ').next());
        let oids = oids.chain(staged.lines().filter_map(|line| line.split(' ').nth(1)));
        let input: String = oids.map(|oid| format!("{oid}\n")).collect();
        let list = repo.path().parent().unwrap().join("objects-of-a-test");
        fs::write(&list, input).unwrap();
        let output = std::process::Command::new("sh")
            .args(["-c", "git cat-file --batch <\"$1\"", "sh"])
            .arg(&list)
            .current_dir(repo.path())
            .output()
            .unwrap();
        seen.add(&output.stdout);
        seen
    }

    fn add(&mut self, bytes: &[u8]) {
        let mark = Regex::new("[pam]-[0-9]+-[a-z]+").unwrap();
        // Noise is passed over: it may be much.
        let texts = bytes.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
        for text in texts {
            self.lines.extend(mark.find_iter(text).map(|found| found.as_str().to_owned()));
        }
    }

    pub(crate) fn must_be_in(&self, after: &Self, but: &BTreeSet<String>, what: &str) {
        let lost: Vec<_> = self.lines.difference(&after.lines).filter(|line| !but.contains(*line)).collect();
        assert!(lost.is_empty(), "{what}: lost {lost:?}");
        let lost: Vec<_> = self.commits.difference(&after.commits).collect();
        assert!(lost.is_empty(), "{what}: lost the commits {lost:?}");
    }
}

fn walk(dir: &Path, seen: &mut Seen) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name() == ".git" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), seen);
        } else {
            seen.add(&fs::read(entry.path()).unwrap_or_default());
        }
    }
}

/// Somebody works in a tree.
pub(crate) struct Hand<'a> {
    pub(crate) who: char,
    pub(crate) repo: &'a Repo,
    pub(crate) count: usize,
}

const NAMES: [&str; 6] =
    ["one.txt", "two.txt", "src/app.txt", "dir/three ü.txt", "dir/deep/four", "README.md"];

impl Hand<'_> {
    fn line(&mut self) -> String {
        self.count += 1;
        format!("{}-{}-line", self.who, self.count)
    }

    pub(crate) fn work(&mut self, rng: &mut Rng, steps: usize) {
        for _ in 0..steps {
            let name = NAMES[rng.usize(..NAMES.len())];
            let path = self.repo.path().join(name);
            match rng.u8(..12) {
                0..=5 => {
                    let old = fs::read_to_string(&path).unwrap_or_else(|_| "base\n".repeat(8));
                    let mut lines: Vec<&str> = old.lines().collect();
                    let new = self.line();
                    lines.insert(if rng.bool() { 0 } else { lines.len() }, &new);
                    if path.parent().unwrap().is_dir() || !path.parent().unwrap().exists() {
                        self.repo.write(name, lines.join("\n") + "\n");
                    }
                }
                6 => {
                    let _ = fs::remove_file(&path);
                }
                7 => drop(self.repo.git("add --all")),
                8 | 9 => drop(self.repo.commit("by hand")),
                10 => {
                    let new = self.line();
                    self.repo.write(&format!("new-{}", rng.u8(..4)), new + "\n");
                }
                _ => drop(self.repo.try_git("stash push --quiet --include-untracked")),
            }
        }
    }
}

pub(crate) fn tree(repo: &Repo) -> Fingerprint {
    Fingerprint::of(repo.path(), &[".git"]).with("status", repo.status()).with("HEAD", repo.rev("HEAD"))
}

fn world() -> TestEnv {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("create m1 --transfer git-mirror --type command --no-connect -- sleep 1000").success();
    env
}

pub(crate) fn any_transfer(rng: &mut Rng) -> (String, bool) {
    let pick = |rng: &mut Rng, words: &[&str]| words[rng.usize(..words.len())].to_owned();
    let is_push = rng.bool();
    let mode = pick(rng, &["files", "git", "full"]);
    let uncommitted = pick(rng, &["fail", "merge", "merge", "stash", "clobber"]);
    let mut line = format!("--sync-mode {mode} --uncommitted-changes {uncommitted}");
    if mode != "git" && rng.u8(..3) == 0 {
        line += " --delete";
    }
    if mode != "files" && rng.u8(..4) == 0 {
        line += if is_push { " --mirror" } else { " --rebase" };
    }
    (line, is_push)
}

#[test]
fn random_work_survives_every_transfer() {
    let seeds = Mutex::new(0..12_u64);
    let run = |seed: u64| {
        let mut rng = Rng::with_seed(seed);
        let env = world();
        let repo = env.repo();
        let agents = [env.work_dir("a1"), env.work_dir("m1")];
        let mut hands = [
            Hand { who: 'p', repo: &repo, count: 0 },
            Hand { who: 'a', repo: &agents[0], count: 0 },
            Hand { who: 'm', repo: &agents[1], count: 0 },
        ];
        // What a transfer brought may be taken away by a later one.
        let mut brought: [BTreeSet<String>; 3] = Default::default();
        for step in 0..8 {
            for hand in &mut hands {
                let steps = rng.usize(..4);
                hand.work(&mut rng, steps);
            }
            let agent = rng.usize(1..3);
            let (options, is_push) = any_transfer(&mut rng);
            let (source, destination) = if is_push { (0, agent) } else { (agent, 0) };
            let line =
                format!("{} {} {options}", if is_push { "push" } else { "pull" }, ["", "a1", "m1"][agent]);
            let what = format!("seed {seed}, step {step}: mng {line}");
            let sides = [&repo, &agents[0], &agents[1]];
            let before = Seen::of(sides[destination]);
            let carried = Seen::of(sides[source]);
            let giver = tree(sides[source]);
            let ended = env.mng(&line);
            assert!(matches!(ended.code(), Some(0 | 1)), "{what}\n{}", ended.in_full());
            before.must_be_in(&Seen::of(sides[destination]), &brought[destination], &what);
            assert_eq!(tree(sides[source]), giver, "{what}: the source is only read");
            for mark in ["MERGE_HEAD", "rebase-merge", "rebase-apply"] {
                let path = sides[destination].git(&format!("rev-parse --git-path {mark}"));
                assert!(!sides[destination].path().join(path.trim()).exists(), "{what}: {mark} is left");
            }
            brought[destination].extend(carried.lines);
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) = { seeds.lock().unwrap().next() } {
                    run(seed);
                }
            });
        }
    });
}

/// Both sides have commits, staged, unstaged and untracked work, and an entry in the stash.
fn busy(agent: &str) -> (TestEnv, Repo, Repo) {
    let env = world();
    let (repo, work) = (env.repo(), env.work_dir(agent));
    for (who, side) in [('p', &repo), ('m', &work)] {
        side.write("stashed", format!("{who}-1-stashed\n"));
        side.git("stash push --quiet --include-untracked");
    }
    repo.write("src/app.txt", "p-2-first\none\ntwo\nthree\n");
    repo.commit("by the person");
    repo.write("shared", "p-3-new\n");
    for (who, side) in [('p', &repo), ('m', &work)] {
        let old = side.read("src/app.txt");
        side.write("src/app.txt", format!("{old}{who}-4-last\n"));
        side.write("README.md", format!("{who}-5-staged\n"));
        side.git("add README.md");
        side.write(&format!("untracked-{who}"), format!("{who}-6-untracked\n"));
    }
    (env, repo, work)
}

#[test]
fn a_transfer_killed_at_every_step_loses_nothing() {
    let mut cases = Vec::new();
    for mode in ["files", "git", "full"] {
        for how in ["merge", "stash", "clobber"] {
            cases.push(format!("push m1 --sync-mode {mode} --uncommitted-changes {how}"));
        }
    }
    cases.push("push a1 --sync-mode git --uncommitted-changes merge".into());
    cases.push("push m1 --sync-mode git --mirror --uncommitted-changes clobber".into());
    let cases = Mutex::new(cases.into_iter());
    let run = |line: String| {
        let agent = if line.contains(" a1 ") { "a1" } else { "m1" };
        let points = {
            let (env, ..) = busy(agent);
            let list = env.root().join("points");
            // It may refuse, where both changed the same lines; the steps before that count too.
            let _ = env.command(&line).env("MNG_FAULT_POINT_LIST", &list).run();
            let mut points: Vec<String> =
                fs::read_to_string(&list).unwrap_or_default().lines().map(str::to_owned).collect();
            points.sort();
            points.dedup();
            points
        };
        for point in points.iter().filter(|point| point.starts_with("sync.")) {
            let (env, repo, work) = busy(agent);
            let (here, there) = (Seen::of(&repo), Seen::of(&work));
            env.killed_at(point, env.command(&line));
            let what = format!("mng {line}, killed at {point}");
            there.must_be_in(&Seen::of(&work), &BTreeSet::new(), &what);
            here.must_be_in(&Seen::of(&repo), &BTreeSet::new(), &what);
            // Nothing is in the way of the next one.
            let again =
                format!("{} --uncommitted-changes stash", line.split(" --uncommitted").next().unwrap());
            env.mng(&again).success();
            there.must_be_in(&Seen::of(&work), &BTreeSet::new(), &what);
            assert_eq!(work.git("for-each-ref refs/mng/incoming"), "", "{what}");
        }
        points.iter().filter(|point| point.starts_with("sync.")).count()
    };
    let passed = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(line) = { cases.lock().unwrap().next() } {
                    let count = run(line);
                    *passed.lock().unwrap() += count;
                }
            });
        }
    });
    assert!(*passed.lock().unwrap() >= 30, "too few steps were tried");
}

#[test]
fn a_pull_killed_at_every_step_loses_nothing() {
    let lines = [
        "pull m1 --sync-mode git --uncommitted-changes merge",
        "pull m1 --sync-mode git --uncommitted-changes clobber --rebase",
        "pull m1 --sync-mode files --uncommitted-changes stash --delete",
        "pull m1 --sync-mode git --uncommitted-changes stash --target-branch apart",
    ];
    let prepare = || {
        let (env, repo, work) = busy("m1");
        repo.git("branch apart");
        work.write("commit", "m-7-committed\n");
        work.git("add commit");
        work.git("commit --quiet -m by-the-agent -- commit");
        (env, repo, work)
    };
    for line in lines {
        let (scout, ..) = prepare();
        let points = scout.fault_points(scout.command(line));
        let points: Vec<_> = points.into_iter().filter(|point| point.starts_with("sync.")).collect();
        assert!(points.len() >= 2, "{line}: {points:?}");
        for point in points {
            let (env, repo, work) = prepare();
            let (here, there) = (Seen::of(&repo), tree(&work));
            env.killed_at(&point, env.command(line));
            let what = format!("mng {line}, killed at {point}");
            here.must_be_in(&Seen::of(&repo), &BTreeSet::new(), &what);
            assert_eq!(tree(&work), there, "{what}");
        }
    }
}
