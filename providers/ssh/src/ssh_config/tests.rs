//! What the files say, and that OpenSSH says the same.

use std::fs;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::ssh_config::resolve::AgentSocket;

fn here(home: &Path) -> Here {
    Here {
        home: home.to_path_buf(),
        user: "me".into(),
        uid: 1000,
        host: "desk.example.net".into(),
        variable: |name| (name == "KEYS").then(|| "/keys".to_owned()),
    }
}

fn resolved(text: &str, host: &str) -> Resolved {
    let here = here(Path::new("/home/me"));
    SshConfig::of_text(text, Path::new("/home/me/.ssh"), &here)
        .resolve(&Asked { host, ..Asked::default() }, &here)
}

#[test]
fn an_empty_configuration_leaves_the_defaults() {
    let box_ = resolved("", "box");
    assert_eq!((box_.host.as_str(), box_.port, box_.user), ("box", 22, None));
    assert_eq!(box_.agent, AgentSocket::Environment);
    assert_eq!(box_.known_hosts[0], Path::new("/home/me/.ssh/known_hosts"));
    assert_eq!((box_.proxy, box_.identity_files), (None, None));
}

#[test]
fn the_first_value_counts_and_files_of_keys_add_up() {
    let text = "
# before any Host line: for all
ServerAliveInterval 1m
Host box gpu-*
  HostName %h.example.net
  User=first
  IdentityFile ~/.ssh/box
  Port = 2222
Host *
  User second
  Port 22
  IdentityFile \"%d/keys/%r at %h\"
  IdentityFile ${KEYS}/%n
  StrictHostKeyChecking accept-new
";
    let gpu = resolved(text, "gpu-7");
    assert_eq!(
        (gpu.host.as_str(), gpu.port, gpu.user.as_deref()),
        ("gpu-7.example.net", 2222, Some("first"))
    );
    let files = gpu.identity_files.unwrap();
    let files: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    assert_eq!(files, ["/home/me/.ssh/box", "/home/me/keys/first at gpu-7.example.net", "/keys/gpu-7"]);
    assert_eq!(gpu.host_keys, HostKeyChecking::AcceptNew);
    assert_eq!(gpu.keep_alive, Some(std::time::Duration::from_secs(60)));
    assert_eq!(resolved(text, "other").user.as_deref(), Some("second"));
}

#[test]
fn match_blocks_that_are_not_judged_do_not_count() {
    let text = "
Host box
  HostName box.example.net
Match host *.example.net user me
  User inside
Match exec \"test -e /nowhere\"
  Port 1
Match !exec true
  Port 2
Match !host box.example.net
  Port 3
Match originalhost box !user someone
  Port 4
Match all
  HostKeyAlias all
";
    let box_ = resolved(text, "box");
    assert_eq!((box_.user.as_deref(), box_.port), (Some("inside"), 4));
    assert_eq!(box_.host_key_alias.as_deref(), Some("all"));
    assert_eq!(resolved(text, "far").port, 3);
}

#[test]
fn ways_to_a_host() {
    let jump =
        |host: &str, user: Option<&str>, port| Jump { host: host.into(), user: user.map(Into::into), port };
    let text = "
Host a
  ProxyJump bastion,me@inner:2200,ssh://u@[fe80::1]:22/
  ProxyCommand never
Host b
  ProxyCommand nc -x \"a b\" %h %p %r %% %n # not a comment
Host c
  ProxyJump none
Host *
  ProxyJump last
";
    let jumps = [
        jump("bastion", None, None),
        jump("inner", Some("me"), Some(2200)),
        jump("fe80::1", Some("u"), Some(22)),
    ];
    assert_eq!(resolved(text, "a").proxy, Some(Proxy::Jump(jumps.to_vec())));
    assert_eq!(
        resolved(text, "b").proxy,
        Some(Proxy::Command("nc -x \"a b\" %h %p %r %% b # not a comment".into()))
    );
    assert_eq!(resolved(text, "c").proxy, None);
    assert_eq!(resolved(text, "d").proxy, Some(Proxy::Jump(vec![jump("last", None, None)])));
}

#[test]
fn agents_of_every_kind() {
    for (word, agent) in [
        ("none", AgentSocket::None),
        ("SSH_AUTH_SOCK", AgentSocket::Environment),
        ("$KEYS", AgentSocket::At("/keys".into())),
        ("$MISSING", AgentSocket::None),
        ("~/agent.sock", AgentSocket::At("/home/me/agent.sock".into())),
    ] {
        assert_eq!(
            resolved(&format!("IdentityAgent {word}\nIdentitiesOnly yes"), "x").agent,
            agent,
            "{word}"
        );
    }
}

