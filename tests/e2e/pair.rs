//! Two directories that are kept alike, with the real unison.

use mng_tests::{Background, TestEnv};

fn start(env: &TestEnv, line: &str) -> Background {
    env.command(line).spawn()
}

fn world() -> TestEnv {
    let env = TestEnv::new();
    env.create("a1");
    env
}

fn is_paired(env: &TestEnv) -> bool {
    std::fs::read_dir(env.state_dir().join("pair"))
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("ar"))
}

#[test]
fn changes_go_both_ways_until_ctrl_c() {
    let env = world();
    let (repo, work) = (env.repo(), env.work_dir("a1"));
    // Commits are brought together first.
    work.write("by agent", "a\n");
    let theirs = work.commit("by the agent");
    repo.write(".gitignore", "*.log\n");
    repo.commit("by the person");
    let pair = start(&env, "pair a1 --format jsonl");
    env.eventually("the first pass is done", is_paired);
    assert!(repo.try_git(&format!("merge-base --is-ancestor {theirs} main")).code() == Some(0));
    assert_eq!(work.rev("HEAD"), repo.rev("main"));
    repo.write("from here", "h\n");
    work.write("sub/from there", "t\n");
    repo.write("x.log", "ignored\n");
    env.eventually("both have both", |_| work.has("from here") && repo.has("sub/from there"));
    std::fs::remove_file(repo.path().join("from here")).unwrap();
    env.eventually("a deletion goes over", |_| !work.has("from here"));
    assert!(!work.has("x.log") && work.path().join(".git").is_file());
    env.mng("pair a1").exits(1).says(&["being paired already"]);
    pair.signal(rustix::process::Signal::INT);
    let run = pair.wait();
    let lines = run.success().jsonl();
    assert_eq!(lines[0]["event"], "pair_started");
    assert!(lines.iter().any(|line| line["event"] == "pair_synced"), "{lines:?}");
    assert_eq!(lines.last().unwrap()["event"], "pair_stopped");
    assert!(!env.home().join(".unison").exists(), "no litter in the home directory");
    assert!(
        mng_tests::processes_carrying("UNISON", &env.state_dir().join("pair").to_string_lossy()).is_empty()
    );
}

#[test]
fn one_way_keeps_what_only_the_receiver_has_and_includes_are_names() {
    let env = world();
    let (repo, work) = (env.repo(), env.work_dir("a1"));
    work.write("keep.py", "p\n");
    work.write("deep/er/also.py", "p\n");
    work.write("other.txt", "o\n");
    repo.write("mine.py", "m\n");
    let pair = start(&env, "pair a1 --sync-direction forward --include '*.py'");
    env.eventually("what was there", |_| repo.has("keep.py") && repo.has("deep/er/also.py"));
    work.write("new/dir/late.py", "l\n");
    env.eventually("what is in a new directory", |_| repo.has("new/dir/late.py"));
    assert!(!repo.has("other.txt") && repo.has("mine.py") && !work.has("mine.py"));
    pair.signal(rustix::process::Signal::INT);
    pair.wait().success().prints("Pairing stopped");
}

#[test]
fn refusals() {
    let env = world();
    let plain = env.root().join("plain");
    std::fs::create_dir(&plain).unwrap();
    let line = format!("pair a1 --target {}", plain.display());
    env.mng(&line).exits(1).says(&["no git work tree", "--no-require-git"]);
    env.mng("pair a1 --target ./nowhere").exits(1).says(&["no directory"]);
    let work = env.work_dir("a1").path().display().to_string();
    env.mng(&format!("pair a1 --target {work}")).exits(1).says(&["same directory"]);
    env.mng(&format!("pair a1 --target {work}/src")).exits(1).says(&["inside one another"]);
    // A conflict of commits ends it before anything is carried over.
    let (repo, work) = (env.repo(), env.work_dir("a1"));
    work.write("src/app.txt", "theirs\n");
    work.commit("theirs");
    repo.write("src/app.txt", "ours\n");
    repo.commit("ours");
    env.mng("pair a1").exits(1).says(&["Git sync failed"]);
    assert_eq!(
        (repo.read("src/app.txt").as_str(), work.read("src/app.txt").as_str()),
        ("ours\n", "theirs\n")
    );
    // Without unison it says what to install.
    let path = env.root().join("bin");
    for tool in ["git", "sh", "tmux", "bash"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|dir| dir.join(tool))
            .find(|p| p.exists());
        let _ = std::os::unix::fs::symlink(found.unwrap(), path.join(tool));
    }
    env.command("pair a1")
        .env("PATH", &path)
        .run()
        .exits(1)
        .says(&["`unison` is not installed", "apt-get install unison"]);
}
