//! What clients may send that no client of ours does: the daemon answers or closes, and goes on.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use preflight_protocol::codec;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test"
)]
#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{House, within};

struct Raw {
    stream: UnixStream,
    buffer: Vec<u8>,
}

#[expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]
impl Raw {
    async fn open(house: &House) -> Self {
        let stream = UnixStream::connect(house.folders().socket().unwrap()).await.unwrap();
        Self { stream, buffer: vec![] }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn send_text(&mut self, text: &str) {
        let mut frame = vec![];
        codec::encode(text.as_bytes(), &mut frame);
        self.send(&frame).await;
    }

    async fn shake_hands(&mut self) {
        let hello =
            json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocol": 1, "client": "raw"}});
        self.send_text(&hello.to_string()).await;
        assert_eq!(self.receive().await.unwrap()["result"]["protocol"], 1);
    }

    /// The next message; none at the end.
    async fn receive(&mut self) -> Option<Value> {
        loop {
            if let Some(range) = codec::decode(&self.buffer).unwrap() {
                let value = serde_json::from_slice(&self.buffer[range.clone()]).unwrap();
                self.buffer.drain(..range.end);
                return Some(value);
            }
            let read = tokio::time::timeout(Duration::from_secs(60), self.stream.read_buf(&mut self.buffer)).await;
            if read.unwrap().unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_cannot_be_read_end_the_connection() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    for bytes in [
        &b"hello\r\n\r\n"[..],
        b"Content-Length: 67108865\r\n\r\n",
        b"Content-Length: -1\r\n\r\n{}",
        &[b'x'; 9000],
    ] {
        let mut raw = Raw::open(&house).await;
        raw.send(bytes).await;
        let answer = raw.receive().await.unwrap();
        assert_eq!(
            (&answer["error"]["code"], &answer["id"]),
            (&json!(-32700), &Value::Null)
        );
        assert_eq!(raw.receive().await, None);
    }
    within(house.client()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_cannot_be_understood_are_answered() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let mut raw = Raw::open(&house).await;
    for (text, code, id) in [
        ("{", -32700, Value::Null),
        ("[]", -32600, Value::Null),
        (r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#, -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":"a","method":"x"}"#, -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":5,"method":"ticket/list"}"#, -32600, json!(5)),
        (
            r#"{"jsonrpc":"2.0","id":6,"method":"initialize","params":{"protocol":"one"}}"#,
            -32602,
            json!(6),
        ),
    ] {
        raw.send_text(text).await;
        let answer = raw.receive().await.unwrap();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &id), "{text}");
    }
    raw.shake_hands().await;
    for (text, code) in [
        (r#"{"jsonrpc":"2.0","id":7,"method":"no/such"}"#, -32601),
        (
            r#"{"jsonrpc":"2.0","id":8,"method":"ticket/show","params":{"id":"x"}}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":9,"method":"subscribe","params":{"ticket":4}}"#,
            2,
        ),
    ] {
        raw.send_text(text).await;
        assert_eq!(raw.receive().await.unwrap()["error"]["code"], code, "{text}");
    }
    // A notification has no answer, and parameters of a newer client are no error.
    raw.send_text(r#"{"jsonrpc":"2.0","method":"whatever"}"#).await;
    raw.send_text(r#"{"jsonrpc":"2.0","id":10,"method":"ticket/list","params":{"newer":true}}"#)
        .await;
    assert_eq!(
        raw.receive().await.unwrap(),
        json!({"jsonrpc": "2.0", "id": 10, "result": []})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_the_protocol_is_refused_with_a_hint() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let mut raw = Raw::open(&house).await;
    let hello =
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocol": 99, "client": "later 3"}});
    raw.send_text(&hello.to_string()).await;
    let error = raw.receive().await.unwrap()["error"].clone();
    assert_eq!(error["code"], 1);
    assert!(
        error["message"].as_str().unwrap().contains("later 3") && error["data"]["hint"].is_string(),
        "{error}"
    );
    assert_eq!(raw.receive().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_is_read_and_many_clients_are_served_at_once() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let mut large = Raw::open(&house).await;
    large.shake_hands().await;
    let text = json!({"jsonrpc": "2.0", "id": 2, "method": "ticket/list", "params": {"padding": "x".repeat(4 << 20)}});
    large.send_text(&text.to_string()).await;
    assert_eq!(large.receive().await.unwrap()["id"], 2);

    let mut clients = vec![];
    for _ in 0..50 {
        let mut raw = Raw::open(&house).await;
        raw.shake_hands().await;
        clients.push(raw);
    }
    // All ask before any reads; one goes without waiting for its answer.
    for raw in &mut clients {
        raw.send_text(r#"{"jsonrpc":"2.0","id":2,"method":"daemon/status"}"#)
            .await;
    }
    clients.pop();
    for mut raw in clients {
        assert_eq!(raw.receive().await.unwrap()["result"]["hypervisor"], "script");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_for_its_user_alone() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&house.folders().socket().unwrap()), 0o600);
    assert_eq!(mode(&house.folders().client()), 0o700);
}
