//! Results as a subunit v2 stream, written while the tests run. Knows how dep8's words map to subunit's; who reads the
//! stream, and where it is kept, it does not know.
//! Format: subunit's README, version 2. A stream that ends early is valid; its unfinished tests read as failed.

use std::{collections::BTreeMap, fmt, io::Write};

use jiff::Timestamp;
use preflight_dep8::outcome::{TestResult, TestStatus};
use subunit::types::{
    event::Event, file::File, number::SubunitNumber, teststatus::TestStatus as Status, timestamp::Timestamp as WireTime,
};

use utf8::Utf8Pieces;

pub(crate) mod utf8;

/// An attachment's content goes out in packets of at most this size, so that no reader waits for megabytes.
const CHUNK: usize = 32 * 1024;
const TEXT: &str = "text/plain;charset=utf8";

/// Why nothing more can be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The stream's reader is gone, or the disk is full.
    #[error("cannot write the subunit stream: {0}")]
    Io(#[from] std::io::Error),
    /// A value that the format cannot hold: a NUL in a name, a date before 1970, a name of megabytes.
    #[error("cannot be said in subunit: {0}")]
    Unsayable(String),
}

/// What tells streams apart that are merged: `ticket/series/architecture`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteCode(String);

impl RouteCode {
    /// A ticket's tests on one series and architecture.
    #[must_use]
    pub fn new(ticket: u64, series: &str, architecture: &str) -> Self {
        Self(format!("{ticket}/{series}/{architecture}"))
    }
}

/// A test's id in the stream: `SOURCE-TEST`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TestId(String);

impl TestId {
    /// The id of a source's test.
    #[must_use]
    pub fn new(source: &str, test: &str) -> Self {
        Self(format!("{source}-{test}"))
    }

    /// The id under which a broken testbed is reported; no test.
    #[must_use]
    pub fn testbed() -> Self {
        Self("testbed".to_owned())
    }
}

impl fmt::Display for TestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

/// A file that belongs to a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attachment {
    /// The test's standard output.
    Stdout,
    /// Its standard error.
    Stderr,
    /// Why it did not pass.
    Reason,
    /// What it tried to reach, and was refused. A test that has this attachment has the tag `findings`, too.
    Findings,
}

impl Attachment {
    const ALL: [Self; 4] = [Self::Stdout, Self::Stderr, Self::Reason, Self::Findings];

    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Reason => "reason",
            Self::Findings => "findings",
        }
    }
}

/// Writes a stream. Every method writes whole packets and flushes, so a reader sees each event at once.
#[derive(Debug)]
pub struct StreamWriter<W> {
    out: W,
    route: RouteCode,
    /// Attachments that have begun and not ended.
    open: BTreeMap<(TestId, Attachment), Utf8Pieces>,
}

impl<W: Write> StreamWriter<W> {
    /// A writer of one route's events.
    pub fn new(out: W, route: RouteCode) -> Self {
        Self {
            out,
            route,
            open: BTreeMap::new(),
        }
    }

    /// A test that will run.
    ///
    /// # Errors
    /// See [`WriteError`]; so for all methods.
    pub fn exists(&mut self, id: &TestId, at: Timestamp) -> Result<(), WriteError> {
        self.status(id, Status::Enumeration, &[], at)
    }

