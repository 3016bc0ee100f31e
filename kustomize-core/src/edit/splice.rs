//! Changes a text where its value differs from the wanted one, and nowhere else.

use std::ops::Range;

use serde_json::Value;

use super::quotes::Quotes;
use super::render::{self, Format};
use super::tree::{Content, Node};
use crate::yaml::Style;

/// A replacement of some bytes.
#[derive(Debug)]
pub(super) struct Splice {
    range: Range<usize>,
    text: String,
}

/// Applies splices that do not overlap.
pub(super) fn apply(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
    let mut out = String::with_capacity(text.len() + 64);
    let mut copied = 0;
    for splice in splices {
        // Two removals may share a line break; the first one takes it.
        let start = splice.range.start.max(copied);
        out += &text[copied..start];
        out += &splice.text;
        copied = splice.range.end.max(start);
    }
    out + &text[copied..]
}

/// Collects the splices that make a text mean something else.
pub(super) struct Splicer<'a> {
    pub(super) text: &'a str,
    pub(super) format: Format,
    pub(super) quotes: Quotes,
    pub(super) splices: Vec<Splice>,
}

impl Splicer<'_> {
    /// Makes `node` mean `wanted`. Nothing happens where it does already.
    pub(super) fn change(&mut self, node: &Node, wanted: &Value) {
        if node.value() == *wanted {
            return;
        }
        match (&node.content, wanted) {
            (Content::Mapping { entries, flow }, Value::Object(map))
                if entries.iter().any(|(key, _)| map.contains_key(&key.key_text())) =>
            {
                self.mapping(entries, *flow, map);
            }
            (Content::Sequence { items, flow }, Value::Array(wanted)) if !wanted.is_empty() && !items.is_empty() => {
                self.sequence(node, items, *flow, wanted);
            }
            (Content::Sequence { flow: true, .. } | Content::Mapping { flow: true, .. }, _) => {
                self.replace(node.span.clone(), render::flow(wanted, self.format.quote));
            }
            (Content::Scalar { style, .. }, Value::String(_) | Value::Number(_) | Value::Bool(_))
                if !node.is_null() =>
            {
                self.scalar(node, *style, wanted);
            }
            _ => self.rewrite(node, wanted),
        }
    }

    /// A scalar keeps its quotes, unless the new text needs none and the old one did.
    fn scalar(&mut self, node: &Node, style: Style, wanted: &Value) {
        let text = match (style, wanted) {
            (Style::SingleQuoted | Style::DoubleQuoted, Value::String(text))
                if render::is_plain(text) && self.quotes.only_where_needed(node) =>
            {
                text.clone()
            }
            (Style::SingleQuoted, Value::String(text)) => render::quoted(text, '\''),
            (Style::DoubleQuoted, Value::String(text)) => render::quoted(text, '"'),
            (Style::Literal | Style::Folded, _) => return self.rewrite(node, wanted),
            _ => render::flow(wanted, self.format.quote),
        };
        self.replace(node.span.clone(), text);
    }

    /// Writes a value anew in block style, below the key or behind the dash that it has.
    fn rewrite(&mut self, node: &Node, wanted: &Value) {
        let line = self.line_start(node.span.start);
        let before = &self.text[line..node.span.start];
        let indent = before.len() - before.trim_start_matches([' ', '-']).len();
        let own_line = before.trim_matches([' ', '-']).is_empty();
        let dash = own_line && before.contains('-');
        let nested = matches!(wanted, Value::Array(list) if !list.is_empty())
            || matches!(wanted, Value::Object(map) if !map.is_empty());
        if own_line {
            let text = render::block(wanted, indent, self.format, true);
            return self.replace(node.span.clone(), if dash || nested { text } else { text.trim_start().to_owned() });
        }
        // Behind `key:`; the blank between them is part of what `block` writes.
        let colon = line + before.trim_end().len();
        let inner = match wanted {
            Value::Array(_) => indent + self.format.sequence_indent,
            _ => indent + 2,
        };
        let comment = self.line_end(node.span.end);
        let text = render::block(wanted, inner, self.format, false);
        if nested && node.is_null() && comment > node.span.end {
            // `key:  # comment` keeps its comment on the line of the key.
            return self.replace(comment..comment, text);
        }
        self.replace(colon..node.span.end, text);
    }

    fn mapping(&mut self, entries: &[(Node, Node)], flow: bool, wanted: &serde_json::Map<String, Value>) {
        for (index, (key, value)) in entries.iter().enumerate() {
            match wanted.get(&key.key_text()) {
                Some(wanted) => self.change(value, wanted),
                None if flow => {
                    self.remove_from_flow(index, entries.len(), |at| entries[at].0.span.start..entries[at].1.span.end)
                }
                None => self.remove_entry(entries, index),
            }
        }
        let known = |name: &str| entries.iter().any(|(key, _)| key.key_text() == name);
        let Some((first, _)) = entries.first() else { return };
        // Behind an entry that stays: the lines of the others are being removed.
        let Some((_, last)) = entries.iter().rfind(|(key, _)| wanted.contains_key(&key.key_text())) else { return };
        let indent = first.span.start - self.line_start(first.span.start);
        for (name, value) in wanted.iter().filter(|(name, _)| !known(name)) {
            if flow {
                let text = format!(
                    ", {}: {}",
                    render::string(name, self.format.quote),
                    render::flow(value, self.format.quote)
                );
                self.replace(last.span.end..last.span.end, text);
            } else {
                let text = render::entry(name, value, indent, self.format);
                self.insert_line_after(last.span.end, indent, &text);
            }
        }
    }

    fn sequence(&mut self, node: &Node, items: &[Node], flow: bool, wanted: &[Value]) {
        let Some(pairs) = pair(items, wanted) else { return self.replace_all(node, flow, wanted) };
        let indent = node.span.start - self.line_start(node.span.start);
        for (index, item) in items.iter().enumerate() {
            match pairs.iter().position(|pair| *pair == Some(index)) {
                Some(at) => self.change(item, &wanted[at]),
                None if flow => self.remove_from_flow(index, items.len(), |at| items[at].span.clone()),
                None => self.remove_item(node, items, index),
            }
        }
        // Each new item goes behind the old one that precedes it.
        let mut previous: Option<usize> = None;
        for (at, pair) in pairs.iter().enumerate() {
            match (pair, previous) {
                (Some(index), _) => previous = Some(*index),
                (None, Some(index)) => self.insert_item(items[index].span.end, indent, flow, &wanted[at]),
                (None, None) => self.insert_first_item(node, items, indent, flow, &wanted[at]),
            }
        }
    }

    fn insert_item(&mut self, after: usize, indent: usize, flow: bool, item: &Value) {
        if flow {
            let text = format!(", {}", render::flow(item, self.format.quote));
            self.replace(after..after, text);
        } else {
            let text = render::sequence_item(item, indent, self.format);
            self.insert_line_after(after, indent, &text);
        }
    }

    fn insert_first_item(&mut self, node: &Node, items: &[Node], indent: usize, flow: bool, item: &Value) {
        if flow {
            let at = items.first().map_or(node.span.start + 1, |first| first.span.start);
            self.replace(at..at, format!("{}, ", render::flow(item, self.format.quote)));
        } else {
            let newline = self.format.newline;
            let text = render::sequence_item(item, indent, self.format);
            self.replace(node.span.start..node.span.start, format!("{text}{newline}{}", " ".repeat(indent)));
        }
    }

    fn replace_all(&mut self, node: &Node, flow: bool, wanted: &[Value]) {
        let wanted = Value::Array(wanted.to_vec());
        if flow {
            self.replace(node.span.clone(), render::flow(&wanted, self.format.quote));
        } else {
            let indent = node.span.start - self.line_start(node.span.start);
            let text = render::block(&wanted, indent, self.format, true);
            self.replace(node.span.clone(), text);
        }
    }

    /// Takes an entry out of a block mapping: its lines with their comments, but no line above them.
    pub(super) fn remove_entry(&mut self, entries: &[(Node, Node)], index: usize) {
        let (key, value) = &entries[index];
        let line = self.line_start(key.span.start);
        let alone = self.text[line..key.span.start].trim().is_empty();
        match entries.get(index + 1) {
            _ if alone => self.remove_lines(line, value.span.end),
            // The first entry of `- key: value`: the next one moves up behind the dash …
            Some((next, _)) if self.only_blank(self.line_end(value.span.end), next.span.start) => {
                self.replace(key.span.start..next.span.start, String::new());
            }
            // … unless a comment stands between them.
            _ => {
                let start = line + self.text[line..key.span.start].trim_end().len();
                self.replace(start..self.line_end(value.span.end), String::new());
            }
        }
    }

    fn remove_item(&mut self, node: &Node, items: &[Node], index: usize) {
        let from = index.checked_sub(1).map_or(node.span.start, |before| self.line_end(items[before].span.end));
        let dash = self.text[from..].find('-').map_or(from, |at| from + at);
        // A comment line may hold a dash too; the item's own is the last that starts a line.
        let dash = self.dash_before(from, items[index].span.start).unwrap_or(dash);
        let line = self.line_start(dash);
        if self.text[line..dash].trim().is_empty() {
            return self.remove_lines(line, items[index].span.end);
        }
        // `- - a`: behind the outer dash there is something else to keep.
        if let Some(next) = items.get(index + 1) {
            let next_dash = self.dash_before(items[index].span.end, next.span.start).unwrap_or(next.span.start);
            self.replace(dash..next_dash, String::new());
        } else {
            self.replace(dash..items[index].span.end, String::new());
        }
    }

    /// The dash of the item that starts at `item`, looked for from `from` on.
    fn dash_before(&self, from: usize, item: usize) -> Option<usize> {
        let mut line = self.line_start(from);
        let mut found = None;
        while line <= item {
            let start = line.max(from);
            let blank = self.text[start..].len() - self.text[start..].trim_start_matches(' ').len();
            let at = start + blank;
            if at <= item && self.text[at..].starts_with('-') {
                found = Some(at);
            }
            let next = self.next_line(line);
            if next <= line {
                break;
            }
            line = next;
        }
        found
    }

    fn remove_from_flow(&mut self, index: usize, len: usize, span: impl Fn(usize) -> Range<usize>) {
        // With its comma: the one behind it, or for the last the one before.
        let range = if index + 1 < len {
            span(index).start..span(index + 1).start
        } else if index > 0 {
            span(index - 1).end..span(index).end
        } else {
            span(index)
        };
        self.replace(range, String::new());
    }

    /// Removes whole lines, from the one that starts at `line` to the one that `end` is on.
    fn remove_lines(&mut self, line: usize, end: usize) {
        let end = self.line_end(end);
        let next = self.next_line(end);
        if next > end {
            self.replace(line..next, String::new());
        } else {
            // The last line of a file that ends without a line break.
            let before = self.text[..line].trim_end_matches(['\n', '\r']).len();
            let one_break = self.text[before..line].find('\n').map_or(line, |at| before + at + 1);
            let start = if one_break == line { before } else { line };
            self.replace(start..end, String::new());
        }
    }

    /// Adds a line behind the one that `offset` is on.
    pub(super) fn insert_line_after(&mut self, offset: usize, indent: usize, text: &str) {
        let end = self.line_end(offset);
        let line = format!("{}{}{text}", self.format.newline, " ".repeat(indent));
        self.replace(end..end, line);
    }

    pub(super) fn replace(&mut self, range: Range<usize>, text: String) {
        self.splices.push(Splice { range, text });
    }

    fn only_blank(&self, from: usize, to: usize) -> bool {
        self.text.get(from..to).is_some_and(|between| between.trim().is_empty())
    }

    pub(super) fn line_start(&self, offset: usize) -> usize {
        self.text[..offset].rfind('\n').map_or(0, |at| at + 1)
    }

    /// Before the line break of the line that `offset` is on.
    pub(super) fn line_end(&self, offset: usize) -> usize {
        let end = self.text[offset..].find('\n').map_or(self.text.len(), |at| offset + at);
        if self.text[offset..end].ends_with('\r') { end - 1 } else { end }
    }

    /// Where the next line starts; the same offset at the end of the text.
    fn next_line(&self, offset: usize) -> usize {
        self.text[offset..].find('\n').map_or(self.text.len(), |at| offset + at + 1)
    }
}

