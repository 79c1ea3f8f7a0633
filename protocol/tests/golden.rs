//! Messages of earlier releases, which must be read for ever. A file in `golden/v<N>` is never changed; what is new
//! is recorded in new files. One message a line: `> ` goes to the daemon, `< ` comes from it.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use preflight_protocol::error::RpcError;
use preflight_protocol::event::{BEAT, Beat, EVENT, Envelope, RESYNC};
use preflight_protocol::message::Message;
use preflight_protocol::method::*;
use preflight_protocol::shell::{self, ShellOpen, ShellProgress};
use preflight_protocol::testbed::{self, TestbedProgress};
use serde_json::Value;

/// Reads a message as the receiver does, and answers how it would be written today.
fn read<T: serde::Serialize + serde::de::DeserializeOwned>(value: &Value) -> Value {
    let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"));
    serde_json::to_value(read).unwrap()
}

fn read_as<M: Method>(params: bool, value: &Value) -> Value {
    if params {
        read::<M>(value)
    } else {
        read::<M::Answer>(value)
    }
}

macro_rules! readers {
    ($($method:ident),*) => {
        fn read_method(name: &str, params: bool, value: &Value) -> Value {
            match name {
                $($method::NAME => read_as::<$method>(params, value),)*
                other => panic!("{other} was a method, and must be one for ever"),
            }
        }
        const METHODS: &[&str] = &[$($method::NAME),*];
    };
}

readers!(
    Initialize,
    Subscribe,
    TicketCreate,
    TicketList,
    TicketShow,
    TicketUpdate,
    TicketCancel,
    TicketRerun,
    TicketRemove,
    TicketReplay,
    TicketAgreement,
    LogList,
    LogRead,
    ResultStream,
    ResultsImport,
    LockShow,
    ImageList,
    ImageBuild,
    ImageGet,
    ImageRemove,
    RepositoryList,
    RepositoryShow,
    RepositoryDiff,
    RepositoryExport,
    Promote,
    RollBack,
    PromotionList,
    PromotionCheck,
    PoolList,
    PoolGrow,
    PoolRelease,
    PpaAdd,
    PpaList,
    PpaShow,
    PpaRefresh,
    PpaRemove,
    ShellOpen,
    TestbedOpen,
    TestbedRevert,
    TestbedReboot,
    TestbedClose,
    Status,
    Doctor,
    Stop
);

/// Everything that was recorded must still be there, be it with more beside it.
fn assert_kept(recorded: &Value, today: &Value, place: &str) {
    match (recorded, today) {
        (Value::Object(recorded), Value::Object(today)) => {
            for (name, value) in recorded {
                // What is optional may be left out.
                let found = today.get(name).unwrap_or(&Value::Null);
                assert_kept(value, found, &format!("{place}.{name}"));
            }
        }
        (Value::Array(recorded), Value::Array(today)) => {
            assert_eq!(recorded.len(), today.len(), "{place}");
            for (number, (recorded, today)) in recorded.iter().zip(today).enumerate() {
                assert_kept(recorded, today, &format!("{place}[{number}]"));
            }
        }
        (Value::Number(recorded), Value::Number(today)) => assert_eq!(recorded.as_f64(), today.as_f64(), "{place}"),
        _ => assert_eq!(recorded, today, "{place}"),
    }
}

fn replay(path: &Path, seen: &mut BTreeMap<String, u32>) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut asked: BTreeMap<u64, String> = BTreeMap::new();
    for (number, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
    {
        let place = format!("{}:{}", path.display(), number + 1);
        let (_, json) = line
            .split_at_checked(2)
            .unwrap_or_else(|| panic!("{place}: no message"));
        let message = Message::from_json(json.as_bytes()).unwrap_or_else(|error| panic!("{place}: {error}"));
        let (name, recorded, today) = match message {
            Message::Request { id, method, params } => {
                let today = read_method(&method, true, &params);
                asked.insert(id, method.clone());
                (method, params, today)
            }
            Message::Response { id, result: Ok(value) } => {
                let method = id
                    .and_then(|id| asked.remove(&id))
                    .unwrap_or_else(|| panic!("{place}: no request"));
                let today = read_method(&method, false, &value);
                (format!("{method} answer"), value, today)
            }
            Message::Response { result: Err(error), .. } => {
                let value = serde_json::to_value(error).unwrap();
                let today = read::<RpcError>(&value);
                ("error".to_owned(), value, today)
            }
            Message::Notification { method, params } => {
                let today = match method.as_str() {
                    EVENT => read::<Envelope>(&params),
                    BEAT => read::<Beat>(&params),
                    RESYNC => read::<RpcError>(&params),
                    shell::PROGRESS => read::<ShellProgress>(&params),
                    testbed::PROGRESS => read::<TestbedProgress>(&params),
                    other => panic!("{place}: {other} was a notification, and must be one for ever"),
                };
                let name = match params["kind"]["event"].as_str() {
                    Some(event) => format!("event {event}"),
                    None => method,
                };
                (name, params, today)
            }
        };
        assert_kept(&recorded, &today, &place);
        *seen.entry(name).or_default() += 1;
    }
}

#[test]
fn recorded_messages_are_read_for_ever() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1");
    let mut seen = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            replay(&path, &mut seen);
        }
    }
    for method in METHODS {
        assert!(seen.contains_key(*method), "no request {method} is recorded");
        assert!(
            seen.contains_key(&format!("{method} answer")),
            "no answer to {method} is recorded"
        );
    }
    let events = [
        "ticket_created",
        "ticket_changed",
        "ticket_removed",
        "job_changed",
        "test_recorded",
        "finding_recorded",
        "artifact_stored",
        "warning_raised",
        "image_added",
        "image_removed",
        "link_moved",
        "pool_changed",
        "ppa_changed",
        "ppa_removed",
    ];
    for event in events {
        assert!(
            seen.contains_key(&format!("event {event}")),
            "no event {event} is recorded"
        );
    }
    for other in [BEAT, RESYNC, shell::PROGRESS, "error"] {
        assert!(seen.contains_key(other), "no {other} is recorded");
    }
}
