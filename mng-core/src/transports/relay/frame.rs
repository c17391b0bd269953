//! How the two halves of the relay talk over their socket: one byte that says what, four that say how long
//! (big-endian), then the bytes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Longest content of one frame, in bytes. A longer one is refused before it is read.
pub(super) const LONGEST: usize = 1 << 20;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Helper: a [`Hello`] as JSON; the first frame.
    Hello,
    /// Helper: bytes for standard input; none is the end of file.
    Stdin,
    Stdout,
    Stderr,
    /// Server: the exit code as decimal text; the last frame.
    Exit,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Hello => b'h',
            Self::Stdin => b'i',
            Self::Stdout => b'o',
            Self::Stderr => b'e',
            Self::Exit => b'x',
        }
    }

    fn of(byte: u8) -> io::Result<Self> {
        let all = [Self::Hello, Self::Stdin, Self::Stdout, Self::Stderr, Self::Exit];
        all.into_iter().find(|kind| kind.byte() == byte).ok_or_else(|| invalid("a frame of no known kind"))
    }
}

/// What the helper asks for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) token: String,
    /// For `sh -c` on the host.
    pub(super) line: String,
    pub(super) env: BTreeMap<String, String>,
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn header(kind: Kind, length: usize) -> io::Result<[u8; 5]> {
    let length = u32::try_from(length).ok().filter(|length| *length as usize <= LONGEST);
    let [a, b, c, d] = length.ok_or_else(|| invalid("a frame too long"))?.to_be_bytes();
    Ok([kind.byte(), a, b, c, d])
}

fn parse_header(bytes: [u8; 5]) -> io::Result<(Kind, usize)> {
    let [kind, a, b, c, d] = bytes;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > LONGEST {
        return Err(invalid("a frame too long"));
    }
    Ok((Kind::of(kind)?, length))
}

pub(super) fn write(mut to: impl Write, kind: Kind, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&header(kind, bytes.len())?)?;
    to.write_all(bytes)
}

/// The next frame; an error of the kind `UnexpectedEof` when the other side is gone.
pub(super) fn read(mut from: impl Read) -> io::Result<(Kind, Vec<u8>)> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let (kind, length) = parse_header(head)?;
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok((kind, bytes))
}

pub(super) async fn send(to: &mut (impl AsyncWrite + Unpin), kind: Kind, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&header(kind, bytes.len())?).await?;
    to.write_all(bytes).await
}

pub(super) async fn receive(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(Kind, Vec<u8>)> {
    let mut head = [0; 5];
    from.read_exact(&mut head).await?;
    let (kind, length) = parse_header(head)?;
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await?;
    Ok((kind, bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut wire = Vec::new();
            write(&mut wire, Kind::Stdout, &bytes).unwrap();
            write(&mut wire, Kind::Exit, b"7").unwrap();
            let mut from = wire.as_slice();
            prop_assert_eq!(read(&mut from).unwrap(), (Kind::Stdout, bytes));
            prop_assert_eq!(read(&mut from).unwrap(), (Kind::Exit, b"7".to_vec()));
        }

        #[test]
        fn noise_is_refused_or_read_but_never_believed_without_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok((_, content)) = read(bytes.as_slice()) {
                prop_assert!(content.len() <= bytes.len());
            }
        }
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused_before_it_is_read() {
        let error = read([b'i', 0xff, 0xff, 0xff, 0xff].as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
