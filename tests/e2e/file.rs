//! Single files of agents and hosts.

use mng_tests::TestEnv;

#[test]
fn put_get_and_list() {
    let env = TestEnv::new();
    env.create("a1");
    let work = env.work_dir("a1");
    env.command("file put a1 'notes/a b.txt'").stdin("text\n").run().success().prints("Wrote 5 bytes to ");
    assert_eq!(work.read("notes/a b.txt"), "text\n");
    assert_eq!(env.mng("file get a1 'notes/a b.txt'").success().stdout, "text\n");
    let read = env.mng("file get a1 'notes/a b.txt' --format json").success().json();
    assert_eq!(
        (read["event"].as_str(), read["content_base64"].as_str()),
        (Some("file_read"), Some("dGV4dAo="))
    );
    env.repo().write("bytes", [0_u8, 255, 10]);
    env.mng("file put a1 bytes --input bytes --mode 0600").success();
    env.mng("file get a1 bytes --output copy").success();
    assert_eq!(std::fs::read(env.repo().path().join("copy")).unwrap(), [0, 255, 10]);
    let list = env.mng("file list a1 --format json").success().json();
    let names: Vec<_> =
        list["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(
        (list["count"].as_u64(), names),
        (Some(5), vec![".git", "README.md", "bytes", "notes", "src"])
    );
    insta::assert_snapshot!(env.mng("file list a1 -R --fields name,file_type,size,permissions src").success().stdout, @"
    NAME     TYPE  SIZE  PERMISSIONS
    app.txt  file  14 B  0644
    ");
    assert_eq!(env.mng("file list a1 src --format '{name} {size}'").success().stdout, "app.txt 14\n");
    work.git("init -q sub");
    std::fs::create_dir(work.path().join("void")).unwrap();
    env.mng("file list a1 void").success().prints("(empty)");
    env.mng("file list a1 gone").exits(1).says(&["there is no directory"]);
    env.mng("file list a1 --fields colour").exits(2);
    env.mng("file list a1 --format '{colour}'").exits(2);
    env.mng("file put a1 x --mode rwx").exits(2);
    env.mng("file get a1 gone").exits(1);
    env.mng("file get nobody x").exits(1).says(&["nobody"]);
}

#[test]
fn paths_start_where_one_says() {
    let env = TestEnv::new();
    env.create("a1");
    let id = env.agent_id("a1");
    let record = env.mng("file get a1 data.json --relative-to state").success().json();
    assert_eq!(record["id"].as_str(), Some(id.as_str()));
    let record = env.mng(&format!("file get @localhost agents/{id}/data.json")).success().json();
    assert_eq!(record["id"].as_str(), Some(id.as_str()));
    env.mng("file list a1 agents --relative-to host").success().prints(&id);
    env.mng("file get @localhost x --relative-to state").exits(2);
    // The agent need not run.
    env.mng("stop a1").success();
    env.mng("file get a1 README.md").success().prints("a repository");
    let terminal = env.terminal("file put a1 x");
    assert_eq!(terminal.wait_exit(), 2);
}
