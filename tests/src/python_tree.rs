//! State directories as the Python original writes them, composed from the spec (state-and-lifecycle, sections
//! 2 and 3): the same keys, the same spellings, the same gaps.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::world::TestEnv;

/// The keys that the original's host file may hold; it refuses to read one with any other.
const HOST_KEYS: [&str; 17] = [
    "idle_timeout_seconds",
    "activity_sources",
    "idle_mode",
    "created_at",
    "updated_at",
    "max_host_age",
    "plugin",
    "image",
    "generated_work_dirs",
    "host_id",
    "host_name",
    "user_tags",
    "snapshots",
    "tmux_session_prefix",
    "stop_reason",
    "failure_reason",
    "build_log",
];

/// A state directory of the original in a test's home.
pub struct PythonTree<'env> {
    env: &'env TestEnv,
    pub host_id: String,
}

/// One agent of the original.
#[derive(Clone, Debug)]
pub struct PythonAgent {
    pub id: String,
    pub name: String,
    pub state_dir: PathBuf,
    pub work_dir: PathBuf,
    command: String,
}

fn hex32() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file has a parent")).expect("the test's home can be written");
    fs::write(path, text).expect("the test's home can be written");
}

fn write_json(path: &Path, value: &Value) {
    write(path, &serde_json::to_string_pretty(value).expect("a JSON value can be written"));
}

fn unix_millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    u64::try_from(now.as_millis()).expect("milliseconds fit")
}

