//! Named output styles of a project: Markdown files with a front matter.

use std::path::Path;

use crate::hosts::Host;
use crate::model::error::{Error, Result};

/// Where styles lie in the work dir.
const DIR: &str = ".agents/output-styles";

/// What is added to a system prompt: the blocks, a blank line between them, then the body of the style `style`
/// verbatim. Empty if there is neither.
///
/// # Errors
/// As [`read`].
pub async fn instructions(
    host: &Host,
    work_dir: &Path,
    blocks: &[String],
    style: Option<&str>,
) -> Result<String> {
    let mut parts = blocks.to_vec();
    if let Some(style) = style {
        parts.push(read(host, work_dir, style).await?);
    }
    Ok(parts.join("\n\n"))
}

/// The body of the style `name`.
///
/// # Errors
/// There is none of that name; the message lists those that there are.
pub async fn read(host: &Host, work_dir: &Path, name: &str) -> Result<String> {
    let dir = work_dir.join(DIR);
    let mut files: Vec<String> = match host.transport.list_dir(&dir).await {
        Ok(files) => files.into_iter().filter(|file| file.ends_with(".md")).collect(),
        Err(error) if error.io_kind() == Some(std::io::ErrorKind::NotFound) => Vec::new(),
        Err(error) => return Err(error),
    };
    files.sort();
    let mut known = Vec::new();
    for file in files {
        let Some(bytes) = host.transport.read(&dir.join(&file)).await? else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((style, body)) = parse(&text) else { continue };
        if style == name {
            return Ok(body.to_owned());
        }
        known.push(style.to_owned());
    }
    let have =
        if known.is_empty() { "there is none".to_owned() } else { format!("known: {}", known.join(", ")) };
    Err(Error::input(
        format!("`{}` has no output style `{name}`", dir.display()),
        format!("{have}; a style is a file `{DIR}/*.md` whose front matter says `name: {name}`"),
    ))
}

/// The name in the front matter, and what follows it.
fn parse(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---")?.trim_start_matches('\r').strip_prefix('\n')?;
    let mut at = 0;
    let mut name = None;
    for line in rest.split_inclusive('\n') {
        at += line.len();
        let line = line.trim_end();
        if line == "---" {
            return Some((name?, &rest[at..]));
        }
        if let Some(value) = line.strip_prefix("name:") {
            let value = value.trim();
            let quoted =
                ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            name = Some(quoted.unwrap_or(value));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_front_matter_names_a_style() {
        assert_eq!(parse("---\nname: Terse\nkeep: x\n---\n# Be\nbrief\n"), Some(("Terse", "# Be\nbrief\n")));
        assert_eq!(parse("---\r\nname: \"Very terse\"\r\n---\r\nx"), Some(("Very terse", "x")));
        for none in ["", "name: x", "---\nname: x\n", "---\nkeep: x\n---\nbody", "---name: x\n---\n"] {
            assert_eq!(parse(none), None, "{none:?}");
        }
    }
}
