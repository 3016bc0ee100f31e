//! The `ls-refs` command of protocol version 2.

use std::io::{self, Read};

use crate::protocol::advertisement::{MAX_REFS, invalid, text};
use crate::protocol::pkt_line::{self, Packet};
use crate::refs::RemoteRef;

/// No file system has longer paths, and servers keep refs in files.
const MAX_NAME: usize = 4096;

/// The request for all refs that start with one of `prefixes`; for all refs when empty.
pub(crate) fn request(prefixes: &[String]) -> Vec<u8> {
    let mut bytes = pkt_line::line("command=ls-refs");
    bytes.extend(pkt_line::line(concat!("agent=gitops-git/", env!("CARGO_PKG_VERSION"))));
    bytes.extend_from_slice(pkt_line::DELIMITER);
    bytes.extend(pkt_line::line("peel"));
    bytes.extend(pkt_line::line("symrefs"));
    for prefix in prefixes {
        bytes.extend(pkt_line::line(&format!("ref-prefix {prefix}")));
    }
    bytes.extend_from_slice(pkt_line::FLUSH);
    bytes
}

/// Reads the answer up to its flush packet.
pub(crate) fn read_answer(stream: &mut dyn Read) -> io::Result<Vec<RemoteRef>> {
    let mut refs = Vec::new();
    loop {
        match pkt_line::read(stream)? {
            Some(Packet::Flush) => return Ok(refs),
            Some(Packet::Data(_)) if refs.len() == MAX_REFS => return Err(invalid("there are too many refs")),
            Some(Packet::Data(line)) => refs.extend(parse(text(&line)?)?),
            Some(other) => return Err(invalid(format!("unexpected packet {other:?}"))),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// `<id> <name> [symref-target:<name>] [peeled:<id>]`; `None` for an unborn branch.
fn parse(line: &str) -> io::Result<Option<RemoteRef>> {
    let mut words = line.split(' ');
    let (Some(id), Some(name)) = (words.next(), words.next()) else {
        return Err(invalid("a ref has no name"));
    };
    if id == "unborn" {
        return Ok(None);
    }
    if name.len() > MAX_NAME || name.contains(char::is_control) {
        return Err(invalid("a ref has an impossible name"));
    }
    let id = id.parse().map_err(|error| invalid(format!("{error}")))?;
    let mut reference = RemoteRef::new(name, id);
    for word in words {
        if let Some(target) = word.strip_prefix("symref-target:") {
            reference.symref_target = Some(target.to_owned()).filter(|target| target.len() <= MAX_NAME);
        } else if let Some(peeled) = word.strip_prefix("peeled:") {
            reference.peeled = Some(peeled.parse().map_err(|error| invalid(format!("{error}")))?);
        }
    }
    Ok(Some(reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_understood() {
        let id = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let line = format!("{id} HEAD symref-target:refs/heads/main peeled:{id}");
        let reference = parse(&line).unwrap().expect("a born branch");
        assert_eq!(reference.symref_target.as_deref(), Some("refs/heads/main"));
        assert_eq!(reference.peeled, Some(id.parse().unwrap()));
        assert!(parse("unborn HEAD symref-target:refs/heads/main").unwrap().is_none());
        for line in ["4b82 HEAD".to_owned(), format!("{id} a\0b"), format!("{id} {}", "a".repeat(5000))] {
            assert!(parse(&line).is_err(), "{line}");
        }
    }
}
