//! A machine to ssh into: a real sshd with its own address, processes, home and tmux.
//!
//! ```no_run
//! use mng_tests::SshHost;
//! let Some(host) = SshHost::start("alpha") else { return }; // no root or no sshd: noted as skipped
//! let (address, key, known) = (host.address(), host.key(), host.known_hosts());
//! // … connect to root@ADDRESS, port 22, with that key and known_hosts file …
//! host.cut(); // nothing passes, nobody is told
//! host.mend();
//! host.freeze(); // the kernel still takes connections and bytes, no process runs
//! host.thaw();
//! ```
//!
//! Each host is a network namespace on a veth pair (10.213.x.y, four addresses each) with mount, process and
//! host-name namespaces of its own. It shares this machine's files, but for its home: `/root` there is
//! [`SshHost::home`] here. All of it goes when the value is dropped; what a killed test left behind goes when
//! the next test takes its number.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Program, programs_dir, report_skipped};

/// Longest that a host takes to come up or to change.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which numbers are taken: a locked file each.
const NUMBERS: &str = "/tmp/mng-test-hosts";

/// What runs as the first process of a host: sshd, again whenever it ends.
const INIT: &str = r#"set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd
if [ -d "$3" ]; then mount --bind "$3" "$1/programs"; fi
mount --bind "$1/home" /root
hostname "$2"
cd /root
while :; do
    while [ -e "$1/sshd-is-down" ]; do sleep 0.05; done
    /usr/sbin/sshd -D -E "$1/sshd.log" -f "$1/sshd_config" || sleep 0.05
done
"#;

/// How a host is to be.
#[derive(Clone, Debug)]
pub struct SshHostOptions {
    name: String,
    max_sessions: u32,
    has_sftp: bool,
    config: Vec<String>,
}

impl SshHostOptions {
    /// As many sessions on one connection as sshd grants by itself are 10.
    #[must_use]
    pub fn max_sessions(mut self, count: u32) -> Self {
        self.max_sessions = count;
        self
    }

    /// A host without the file subsystem.
    #[must_use]
    pub fn without_sftp(mut self) -> Self {
        self.has_sftp = false;
        self
    }

    /// A line for its `sshd_config`; the first line about a keyword counts, and these come first.
    #[must_use]
    pub fn config(mut self, line: &str) -> Self {
        self.config.push(line.to_owned());
        self
    }

    /// Starts the host. `None`, noted as a skipped test, without root or the programs it takes.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(self) -> Option<SshHost> {
        let is_there = |program: &str| {
            ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].iter().any(|dir| Path::new(dir).join(program).exists())
        };
        if !rustix::process::geteuid().is_root()
            || !["sshd", "ip", "unshare", "nsenter", "ssh-keygen"].into_iter().all(is_there)
        {
            report_skipped("sshd");
            return None;
        }
        Some(SshHost::make(&self))
    }
}

/// A running host; see the module.
#[derive(Debug)]
pub struct SshHost {
    name: String,
    root: PathBuf,
    number: Number,
    unshare: Child,
}

impl SshHost {
    /// A host with the defaults; see [`SshHostOptions::start`].
    #[must_use]
    pub fn start(name: &str) -> Option<Self> {
        Self::options(name).start()
    }

    /// A host to be described before it starts.
    #[must_use]
    pub fn options(name: &str) -> SshHostOptions {
        SshHostOptions { name: name.to_owned(), max_sessions: 10, has_sftp: true, config: Vec::new() }
    }

    fn make(options: &SshHostOptions) -> Self {
        let number = Number::take();
        let root = tempfile::Builder::new().prefix("mh-").tempdir_in("/tmp");
        let root = root.expect("the place of test hosts can be written").keep();
        number.note(&root);
        for dir in ["home", "t", "tmp", "bin", "programs"] {
            fs::create_dir(root.join(dir)).expect("the new directory can be written");
        }
        for key in ["host_key", "user_key"] {
            keygen(&root.join(key), &["-t", "ed25519", "-N", ""]);
        }
        fs::copy(root.join("user_key.pub"), root.join("authorized_keys")).expect("the new directory is ours");
        fs::write(root.join("sshd_config"), sshd_config(&root, number.address(), options))
            .expect("the new directory is ours");
        number.make_network();
        let unshare = Command::new("ip")
            .args(["netns", "exec", &number.namespace()])
            .args(["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", INIT, "sh"])
            .arg(&root)
            .arg(&options.name)
            .arg(programs_dir().unwrap_or_default())
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(File::create(root.join("init.log")).expect("the new directory is ours"))
            .stderr(File::options().append(true).open(root.join("init.log")).expect("it was just made"))
            .spawn()
            .expect("`ip` is there");
        let host = Self { name: options.name.clone(), root, number, unshare };
        host.write_known_hosts();
        host.await_sshd();
        host
    }

