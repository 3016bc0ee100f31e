//! Git's framing: four hexadecimal digits of length, then that many bytes.

use std::io::{self, Read};

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    Data(Vec<u8>),
    /// Ends a message.
    Flush,
    /// Separates the sections of a message (protocol version 2).
    Delimiter,
    /// Ends the answer to a stateless request (protocol version 2).
    ResponseEnd,
}

pub(crate) const FLUSH: &[u8] = b"0000";
pub(crate) const DELIMITER: &[u8] = b"0001";

/// The next packet, or `None` at a clean end of the stream.
pub(crate) fn read(stream: &mut dyn Read) -> io::Result<Option<Packet>> {
    let mut header = [0; 4];
    let first = stream.read(&mut header)?;
    if first == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[first..])?;
    let length = std::str::from_utf8(&header).ok().and_then(|h| usize::from_str_radix(h, 16).ok());
    match length {
        Some(0) => Ok(Some(Packet::Flush)),
        Some(1) => Ok(Some(Packet::Delimiter)),
        Some(2) => Ok(Some(Packet::ResponseEnd)),
        Some(length @ 4..) => {
            let mut data = vec![0; length - 4];
            stream.read_exact(&mut data)?;
            Ok(Some(Packet::Data(data)))
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "not a packet length")),
    }
}

/// Frames what a packet has, which is at most 65516 bytes.
pub(crate) fn packet(data: &[u8]) -> Vec<u8> {
    [format!("{:04x}", data.len() + 4).as_bytes(), data].concat()
}

/// Frames one line; a line feed ends it, as Git's own clients do.
pub(crate) fn line(text: &str) -> Vec<u8> {
    // Callers write short commands, far below the limit of 65516 bytes.
    format!("{:04x}{text}\n", text.len() + 5).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_back() {
        let mut bytes = line("command=ls-refs");
        bytes.extend_from_slice(DELIMITER);
        bytes.extend_from_slice(FLUSH);
        let mut stream = bytes.as_slice();
        let data = Packet::Data(b"command=ls-refs\n".to_vec());
        for expected in [Some(data), Some(Packet::Delimiter), Some(Packet::Flush), None] {
            assert_eq!(read(&mut stream).unwrap(), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let mut stream = bytes.as_slice();
            while let Ok(Some(_)) = read(&mut stream) {}
        }
    }
}