/// For each wanted item the old one that it continues, in the same order; `None` if they would have to change places.
fn pair(items: &[Node], wanted: &[Value]) -> Option<Vec<Option<usize>>> {
    let old: Vec<Value> = items.iter().map(Node::value).collect();
    let mut free: Vec<bool> = vec![true; old.len()];
    let mut pairs: Vec<Option<usize>> = vec![None; wanted.len()];
    for same in
        [|a: &Value, b: &Value| a == b, |a: &Value, b: &Value| identity(a).is_some() && identity(a) == identity(b)]
    {
        for (at, item) in wanted.iter().enumerate().filter(|(_, item)| !item.is_null()) {
            if pairs[at].is_none()
                && let Some(index) = (0..old.len()).find(|index| free[*index] && same(&old[*index], item))
            {
                free[index] = false;
                pairs[at] = Some(index);
            }
        }
    }
    let order: Vec<usize> = pairs.iter().flatten().copied().collect();
    if !order.is_sorted() {
        return None;
    }
    pair_in_place(&mut free, &mut pairs);
    Some(pairs)
}

/// What is new takes the place of what goes between the same neighbours.
fn pair_in_place(free: &mut [bool], pairs: &mut [Option<usize>]) {
    for at in 0..pairs.len() {
        if pairs[at].is_none() {
            let low = pairs[..at].iter().rev().flatten().next().map_or(0, |index| index + 1);
            let high = pairs[at + 1..].iter().flatten().next().copied().unwrap_or(free.len());
            if let Some(index) = (low..high).find(|index| free[*index]) {
                free[index] = false;
                pairs[at] = Some(index);
            }
        }
    }
}

/// What tells an entry of a list from the others even when the rest of it changes.
fn identity(item: &Value) -> Option<(&'static str, &str)> {
    ["name", "path", "chartName"].into_iter().find_map(|key| Some((key, item.get(key)?.as_str()?)))
}
