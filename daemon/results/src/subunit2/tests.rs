use preflight_core::TestStatus;
use preflight_fuzz::fuzz;
use proptest::prelude::*;
use subunit::types::event::Event;
use subunit::types::teststatus::TestStatus as Wire;

use super::*;
use crate::case::Case;

fn event(status: Wire, id: &str) -> Event {
    Event::new(status).test_id(id).build()
}

fn stream(events: &[Event]) -> Vec<u8> {
    events.iter().flat_map(|event| event.to_vec().unwrap()).collect()
}

/// The vector of the format's own description.
#[test]
fn the_known_packet() {
    let bytes = [0xb3, 0x29, 0x01, 0x0c, 0x03, 0x66, 0x6f, 0x6f, 0x08, 0x55, 0x5f, 0x1b];
    let (packet, length) = packet(&bytes).unwrap();
    assert_eq!(length, bytes.len());
    assert_eq!((packet.id, packet.status), (Some("foo"), 1));
    // It exists, and never runs.
    assert_eq!(parse(&bytes).unwrap().cases, []);
}

#[test]
fn statuses_tags_and_files() {
    let file = |name: &str, content: &[u8]| {
        Event::new(Wire::Undefined)
            .test_id("s-b")
            .file_content(name, content)
            .build()
    };
    let mut events = vec![event(Wire::InProgress, "s-a"), event(Wire::Success, "s-a")];
    events.extend([
        file("stdout", b"one\n"),
        file("reason", b"non-zero"),
        file("stdout", b"two\n"),
        file("reason", b" exit"),
    ]);
    events.push(event(Wire::Failed, "s-b"));
    events.push(Event::new(Wire::ExpectedFailure).test_id("s-c").tag("flaky").build());
    events.push(event(Wire::ExpectedFailure, "s-d"));
    events.push(event(Wire::UnexpectedSuccess, "s-e"));
    events.push(event(Wire::Skipped, "s-f"));
    events.push(event(Wire::InProgress, "s-g"));
    events.push(
        Event::new(Wire::Success)
            .test_id("s-h")
            .tag("superficial")
            .route_code("7/debian-sid/amd64")
            .build(),
    );
    let mut bytes = b"noise before".to_vec();
    bytes.extend(stream(&events));
    bytes.extend_from_slice(b"\xb3\x20noise after");
    let document = parse(&bytes).unwrap();
    let seen: Vec<(&str, TestStatus, Option<&str>)> = document
        .cases
        .iter()
        .map(|case: &Case| (case.name.as_str(), case.status, case.reason.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [
            ("s-a", TestStatus::Pass, None),
            ("s-b", TestStatus::Fail, Some("non-zero exit")),
            ("s-c", TestStatus::Flaky, None),
            ("s-d", TestStatus::Pass, Some("expected failure")),
            ("s-e", TestStatus::Fail, Some("unexpected success")),
            ("s-f", TestStatus::Skip, None),
            ("s-g", TestStatus::Fail, Some("nothing tells how it ended")),
            ("s-h", TestStatus::Pass, Some("superficial")),
        ]
    );
    assert_eq!(document.cases[1].attachments[0].content, b"one\ntwo\n");
    assert_eq!(document.identity.series.as_deref(), Some("debian-sid"));
}

/// What makes the crate panic: a string that reaches into the checksum.
#[test]
fn a_string_that_is_too_long_is_no_packet() {
    let mut bytes = vec![0xb3, 0x28, 0x00, 0x0b, 0x06, b'f', b'o'];
    let checksum = crc32fast::hash(&bytes);
    bytes.extend(checksum.to_be_bytes());
    assert!(matches!(parse(&bytes), Err(ResultsError::Damaged { .. })));
}

#[test]
fn digesting_in_vain_has_an_end() {
    // Each byte may begin a packet that is nearly as long as the rest.
    let mut bytes = Vec::new();
    while bytes.len() < 200_000 {
        bytes.extend([0xb3, 0x20, 0x00, 0xc0, 0x01, 0x00, 0x00]);
    }
    assert!(parse(&bytes).is_err());
}

fn an_event() -> impl Strategy<Value = Event> {
    let status = prop::sample::select(vec![
        Wire::Undefined,
        Wire::Enumeration,
        Wire::InProgress,
        Wire::Success,
        Wire::UnexpectedSuccess,
        Wire::Skipped,
        Wire::Failed,
        Wire::ExpectedFailure,
    ]);
    let file = prop::option::of(("[a-c]{0,6}", prop::collection::vec(any::<u8>(), 0..80)));
    let tags = prop::collection::vec("flaky|superficial|[a-zü]{0,5}", 0..3);
    (
        status,
        prop::option::of("[a-cü ]{0,8}"),
        file,
        tags,
        prop::option::of("[0-9/a-z]{0,9}"),
        any::<(bool, bool)>(),
    )
        .prop_map(|(status, id, file, tags, route, (eof, mime))| {
            let mut event = Event::new(status);
            if let Some(id) = &id {
                event = event.test_id(id);
            }
            for tag in &tags {
                event = event.tag(tag);
            }
            if let Some((name, content)) = &file {
                event = event.file_content(name, content);
            }
            if let Some(route) = &route {
                event = event.route_code(route);
            }
            if mime {
                event = event.mime_type("text/plain");
            }
            if eof {
                event = event.end_of_file();
            }
            event.build()
        })
}

/// Bytes of a stream, some of them changed, cut or mended so that checksums are right again.
fn near_streams() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), any::<u8>(), any::<bool>());
    (
        prop::collection::vec(an_event(), 0..6),
        prop::collection::vec(edit, 0..4),
        prop::option::of(any::<prop::sample::Index>()),
    )
        .prop_map(|(events, edits, cut)| {
            let mut bytes = Vec::new();
            for event in &events {
                let mut packet = event.to_vec().unwrap();
                for (at, byte, is_mended) in &edits {
                    let at = at.index(packet.len() * 2);
                    if let Some(place) = packet.get_mut(at) {
                        *place = *byte;
                        let body = packet.len() - CHECKSUM;
                        if *is_mended && at < body {
                            let checksum = crc32fast::hash(&packet[..body]).to_be_bytes();
                            packet[body..].copy_from_slice(&checksum);
                        }
                    }
                }
                bytes.extend(packet);
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            bytes
        })
}

proptest! {
    /// Whatever the crate writes is read as it was meant.
    #[test]
    fn every_packet_is_read(event in an_event()) {
        let bytes = event.to_vec().unwrap();
        let (packet, length) = packet(&bytes).unwrap();
        prop_assert_eq!(length, bytes.len());
        prop_assert_eq!(packet.id.map(ToOwned::to_owned), event.test_id);
        prop_assert_eq!(packet.route.map(ToOwned::to_owned), event.route_code);
        prop_assert_eq!(packet.tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>(), event.tags.unwrap_or_default());
        prop_assert_eq!(packet.file.map(|(name, content)| (name.to_owned(), content.to_vec())), event.file.file);
        prop_assert_eq!(packet.status, event.status as u16);
    }
}

/// No panic, and nothing that is kept is larger than what was read.
#[test]
fn fuzz_subunit_v2() {
    fuzz(&near_streams(), Vec::len, |bytes| {
        if let Ok(document) = parse(&bytes) {
            let files = document.cases.iter().flat_map(|case| &case.attachments);
            let kept: usize = files.map(|file| file.content.len()).sum();
            prop_assert!(kept <= bytes.len());
            prop_assert!(document.cases.len() <= bytes.len() / 8);
        }
        Ok(())
    });
}
