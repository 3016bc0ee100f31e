//! Flow collections of the fast parser.

use super::{NodeId, Parser, Style, is_odd_key, merge};

impl Parser<'_> {
    /// A flow collection that ends its line.
    pub(super) fn flow_line(&mut self) -> Option<NodeId> {
        let node = self.flow_collection()?;
        self.end_line()?;
        Some(node)
    }

    fn flow_collection(&mut self) -> Option<NodeId> {
        self.depth = self.depth.checked_sub(1)?;
        let start = self.at;
        self.at += 1;
        let node = if self.bytes[start] == b'{' { self.flow_mapping()? } else { self.flow_sequence()? };
        self.doc.set_flow(node, true);
        self.doc.set_offset(node, start);
        self.depth += 1;
        Some(node)
    }

    fn flow_sequence(&mut self) -> Option<NodeId> {
        let sequence = self.doc.new_sequence();
        loop {
            self.skip_flow_space()?;
            if self.byte(self.at) == b']' {
                self.at += 1;
                return Some(sequence);
            }
            let item = self.flow_node()?;
            self.doc.push(sequence, item);
            self.flow_separator(b']')?;
        }
    }

    fn flow_mapping(&mut self) -> Option<NodeId> {
        let mapping = self.doc.new_mapping();
        loop {
            self.skip_flow_space()?;
            if self.byte(self.at) == b'}' {
                self.at += 1;
                return if merge::has_duplicates(&self.doc, mapping) { None } else { Some(mapping) };
            }
            let key = self.flow_scalar()?;
            if is_odd_key(self.doc.bytes(key)) || self.byte(self.at) != b':' {
                return None;
            }
            // `{a:b}` is a key without a value; only after a quoted key the colon may stand alone.
            if !self.is_blank(self.at + 1) && self.doc.style(key) == Style::Plain {
                return None;
            }
            self.at += 1;
            self.skip_flow_space()?;
            let value = self.flow_node()?;
            self.doc.push_entry(mapping, key, value);
            self.flow_separator(b'}')?;
        }
    }

    /// Goes behind a comma, or up to the bracket that closes.
    fn flow_separator(&mut self, close: u8) -> Option<()> {
        self.skip_flow_space()?;
        match self.byte(self.at) {
            b',' => self.at += 1,
            byte if byte == close => {}
            _ => return None,
        }
        Some(())
    }

    /// Spaces and line breaks; not the comments and document indicators that may follow these.
    fn skip_flow_space(&mut self) -> Option<()> {
        loop {
            self.skip_spaces();
            if self.bytes.get(self.at) != Some(&b'\n') {
                return Some(());
            }
            self.at += 1;
            if matches!(self.byte(self.at), b'-' | b'.' | b'%') {
                return None;
            }
        }
    }

    fn flow_node(&mut self) -> Option<NodeId> {
        match self.byte(self.at) {
            b'[' | b'{' => self.flow_collection(),
            _ => self.flow_scalar(),
        }
    }

    /// A scalar on one line; what may be a key is left before its colon.
    fn flow_scalar(&mut self) -> Option<NodeId> {
        if matches!(self.byte(self.at), b'"' | b'\'') {
            let (node, is_one_line) = self.quoted_scalar(-1)?;
            return is_one_line.then_some(node);
        }
        let at = self.at;
        self.check_plain_start(at)?;
        if matches!(self.byte(at), b'-' | b'?' | b':') {
            return None;
        }
        let end = self.plain_end(at, true)?;
        if matches!(self.byte(end.at), b'\n' | b'?' | b' ' | b'[' | b'{') || end.at - at > super::MAX_KEY {
            return None;
        }
        let length = self.bytes[at..end.at].trim_ascii_end().len();
        self.at = end.at;
        Some(self.new_plain(at, length, end))
    }
}
