//! Cuts an advertisement down to the refs that a push needs.
//!
//! libgit2 looks for each advertised object in the object database, and reads
//! the directory of packs again for each that is not there: with 100,000 refs a
//! push of one commit takes it many seconds.

use std::io::{self, Read};

use crate::id::ObjectId;
use crate::protocol::pkt_line::{self, Packet};

/// The refs that stay.
#[derive(Debug, Clone)]
pub(crate) struct Keep {
    /// The ref that is pushed to.
    pub(crate) name: String,
    /// A commit that we have, so that only what comes after it is sent.
    pub(crate) base: Option<ObjectId>,
}

/// Reads an advertisement of version 0 up to its end, and returns what stays of it.
pub(crate) fn narrow(stream: &mut dyn Read, keep: &Keep) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut capabilities: Option<Vec<u8>> = None;
    let mut base_is_kept = false;
    let mut service_named = false;
    loop {
        let line = match pkt_line::read(stream)? {
            Some(Packet::Data(line)) => line,
            // Over HTTP, the one after the name of the service comes before any ref.
            Some(Packet::Flush) if service_named => {
                service_named = false;
                kept.extend_from_slice(pkt_line::FLUSH);
                continue;
            }
            Some(Packet::Flush) => break,
            Some(other) => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("unexpected {other:?}"))),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        let Some((id, name)) = split(&line) else {
            service_named = line.starts_with(b"# service=");
            // The service, an error, a shallow commit: short, and libgit2's to read.
            kept.extend(pkt_line::packet(&line));
            continue;
        };
        let (name, after) = cut(name);
        let first = capabilities.is_none();
        let capabilities = capabilities.get_or_insert_with(|| after.to_vec());
        let is_base = !base_is_kept && keep.base.is_some_and(|base| base.to_string().as_bytes() == id);
        if name == keep.name.as_bytes() || is_base || (first && name == b"capabilities^{}") {
            base_is_kept |= is_base;
            let capabilities = std::mem::take(capabilities);
            kept.extend(ref_line(id, name, &capabilities));
        }
    }
    // The capabilities stand on the first ref, or on this one if there is none.
    if let Some(capabilities) = capabilities.filter(|capabilities| !capabilities.is_empty()) {
        kept.extend(ref_line(ObjectId::ZERO.to_string().as_bytes(), b"capabilities^{}", &capabilities));
    }
    kept.extend_from_slice(pkt_line::FLUSH);
    Ok(kept)
}

/// Id and rest of a line that is a ref.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (id, rest) = line.split_at_checked(40)?;
    let is_id = id.iter().all(u8::is_ascii_hexdigit);
    is_id.then_some((id, rest.strip_prefix(b" ")?))
}

/// The name, and the capabilities after it.
fn cut(rest: &[u8]) -> (&[u8], &[u8]) {
    let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
    match rest.iter().position(|byte| *byte == 0) {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, b""),
    }
}

fn ref_line(id: &[u8], name: &[u8], capabilities: &[u8]) -> Vec<u8> {
    let separator: &[u8] = if capabilities.is_empty() { b"" } else { b"\0" };
    pkt_line::packet(&[id, b" ", name, separator, capabilities, b"\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advertised(lines: &[String]) -> Vec<u8> {
        let mut bytes: Vec<u8> = lines.iter().flat_map(|line| pkt_line::packet(line.as_bytes())).collect();
        bytes.extend_from_slice(pkt_line::FLUSH);
        bytes
    }

    fn narrowed(lines: &[String], base: Option<char>) -> Vec<String> {
        let base = base.map(|digit| id(digit).parse().unwrap());
        let keep = Keep { name: "refs/heads/main".to_owned(), base };
        let bytes = narrow(&mut advertised(lines).as_slice(), &keep).unwrap();
        let mut stream = bytes.as_slice();
        let mut kept = Vec::new();
        while let Some(Packet::Data(line)) = pkt_line::read(&mut stream).unwrap() {
            kept.push(String::from_utf8(line).unwrap().trim_end().to_owned());
        }
        assert!(stream.is_empty());
        kept
    }

    fn id(digit: char) -> String {
        digit.to_string().repeat(40)
    }

    #[test]
    fn the_capabilities_move_to_the_first_ref_that_stays() {
        let lines = [
            format!("{} refs/heads/a\0report-status side-band-64k\n", id('1')),
            format!("{} .have\n", id('2')),
            format!("{} refs/heads/main\n", id('3')),
            format!("{} refs/heads/z\n", id('4')),
        ];
        assert_eq!(narrowed(&lines, None), [format!("{} refs/heads/main\0report-status side-band-64k", id('3'))]);
        let with_base = narrowed(&lines, Some('4'));
        assert_eq!(with_base[1..], [format!("{} refs/heads/z", id('4'))]);
    }

    #[test]
    fn no_ref_or_none_that_stays_is_an_empty_repository() {
        let capabilities = format!("{} capabilities^{{}}\0report-status", id('0'));
        assert_eq!(narrowed(&[format!("{capabilities}\n")], None), [capabilities.as_str()]);
        let other = format!("{} refs/heads/a\0report-status", id('1'));
        assert_eq!(narrowed(&[other], None), [capabilities]);
    }

    #[test]
    fn what_is_no_ref_is_passed_on() {
        assert_eq!(narrowed(&["ERR no write access".to_owned()], None), ["ERR no write access"]);
        let service = pkt_line::packet(b"# service=git-receive-pack\n");
        let http = [service.as_slice(), pkt_line::FLUSH, &advertised(&[format!("{} refs/heads/main\0x", id('1'))])];
        let keep = Keep { name: "refs/heads/main".to_owned(), base: None };
        let kept = narrow(&mut http.concat().as_slice(), &keep).unwrap();
        let expected =
            [service.as_slice(), pkt_line::FLUSH, &advertised(&[format!("{} refs/heads/main\0x\n", id('1'))])];
        assert_eq!(kept, expected.concat());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(lines: Vec<String>) {
            let keep = Keep { name: "refs/heads/main".to_owned(), base: None };
            let _ = narrow(&mut advertised(&lines).as_slice(), &keep);
        }
    }
}