    // ---- how to reach it

    /// Its host name, as given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.number.address()
    }

    /// This machine, as the host sees it.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        self.number.gateway()
    }

    /// Port 22 of the address.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        (self.address(), 22).into()
    }

    /// The private key (ed25519, without a passphrase) that `root` may log in with.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.root.join("user_key")
    }

    /// A file with this host's key, as the person's `known_hosts` would hold it.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.root.join("known_hosts")
    }

    /// The public host key: `ssh-ed25519 AAAA…`.
    ///
    /// # Panics
    /// When its file is gone.
    #[must_use]
    pub fn host_key(&self) -> String {
        let line = fs::read_to_string(self.root.join("host_key.pub")).expect("the host has a key");
        line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// A paragraph for the person's `~/.ssh/config` that makes the host's name an alias of it.
    #[must_use]
    pub fn ssh_config(&self) -> String {
        format!(
            "Host {}\n\tHostName {}\n\tUser root\n\tIdentityFile {}\n\tIdentitiesOnly yes\n\tUserKnownHostsFile {}\n",
            self.name,
            self.address(),
            self.key().display(),
            self.known_hosts().display()
        )
    }

    /// Lets another public key log in as well.
    ///
    /// # Panics
    /// When the host's files cannot be written.
    pub fn authorize(&self, public_key: &str) {
        let file = File::options().append(true).open(self.root.join("authorized_keys"));
        let written = file.and_then(|mut file| writeln!(file, "{}", public_key.trim()));
        written.expect("the host's files are ours");
    }

    // ---- what it has

    /// Where the host's things lie, [`SshHost::home`] among them. The path is the same on the host.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is `/root`, the home, on the host.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Writes a program into the first directory of `PATH` on the host.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn install(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.root.join("bin").join(name);
        fs::write(&path, script).expect("the host's bin can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the new file is ours");
    }

    /// Puts a real agent program into the first directory of `PATH` on the host.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn install_program(&self, program: &Program) {
        let there = self.root.join("programs/bin").join(program.name());
        let link = self.root.join("bin").join(program.name());
        std::os::unix::fs::symlink(there, link).expect("the host's bin can be written");
    }

    /// Runs a program on the host, not through ssh.
    ///
    /// # Panics
    /// When `nsenter` is missing.
    pub fn run(&self, argv: &[&str]) -> Output {
        Command::new("nsenter")
            .args(["--mount", "--pid", "--net", "--uts", "--target", &self.init().to_string(), "--"])
            .args(argv)
            .env_clear()
            .env("PATH", self.path())
            .env("HOME", "/root")
            .env("TMUX_TMPDIR", self.root.join("t"))
            .stdin(Stdio::null())
            .output()
            .expect("`nsenter` is there")
    }

    /// Runs tmux against the host's own server; errors read as an empty text.
    pub fn tmux(&self, args: &[&str]) -> String {
        let argv: Vec<&str> = ["tmux", "-u"].into_iter().chain(args.iter().copied()).collect();
        String::from_utf8_lossy(&self.run(&argv).stdout).into_owned()
    }

    /// What sshd logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.root.join("sshd.log")).unwrap_or_default()
    }

    /// How many connections logged in since the host started.
    #[must_use]
    pub fn logins(&self) -> usize {
        self.log().lines().filter(|line| is_login(line)).count()
    }

    /// The arguments of all processes on the host, one line each; those of this test's own looks included.
    #[must_use]
    pub fn processes(&self) -> Vec<String> {
        let argv = |pid: &i32| {
            let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let text = String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " ");
            (!text.is_empty()).then_some(text)
        };
        self.pids().iter().filter_map(argv).collect()
    }

    // ---- misfortunes

    /// Cuts the line: what is under way gets no answer, and new connections find no way.
    ///
    /// # Panics
    /// When `ip` fails.
    pub fn cut(&self) {
        ip(&["-n", &self.number.namespace(), "link", "set", "eth0", "down"]);
    }

    /// Mends the line. Bytes that were under way arrive when TCP sends them again.
    ///
    /// # Panics
    /// When `ip` fails.
    pub fn mend(&self) {
        ip(&["-n", &self.number.namespace(), "link", "set", "eth0", "up"]);
    }

    /// Stops every process of the host where it stands.
    ///
    /// # Panics
    /// When they do not all stop.
    pub fn freeze(&self) {
        self.signal_until(Signal::STOP, |state| matches!(state, 'T' | 't' | 'Z'));
    }

    /// Lets the processes go on.
    ///
    /// # Panics
    /// When they do not all go on.
    pub fn thaw(&self) {
        self.signal_until(Signal::CONT, |state| state != 'T');
    }

    /// Gives the host another key, as if it were set up again. [`SshHost::known_hosts`] keeps the old one.
    ///
    /// # Panics
    /// When sshd does not come back.
    pub fn change_host_key(&self) {
        for file in ["host_key", "host_key.pub"] {
            fs::remove_file(self.root.join(file)).expect("the host has a key");
        }
        keygen(&self.root.join("host_key"), &["-t", "ed25519", "-N", ""]);
        self.stop_sshd();
        self.start_sshd();
    }

    /// Ends the sshd that listens; connections that are open stay. New ones are refused.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop_sshd(&self) {
        fs::write(self.root.join("sshd-is-down"), "").expect("the host's files are ours");
        let pid_file = self.root.join("sshd.pid");
        // The number in the file is that of the host's own process namespace.
        let pid = fs::read_to_string(&pid_file).unwrap_or_default();
        let _ = self.run(&["kill", pid.trim()]);
        eventually("sshd is down", || TcpStream::connect(self.socket()).is_err());
    }

    /// Starts it again.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_sshd(&self) {
        let _ = fs::remove_file(self.root.join("sshd-is-down"));
        self.await_sshd();
    }

    /// Ends every connection at once, as a reboot would; other processes of the host go on.
    pub fn drop_connections(&self) {
        for pid in self.pids() {
            let argv = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if argv.starts_with(b"sshd: root") {
                signal(pid, Signal::KILL);
            }
        }
    }

    fn await_sshd(&self) {
        let greets = || {
            let stream = TcpStream::connect_timeout(&self.socket(), Duration::from_secs(1));
            let Ok(mut stream) = stream else { return false };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let mut greeting = [0_u8; 4];
            stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-"
        };
        let end = Instant::now() + PATIENCE;
        while !greets() {
            let init = fs::read_to_string(self.root.join("init.log")).unwrap_or_default();
            assert!(Instant::now() < end, "no sshd within {PATIENCE:?}: {init}{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn write_known_hosts(&self) {
        let line = format!("{} {}\n", self.address(), self.host_key());
        fs::write(self.known_hosts(), line).expect("the host's files are ours");
    }

    fn path(&self) -> String {
        format!("{}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", self.root.display())
    }

    /// The first process of the host, as seen from here.
    fn init(&self) -> i32 {
        let parent = format!(" {} ", self.unshare.id());
        self.pids()
            .into_iter()
            .find(|pid| {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                stat.rsplit_once(") ").is_some_and(|(_, rest)| rest[1..].starts_with(&parent))
            })
            .expect("the host runs")
    }

    /// All processes of the host but for `unshare`, as seen from here.
    fn pids(&self) -> Vec<i32> {
        let mut pids = self.number.pids();
        pids.retain(|pid| i64::from(*pid) != i64::from(self.unshare.id()));
        pids
    }

    /// Signals all processes until each is in a state that fits; a process may fork while we look.
    fn signal_until(&self, what: Signal, is_done: impl Fn(char) -> bool) {
        eventually("every process took the signal", || {
            let mut all_done = true;
            for pid in self.pids() {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
                if state.is_some_and(|state| !is_done(state)) {
                    all_done = false;
                    signal(pid, what);
                }
            }
            all_done
        });
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        self.number.clear();
        if std::env::var_os("MNG_TESTS_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// A number that no other test host has now; address and names follow from it.
#[derive(Debug)]
struct Number {
    number: u16,
    /// Locked as long as the number is taken.
    file: File,
}

impl Number {
    fn take() -> Self {
        fs::create_dir_all(NUMBERS).expect("the place of test hosts can be written");
        for number in 0..4096 {
            let path = Path::new(NUMBERS).join(number.to_string());
            let file = File::options().create(true).truncate(false).read(true).write(true).open(path);
            let file = file.expect("the place of test hosts can be written");
            if rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok() {
                let mut number = Self { number, file };
                number.clear_leftovers();
                return number;
            }
        }
        panic!("4096 test hosts run already");
    }

    /// Ends what a killed test of the same number left behind.
    fn clear_leftovers(&mut self) {
        let mut root = String::new();
        let _ = self.file.read_to_string(&mut root);
        if !Path::new("/run/netns").join(self.namespace()).exists() {
            return;
        }
        self.clear();
        if root.starts_with("/tmp/mh-") {
            let _ = fs::remove_dir_all(root);
        }
    }

    /// Remembers where the host's files lie.
    fn note(&self, root: &Path) {
        let mut file = &self.file;
        let text = root.display().to_string();
        let written = file.set_len(0).and_then(|()| {
            use std::os::unix::fs::FileExt;
            file.write_all_at(text.as_bytes(), 0)
        });
        written.and_then(|()| file.flush()).expect("the place of test hosts can be written");
    }

    fn namespace(&self) -> String {
        format!("mng-t{}", self.number)
    }

    fn subnet(&self) -> u32 {
        u32::from(Ipv4Addr::new(10, 213, 0, 0)) + u32::from(self.number) * 4
    }

    fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.subnet() + 1)
    }

    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.subnet() + 2)
    }

    fn make_network(&self) {
        let name = self.namespace();
        ip(&["netns", "add", &name]);
        ip(&["link", "add", &name, "type", "veth", "peer", "name", "eth0", "netns", &name]);
        ip(&["address", "add", &format!("{}/30", self.gateway()), "dev", &name]);
        ip(&["link", "set", &name, "up"]);
        ip(&["-n", &name, "address", "add", &format!("{}/30", self.address()), "dev", "eth0"]);
        ip(&["-n", &name, "link", "set", "eth0", "up"]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
    }

    fn pids(&self) -> Vec<i32> {
        let namespace = Path::new("/run/netns").join(self.namespace());
        let Ok(namespace) = fs::metadata(namespace) else { return Vec::new() };
        let entries = fs::read_dir("/proc").expect("the tests read processes from /proc");
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| {
                fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|net| net.ino() == namespace.ino())
            })
            .collect()
    }

    /// Ends the network and whatever runs in it.
    fn clear(&self) {
        for pid in self.pids() {
            signal(pid, Signal::KILL);
        }
        for args in [["netns", "delete"], ["link", "delete"]] {
            let _ = Command::new("ip").args(args).arg(self.namespace()).output();
        }
    }
}