impl<'env> PythonTree<'env> {
    /// The directory after the original's first run: profile, host id, host record, logs, caches.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn new(env: &'env TestEnv) -> Self {
        let dir = env.state_dir();
        let (profile, host_id) = (hex32(), format!("host-{}", hex32()));
        write(&dir.join("config.toml"), &format!("profile = \"{profile}\"\n"));
        write(&dir.join("profiles").join(&profile).join("settings.toml"), "");
        write(&dir.join("profiles").join(&profile).join("user_id"), &hex32());
        write(&dir.join("profiles").join(&profile).join("tmux_onboarding_shown"), "");
        write(&dir.join("host_id"), &host_id);
        write(&dir.join("host_lock"), "");
        write(&dir.join("logs/20261122-133314-27152.json"), "{\"text\":\"Started\",\"record\":{}}\n");
        write(
            &dir.join(".completion_cache.json"),
            r#"{"names": [], "updated_at": "2026-11-22T13:33:14.000000+00:00"}"#,
        );
        write(
            &dir.join("tmux.conf"),
            "if-shell 'test -f ~/.tmux.conf' 'source-file ~/.tmux.conf'\n\
             bind -n C-q run-shell 'true'\nbind -n C-t run-shell 'true'\n",
        );
        write_json(
            &dir.join("data.json"),
            &json!({
                "idle_timeout_seconds": 3600,
                "activity_sources": ["USER", "AGENT", "SSH", "CREATE", "START", "BOOT"],
                "idle_mode": "IO",
                "created_at": "2026-11-22T13:31:00.712323Z",
                "updated_at": "2026-11-22T13:31:01.000001Z",
                "max_host_age": null,
                "plugin": {},
                "image": null,
                "generated_work_dirs": [],
                "host_id": host_id,
                "host_name": "@local",
                "user_tags": {},
                "snapshots": [],
                "tmux_session_prefix": null,
                "stop_reason": null,
                "failure_reason": null,
                "build_log": null,
            }),
        );
        Self { env, host_id }
    }

    /// The host record as it is now.
    ///
    /// # Panics
    /// When it is no JSON.
    #[must_use]
    pub fn host_record(&self) -> Value {
        let text =
            fs::read_to_string(self.env.state_dir().join("data.json")).expect("the host record is there");
        serde_json::from_str(&text).expect("the host record is JSON")
    }

    /// An agent in a work dir that is not mng's, not started.
    #[must_use]
    pub fn agent_in_place(&self, name: &str, command: &str, work_dir: &Path) -> PythonAgent {
        self.write_agent(name, command, work_dir.to_owned())
    }

    /// An agent in a worktree on branch `mng/NAME-local`, registered as generated, not started.
    #[must_use]
    pub fn agent_in_worktree(&self, name: &str, command: &str) -> PythonAgent {
        let work_dir = self.env.state_dir().join("worktrees").join(format!("agent-{}", hex32()));
        fs::create_dir_all(work_dir.parent().expect("worktrees lie in a directory"))
            .expect("it can be written");
        self.env.repo().git(&format!("worktree add --quiet -b mng/{name}-local '{}'", work_dir.display()));
        let mut host = self.host_record();
        let dirs = host["generated_work_dirs"].as_array_mut().expect("the list is there");
        dirs.push(work_dir.to_string_lossy().into());
        dirs.sort_by_key(Value::to_string);
        write_json(&self.env.state_dir().join("data.json"), &host);
        self.write_agent(name, command, work_dir)
    }

    fn write_agent(&self, name: &str, command: &str, work_dir: PathBuf) -> PythonAgent {
        let id = format!("agent-{}", hex32());
        let state_dir = self.env.state_dir().join("agents").join(&id);
        write_json(
            &state_dir.join("data.json"),
            &json!({
                "id": id,
                "name": name,
                "type": "generic",
                "work_dir": work_dir,
                "create_time": "2026-11-22T13:31:00.712323+00:00",
                "command": command,
                "additional_commands": [],
                "initial_message": null,
                "resume_message": null,
                "ready_timeout_seconds": 10.0,
                "permissions": [],
                "start_on_boot": false,
                "labels": { "project": "repo" },
            }),
        );
        let host_dir = self.env.state_dir();
        write(
            &state_dir.join("env"),
            &format!(
                "MNG_HOST_DIR={}\nMNG_AGENT_ID={id}\nMNG_AGENT_NAME={name}\nMNG_AGENT_STATE_DIR={}\n\
                 MNG_AGENT_WORK_DIR={}\nGIT_BASE_BRANCH=main\nGREETING=\"hello there\"\n",
                host_dir.display(),
                state_dir.display(),
                work_dir.display()
            ),
        );
        write(
            &state_dir.join("activity/create"),
            &json!({ "time": unix_millis(), "agent_id": id, "agent_name": name }).to_string(),
        );
        fs::create_dir_all(state_dir.join("logs")).expect("the test's home can be written");
        PythonAgent { id, name: name.to_owned(), state_dir, work_dir, command: command.to_owned() }
    }

    /// Starts it as the original does: an unnamed window 0 whose shell sources the env files, the command typed
    /// into it.
    ///
    /// # Panics
    /// When tmux refuses.
    pub fn start(&self, agent: &PythonAgent) {
        let host_dir = self.env.state_dir();
        let session = format!("mng-{}", agent.name);
        let shell = format!(
            "bash -c 'set -a; [ -f {host}/env ] && . {host}/env || true; [ -f {state}/env ] && . {state}/env || true; \
             set +a; exec ${{MNG_SAVED_DEFAULT_TMUX_COMMAND:-${{SHELL:-bash}}}}'",
            host = host_dir.display(),
            state = agent.state_dir.display()
        );
        let tmux = |args: &[&str]| {
            let out = self.env.world().tmux(args);
            assert!(out.status.success(), "tmux {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        };
        let work_dir = agent.work_dir.to_string_lossy();
        let conf = host_dir.join("tmux.conf");
        tmux(&[
            "-f",
            &conf.to_string_lossy(),
            "new-session",
            "-d",
            "-s",
            &session,
            "-x",
            "200",
            "-y",
            "50",
            "-c",
            &work_dir,
            &shell,
        ]);
        let target = format!("={session}:");
        tmux(&["send-keys", "-t", &target, "-l", &agent.command]);
        tmux(&["send-keys", "-t", &target, "Enter"]);
        write(
            &agent.state_dir.join("activity/start"),
            &json!({ "time": unix_millis(), "agent_id": agent.id, "agent_name": agent.name }).to_string(),
        );
        write(
            &agent.state_dir.join("activity/process"),
            &json!({ "time": unix_millis(), "pane_pid": 1, "agent_id": agent.id }).to_string(),
        );
    }

    /// Asserts that the original could still read everything: its host file with no key that it does not know,
    /// and each agent file with the keys that it needs.
    ///
    /// # Panics
    /// When it could not.
    #[track_caller]
    pub fn assert_readable_by_the_original(&self) {
        let host = self.host_record();
        for key in host.as_object().expect("the host record is an object").keys() {
            assert!(HOST_KEYS.contains(&key.as_str()), "the original aborts on host key `{key}`");
        }
        for entry in fs::read_dir(self.env.state_dir().join("agents")).into_iter().flatten().flatten() {
            let path = entry.path().join("data.json");
            let text = fs::read_to_string(&path)
                .unwrap_or_else(|_| panic!("the original warns of {}", entry.path().display()));
            let record: Value = serde_json::from_str(&text).expect("a record is JSON");
            for key in ["id", "name", "type", "work_dir", "create_time", "command"] {
                assert!(record[key].is_string(), "{}: `{key}` is no string", path.display());
            }
            assert!(
                record["ready_timeout_seconds"].is_number(),
                "the original's start crashes on a null timeout"
            );
            assert!(record["permissions"].is_array(), "{}: `permissions` is no list", path.display());
        }
    }
}