    /// A test that runs now.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn in_progress(&mut self, id: &TestId, at: Timestamp) -> Result<(), WriteError> {
        self.status(id, Status::InProgress, &[], at)
    }

    /// More of a test's attachment. The bytes are taken for UTF-8; what is not becomes U+FFFD, because readers stop at
    /// an attachment that breaks its own MIME type's word. (The log keeps the bytes as they are.)
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn attach(&mut self, id: &TestId, file: Attachment, bytes: &[u8], at: Timestamp) -> Result<(), WriteError> {
        let key = (id.clone(), file);
        let first = !self.open.contains_key(&key);
        let text = self.open.entry(key).or_default().feed(bytes);
        self.chunks(id, file, &text, first, at)
    }

    /// The test's end: closes its attachments, adds the reason, and says the result.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn result(&mut self, id: &TestId, result: &TestResult, at: Timestamp) -> Result<(), WriteError> {
        if let Some(reason) = &result.reason {
            let detail = result
                .detail
                .as_ref()
                .map(|detail| format!("\n{detail}"))
                .unwrap_or_default();
            self.attach(id, Attachment::Reason, format!("{reason}{detail}").as_bytes(), at)?;
        }
        let has_findings = self.open.contains_key(&(id.clone(), Attachment::Findings));
        self.close(id, at)?;
        let (status, tag) = match result.status {
            TestStatus::Pass => (Status::Success, None),
            TestStatus::PassSuperficial => (Status::Success, Some("superficial")),
            TestStatus::Fail => (Status::Failed, None),
            TestStatus::Flaky => (Status::ExpectedFailure, Some("flaky")),
            TestStatus::Skip => (Status::Skipped, None),
        };
        let tags: Vec<&str> = tag.into_iter().chain(has_findings.then_some("findings")).collect();
        self.status(id, status, &tags, at)
    }

    /// A testbed that broke: a failure of something that is no test.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn testbed_broken(&mut self, why: &str, at: Timestamp) -> Result<(), WriteError> {
        let id = TestId::testbed();
        self.attach(&id, Attachment::Reason, why.as_bytes(), at)?;
        self.close(&id, at)?;
        let mut event = self.event(&id, Status::Failed, at)?;
        event.runnable = false;
        self.write(&event)
    }

    /// Where the stream went.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn close(&mut self, id: &TestId, at: Timestamp) -> Result<(), WriteError> {
        for file in Attachment::ALL {
            let Some(pieces) = self.open.remove(&(id.clone(), file)) else {
                continue;
            };
            let rest = pieces.finish();
            let mut event = self.event(id, Status::Undefined, at)?;
            event.file = File {
                mime_type: None,
                file: Some((file.name().to_owned(), rest.into_bytes())),
                eof: true,
            };
            self.write(&event)?;
        }
        Ok(())
    }

    fn chunks(
        &mut self,
        id: &TestId,
        file: Attachment,
        text: &str,
        first: bool,
        at: Timestamp,
    ) -> Result<(), WriteError> {
        let mut mime_type = first.then(|| TEXT.to_owned());
        let mut rest = text;
        // An attachment that begins with half a character still has to say its type.
        while !rest.is_empty() || mime_type.is_some() {
            let (piece, after) = rest.split_at(floor_char_boundary(rest, CHUNK));
            let mut event = self.event(id, Status::Undefined, at)?;
            let content = Some((file.name().to_owned(), piece.as_bytes().to_vec()));
            event.file = File {
                mime_type: mime_type.take(),
                file: content,
                eof: false,
            };
            self.write(&event)?;
            rest = after;
        }
        Ok(())
    }

    fn status(&mut self, id: &TestId, status: Status, tags: &[&str], at: Timestamp) -> Result<(), WriteError> {
        let mut event = self.event(id, status, at)?;
        event.tags = (!tags.is_empty()).then(|| tags.iter().map(|tag| (*tag).to_owned()).collect());
        event.runnable = true;
        self.write(&event)
    }

    fn event(&self, id: &TestId, status: Status, at: Timestamp) -> Result<Event, WriteError> {
        if id.0.contains('\0') || self.route.0.contains('\0') {
            return Err(WriteError::Unsayable(format!("NUL in the name {id:?}")));
        }
        let seconds = u32::try_from(at.as_second()).map_err(|_| WriteError::Unsayable(format!("the time {at}")))?;
        let nanoseconds = SubunitNumber::new(at.subsec_nanosecond().unsigned_abs()).map_err(unsayable)?;
        Ok(Event {
            status,
            test_id: Some(id.0.clone()),
            timestamp: Some(WireTime { seconds, nanoseconds }),
            file: File::default(),
            route_code: Some(self.route.0.clone()),
            tags: None,
            runnable: false,
        })
    }

    fn write(&mut self, event: &Event) -> Result<(), WriteError> {
        self.out.write_all(&event.to_vec().map_err(unsayable)?)?;
        self.out.flush()?;
        Ok(())
    }
}

fn unsayable(error: Box<dyn std::error::Error>) -> WriteError {
    WriteError::Unsayable(error.to_string())
}