fn sshd_config(root: &Path, address: Ipv4Addr, options: &SshHostOptions) -> String {
    let root = root.display();
    let mut lines = options.config.clone();
    lines.extend([
        format!("ListenAddress {address}"),
        format!("HostKey {root}/host_key"),
        format!("AuthorizedKeysFile {root}/authorized_keys"),
        format!("PidFile {root}/sshd.pid"),
        format!("MaxSessions {}", options.max_sessions),
        format!(
            "SetEnv TMUX_TMPDIR={root}/t TMPDIR={root}/tmp \
             PATH={root}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        ),
    ]);
    let rest = [
        "MaxStartups 1000",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin yes",
        "StrictModes no",
        "UsePAM no",
        "UseDNS no",
        "PrintMotd no",
        "LogLevel VERBOSE",
    ];
    lines.extend(rest.map(str::to_owned));
    if options.has_sftp {
        lines.push("Subsystem sftp internal-sftp".to_owned());
    }
    lines.join("\n") + "\n"
}

/// `Accepted publickey for root from …`; "Accepted key …" only says that a signature would do.
fn is_login(line: &str) -> bool {
    line.starts_with("Accepted ") && line.contains(" for root from ")
}

/// Makes a key pair at the path.
fn keygen(path: &Path, args: &[&str]) {
    let output =
        Command::new("ssh-keygen").args(["-q", "-C", "test"]).args(args).arg("-f").arg(path).output();
    let output = output.expect("`ssh-keygen` is there");
    assert!(output.status.success(), "ssh-keygen: {}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().expect("`ip` is there");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {error}", args.join(" "));
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

#[track_caller]
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
