//! The helper's side of the relay: what git, rsync and unison start in place of `ssh`.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::fs::OFlags;

use super::frame::{self, Hello, Kind};
use super::{SOCKET_VAR, TOKEN_VAR};

/// Exit code of `ssh` for its own troubles.
const OWN_TROUBLE: u8 = 255;

/// Options of OpenSSH's `ssh` that are followed by a value (`ssh(1)` of OpenSSH 9.9).
const WITH_VALUE: &str = "BbcDEeFIiJLlmOoPpQRSWw";

/// The words after the program's name, read as `ssh` reads them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Words {
    /// The command for the host, joined as `ssh` joins it.
    line: String,
    /// The variables to send along (`-o SendEnv=NAME`).
    send_env: Vec<String>,
    /// Something that the relay cannot do: a host without a command is a terminal session.
    trouble: Option<&'static str>,
}

fn parse(words: &[String]) -> Words {
    let mut parsed = Words::default();
    let mut host = None;
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.peek() {
        // Options may stand before and after the host, but not behind the command's first word.
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            if host.is_some() {
                break;
            }
            host = rest.next();
            continue;
        };
        rest.next();
        if letters == "-" {
            if host.is_none() {
                host = rest.next();
            }
            break;
        }
        if let Some(at) = letters.find(|letter| WITH_VALUE.contains(letter)) {
            let (option, glued) = letters.split_at(at);
            let (option, glued) = (option, &glued[1..]);
            let is_setting = letters[option.len()..].starts_with('o');
            let value = if glued.is_empty() { rest.next().map_or("", String::as_str) } else { glued };
            if is_setting {
                parsed.send_env.extend(sent_names(value));
            }
        }
    }
    parsed.line = rest.map(String::as_str).collect::<Vec<_>>().join(" ");
    parsed.trouble = match host {
        None => Some("no host is named"),
        Some(_) if parsed.line.is_empty() => Some("there is no command, and the relay offers no terminal"),
        Some(_) => None,
    };
    parsed
}

