//! Many small files, fast.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::SystemTime;

/// Reads small files with three system calls each (open, read, close), where `fs::read` needs six or more;
/// a listing of a thousand agents consists of little else. Keeps its buffer.
#[derive(Debug)]
pub struct SmallReader {
    buffer: Vec<u8>,
}

impl Default for SmallReader {
    fn default() -> Self {
        Self::new()
    }
}

impl SmallReader {
    /// What fits in the first read; larger files take more reads.
    const START: usize = 8 * 1024;

    #[must_use]
    pub fn new() -> Self {
        Self { buffer: vec![0; Self::START] }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// It does not exist or cannot be read.
    pub fn read(&mut self, path: &Path) -> io::Result<&[u8]> {
        let file = File::open(path)?;
        self.fill(file)
    }

    /// The bytes of a file and when it was last written.
    ///
    /// # Errors
    /// As [`SmallReader::read`].
    pub fn read_with_time(&mut self, path: &Path) -> io::Result<(&[u8], SystemTime)> {
        let file = File::open(path)?;
        let modified = file.metadata()?.modified()?;
        Ok((self.fill(file)?, modified))
    }

    /// A read that leaves room in the buffer has met the end of the file, also under `/proc`.
    fn fill(&mut self, mut file: File) -> io::Result<&[u8]> {
        let mut length = 0;
        loop {
            let count = match file.read(&mut self.buffer[length..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count?,
            };
            length += count;
            if length < self.buffer.len() {
                return Ok(&self.buffer[..length]);
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_of_any_size_are_read_whole_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut reader = SmallReader::new();
        for size in [0, 1, 8 * 1024 - 1, 8 * 1024, 8 * 1024 + 1, 100_000, 3] {
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
            fs::write(&path, &bytes).unwrap();
            assert_eq!(reader.read(&path).unwrap(), bytes, "{size}");
            let (read, modified) = reader.read_with_time(&path).unwrap();
            assert_eq!(read, bytes);
            assert_eq!(modified, fs::metadata(&path).unwrap().modified().unwrap());
        }
        assert_eq!(reader.read(&dir.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(reader.read(dir.path()).is_err(), "a directory is no file");
        let own = format!("/proc/{}/stat", std::process::id());
        assert!(reader.read(Path::new(&own)).unwrap().ends_with(b"\n"));
    }
}
