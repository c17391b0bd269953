//! What a headless agent prints: where it lies and how it becomes text.

use crate::model::error::Result;

/// Reads one run's output while it grows.
pub trait HeadlessOutput: Send {
    /// The files with what the program prints and with its complaints, below `A`.
    fn files(&self) -> (&'static str, &'static str);

    /// Takes raw output as it comes and returns what a person reads of it.
    fn take(&mut self, bytes: &[u8]) -> Vec<u8>;

    /// The program has ended; `complaint` is the end of what stands in the second file. Returns the rest.
    ///
    /// # Errors
    /// The program itself says that it failed, or it has said nothing where it has to.
    fn finish(&mut self, complaint: &str) -> Result<Vec<u8>>;
}

/// Output that is text already.
#[derive(Debug)]
pub struct PlainOutput;

impl HeadlessOutput for PlainOutput {
    fn files(&self) -> (&'static str, &'static str) {
        ("stdout.log", "stderr.log")
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    fn finish(&mut self, _complaint: &str) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}