/// `str::floor_char_boundary`, which the workspace's oldest compiler does not have.
fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use preflight_dep8::outcome::Reason;
    use proptest::prelude::*;
    use subunit::{deserialize::Deserializable as _, types::stream::ScannedItem};

    use super::*;

    fn events(mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let (item, length) = ScannedItem::deserialize(bytes).unwrap();
            match item {
                ScannedItem::Event(event) => events.push(event),
                other => panic!("{other:?}"),
            }
            bytes = &bytes[length..];
        }
        events
    }

    fn writer() -> StreamWriter<Vec<u8>> {
        StreamWriter::new(Vec::new(), RouteCode::new(7, "bookworm", "amd64"))
    }

    /// The vector of the format's own description.
    #[test]
    fn the_known_packet() {
        let packet = Event::new(Status::Enumeration)
            .test_id("foo")
            .runnable()
            .build()
            .to_vec()
            .unwrap();
        assert_eq!(
            packet,
            [0xb3, 0x29, 0x01, 0x0c, 0x03, 0x66, 0x6f, 0x6f, 0x08, 0x55, 0x5f, 0x1b]
        );
    }

    #[test]
    fn results_are_mapped() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        for (status, wire, tag) in [
            (TestStatus::Pass, Status::Success, None),
            (TestStatus::PassSuperficial, Status::Success, Some("superficial")),
            (TestStatus::Fail, Status::Failed, None),
            (TestStatus::Flaky, Status::ExpectedFailure, Some("flaky")),
            (TestStatus::Skip, Status::Skipped, None),
        ] {
            let mut stream = writer();
            let result = TestResult {
                status,
                ..TestResult::skipped("a", Reason::TimedOut)
            };
            stream.result(&TestId::new("s", "a"), &result, at).unwrap();
            let events = events(&stream.into_inner());
            let last = events.last().unwrap();
            assert_eq!(
                (last.status, last.test_id.as_deref(), last.runnable),
                (wire, Some("s-a"), true)
            );
            assert_eq!(last.route_code.as_deref(), Some("7/bookworm/amd64"));
            assert_eq!(last.tags.as_ref().map(|tags| tags.join(" ")).as_deref(), tag);
            assert_eq!(events[0].file.file, Some(("reason".to_owned(), b"timed out".to_vec())));
            assert_eq!(events[0].file.mime_type.as_deref(), Some(TEXT));
            assert!(events[1].file.eof);
        }
    }

    #[test]
    fn findings_are_an_attachment_and_a_tag() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let mut stream = writer();
        let id = TestId::new("s", "a");
        for line in ["tried one\n", "tried two\n"] {
            stream.attach(&id, Attachment::Findings, line.as_bytes(), at).unwrap();
        }
        let passed = |status| TestResult {
            status,
            reason: None,
            ..TestResult::no_tests()
        };
        stream.result(&id, &passed(TestStatus::PassSuperficial), at).unwrap();
        let other = TestId::new("s", "b");
        stream.result(&other, &passed(TestStatus::Pass), at).unwrap();
        let events = events(&stream.into_inner());
        let text: Vec<u8> = events
            .iter()
            .filter_map(|event| event.file.file.clone())
            .filter(|(name, _)| name == "findings")
            .flat_map(|(_, content)| content)
            .collect();
        assert_eq!(text, b"tried one\ntried two\n");
        let tags: Vec<_> = events
            .iter()
            .filter(|event| event.status == Status::Success)
            .map(|event| event.tags.clone().unwrap_or_default())
            .collect();
        assert_eq!(tags, [vec!["superficial".to_owned(), "findings".to_owned()], vec![]]);
    }

    #[test]
    fn what_the_format_cannot_hold_is_an_error() {
        let at = Timestamp::from_second(-1).unwrap();
        assert!(matches!(
            writer().exists(&TestId::new("s", "a"), at),
            Err(WriteError::Unsayable(_))
        ));
        let at = Timestamp::from_second(1).unwrap();
        assert!(matches!(
            writer().exists(&TestId::new("s", "\0"), at),
            Err(WriteError::Unsayable(_))
        ));
    }

    proptest! {
        /// However the bytes come in pieces, the attachment is their text, and every piece is text by itself.
        #[test]
        fn attachments_come_through(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50_000), 0..4)) {
            let id = TestId::new("s", "a");
            let at = Timestamp::from_second(1_700_000_000).unwrap();
            let mut stream = writer();
            for piece in &pieces {
                stream.attach(&id, Attachment::Stdout, piece, at).unwrap();
            }
            stream.result(&id, &TestResult { status: TestStatus::Pass, reason: None, ..TestResult::no_tests() }, at).unwrap();
            let mut text = String::new();
            for event in events(&stream.into_inner()) {
                if let Some((_, content)) = event.file.file {
                    prop_assert!(content.len() <= CHUNK + 3);
                    text.push_str(str::from_utf8(&content).unwrap());
                }
            }
            prop_assert_eq!(text, String::from_utf8_lossy(&pieces.concat()).into_owned());
        }
    }
}
