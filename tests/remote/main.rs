//! The ssh transport against real machines; see [`mng_tests::SshHost`]. Without root these tests are skipped.

mod harness;