/// The names in `SendEnv=A B`. Patterns are left out: whoever starts us names what they need.
fn sent_names(setting: &str) -> Vec<String> {
    let Some((key, value)) = setting.split_once(['=', ' ']) else { return Vec::new() };
    if !key.trim().eq_ignore_ascii_case("sendenv") {
        return Vec::new();
    }
    let is_name = |name: &&str| {
        !name.starts_with(|first: char| first.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    value.split_whitespace().filter(is_name).map(str::to_owned).collect()
}

/// Runs the helper to its end and returns the exit code for this process: the command's own, 255 for
/// trouble on the way. `words` are those after the program's name; `var` looks up an environment variable.
///
/// It returns as soon as the command has ended, whether or not `stdin` was read to its end.
pub fn run_helper(
    words: &[String],
    var: impl Fn(&str) -> Option<String>,
    stdin: impl Read + AsFd + Send + 'static,
    mut stdout: impl Write + AsFd,
    mut stderr: impl Write,
) -> u8 {
    // rsync gives us streams that do not block. Nobody else writes to its end of them.
    wait_on(&stdin);
    wait_on(&stdout);
    match converse(words, var, stdin, &mut stdout, &mut stderr) {
        Ok(code) => code,
        Err(trouble) => {
            let _ = writeln!(stderr, "mng: {trouble}");
            OWN_TROUBLE
        }
    }
}

/// Makes reads and writes wait. What cannot be changed, as a closed stream, fails later by itself.
fn wait_on(stream: &impl AsFd) {
    if let Ok(flags) = rustix::fs::fcntl_getfl(stream)
        && flags.contains(OFlags::NONBLOCK)
    {
        let _ = rustix::fs::fcntl_setfl(stream, flags - OFlags::NONBLOCK);
    }
}

fn converse(
    words: &[String],
    var: impl Fn(&str) -> Option<String>,
    stdin: impl Read + Send + 'static,
    stdout: &mut impl Write,
    stderr: &mut impl Write,
) -> Result<u8, String> {
    let parsed = parse(words);
    if let Some(trouble) = parsed.trouble {
        return Err(trouble.to_owned());
    }
    let missing = "only mng itself starts this, with the way to its connection in the environment";
    let (Some(path), Some(token)) = (var(SOCKET_VAR), var(TOKEN_VAR)) else { return Err(missing.to_owned()) };
    let gone = |error: io::Error| format!("the connection to the host is gone ({error})");
    let stream = UnixStream::connect(path).map_err(gone)?;
    let env: BTreeMap<String, String> =
        parsed.send_env.into_iter().filter_map(|name| var(&name).map(|value| (name, value))).collect();
    let hello = Hello { token, line: parsed.line, env };
    let hello = serde_json::to_vec(&hello).map_err(|error| error.to_string())?;
    frame::write(&stream, Kind::Hello, &hello).map_err(gone)?;
    let to = stream.try_clone().map_err(gone)?;
    // Not joined: it may stand in a read that nobody ever answers; the end of this process ends it.
    std::thread::spawn(move || feed(stdin, to));
    loop {
        let (kind, bytes) = frame::read(&stream).map_err(gone)?;
        match kind {
            // Who does not listen any more ends the command: the socket closes with this process.
            Kind::Stdout => {
                let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
                written.map_err(|error| format!("cannot pass on the output ({error})"))?;
            }
            Kind::Stderr => {
                let _ = stderr.write_all(&bytes).and_then(|()| stderr.flush());
            }
            Kind::Exit => {
                let code = String::from_utf8_lossy(&bytes).parse().unwrap_or(OWN_TROUBLE);
                return Ok(code);
            }
            Kind::Hello | Kind::Stdin => return Err("the relay answered what it never says".to_owned()),
        }
    }
}

fn feed(mut stdin: impl Read, to: UnixStream) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match stdin.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        if frame::write(&to, Kind::Stdin, &buffer[..count]).is_err() || count == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Words {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_stream_that_does_not_block_is_waited_on() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        for end in [&ours, &theirs] {
            end.set_nonblocking(true).unwrap();
        }
        wait_on(&ours);
        let is_waiting = |end| !rustix::fs::fcntl_getfl(end).unwrap().contains(OFlags::NONBLOCK);
        assert!(is_waiting(&ours) && !is_waiting(&theirs));
    }

    #[test]
    fn words_are_read_as_ssh_reads_them() {
        // git 2.47
        let git = read("-o SendEnv=GIT_PROTOCOL mng-relay git-upload-pack '/a'");
        assert_eq!(
            (git.line.as_str(), git.send_env),
            ("git-upload-pack '/a'", vec!["GIT_PROTOCOL".to_owned()])
        );
        let git = read("-4 -p 22 -oSendEnv=GIT_PROTOCOL mng-relay git-upload-pack /a");
        assert_eq!((git.line.as_str(), git.send_env.len()), ("git-upload-pack /a", 1));
        // rsync 3.5, unison 2.53
        assert_eq!(
            read("-l me mng-relay rsync --server -vlogDtpre.iLsfxCIvu . /b").line,
            "rsync --server -vlogDtpre.iLsfxCIvu . /b"
        );
        assert_eq!(read("mng-relay -e none unison -server").line, "unison -server");
        assert_eq!(read("-Tx -qi key -- mng-relay ls -l").line, "ls -l");
    }

    #[test]
    fn without_a_command_there_is_nothing_to_relay() {
        assert_eq!(read("-T").trouble, Some("no host is named"));
        assert!(read("-T host").trouble.unwrap().contains("no terminal"));
        assert_eq!(read("-p 22 host true").trouble, None);
    }

    #[test]
    fn only_plain_names_of_variables_are_sent() {
        assert_eq!(sent_names("SendEnv=A B_1 LC_* 9x"), ["A", "B_1"]);
        assert_eq!(sent_names("sendenv A"), ["A"]);
        assert!(sent_names("User=x").is_empty() && sent_names("SendEnv").is_empty());
    }

    #[test]
    fn without_its_variables_it_says_who_starts_it() {
        let mut stderr = Vec::new();
        let words = ["host".to_owned(), "true".to_owned()];
        let nothing = std::fs::File::open("/dev/null").unwrap();
        let code = run_helper(&words, |_| None, nothing.try_clone().unwrap(), nothing, &mut stderr);
        insta::assert_snapshot!(String::from_utf8(stderr).unwrap(), @"mng: only mng itself starts this, with the way to its connection in the environment");
        assert_eq!(code, 255);
    }
}
