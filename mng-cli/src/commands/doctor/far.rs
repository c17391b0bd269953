//! The hosts of configured providers: whether they answer, and what they lack.

use mng_core::hosts::fan_out;
use mng_core::operations::discover::{self, Scope};
use mng_core::plugins::Ctx;
use mng_core::providers::DiscoveredHost;
use mng_core::transports::ExecRequest;
use mng_core::{Error, Result};

use super::{Check, Status};
use crate::exit::ExitCode;
use crate::frame::wait;

/// Prints `program version` of what agents need there, `program` alone where it is missing.
const LOOK: &str = r#"for program in tmux git rsync; do
    case $program in tmux) flag=-V ;; *) flag=--version ;; esac
    version=$("$program" "$flag" 2>/dev/null) || version=
    printf '%s %s\n' "$program" "${version%%
*}"
done"#;

/// One check a host. This machine is no such host: all other checks are about it. A host that does not answer
/// may be switched off, so nothing fails for it.
pub(super) fn check(ctx: &Ctx) -> Vec<Check> {
    let mut checks = Vec::new();
    let waited = wait(&ctx.cancel, async {
        checks = look(ctx).await?;
        Ok(ExitCode::SUCCESS)
    });
    if let Err(error) = waited {
        checks.push(Check::state("hosts", Status::Note, error.to_string()));
    }
    checks
}

async fn look(ctx: &Ctx) -> Result<Vec<Check>> {
    let (found, _) = discover::hosts(ctx, &Scope::Active).await?;
    let mut hosts = found.hosts;
    hosts.retain(|host| host.provider.as_str() != "local");
    let seen = fan_out(hosts.clone(), ctx.limits.hosts, ctx.limits.probe, |host| programs(ctx, host)).await;
    let silent = found
        .failures
        .iter()
        .filter(|failure| failure.is_configured)
        .map(|failure| failed(&format!("provider {}", failure.provider), &failure.error));
    let checks = hosts.iter().zip(&seen).filter_map(|(host, seen)| {
        let name = format!("host {}", host.address());
        Some(match seen {
            Ok(None) => return None,
            Ok(Some(text)) => judge(&name, text),
            Err(error) => failed(&name, error),
        })
    });
    Ok(silent.chain(checks).collect())
}

/// `None` for this machine under another provider's name.
async fn programs(ctx: &Ctx, info: DiscoveredHost) -> Result<Option<String>> {
    let host = ctx.open_host(&info).await?;
    if host.is_local() {
        return Ok(None);
    }
    let request = ExecRequest::sh(LOOK, Vec::<String>::new()).idempotent();
    Ok(Some(host.transport.exec(request).await?.check("look for programs")?.stdout_text()))
}

fn judge(name: &str, text: &str) -> Check {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let (missing, there): (Vec<_>, Vec<_>) = lines.partition(|(_, version)| version.is_empty());
    let names =
        |programs: &[(&str, &str)]| programs.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if missing.is_empty() {
        let versions: Vec<&str> = there.iter().map(|(_, version)| *version).collect();
        return Check::state(name, Status::Ok, versions.join(", "));
    }
    let check = Check::state(name, Status::Note, format!("lacks {}", names(&missing)));
    check.hint("`mng create NAME@HOST --install-packages` installs it with the first agent")
}

fn failed(name: &str, error: &Error) -> Check {
    let causes = error.causes().into_iter();
    let detail = std::iter::once(error.to_string()).chain(causes).collect::<Vec<_>>().join(": ");
    let check = Check::state(name, Status::Note, detail);
    match error.hint() {
        Some(hint) => check.hint(hint),
        None => check,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let good =
            judge("host a.boxes", "tmux tmux 3.4\ngit git version 2.39.5\nrsync rsync  version 3.2.7\n");
        assert_eq!(good.status, Status::Ok);
        assert_eq!(good.detail, "tmux 3.4, git version 2.39.5, rsync  version 3.2.7");
        let bad = judge("host a.boxes", "tmux \ngit git version 2.39.5\nrsync \n");
        assert_eq!((bad.status, bad.detail.as_str()), (Status::Note, "lacks tmux, rsync"));
    }
}
