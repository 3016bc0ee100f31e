//! Where yaml.v3 prints comments. They wait until the emitter comes to a place
//! for them, which is not always at the node that they are of.

use super::Emitter;
use crate::yaml::print::Printer;
use crate::yaml::{NodeId, Presentation};

/// The comments that wait, as in yaml.v3's emitter.
pub(super) struct CommentPrinter<'a> {
    presentation: &'a Presentation,
    head: String,
    pub(super) line: String,
    foot: String,
    /// The foot of the key before, printed above the next one.
    tail: String,
    /// Of a key whose value is on the lines below.
    key_line: String,
    /// The indentation at which a foot was printed: the next line of the same has an empty one before.
    foot_indent: Option<usize>,
}

impl<'a> CommentPrinter<'a> {
    pub(super) fn new(presentation: &'a Presentation) -> Self {
        let (head, line, foot) = (presentation.document.head.clone(), String::new(), String::new());
        Self { presentation, head, line, foot, tail: String::new(), key_line: String::new(), foot_indent: None }
    }

    pub(super) fn start_line(&mut self, printer: &mut Printer<'_>) {
        let is_behind_foot = self.foot_indent.take() == Some(printer.indent.unwrap_or(0));
        if is_behind_foot { printer.start_line_apart() } else { printer.start_line() }
    }

    fn print_head(&mut self, printer: &mut Printer<'_>) {
        let (tail, head) = (std::mem::take(&mut self.tail), std::mem::take(&mut self.head));
        if !tail.is_empty() {
            self.print_foot(printer, &tail);
        }
        if !head.is_empty() {
            self.start_line(printer);
            printer.comment(&head);
        }
    }

    fn print_line(&mut self, printer: &mut Printer<'_>) {
        if !self.line.is_empty() {
            printer.line_comment(&std::mem::take(&mut self.line));
        }
    }

    fn print_foot(&mut self, printer: &mut Printer<'_>, foot: &str) {
        self.start_line(printer);
        printer.comment(foot);
        self.foot_indent = Some(printer.indent.unwrap_or(0));
    }

    fn print_behind(&mut self, printer: &mut Printer<'_>) {
        self.print_line(printer);
        let foot = std::mem::take(&mut self.foot);
        if !foot.is_empty() {
            self.print_foot(printer, &foot);
        }
    }
}

/// What is said replaces what still waits.
fn replace(waiting: &mut String, text: &str) {
    if !text.is_empty() {
        text.clone_into(waiting);
    }
}

impl Emitter<'_, '_> {
    pub(super) fn begin_document(&mut self) {
        let Some(comments) = self.comments.as_mut().filter(|comments| !comments.head.is_empty()) else { return };
        comments.print_head(&mut self.printer);
        self.printer.comment("");
    }

    pub(super) fn end_document(&mut self) {
        let Some(comments) = &mut self.comments else { return };
        replace(&mut comments.foot, &comments.presentation.document.foot);
        comments.foot_indent = Some(0);
        let foot = std::mem::take(&mut comments.foot);
        if !foot.is_empty() {
            comments.print_foot(&mut self.printer, &foot);
        }
        comments.foot_indent = None;
    }

    /// The comments of a node that is about to be printed; of a collection those
    /// that are not of its end.
    pub(super) fn note_comments(&mut self, id: NodeId) {
        let Some(comments) = &mut self.comments else { return };
        let Some(own) = comments.presentation.comments(id) else { return };
        replace(&mut comments.head, &own.head);
        if self.doc.is_scalar(id) {
            replace(&mut comments.line, &own.line);
            replace(&mut comments.foot, &own.foot);
        }
    }

    /// The foot of a key is printed below its value.
    pub(super) fn note_key_comments(&mut self, id: NodeId) {
        let Some(comments) = &mut self.comments else { return };
        let own = comments.presentation.comments(id);
        let foot = own.map(|own| own.foot.clone()).unwrap_or_default();
        if let Some(own) = own {
            replace(&mut comments.head, &own.head);
            replace(&mut comments.line, &own.line);
        }
        if let Some(frame) = self.open.last_mut() {
            replace(&mut comments.tail, &std::mem::replace(&mut frame.tail, foot));
        }
    }

    pub(super) fn head_comment(&mut self) {
        if let Some(comments) = &mut self.comments {
            comments.print_head(&mut self.printer);
        }
    }

    pub(super) fn keep_key_comment(&mut self) {
        if let Some(comments) = self.comments.as_mut().filter(|comments| !comments.line.is_empty()) {
            comments.key_line = std::mem::take(&mut comments.line);
        }
    }

    /// A key's comment goes behind a value on its line, or before those on the lines below.
    pub(super) fn comment_behind_key(&mut self, value: NodeId) {
        let in_flow = self.in_flow();
        let Some(comments) = self.comments.as_mut().filter(|comments| !in_flow && !comments.key_line.is_empty()) else {
            return;
        };
        if self.doc.is_scalar(value) {
            if comments.line.is_empty() {
                comments.line = std::mem::take(&mut comments.key_line);
            }
        } else if !self.doc.is_flow(value) {
            self.printer.line_comment(&std::mem::take(&mut comments.key_line));
        }
    }

    pub(super) fn comments_behind(&mut self) {
        if let Some(comments) = &mut self.comments {
            comments.print_behind(&mut self.printer);
        }
    }

    /// In a flow collection the comma is in front of the comment.
    pub(super) fn comma_before_comment(&mut self) {
        let (Some(comments), Some(frame)) = (&self.comments, self.open.last_mut()) else { return };
        if frame.is_flow && !(comments.line.is_empty() && comments.foot.is_empty() && comments.tail.is_empty()) {
            frame.has_comma = true;
            self.printer.comma();
        }
    }

    /// What the end of the innermost collection says.
    pub(super) fn comments_of_end(&mut self, is_empty: bool) {
        let (Some(comments), Some(frame)) = (&mut self.comments, self.open.last_mut()) else { return };
        replace(&mut comments.tail, &std::mem::take(&mut frame.tail));
        if let Some(own) = comments.presentation.comments(frame.id) {
            replace(&mut comments.line, &own.line);
            replace(&mut comments.foot, &own.foot);
        }
        if !frame.is_mapping {
            return;
        }
        let has_comments = !(comments.head.is_empty() && comments.foot.is_empty() && comments.tail.is_empty());
        if frame.is_flow && has_comments && !is_empty && !frame.has_comma {
            self.printer.comma();
        }
        comments.print_head(&mut self.printer);
    }
}
