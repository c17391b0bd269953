//! The origin of a repository, and what its URL says about the project.

use super::{Git, GitError};
use crate::model::error::Result;

/// The URL of the remote `origin`, as `git remote get-url` gives it; `None` if there is none.
///
/// # Errors
/// git fails for another reason.
pub async fn origin_url(git: &Git<'_>) -> Result<Option<String>> {
    let output = git.run(git.command(["remote", "get-url", "origin"]).idempotent()).await?;
    if output.is_success() {
        let url = output.stdout_text().trim_end_matches('\n').to_owned();
        return Ok((!url.is_empty()).then_some(url));
    }
    if output.stderr_text().contains("No such remote") {
        return Ok(None);
    }
    Err(GitError::of("git remote get-url", git.place(), &output).into())
}

/// The project that an origin URL names: the last segment of its path without `.git`. Known are
/// `user@host:path` and http(s) URLs; anything else names none.
#[must_use]
pub fn project_of_url(url: &str) -> Option<String> {
    let path = if url.contains('@') && url.matches(':').count() == 1 {
        url.split_once(':').map(|(_, path)| path)?
    } else {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        let (_, path) = rest.split_once('/')?;
        path.split(['?', '#']).next().unwrap_or_default()
    };
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name = last.strip_suffix(".git").unwrap_or(last);
    (!name.is_empty()).then(|| name.to_owned())
}

/// A URL without user name, password or token. The `git@` of `git@host:path` is no secret and stays.
#[must_use]
pub fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{tail}")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRepo, block};
    use super::*;
    use crate::transports::LocalTransport;

    #[test]
    fn projects() {
        let project = |url| project_of_url(url);
        assert_eq!(project("git@github.com:org/my-app.git").as_deref(), Some("my-app"));
        assert_eq!(project("https://github.com/org/my-app").as_deref(), Some("my-app"));
        assert_eq!(project("https://u:t@github.com/org/my-app.git/").as_deref(), Some("my-app"));
        assert_eq!(project("ssh://git@host/a/b.git").as_deref(), Some("b"));
        assert_eq!(project("/srv/git/x.git"), None);
        assert_eq!(project("file:///srv/git/x.git"), None);
        assert_eq!(project("https://host"), None);
    }

    #[test]
    fn tokens_are_not_labels() {
        assert_eq!(without_userinfo("https://user:ghp_x@h.com/a/b.git"), "https://h.com/a/b.git");
        assert_eq!(without_userinfo("https://tok@en@h.com/a@b"), "https://h.com/a@b");
        assert_eq!(without_userinfo("https://h.com/a/b.git"), "https://h.com/a/b.git");
        assert_eq!(without_userinfo("git@h.com:a/b"), "git@h.com:a/b");
        assert_eq!(without_userinfo("https://tok@h.com"), "https://h.com");
    }

    #[test]
    fn no_origin_is_an_answer() {
        let repo = TestRepo::new();
        let git = Git::at(&LocalTransport, repo.root()).unwrap();
        assert_eq!(block(origin_url(&git)).unwrap(), None);
        repo.git("remote add origin https://h.com/a/b.git");
        assert_eq!(block(origin_url(&git)).unwrap().as_deref(), Some("https://h.com/a/b.git"));
    }
}
