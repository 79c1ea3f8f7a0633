//! The thread that reads a log for the screen, so that no key waits for a disk. It is given orders and tells news; it
//! ends when its handle is dropped.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

use regex::bytes::{Regex, RegexBuilder};

use super::file::{Line, LogFile};

/// How often a file that may grow is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What the reader is asked for. Lines are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// These lines.
    Window {
        /// The first.
        first: u64,
        /// How many at most.
        count: usize,
    },
    /// The nearest line that matches.
    Search {
        /// A regular expression; capital letters make it mind case.
        pattern: String,
        /// The line to start beside.
        from: u64,
        /// Downwards.
        forward: bool,
    },
    /// Whether the file may still grow.
    Growing(bool),
}

/// What the reader has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogNews {
    /// So many lines are there now.
    Size {
        /// Lines that are indexed.
        lines: u64,
        /// Whether the whole file is.
        complete: bool,
    },
    /// The lines that were asked for.
    Window {
        /// The first one's number.
        first: u64,
        /// The lines.
        lines: Vec<Line>,
    },
    /// A search's end.
    Found(Option<u64>),
    /// The pattern, or the file, cannot be read.
    Trouble(String),
}

/// Gives orders to a reader.
#[derive(Debug)]
pub struct Reader {
    orders: Sender<Order>,
}

impl Reader {
    /// Starts a reader that hands its news to `tell`, until that answers that nobody listens.
    pub fn start(path: PathBuf, growing: bool, tell: impl Fn(LogNews) -> bool + Send + 'static) -> Self {
        let (orders, receiver) = channel();
        std::thread::spawn(move || {
            if let Err(error) = read(&path, growing, &receiver, &tell) {
                tell(LogNews::Trouble(format!("{}: {error}", path.display())));
            }
        });
        Self { orders }
    }

    /// Orders something. A reader that has ended has told why.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}

fn read(
    path: &std::path::Path,
    mut growing: bool,
    orders: &Receiver<Order>,
    tell: &impl Fn(LogNews) -> bool,
) -> io::Result<()> {
    let mut file = LogFile::open(path)?;
    let mut told = None;
    loop {
        let more = file.extend()?;
        let size = (file.lines(), file.scanned(), !more);
        // The bytes count too: the last line may have grown without a line feed.
        if told != Some(size) {
            told = Some(size);
            let (lines, _, complete) = size;
            if !tell(LogNews::Size { lines, complete }) {
                return Ok(());
            }
        }
        let order = if more {
            match orders.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Empty) => continue,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        } else if growing {
            match orders.recv_timeout(LOOK) {
                Ok(order) => order,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        } else {
            match orders.recv() {
                Ok(order) => order,
                Err(_) => return Ok(()),
            }
        };
        let news = match order {
            Order::Growing(now) => {
                growing = now;
                continue;
            }
            Order::Window { first, count } => LogNews::Window {
                first,
                lines: file.window(first, count)?,
            },
            Order::Search { pattern, from, forward } => match compile(&pattern) {
                Ok(pattern) => LogNews::Found(file.search(&pattern, from, forward)?),
                Err(error) => LogNews::Trouble(format!("the pattern cannot be read: {error}")),
            },
        };
        if !tell(news) {
            return Ok(());
        }
    }
}

/// A search's regular expression: it minds case where it holds a capital letter, as vim's smartcase.
///
/// # Errors
/// Where it is no regular expression.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .case_insensitive(!pattern.chars().any(char::is_uppercase))
        .build()
        .map_err(|error| match error {
            regex::Error::Syntax(_) => format!("{pattern:?} is no regular expression"),
            other => other.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn news_follow_orders_and_growth() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"one\ntwo\n").unwrap();
        let (tell, news) = channel();
        let reader = Reader::start(file.path().to_owned(), true, move |item| tell.send(item).is_ok());
        let next = || news.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(
            next(),
            LogNews::Size {
                lines: 2,
                complete: true
            }
        );
        reader.order(Order::Window { first: 1, count: 5 });
        let LogNews::Window { first: 1, lines } = next() else {
            panic!()
        };
        assert_eq!(lines[0].bytes, b"two");
        file.write_all(b"Three\n").unwrap();
        assert_eq!(
            next(),
            LogNews::Size {
                lines: 3,
                complete: true
            }
        );
        reader.order(Order::Search {
            pattern: "three".into(),
            from: 0,
            forward: true,
        });
        assert_eq!(next(), LogNews::Found(Some(2)));
        reader.order(Order::Search {
            pattern: "THREE".into(),
            from: 0,
            forward: true,
        });
        assert_eq!(next(), LogNews::Found(None));
        reader.order(Order::Search {
            pattern: "(".into(),
            from: 0,
            forward: true,
        });
        assert!(matches!(next(), LogNews::Trouble(_)));
        drop(reader);
        assert!(
            news.recv_timeout(Duration::from_secs(20)).is_err(),
            "the thread has ended"
        );
    }

    #[test]
    fn a_missing_file_is_told() {
        let (tell, news) = channel();
        let _reader = Reader::start("/nonexistent/x.log".into(), false, move |item| tell.send(item).is_ok());
        let LogNews::Trouble(text) = news.recv_timeout(Duration::from_secs(20)).unwrap() else {
            panic!()
        };
        assert!(text.contains("x.log"), "{text}");
    }
}
