//! The helper that git, rsync and unison start in place of `ssh`, as the program that people install.

use std::process::Command;

#[test]
fn by_its_own_name_the_program_is_the_helper_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let helper = dir.path().join(mng_core::transports::relay::HELPER);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mng-under-test"), &helper).unwrap();
    let output = Command::new(&helper).args(["host", "true"]).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(255));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"mng: only mng itself starts this, with the way to its connection in the environment");
}
