//! What a server says first: its refs (version 0 and 1) or what it can do (version 2).

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::id::ObjectId;
use crate::protocol::pkt_line::{self, Packet};
use crate::refs::RemoteRef;

#[derive(Debug)]
pub(crate) enum Advertisement {
    /// Version 2: refs have to be asked for.
    Version2,
    /// Version 0 or 1: all refs, as sent.
    Refs(Vec<RemoteRef>),
}

/// No repository has as many; a server that does not stop must not fill the memory.
pub(crate) const MAX_REFS: usize = 5_000_000;

/// What libgit2 may ask of the server: what every server has that also speaks version 2.
const CAPABILITIES: &str = "multi_ack_detailed side-band-64k thin-pack ofs-delta shallow";

/// What a server that has no other refs would say over HTTP in version 0.
pub(crate) fn version0(refs: &[RemoteRef]) -> Vec<u8> {
    let symref = |it: &RemoteRef| Some(format!(" symref={}:{}", it.name, it.symref_target.as_ref()?));
    let capabilities: String = std::iter::once(CAPABILITIES.to_owned()).chain(refs.iter().filter_map(symref)).collect();
    let mut lines = Vec::new();
    for reference in refs {
        lines.push(format!("{} {}", reference.id, reference.name));
        lines.extend(reference.peeled.map(|peeled| format!("{peeled} {}^{{}}", reference.name)));
    }
    if lines.is_empty() {
        lines.push(format!("{} capabilities^{{}}", ObjectId::ZERO));
    }
    lines[0] = format!("{}\0{capabilities}", lines[0]);
    let mut bytes = pkt_line::line("# service=git-upload-pack");
    bytes.extend_from_slice(pkt_line::FLUSH);
    bytes.extend(lines.iter().flat_map(|line| pkt_line::line(line)));
    bytes.extend_from_slice(pkt_line::FLUSH);
    bytes
}

pub(crate) fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

/// Reads an advertisement up to its flush packet.
pub(crate) fn read(stream: &mut dyn Read) -> io::Result<Advertisement> {
    let mut refs = Refs::default();
    let mut version2 = false;
    let mut lines = 0;
    loop {
        match pkt_line::read(stream)? {
            // Over HTTP a line that names the service comes first, with a flush of its own.
            Some(Packet::Flush) if lines == 1 && refs.service_line => refs.service_line = false,
            Some(Packet::Flush) => break,
            Some(Packet::Data(_)) if refs.refs.len() == MAX_REFS => return Err(invalid("there are too many refs")),
            Some(Packet::Data(line)) => {
                let line = text(&line)?;
                match line {
                    "version 2" => version2 = true,
                    _ if version2 => {}
                    _ => refs.add(line)?,
                }
            }
            Some(other) => return Err(invalid(format!("unexpected packet {other:?}"))),
            None if lines == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        lines += 1;
    }
    Ok(match version2 {
        true => Advertisement::Version2,
        false => Advertisement::Refs(refs.finish()),
    })
}

pub(crate) fn text(line: &[u8]) -> io::Result<&str> {
    let text = std::str::from_utf8(line).map_err(|_| invalid("a line is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    match text.strip_prefix("ERR ") {
        // The one way to tell the server's own words from a broken answer.
        Some(words) => Err(io::Error::new(io::ErrorKind::PermissionDenied, words.to_owned())),
        None => Ok(text),
    }
}

#[derive(Default)]
struct Refs {
    service_line: bool,
    refs: Vec<RemoteRef>,
    symrefs: BTreeMap<String, String>,
}

impl Refs {
    fn add(&mut self, line: &str) -> io::Result<()> {
        if line.starts_with("# service=") {
            self.service_line = true;
            return Ok(());
        }
        if line.starts_with("version ") || line.starts_with("shallow ") {
            return Ok(());
        }
        let (line, capabilities) = line.split_once('\0').unwrap_or((line, ""));
        for capability in capabilities.split(' ') {
            if let Some((name, target)) = capability.strip_prefix("symref=").and_then(|symref| symref.split_once(':')) {
                self.symrefs.insert(name.to_owned(), target.to_owned());
            }
        }
        let (id, name) = line.split_once(' ').ok_or_else(|| invalid("a ref has no name"))?;
        let id: ObjectId = id.parse().map_err(|error| invalid(format!("{error}")))?;
        match name.strip_suffix("^{}") {
            // Comes right after the tag it belongs to; an empty repository
            // advertises `capabilities^{}`, which belongs to nothing.
            Some(tag) => {
                if let Some(last) = self.refs.last_mut().filter(|last| last.name == tag) {
                    last.peeled = Some(id);
                }
            }
            None => self.refs.push(RemoteRef::new(name, id)),
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<RemoteRef> {
        for reference in &mut self.refs {
            reference.symref_target = self.symrefs.remove(&reference.name);
        }
        self.refs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

    fn packets(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            match *line {
                "" => bytes.extend_from_slice(pkt_line::FLUSH),
                line => bytes.extend(pkt_line::line(line)),
            }
        }
        bytes
    }

    #[test]
    fn version_0_refs_carry_symrefs_and_peeled_tags() {
        let bytes = packets(&[
            "# service=git-upload-pack",
            "",
            &format!("{ID} HEAD\0multi_ack symref=HEAD:refs/heads/main agent=git/2"),
            &format!("{ID} refs/heads/main"),
            &format!("{ID} refs/tags/v1"),
            &format!("{ID} refs/tags/v1^{{}}"),
            "",
        ]);
        let Advertisement::Refs(refs) = read(&mut bytes.as_slice()).unwrap() else { panic!("version 0 lists refs") };
        assert_eq!(refs.len(), 3);
        assert_eq!(refs[0].symref_target.as_deref(), Some("refs/heads/main"));
        assert_eq!(refs[2].peeled, Some(ID.parse().unwrap()));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let id = |digit: char| digit.to_string().repeat(40).parse().unwrap();
        let mut head = RemoteRef::new("HEAD", id('1'));
        head.symref_target = Some("refs/heads/main".to_owned());
        let mut tag = RemoteRef::new("refs/tags/v1", id('2'));
        tag.peeled = Some(id('3'));
        for refs in [vec![], vec![head, RemoteRef::new("refs/heads/main", id('1')), tag]] {
            let bytes = version0(&refs);
            let Advertisement::Refs(read) = read(&mut bytes.as_slice()).unwrap() else {
                panic!("version 0 lists refs")
            };
            assert_eq!(read, refs);
        }
    }

    #[test]
    fn an_empty_repository_has_no_refs() {
        let zero = "0".repeat(40);
        let bytes = packets(&[&format!("{zero} capabilities^{{}}\0agent=git/2"), ""]);
        let Advertisement::Refs(refs) = read(&mut bytes.as_slice()).unwrap() else { panic!("version 0 lists refs") };
        assert!(refs.is_empty());
    }

    #[test]
    fn the_servers_refusal_is_told_apart() {
        let bytes = packets(&["ERR access denied"]);
        let error = read(&mut bytes.as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(error.to_string(), "access denied");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(lines: Vec<String>) {
            let mut bytes = packets(&lines.iter().map(String::as_str).collect::<Vec<_>>());
            bytes.extend_from_slice(b"0000");
            let _ = read(&mut bytes.as_slice());
        }
    }
}
