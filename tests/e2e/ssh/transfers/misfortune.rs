//! Nothing is lost when mng is killed or the line is cut in the middle of a transfer, and the next one
//! succeeds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use mng_tests::Repo;
use rustix::process::Signal;

use super::Boxed;
use crate::sync_safety::{Hand, Seen, any_transfer, tree};

/// Both sides have commits, staged, unstaged and untracked work, and an entry in the stash.
fn make_busy(world: &Boxed) -> (Repo, Repo) {
    let (repo, work) = (world.env.repo(), world.work());
    for (who, side) in [('p', &repo), ('m', &work)] {
        side.write("stashed", format!("{who}-1-stashed\n"));
        side.git("stash push --quiet --include-untracked");
    }
    repo.write("src/app.txt", "p-2-first\none\ntwo\nthree\n");
    repo.commit("by the person");
    let old = work.read("src/app.txt");
    work.write("src/app.txt", format!("{old}m-4-last\n"));
    work.write("README.md", "m-5-staged\n");
    work.git("add README.md");
    repo.write("other", "p-5-staged\n");
    repo.git("add other");
    for (who, side) in [('p', &repo), ('m', &work)] {
        side.write(&format!("untracked-{who}"), format!("{who}-6-untracked\n"));
    }
    (repo, work)
}

#[test]
fn a_transfer_killed_at_every_step_loses_nothing_on_either_side() {
    let lines = [
        "push m1 --sync-mode full --uncommitted-changes stash",
        "push m1 --sync-mode git --uncommitted-changes merge",
        "push m1 --sync-mode git --mirror --uncommitted-changes clobber",
        "push m1 --sync-mode files --uncommitted-changes clobber --delete",
        "pull m1 --sync-mode git --uncommitted-changes merge",
        "pull m1 --sync-mode files --uncommitted-changes stash",
    ];
    let Some(mut world) = Boxed::start() else { return };
    let mut count = 0;
    for line in lines {
        let prepare = |world: &Boxed| {
            let sides = make_busy(world);
            if line.starts_with("pull") {
                sides.1.git("commit --quiet -m by-the-agent -- README.md");
            }
            sides
        };
        let _ = prepare(&world);
        let points = world.env.fault_points(world.env.command(line));
        let points: Vec<_> = points.into_iter().filter(|point| point.starts_with("sync.")).collect();
        assert!(points.len() >= 2, "{line}: {points:?}");
        for point in points {
            world = world.afresh();
            let (repo, work) = prepare(&world);
            let (here, there) = (Seen::of(&repo), Seen::of(&work));
            let what = format!("mng {line}, killed at {point}");
            let check = |what: &str| {
                there.must_be_in(&Seen::of(&work), &BTreeSet::new(), what);
                here.must_be_in(&Seen::of(&repo), &BTreeSet::new(), what);
            };
            world.env.killed_at(&point, world.env.command(line));
            check(&what);
            world.env.mng(line).success();
            check(&format!("{what}, then again"));
            assert_eq!(work.git("for-each-ref refs/mng/incoming"), "", "{what}");
            count += 1;
        }
        world = world.afresh();
    }
    assert!(count >= 15, "only {count} steps were tried");
}

/// So many files that git keeps them in one pack, which grows on its way in.
const NOISES: usize = 150;

fn make_noise(repo: &Repo) {
    let mut rng = Rng::with_seed(7);
    for number in 0..NOISES {
        let bytes: Vec<u8> = (0..160_000).map(|_| rng.u8(..)).collect();
        repo.write(&format!("noise/{number}"), bytes);
    }
}

/// Whether some files have arrived, or a part of a pack.
fn is_arriving(repo: &Repo) -> bool {
    fs::read_dir(repo.path().join("noise")).into_iter().flatten().count() > 5
        || has_part_of_a_pack(&repo.path().join(".git/objects"))
}

fn has_part_of_a_pack(dir: &Path) -> bool {
    fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            return has_part_of_a_pack(&entry.path());
        }
        entry.file_name().to_string_lossy().starts_with("tmp_pack_")
            && entry.metadata().is_ok_and(|meta| meta.len() > 500_000)
    })
}

/// Names of arrived files, all of which have to be whole.
fn arrived(from: &Repo, to: &Repo, line: &str) -> Vec<String> {
    let entries = fs::read_dir(to.path().join("noise")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let names: Vec<String> = names.collect();
    // rsync writes beside the file's own place.
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        let read = |repo: &Repo| fs::read(repo.path().join("noise").join(name)).unwrap();
        assert!(read(from) == read(to), "{line}: a part of `{name}` is in its place");
    }
    names
}

