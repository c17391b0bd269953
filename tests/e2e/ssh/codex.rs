//! The real Codex on another machine; its model is a stub here, which that machine reaches.

use std::fs;

use mng_tests::{Program, SshHost, Stub};

use super::claude::until_state;
use super::world;

#[test]
fn it_works_and_goes_on_there() {
    let Some(program) = Program::codex() else { return };
    let Some(machine) = SshHost::start("alpha") else { return };
    machine.install_program(&program);
    let env = world(&[&machine], "");
    let stub = Stub::openai_at(machine.gateway());
    for home in [env.home(), machine.home()] {
        fs::create_dir(home.join(".codex")).unwrap();
        fs::write(home.join(".codex/config.toml"), stub.codex_config()).unwrap();
    }
    let first = "stub:hold gate stub:say hello there";
    env.mng_args(&["create", "c1@alpha", "codex", "--no-connect", "--yes", "--message", first]).success();
    stub.eventually("the first turn runs", |stub| stub.is_held("gate"));
    until_state(&env, &stub, "c1", "RUNNING");
    stub.release("gate");
    until_state(&env, &stub, "c1", "WAITING END_OF_TURN");
    env.mng_args(&["message", "c1", "-m", "stub:say two"]).success();
    stub.eventually("the second turn", |stub| {
        stub.user_texts().last().is_some_and(|text| text == "stub:say two")
    });
    until_state(&env, &stub, "c1", "WAITING END_OF_TURN");
    env.mng("transcript c1").success().prints("hello there").prints("stub:say two");

    env.mng("stop c1").success();
    env.mng("start c1").success();
    env.mng("message c1 -m 'stub:say three'").success();
    stub.eventually(&format!("one conversation; {}", program.version()), |stub| {
        let texts = stub.user_texts();
        texts.iter().any(|text| text == first) && texts.last().is_some_and(|text| text == "stub:say three")
    });
    until_state(&env, &stub, "c1", "WAITING END_OF_TURN");
    assert_eq!(fs::read_to_string(machine.home().join(".codex/config.toml")).unwrap(), stub.codex_config());
}
