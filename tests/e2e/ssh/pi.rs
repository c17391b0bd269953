//! The real pi on another machine; its model is a stub here, which that machine reaches.

use std::fs;

use mng_tests::{Program, SshHost, Stub};
use serde_json::json;

use super::claude::until_state;
use super::world;

#[test]
fn it_works_and_goes_on_there() {
    let Some(program) = Program::pi() else { return };
    let Some(machine) = SshHost::start("alpha") else { return };
    machine.install_program(&program);
    let env = world(&[&machine], "");
    let stub = Stub::anthropic_at(machine.gateway());
    let models = json!({ "providers": { "stub": {
        "baseUrl": stub.url(),
        "api": "anthropic-messages",
        "apiKey": "no-key-is-needed",
        "models": [{ "id": "m", "name": "m", "contextWindow": 200_000, "maxTokens": 8000 }],
    } } });
    let settings = json!({ "defaultProvider": "stub", "defaultModel": "m" });
    for home in [env.home(), machine.home()] {
        fs::create_dir_all(home.join(".pi/agent")).unwrap();
        fs::write(home.join(".pi/agent/models.json"), models.to_string()).unwrap();
        fs::write(home.join(".pi/agent/settings.json"), settings.to_string()).unwrap();
    }
    let first = "stub:hold gate stub:say hello there";
    let mut line = vec!["create", "p1@alpha", "pi", "--no-connect", "--yes", "--env", "PI_OFFLINE=1"];
    line.extend(["--message", first]);
    env.mng_args(&line).success();
    stub.eventually("the first turn runs", |stub| stub.is_held("gate"));
    until_state(&env, &stub, "p1", "RUNNING");
    stub.release("gate");
    until_state(&env, &stub, "p1", "WAITING END_OF_TURN");
    env.mng_args(&["message", "p1", "-m", "stub:say two"]).success();
    stub.eventually("the second turn", |stub| stub.user_texts() == [first, "stub:say two"]);
    until_state(&env, &stub, "p1", "WAITING END_OF_TURN");
    env.mng("transcript p1").success().prints("hello there").prints("stub:say two");

    env.mng("stop p1").success();
    env.mng("start p1").success();
    env.mng("message p1 -m 'stub:say three'").success();
    stub.eventually(&format!("one conversation; {}", program.version()), |stub| {
        stub.user_texts() == [first, "stub:say two", "stub:say three"]
    });
    until_state(&env, &stub, "p1", "WAITING END_OF_TURN");
}
