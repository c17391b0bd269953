//! rsync's own options between here and an agent or host.

use mng_tests::TestEnv;

#[test]
fn slashes_mean_what_they_mean_to_rsync() {
    let env = TestEnv::new();
    env.create("a1");
    let (repo, work) = (env.new_repo("other"), env.work_dir("a1"));
    let rsync = |line: &str| env.command(&format!("rsync {line}")).cwd(repo.path()).run();
    repo.write("data/x", "x\n");
    repo.git("add .");
    repo.commit("data");
    rsync("./data/ a1:into/").success().prints("Number of regular files transferred: 1");
    assert_eq!(work.read("into/x"), "x\n");
    rsync("./data a1:into/ --uncommitted-changes merge").success();
    assert_eq!(work.read("into/data/x"), "x\n");
    // A single file arrives as a file.
    work.write("result.txt", "r\n");
    rsync("a1:result.txt ./copy.txt").success();
    assert_eq!(repo.read("copy.txt"), "r\n");
    // An agent alone means what it holds, but never its `.git`.
    let plain = env.root().join("plain");
    rsync(&format!("a1 {}/", plain.display())).success();
    assert!(plain.join("src/app.txt").exists() && !plain.join(".git").exists());
    rsync(&format!("@localhost:agents {}/", plain.display())).success();
    assert!(plain.join("agents").exists());
    // The person's own dry run changes nothing.
    rsync("a1:into/ ./made/ -- -n").success();
    assert!(!repo.has("made"));
    rsync("./a ./b").exits(2).says(&["both sides are paths"]);
    rsync("a1 a1:x").exits(2).says(&["both sides are agents"]);
    rsync("a1:gone ./x").exits(1);
    rsync("a1:into/ ./made/ -- --no-such-option").exits(1);
    rsync("a1:into/ ./made/ -- --filter=!").exits(1).says(&[".git"]);
}

#[test]
fn uncommitted_work_is_guarded() {
    let env = TestEnv::new();
    env.create("a1");
    let (repo, work) = (env.repo(), env.work_dir("a1"));
    work.write("src/app.txt", "ONE\ntwo\nthree\n");
    repo.write("src/app.txt", "one\ntwo\nthree\nfour\n");
    env.mng("rsync a1:src/ ./src/").exits(1).says(&["Uncommitted changes in destination", "`src/app.txt`"]);
    env.mng("rsync a1:src/ ./src/ --uncommitted-changes merge").success();
    assert_eq!(repo.read("src/app.txt"), "ONE\ntwo\nthree\nfour\n");
    let run = env.mng("rsync a1:src/ ./src/ --uncommitted-changes stash --format json").success().json();
    assert_eq!(repo.read("src/app.txt"), "ONE\ntwo\nthree\n");
    assert_eq!(
        repo.git(&format!("show {}:src/app.txt", run["stash_oid"].as_str().unwrap())),
        "ONE\ntwo\nthree\nfour\n"
    );
    // What the transfer wrote is nobody's work.
    work.write("src/app.txt", "1\n");
    env.mng("rsync a1:src/app.txt ./src/app.txt").success();
    assert_eq!(repo.read("src/app.txt"), "1\n");
    repo.write("src/app.txt", "last word\n");
    let before = repo.fingerprint();
    env.mng("rsync a1:src/ ./src/ --uncommitted-changes clobber -- --dry-run").success();
    assert_eq!(repo.fingerprint(), before);
    let run = env.mng("rsync a1:src/ ./src/ --uncommitted-changes clobber --format json").success().json();
    assert_eq!(repo.git(&format!("show {}:src/app.txt", run["backup_ref"].as_str().unwrap())), "last word\n");
}
