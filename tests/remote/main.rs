//! The ssh transport against real machines; see [`mng_tests::SshHost`]. Without root these tests are skipped.

mod commands;
mod files;
mod harness;
mod locks;
mod login;
mod trouble;
mod world;
