//! How often commands wait for the line: counted, because a fast test network hides it.

use std::fs;
use std::time::Duration;

use mng_provider_remote::{SshTarget, SshTransport};
use mng_tests::{Relay, SshHost, TestEnv};

use super::agent;

#[test]
fn a_listing_is_one_connection_and_one_command_and_exec_one_more() {
    let Some(machine) = SshHost::start("alpha") else { return };
    for number in 0..10 {
        agent(&machine, &format!("a{number}"), number, number == 0);
    }
    let line = Relay::start(machine.socket(), Duration::from_millis(25));
    let port = line.address().port();
    let env = TestEnv::new();
    let known_hosts = env.root().join("known_hosts");
    fs::write(&known_hosts, format!("[127.0.0.1]:{port} {}\n", machine.host_key())).unwrap();
    env.settings(&format!(
        "[providers.boxes]\nbackend = \"ssh\"\n[providers.boxes.hosts.alpha]\naddress = \"127.0.0.1\"\nport = {port}\n\
         user = \"root\"\nkey_file = \"{}\"\nknown_hosts_file = \"{}\"\n",
        machine.key().display(),
        known_hosts.display()
    ));
    // The first contact asks for the home directory.
    env.mng("list").success();

    let target = SshTarget {
        port,
        identity_files: vec![machine.key()],
        use_agent: false,
        known_hosts: vec![known_hosts],
        ..SshTarget::new("127.0.0.1", "root")
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let before = line.turns();
    let login = runtime.block_on(async {
        SshTransport::new(target).connect().await.unwrap();
        line.turns() - before
    });
    // A busy machine cuts an answer into more pieces, between which something may be sent: the best of some counts.
    let after_login = |command: &str| {
        let once = || {
            let (connections, turns) = (line.connections(), line.turns());
            env.mng(command).success();
            assert_eq!(line.connections() - connections, 1, "connections of `{command}`");
            (line.turns() - turns).saturating_sub(login)
        };
        (0..5).map(|_| once()).min().unwrap()
    };
    // A channel, a command, and the farewell, which nobody waits for.
    let turns = after_login("list");
    assert!(turns <= 3, "{turns} round trips after a login of {login}");
    let turns = after_login("exec a3@alpha true");
    assert!(turns <= 5, "{turns} round trips after a login of {login}");
}
