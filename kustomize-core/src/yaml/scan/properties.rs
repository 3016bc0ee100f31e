//! Directives, anchors and tags.

use super::{Problem, Result, Scanner, TokenKind};

impl Scanner<'_> {
    /// `&name` or `*name`.
    pub(super) fn scan_anchor(&mut self) -> Result<TokenKind> {
        let start = self.cursor.at;
        let is_anchor = self.cursor.byte(0) == b'&';
        self.cursor.skip();
        let name = self.scan_word();
        let ends_well = self.cursor.is_blank_or_end(0)
            || matches!(self.cursor.byte(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ends_well {
            return Err(Problem { offset: start, problem: "did not find expected alphabetic or numeric character" });
        }
        Ok(if is_anchor { TokenKind::Anchor(name) } else { TokenKind::Alias(name) })
    }

    fn scan_word(&mut self) -> String {
        let start = self.cursor.at;
        while self.cursor.is_word() {
            self.cursor.skip();
        }
        self.cursor.slice(start).to_owned()
    }

    /// `!<uri>`, `!suffix` or `!handle!suffix`.
    pub(super) fn scan_tag(&mut self) -> Result<TokenKind> {
        let start = self.cursor.at;
        let (handle, suffix) = if self.cursor.byte(1) == b'<' {
            self.cursor.skip_by(2);
            let suffix = self.scan_tag_uri("", start)?;
            if self.cursor.byte(0) != b'>' {
                return Err(Problem { offset: start, problem: "did not find the expected '>'" });
            }
            self.cursor.skip();
            (String::new(), suffix)
        } else {
            self.scan_short_tag(start)?
        };
        if !self.cursor.is_blank_or_end(0) {
            return Err(Problem { offset: start, problem: "did not find expected whitespace or line break" });
        }
        Ok(TokenKind::Tag { handle, suffix })
    }

    fn scan_short_tag(&mut self, start: usize) -> Result<(String, String)> {
        let handle = self.scan_tag_handle(false, start)?;
        if handle.len() > 1 && handle.ends_with('!') {
            let suffix = self.scan_tag_uri("", start)?;
            return Ok((handle, suffix));
        }
        let suffix = self.scan_tag_uri(&handle, start)?;
        Ok(if suffix.is_empty() { (String::new(), "!".to_owned()) } else { ("!".to_owned(), suffix) })
    }

    fn scan_tag_handle(&mut self, in_directive: bool, start: usize) -> Result<String> {
        let problem = Err(Problem { offset: start, problem: "did not find expected '!'" });
        if self.cursor.byte(0) != b'!' {
            return problem;
        }
        let from = self.cursor.at;
        self.cursor.skip();
        while self.cursor.is_word() {
            self.cursor.skip();
        }
        if self.cursor.byte(0) == b'!' {
            self.cursor.skip();
        } else if in_directive && self.cursor.slice(from) != "!" {
            return problem;
        }
        Ok(self.cursor.slice(from).to_owned())
    }

    /// What may stand in a tag after `head`, whose `!` is left out.
    fn scan_tag_uri(&mut self, head: &str, start: usize) -> Result<String> {
        let mut uri = head.get(1..).unwrap_or_default().as_bytes().to_vec();
        let mut is_empty = head.is_empty();
        while self.cursor.is_word() || b";/?:@&=+$,.!~*'()[]%".contains(&self.cursor.byte(0)) {
            if self.cursor.byte(0) == b'%' {
                uri.push(self.scan_uri_escape(start)?);
            } else {
                uri.push(self.cursor.byte(0));
                self.cursor.skip();
            }
            is_empty = false;
        }
        if is_empty {
            return Err(Problem { offset: start, problem: "did not find expected tag URI" });
        }
        String::from_utf8(uri).map_err(|_| Problem { offset: start, problem: "found an incorrect UTF-8 octet" })
    }

    fn scan_uri_escape(&mut self, start: usize) -> Result<u8> {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (Some(high), Some(low)) = (digit(self.cursor.byte(1)), digit(self.cursor.byte(2))) else {
            return Err(Problem { offset: start, problem: "did not find URI escaped octet" });
        };
        self.cursor.skip_by(3);
        Ok((high * 16 + low) as u8)
    }

    /// `%YAML 1.1` or `%TAG !handle! prefix`, with the rest of the line.
    pub(super) fn scan_directive(&mut self) -> Result<TokenKind> {
        let start = self.cursor.at;
        self.cursor.skip();
        let name = self.scan_word();
        let fail = |problem| Err(Problem { offset: start, problem });
        if name.is_empty() {
            return fail("could not find expected directive name");
        }
        if !self.cursor.is_blank_or_end(0) {
            return fail("found unexpected non-alphabetical character");
        }
        self.cursor.skip_blanks();
        let kind = match name.as_str() {
            "YAML" => self.scan_version(start)?,
            "TAG" => self.scan_tag_directive(start)?,
            _ => return fail("found unknown directive name"),
        };
        self.cursor.skip_blanks();
        if self.cursor.byte(0) == b'#' {
            self.cursor.skip_to_break();
        }
        if !self.cursor.is_break_or_end(0) {
            return fail("did not find expected comment or line break");
        }
        if self.cursor.is_break(0) {
            self.cursor.skip_break();
        }
        Ok(kind)
    }

    fn scan_version(&mut self, start: usize) -> Result<TokenKind> {
        let major = self.scan_version_number(start)?;
        if self.cursor.byte(0) != b'.' {
            return Err(Problem { offset: start, problem: "did not find expected digit or '.' character" });
        }
        self.cursor.skip();
        let minor = self.scan_version_number(start)?;
        Ok(TokenKind::VersionDirective { major, minor })
    }

    fn scan_version_number(&mut self, start: usize) -> Result<u32> {
        let from = self.cursor.at;
        while self.cursor.byte(0).is_ascii_digit() {
            self.cursor.skip();
        }
        match self.cursor.slice(from) {
            "" => Err(Problem { offset: start, problem: "did not find expected version number" }),
            digits if digits.len() > 2 => {
                Err(Problem { offset: start, problem: "found extremely long version number" })
            }
            digits => Ok(digits.parse().unwrap_or_default()),
        }
    }

    fn scan_tag_directive(&mut self, start: usize) -> Result<TokenKind> {
        let handle = self.scan_tag_handle(true, start)?;
        if !self.cursor.is_blank(0) {
            return Err(Problem { offset: start, problem: "did not find expected whitespace" });
        }
        self.cursor.skip_blanks();
        let prefix = self.scan_tag_uri("", start)?;
        if !self.cursor.is_blank_or_end(0) {
            return Err(Problem { offset: start, problem: "did not find expected whitespace or line break" });
        }
        Ok(TokenKind::TagDirective { handle, prefix })
    }
}