/// Starts a large transfer of each kind, and has something happen while it is under way.
fn interrupted(happens: impl Fn(&Boxed, i32), is_over: impl Fn(&Boxed)) {
    for line in [
        "push m1 --uncommitted-changes merge",
        "push m1 --sync-mode git --uncommitted-changes merge",
        "git push m1 main:side",
        "pull m1 --uncommitted-changes merge",
        "pull m1 --sync-mode git --uncommitted-changes merge",
    ] {
        let Some(world) = Boxed::with_short_patience() else { return };
        let (repo, work) = make_busy(&world);
        let (from, to) = if line.starts_with("pull") { (&work, &repo) } else { (&repo, &work) };
        make_noise(from);
        if line.contains("git") {
            from.git("add noise");
            from.git("commit --quiet -m noise -- noise");
        }
        let (here, there) = (Seen::of(&repo), Seen::of(&work));
        let check = |what: &str| {
            let after = format!("mng {line}, {what}");
            there.must_be_in(&Seen::of(&work), &BTreeSet::new(), &after);
            here.must_be_in(&Seen::of(&repo), &BTreeSet::new(), &after);
        };
        let command = world.env.command(line);
        let run = thread::scope(|scope| {
            let running = command.spawn();
            let pid = running.pid();
            let waiting = scope.spawn(|| running.wait());
            world
                .env
                .eventually(&format!("`{line}` is under way"), |_| is_arriving(to) || waiting.is_finished());
            happens(&world, pid);
            waiting.join().unwrap()
        });
        assert_ne!(run.code(), Some(0), "{line} had ended before");
        assert!(run.elapsed < Duration::from_secs(60), "{line}: {:?}", run.elapsed);
        if run.signal().is_none() {
            assert!(!run.stderr.is_empty(), "{line}");
        }
        assert!(arrived(from, to, line).len() < NOISES, "{line}");
        check("in the middle");
        is_over(&world);
        world.env.mng(line).success();
        check("again");
        if line.contains(":side") {
            assert_eq!(to.rev("side"), from.rev("main"));
        } else {
            world
                .env
                .eventually("all are there, and nothing else", |_| arrived(from, to, line).len() == NOISES);
        }
        assert_eq!(work.git("for-each-ref refs/mng/incoming"), "");
    }
}

#[test]
fn mng_killed_in_the_middle_of_a_transfer() {
    let kill = |_: &Boxed, pid| {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    };
    interrupted(kill, |world| {
        world.env.eventually("nothing is left running there", |_| {
            let busy = ["rsync", "receive-pack", "upload-pack"];
            !world.machine.processes().iter().any(|line| busy.iter().any(|word| line.contains(word)))
        });
    });
}

#[test]
fn a_line_cut_in_the_middle_of_a_transfer() {
    interrupted(|world, _| world.machine.cut(), |world| world.machine.mend());
}

#[test]
fn random_work_survives_every_transfer_over_the_line() {
    let points =
        ["files_planned", "stashed", "backed_up", "push_planned", "brought_in", "advanced", "applied"];
    let Some(mut world) = Boxed::start() else { return };
    for seed in 100..103 {
        let mut rng = Rng::with_seed(seed);
        let (repo, work) = (world.env.repo(), world.work());
        let sides = [&repo, &work];
        let mut hands = [Hand { who: 'p', repo: &repo, count: 0 }, Hand { who: 'm', repo: &work, count: 0 }];
        // What a transfer brought may be taken away by a later one.
        let mut brought: [BTreeSet<String>; 2] = Default::default();
        for step in 0..8 {
            for hand in &mut hands {
                let steps = rng.usize(..4);
                hand.work(&mut rng, steps);
            }
            let (options, is_push) = any_transfer(&mut rng);
            let (source, destination) = if is_push { (0, 1) } else { (1, 0) };
            let line = format!("{} m1 {options}", if is_push { "push" } else { "pull" });
            let mut command = world.env.command(&line);
            let mut what = format!("seed {seed}, step {step}: mng {line}");
            if rng.u8(..3) == 0 {
                let point = points[rng.usize(..points.len())];
                command = command.env("MNG_FAULT_POINT", format!("sync.{point}"));
                what += &format!(", killed at {point}");
            }
            let (before, carried) = (Seen::of(sides[destination]), Seen::of(sides[source]));
            let giver = tree(sides[source]);
            let ended = command.run();
            assert!(
                matches!((ended.code(), ended.signal()), (Some(0 | 1), _) | (_, Some(9))),
                "{what}\n{}",
                ended.in_full()
            );
            before.must_be_in(&Seen::of(sides[destination]), &brought[destination], &what);
            assert_eq!(tree(sides[source]), giver, "{what}: the source is only read");
            brought[destination].extend(carried.lines);
        }
        world = world.afresh();
    }
}
