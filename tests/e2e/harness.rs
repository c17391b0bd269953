//! The test world itself: a test that looks at the wrong tmux server proves nothing.

use std::fs;

use mng_tests::{PythonTree, SmallDisk, TestEnv, processes_matching};

#[test]
fn a_world_sees_nothing_of_its_neighbour() {
    let (one, two) = (TestEnv::new(), TestEnv::new());
    one.tmux(&["new-session", "-d", "-s", "mine", "sleep 600"]);
    assert!(one.has_session("mine"));
    assert!(!two.has_session("mine"));
    assert!(!one.has_session("min"), "targets are exact");
    assert_eq!(one.repo().worktrees(), [one.root().join("repo")]);
}

#[test]
fn a_world_ends_what_ran_in_it() {
    let env = TestEnv::new();
    // A number that no other test run sleeps for.
    let mark = format!("600.{}", std::process::id());
    env.tmux(&["new-session", "-d", "-s", "stray", &format!("setsid nohup sleep {mark} & exec sleep 600")]);
    env.eventually("the stray runs", |_| !processes_matching(&mark).is_empty());
    let root = env.root().to_owned();
    drop(env);
    // Killed processes may stay visible for the moment that their parent takes to reap them.
    let gone = || processes_matching(&mark).is_empty();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !gone() {
        assert!(std::time::Instant::now() < end, "the stray outlived its world");
        std::thread::yield_now();
    }
    assert!(!root.exists());
}

#[test]
fn a_terminal_is_one() {
    let env = TestEnv::new();
    let terminal =
        env.terminal_of(env.bash("tty; stty size; read line; echo \"got <$line>\"; exit 7"), (80, 24));
    terminal.wait_for("24 80");
    terminal.type_text("a 'b' $(c)");
    terminal.press(&["Enter"]);
    terminal.wait_for("got <a 'b' $(c)>");
    assert_eq!(terminal.wait_exit(), 7);
}

#[test]
fn a_fingerprint_sees_every_change() {
    let env = TestEnv::new();
    let repo = env.repo();
    let before = repo.fingerprint();
    assert_eq!(repo.fingerprint(), before);
    repo.write("src/new.txt", "x");
    assert_ne!(repo.fingerprint(), before);
    fs::remove_file(repo.path().join("src/new.txt")).unwrap();
    assert_eq!(repo.fingerprint(), before);
    repo.git("branch other");
    assert_ne!(repo.fingerprint(), before);
}

#[test]
fn a_small_disk_fills_up() {
    let env = TestEnv::new();
    let dir = env.root().join("disk");
    fs::create_dir(&dir).unwrap();
    let Some(disk) = SmallDisk::mount(&dir, 64) else { return };
    fs::write(dir.join("a"), "x").unwrap();
    let filler = disk.fill();
    assert!(fs::write(dir.join("b"), "y").is_err());
    fs::remove_file(filler).unwrap();
    fs::write(dir.join("b"), "y").unwrap();
    disk.set_read_only(true);
    assert!(fs::write(dir.join("c"), "z").is_err());
}

#[test]
fn an_agent_of_the_original_runs_as_it_ran_there() {
    let env = TestEnv::new();
    let tree = PythonTree::new(&env);
    let agent = tree.agent_in_worktree("a1", "echo $GREETING; sleep 1000");
    tree.start(&agent);
    env.eventually("its env file was sourced", |env| env.screen("mng-a1").contains("\nhello there"));
    env.eventually("its program carries its mark", |env| {
        env.processes_of(&agent.id).iter().any(|process| process.command == "sleep 1000")
    });
    assert_eq!(env.work_dir("a1").branch(), "mng/a1-local");
    assert_eq!(tree.host_record()["generated_work_dirs"][0], &*agent.work_dir.to_string_lossy());
    tree.assert_readable_by_the_original();
}
