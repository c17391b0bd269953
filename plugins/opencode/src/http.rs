//! One HTTP/1.1 exchange with a server on the host's loopback: directly if the host is this machine, else
//! through a command there. No connection is kept.

use std::fmt::Write as _;
use std::time::Duration;

use mng_core::hosts::Host;
use mng_core::transports::ExecRequest;
use mng_core::{Error, ErrorClass, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest an exchange may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Answers are lists of messages; more than this is no answer of OpenCode's.
const MOST: u64 = 64 * 1024 * 1024;

/// Relays standard input to the port `$1` and its answer to standard output.
const RELAY: &str = r#"exec 3<>"/dev/tcp/127.0.0.1/$1" && cat >&3 && cat <&3"#;

/// A server and the login for it.
#[derive(Clone, Debug)]
pub(crate) struct Server<'a> {
    pub(crate) host: &'a Host,
    pub(crate) port: u16,
    pub(crate) user: &'static str,
    pub(crate) password: String,
}

/// What it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl Server<'_> {
    /// # Errors
    /// No connection, no answer in time, or an answer that is not HTTP.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        self.exchange("GET", path, None).await
    }

    /// # Errors
    /// As [`Server::get`].
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.exchange("POST", path, Some(body)).await
    }

    async fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let request = self.request(method, path, body);
        let bytes = if self.host.is_local() {
            tokio::time::timeout(LIMIT, direct(self.port, &request))
                .await
                .map_err(|_| self.failed(method, path, "no answer in time"))?
                .map_err(|error| self.failed(method, path, &error.to_string()))?
        } else {
            let argv = ["bash", "-c", RELAY, "bash", &self.port.to_string()];
            let request = ExecRequest::new(argv).stdin(request).timeout(Some(LIMIT));
            self.host.transport.exec(request).await?.check("bash")?.stdout
        };
        parse(&bytes).ok_or_else(|| self.failed(method, path, "the answer is cut short or is not HTTP"))
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
        let login = base64(format!("{}:{}", self.user, self.password).as_bytes());
        let body = body.map(|body| body.to_string().into_bytes());
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nAuthorization: Basic {login}\r\n",
            self.port
        );
        if let Some(body) = &body {
            // Writing into a string cannot fail.
            let _ = write!(head, "Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(body.unwrap_or_default());
        bytes
    }

    fn failed(&self, method: &str, path: &str, why: &str) -> Error {
        Error::plain(
            ErrorClass::SendMessage,
            format!("`{method} http://127.0.0.1:{}{path}` failed: {why}", self.port),
        )
    }
}

async fn direct(port: u16, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request).await?;
    let mut bytes = Vec::new();
    stream.take(MOST).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Reads a whole answer; `None` if it is cut short or is not HTTP.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let rest = bytes.get(end + 4..)?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    if !words.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let status = words.next()?.parse().ok()?;
    let header = |name: &str| {
        lines
            .clone()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let is_chunked = header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let body = if is_chunked {
        unchunk(rest)?
    } else if let Some(length) = header("content-length") {
        rest.get(..length.parse::<usize>().ok()?)?.to_vec()
    } else {
        rest.to_vec()
    };
    Some(Answer { status, body })
}

/// Joins the chunks; `None` if the last one is missing.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let line = std::str::from_utf8(rest.get(..end)?).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let start = end + 2;
        body.extend(rest.get(start..start.checked_add(size)?)?);
        rest = rest.get(start + size..)?.strip_prefix(b"\r\n")?;
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = (bits >> (18 - 6 * at)) as usize & 63;
            text.push(if at <= group.len() { char::from(LETTERS[letter]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_login_is_encoded() {
        for (plain, text) in
            [("", ""), ("M", "TQ=="), ("Ma", "TWE="), ("Man", "TWFu"), ("opencode:x?>", "b3BlbmNvZGU6eD8+")]
        {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn answers_in_every_framing() {
        let body = |text: &str| parse(text.as_bytes()).map(|answer| (answer.status, answer.body));
        assert_eq!(
            body("HTTP/1.1 204 No Content\r\nVary: Origin\r\nContent-Length: 0\r\n\r\n"),
            Some((204, vec![]))
        );
        assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"), Some((200, b"{}".to_vec())));
        assert_eq!(body("HTTP/1.1 200 OK\r\n\r\nto the end"), Some((200, b"to the end".to_vec())));
        assert_eq!(
            body(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"
            ),
            Some((200, b"abc0123456789".to_vec()))
        );
        for cut in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "SSH-2.0-OpenSSH\r\n\r\n",
        ] {
            assert_eq!(body(cut), None, "{cut:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            answer.extend(&bytes);
            let _ = parse(&bytes);
            let _ = parse(&answer);
        }

        #[test]
        fn chunks_are_joined(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..8)) {
            let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for part in &parts {
                answer.extend(format!("{:x}\r\n", part.len()).bytes());
                answer.extend(part);
                answer.extend(b"\r\n");
            }
            answer.extend(b"0\r\n\r\n");
            prop_assert_eq!(parse(&answer).unwrap().body, parts.concat());
        }
    }
}
