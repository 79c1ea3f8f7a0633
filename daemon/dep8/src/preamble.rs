//! The first line that a test's script writes, before anything of the package runs: whether the test begins, or its file
//! is missing. It saves a command of its own for finding that out. Sans-io: bytes in, words and the test's bytes out.

/// What the script has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The test begins now.
    Ready,
    /// Its file is not there; nothing follows.
    Missing,
}

impl Word {
    const ALL: [Self; 2] = [Self::Ready, Self::Missing];

    /// The line, without its newline.
    pub(crate) const fn line(self) -> &'static str {
        match self {
            Self::Ready => "preflight: the test begins",
            Self::Missing => "preflight: there is no such test",
        }
    }
}

/// Takes the line off a script's standard output. A script that ends before it (a profile that exits, say) has written
/// none: what it wrote is output then.
#[derive(Debug, Default)]
pub(crate) struct Preamble {
    held: Vec<u8>,
    is_over: bool,
}

impl Preamble {
    /// What the next bytes say: the word, at most once, and what is the test's output.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> (Option<Word>, Vec<u8>) {
        if self.is_over {
            return (None, bytes.to_vec());
        }
        self.held.extend_from_slice(bytes);
        for word in Word::ALL {
            let line = [word.line().as_bytes(), b"\n"].concat();
            if let Some(rest) = self.held.strip_prefix(&line[..]) {
                let rest = rest.to_vec();
                self.is_over = true;
                return (Some(word), rest);
            }
            if line.starts_with(&self.held) {
                return (None, Vec::new());
            }
        }
        self.is_over = true;
        (None, std::mem::take(&mut self.held))
    }

    /// At the output's end: what looked like the beginning of the line and was none.
    pub(crate) fn finish(self) -> Vec<u8> {
        if self.is_over { Vec::new() } else { self.held }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the text in pieces of this size.
    fn fed(text: &str, size: usize) -> (Vec<Word>, String) {
        let mut preamble = Preamble::default();
        let (mut words, mut output) = (Vec::new(), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            let (word, rest) = preamble.feed(piece);
            words.extend(word);
            output.extend(rest);
        }
        output.extend(preamble.finish());
        (words, String::from_utf8(output).unwrap())
    }

    #[test]
    fn the_line_is_taken_off_however_it_comes() {
        let (ready, missing) = (Word::Ready.line(), Word::Missing.line());
        for (text, words, output) in [
            (format!("{ready}\nhello\n"), vec![Word::Ready], "hello\n".to_owned()),
            (format!("{ready}\n"), vec![Word::Ready], String::new()),
            (format!("{missing}\n"), vec![Word::Missing], String::new()),
            // Only the first line is ours.
            (
                format!("{ready}\n{missing}\n"),
                vec![Word::Ready],
                format!("{missing}\n"),
            ),
            (format!("\n{ready}\n"), vec![], format!("\n{ready}\n")),
            (format!("{ready} now\n"), vec![], format!("{ready} now\n")),
            (ready.to_owned(), vec![], ready.to_owned()),
            ("preflight".to_owned(), vec![], "preflight".to_owned()),
            (String::new(), vec![], String::new()),
        ] {
            for size in [1, 2, 7, 1000] {
                assert_eq!(fed(&text, size), (words.clone(), output.clone()), "{text:?} by {size}");
            }
        }
    }
}
