//! The ssh transport against real machines; see [`mng_tests::SshHost`]. Without root these tests are skipped.

#![expect(clippy::unwrap_used, reason = "what helps the tests fails as they do")]

mod commands;
mod files;
mod harness;
mod locks;
mod login;
mod trouble;
mod world;
