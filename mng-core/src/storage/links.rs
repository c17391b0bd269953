//! Symlinks into a person's own directories.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::model::error::{Error, Result};
use crate::model::ids::random_hex;

/// Makes `place` a symlink to `target`. A link that is there is replaced as a whole: writing through one would
/// change the person's directory. What is no link stays as it is. Parents are made (0700).
///
/// # Errors
/// The link cannot be made.
pub fn replace_link(target: &Path, place: &Path) -> Result<()> {
    let failed = |error| Error::io(format!("link `{}`", place.display()), error);
    match fs::symlink_metadata(place) {
        Ok(meta) if !meta.is_symlink() => return Ok(()),
        Ok(_) if fs::read_link(place).is_ok_and(|there| there == target) => return Ok(()),
        _ => {}
    }
    let dir = place.parent().unwrap_or(place);
    super::create_private_dir(dir)?;
    let fresh = dir.join(format!(".mng-link-{}", random_hex()));
    symlink(target, &fresh).map_err(failed)?;
    fs::rename(&fresh, place).map_err(|error| {
        // Only the half-made link is lost.
        let _ = fs::remove_file(&fresh);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_replaced_and_nothing_is_written_through_it() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two, place) =
            (dir.path().join("one"), dir.path().join("two"), dir.path().join("deep/place"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&two).unwrap();
        replace_link(&one, &place).unwrap();
        replace_link(&two, &place).unwrap();
        assert_eq!(fs::read_link(&place).unwrap(), two);
        assert_eq!(fs::read_dir(&one).unwrap().count(), 0, "a link inside the directory it led to");
        let own = dir.path().join("own");
        fs::write(&own, "mine").unwrap();
        replace_link(&one, &own).unwrap();
        assert_eq!(fs::read_to_string(&own).unwrap(), "mine");
    }
}
