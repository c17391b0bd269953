//! Machines that do not answer beside machines that do.

use std::fs;
use std::time::{Duration, Instant};

use mng_tests::SshHost;
use serde_json::Value;

use super::{agent, hosts, states, world};

#[test]
fn three_machines_are_listed_over_one_connection_each_and_two_that_are_lost_hold_up_nobody() {
    let names = ["alpha", "beta", "gamma"];
    let Some(machines) = names.iter().map(|name| SshHost::start(name)).collect::<Option<Vec<_>>>() else {
        return;
    };
    for (index, machine) in machines.iter().enumerate() {
        for number in 0..10 {
            let index = u32::try_from(index).unwrap();
            agent(machine, &format!("{}-{number}", machine.name()), index * 10 + number, number < 2);
        }
    }
    let [alpha, beta, gamma] = &machines[..] else { unreachable!() };
    let env = world(&[alpha, beta, gamma], "");

    for round in 1..=2 {
        let seen = env.mng("list --format json").success().json();
        let states = states(&seen);
        assert_eq!(states.len(), 30);
        let running = states.iter().filter(|(_, state)| state == "RUNNING").count();
        assert_eq!(running, 6, "{states:?}");
        for machine in &machines {
            assert_eq!(machine.logins(), round, "connections to {}", machine.name());
        }
    }
    let seen = env.mng("list --format json --include 'host.name == \"alpha\"'").success().json();
    let ssh = &seen["agents"][0]["host"]["ssh"];
    assert_eq!(ssh["user"], "root");
    assert_eq!(ssh["host"], alpha.address().to_string());

    beta.freeze();
    gamma.cut();
    let started = Instant::now();
    let mut listing = env.bash("mng list --format jsonl >~/rows").spawn();
    let rows = || fs::read_to_string(env.home().join("rows")).unwrap_or_default();
    // The rows of the one that answers come although the others do not.
    env.eventually("alpha's rows", |_| rows().matches("\"name\":\"alpha-").count() >= 10);
    let first = started.elapsed();
    assert!(!listing.has_ended(), "the others were still waited for");
    let _ = listing.wait().exits(6);
    let whole = started.elapsed();
    assert!(first < Duration::from_secs(4), "{first:?}");
    assert!(whole < Duration::from_secs(12), "{whole:?}");
    let rows: Vec<Value> = rows().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let agents: Vec<_> = rows.iter().filter(|row| row["resource_type"] == "agent").collect();
    assert_eq!(agents.len(), 30);
    for row in &agents {
        let is_lost = row["host"]["name"] != "alpha";
        assert_eq!(row["state"] == "UNKNOWN", is_lost, "{row}");
        if is_lost {
            assert_eq!(row["host"]["state"], "UNKNOWN");
            assert!(row["state_age"].as_f64().unwrap() < 120.0, "{row}");
        }
    }
    let errors: Vec<_> = rows.iter().filter(|row| row.get("error_class").is_some()).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors.iter().all(|row| row["is_provider_inaccessible"] == true), "{errors:?}");

    let told = env.mng("list --provider boxes").exits(6);
    let _ = told.says(&["Errors:", "beta.boxes", "gamma.boxes", "its 10 agents are shown as last seen"]);
    // Who is told to stop all is told what was left out.
    let stopped = env.mng("stop --all --dry-run").exits(6);
    let _ = stopped.says(&["host `beta.boxes` did not answer"]);

    beta.thaw();
    gamma.mend();
    env.eventually("all are back", |env| env.mng("list --format json").code() == Some(0));
    assert!(hosts(&env, 0).iter().all(|(_, state)| state == "RUNNING"));
}

#[test]
fn a_machine_without_sshd_is_unknown_and_said_to_refuse() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    assert_eq!(hosts(&env, 0), [("alpha".to_owned(), "RUNNING".to_owned())]);
    machine.stop_sshd();
    assert_eq!(hosts(&env, 6), [("alpha".to_owned(), "UNKNOWN".to_owned())]);
    env.mng("list --provider boxes").exits(6).says(&["alpha.boxes", "refused the connection"]);
}