#[test]
fn includes_count_where_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let ssh = dir.path().join(".ssh");
    fs::create_dir_all(ssh.join("conf.d")).unwrap();
    fs::write(
        ssh.join("config"),
        "Host box\n  Include conf.d/*.conf\n  User after\nHost *\n  Include ~/rest ~/missing\n",
    )
    .unwrap();
    fs::write(ssh.join("conf.d/1.conf"), "Port 11\nHost other\n  Port 12\n").unwrap();
    fs::write(ssh.join("conf.d/2.conf"), "Port 13\nHost box\n  HostName from-two\n").unwrap();
    fs::write(ssh.join("conf.d/.3.conf"), "Port 14\n").unwrap();
    fs::write(dir.path().join("rest"), "Include rest\nPort 15\nHost literal *.wild !not\n").unwrap();
    let here = here(dir.path());
    let config = SshConfig { files: vec![parse::file(&ssh.join("config"), &ssh, &here, 0)] };
    let of = |host: &str| config.resolve(&Asked { host, ..Asked::default() }, &here);
    assert_eq!(
        (of("box").port, of("box").host.as_str(), of("box").user.as_deref()),
        (11, "from-two", Some("after"))
    );
    assert_eq!((of("other").port, of("other").user), (15, None), "the block is inside of box's");
    for (name, is_alias) in
        [("box", true), ("literal", true), ("*.wild", false), ("not", false), ("*", false)]
    {
        assert_eq!(config.has_alias(name), is_alias, "{name}");
    }
}

/// What `ssh -G` makes of a configuration.
fn openssh(file: &Path, host: &str) -> Vec<(String, String)> {
    let output =
        Command::new("ssh").args(["-G", "-F"]).arg(file).arg(host).output().expect("ssh is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let pair = |line: &str| line.split_once(' ').map(|(key, value)| (key.to_owned(), value.to_owned()));
    text.lines().filter_map(pair).collect()
}

fn line() -> impl Strategy<Value = String> {
    let pattern = "[ab*?]{1,3}|![ab]";
    prop_oneof![
        prop::collection::vec(pattern, 1..4).prop_map(|patterns| format!("Host {}", patterns.join(" "))),
        "(Match (host|originalhost|Host) [ab*]{1,2}(,![ab])?|Match all|Match !user [xy]|Match user [xy])",
        "HostName (%h\\.net|[ab]{1,2})",
        "  [Uu]ser[ =][xy]",
        "Port[ \t]{1,2}[1-9]{1,3}",
        "IdentityFile \"?/k/[xy]%%?%[hrpn]\"?".prop_filter("quotes come in pairs", |line| line
            .matches('"')
            .count()
            % 2
            == 0),
        "IdentitiesOnly (yes|no)",
        "HostKeyAlias [xy]",
        "ConnectTimeout [1-9]m?",
        "ServerAliveInterval [1-9]{1,2}",
        "UserKnownHostsFile /k/%h /k/%r",
        "StrictHostKeyChecking (yes|ask|accept-new)",
        "ProxyJump ([xy]@)?[jk]:?[1-9]?".prop_filter("a port follows a colon", |line| !line.ends_with(':')),
        "ProxyCommand nc %h %p",
        "# Port 7",
        " ",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn openssh_reads_it_the_same(lines in prop::collection::vec(line(), 0..14), host in "[ab]{1,2}") {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        let text = lines.join("\n") + "\n";
        fs::write(&file, &text).unwrap();
        let theirs = openssh(&file, &host);
        let their = |key: &str| theirs.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        let here = Here { user: user.clone(), ..here(dir.path()) };
        let ours = SshConfig::of_text(&text, dir.path(), &here).resolve(&Asked { host: &host, ..Asked::default() }, &here);
        prop_assert_eq!(Some(ours.host.to_lowercase()), their("hostname"), "hostname");
        prop_assert_eq!(Some(ours.port.to_string()), their("port"), "port");
        prop_assert_eq!(Some(ours.user.clone().unwrap_or(user)), their("user"), "user");
        prop_assert_eq!(ours.host_key_alias.clone(), their("hostkeyalias"), "hostkeyalias");
        prop_assert_eq!(Some(if ours.is_identities_only { "yes" } else { "no" }.to_owned()), their("identitiesonly"));
        let seconds = |duration: Option<std::time::Duration>| duration.map(|time| time.as_secs().to_string());
        prop_assert_eq!(seconds(ours.keep_alive), their("serveraliveinterval").filter(|text| text != "0"));
        prop_assert_eq!(seconds(ours.connect_timeout), their("connecttimeout").filter(|text| text != "none"));
        let is_accepting = their("stricthostkeychecking").as_deref() == Some("accept-new");
        prop_assert_eq!(ours.host_keys == HostKeyChecking::AcceptNew, is_accepting);
        match &ours.proxy {
            None => prop_assert_eq!((their("proxyjump"), their("proxycommand")), (None, None)),
            Some(Proxy::Jump(jumps)) => {
                let [jump] = &jumps[..] else { panic!("{jumps:?}") };
                let theirs = their("proxyjump").unwrap();
                let (user, place) = theirs.split_once('@').map_or((None, theirs.as_str()), |(user, place)| (Some(user), place));
                let (name, port) = place.split_once(':').map_or((place, None), |(name, port)| (name, port.parse().ok()));
                prop_assert_eq!((jump.user.as_deref(), jump.host.as_str(), jump.port), (user, name, port));
            }
            Some(Proxy::Command(command)) => prop_assert_eq!(Some(command.clone()), their("proxycommand")),
        }
        // `ssh -G` shows these before their tokens are replaced, so only their number is compared.
        let files = theirs.iter().filter(|(name, _)| name == "identityfile").count();
        prop_assert_eq!(ours.identity_files.map_or(files, |files| files.len()), files);
    }

    #[test]
    fn no_text_is_too_odd(text in any::<String>(), host in ".{0,8}") {
        resolved(&text, &host);
        parse::words(&text);
    }
}
