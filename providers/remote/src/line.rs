//! The bytes under an ssh connection: TCP, a channel of another connection, or a child process.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::client::Handle;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::connection::Client;
use crate::error::SshError;
use crate::target::SshTarget;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream to the target's sshd, and the child process that is it, if one is.
pub(crate) struct Line {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) child: Option<Child>,
}

/// Opens the line: through `via` if there is a machine before this one.
pub(crate) async fn open(target: &SshTarget, via: Option<&Handle<Client>>) -> Result<Line, SshError> {
    let limit = target.connect_timeout;
    if let Some(via) = via {
        let open = via.channel_open_direct_tcpip(target.host.clone(), u32::from(target.port), "127.0.0.1", 0);
        let channel = timeout(limit, open).await.map_err(|_| late(target, limit))?;
        let channel = channel.map_err(|error| SshError::Unreachable {
            endpoint: target.endpoint(),
            source: Arc::new(io::Error::other(format!("the jump host does not forward: {error}"))),
        })?;
        return Ok(Line { stream: Box::new(channel.into_stream()), child: None });
    }
    if let Some(command) = &target.proxy_command {
        return proxy(target, command);
    }
    Ok(Line { stream: Box::new(tcp(target).await?), child: None })
}

/// Tries every address of the host, one after the other.
async fn tcp(target: &SshTarget) -> Result<TcpStream, SshError> {
    let limit = target.connect_timeout;
    let end = Instant::now() + limit;
    let endpoint = target.endpoint();
    let unresolvable =
        |source| SshError::Unresolvable { host: target.host.clone(), source: Arc::new(source) };
    let name = target.host.trim_start_matches('[').trim_end_matches(']');
    let addresses = timeout(limit, lookup_host((name, target.port))).await;
    let addresses: Vec<_> = addresses.map_err(|_| late(target, limit))?.map_err(unresolvable)?.collect();
    let mut last = unresolvable(io::ErrorKind::NotFound.into());
    for (index, address) in addresses.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        // One address that swallows everything leaves time for the others.
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small requests and their answers would wait for each other.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(source)) if source.kind() == io::ErrorKind::ConnectionRefused => {
                SshError::Refused { endpoint: endpoint.clone(), source: Arc::new(source) }
            }
            Ok(Err(source)) if source.kind() == io::ErrorKind::TimedOut => late(target, limit),
            Ok(Err(source)) => SshError::Unreachable { endpoint: endpoint.clone(), source: Arc::new(source) },
            Err(_) => late(target, limit),
        };
    }
    Err(last)
}

fn late(target: &SshTarget, after: Duration) -> SshError {
    SshError::ConnectTimeout { endpoint: target.endpoint(), after }
}

/// The person's own command line, run by `sh` as ssh does it.
fn proxy(target: &SshTarget, command: &str) -> Result<Line, SshError> {
    let failed = |source| SshError::Proxy { endpoint: target.endpoint(), source: Arc::new(source) };
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec {}", expand(command, target))])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
        return Err(failed(io::ErrorKind::BrokenPipe.into()));
    };
    Ok(Line { stream: Box::new(tokio::io::join(stdout, stdin)), child: Some(child) })
}

/// The tokens of `ProxyCommand` in ssh_config(5).
fn expand(command: &str, target: &SshTarget) -> String {
    let mut text = String::new();
    let mut rest = command.chars();
    while let Some(ch) = rest.next() {
        if ch != '%' {
            text.push(ch);
            continue;
        }
        match rest.next() {
            Some('h') => text.push_str(&target.host),
            Some('p') => text.push_str(&target.port.to_string()),
            Some('r') => text.push_str(&target.user),
            Some('n') => text.push_str(target.ssh_config_alias.as_deref().unwrap_or(&target.host)),
            Some('%') | None => text.push('%'),
            Some(other) => text.extend(['%', other]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_a_proxy_command_are_replaced() {
        let target = SshTarget { port: 7, ..SshTarget::new("box", "me") };
        assert_eq!(expand("nc -x %% %h %p %r %n %q %", &target), "nc -x % box 7 me box %q %");
    }
}
