//! The escape that leaves a shell which does not answer: `~.` at the start of a line, as ssh and rlogin have it. Bytes
//! in, bytes out; no terminal is known here.

/// What was typed, as far as it is not for us.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// Bytes for the shell.
    pub(super) bytes: Vec<u8>,
    /// Whether the shell is to be left.
    pub(super) leave: bool,
}

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Nothing was typed in this line.
    #[default]
    Start,
    /// A `~` was, and is held back.
    Tilde,
    /// Something else was.
    Within,
}

/// Looks for the escape in what is typed. What is held back, the `~` of a line's start, is told with what follows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Escape(Place);

impl Escape {
    /// Takes bytes as they come, cut anywhere.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Typed {
        let mut typed = Typed {
            bytes: Vec::with_capacity(bytes.len() + 1),
            leave: false,
        };
        for &byte in bytes {
            match (self.0, byte) {
                (Place::Start, b'~') => {
                    self.0 = Place::Tilde;
                    continue;
                }
                (Place::Tilde, b'.') => {
                    typed.leave = true;
                    return typed;
                }
                // Twice for once.
                (Place::Tilde, b'~') => {}
                (Place::Tilde, _) => typed.bytes.push(b'~'),
                (Place::Start | Place::Within, _) => {}
            }
            typed.bytes.push(byte);
            self.0 = if matches!(byte, b'\r' | b'\n') {
                Place::Start
            } else {
                Place::Within
            };
        }
        typed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_tilde_and_a_dot_at_a_lines_start_leave() {
        for (typed, bytes, leave) in [
            ("~.", "", true),
            ("ls\r~.x", "ls\r", true),
            ("ls\n~.", "ls\n", true),
            ("a~.\r", "a~.\r", false),
            ("~~.\r", "~.\r", false),
            ("\r~~~.", "\r~~.", false),
            ("~/bin/x\r", "~/bin/x\r", false),
            ("\r~\r~.", "\r~\r", true),
            ("\r~", "\r", false),
            ("\r~\u{3}", "\r~\u{3}", false),
        ] {
            let found = Escape::default().take(typed.as_bytes());
            assert_eq!(
                (found.bytes, found.leave),
                (bytes.as_bytes().to_vec(), leave),
                "{typed:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn it_matters_not_how_it_is_cut(typed in "[a~.\r]{0,20}", step in 1usize..4) {
            let whole = Escape::default().take(typed.as_bytes());
            let (mut escape, mut pieces) = (Escape::default(), Typed::default());
            for piece in typed.as_bytes().chunks(step) {
                let found = escape.take(piece);
                pieces.bytes.extend(found.bytes);
                pieces.leave = found.leave;
                if pieces.leave {
                    break;
                }
            }
            prop_assert_eq!(pieces, whole);
        }

        #[test]
        fn without_a_tilde_all_passes(typed in prop::collection::vec(any::<u8>().prop_filter("no tilde", |byte| *byte != b'~'), 0..50)) {
            let found = Escape::default().take(&typed);
            prop_assert_eq!(found, Typed { bytes: typed, leave: false });
        }
    }
}
