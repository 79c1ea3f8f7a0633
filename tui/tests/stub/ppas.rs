//! Invented PPAs.

use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::{Moment, Series, Sha256};
use preflight_protocol::method::{self, Empty, Method};
use preflight_protocol::ppa::{Ppa, PpaRefreshed, PpaRefused, PpaState};
use serde_json::Value;

use super::{read, write};

fn state(series: &str, packages: u64, now: Moment) -> PpaState {
    PpaState {
        series: Series(series.into()),
        state: Sha256(format!("{packages:02x}").repeat(32)),
        suite: "bookworm".into(),
        date: (packages > 1).then_some(now),
        origin: "Jane\u{1b}[31m".into(),
        packages,
        refreshed_at: now,
    }
}

fn ppas(now: Moment) -> Vec<Ppa> {
    let tools = Ppa {
        name: "jane/tools".into(),
        uri: "https://ppa.example/jane/tools".into(),
        suite: "{series}".into(),
        components: vec!["main".into(), "extra".into()],
        architectures: vec![],
        fingerprints: vec!["0123456789ABCDEF0123456789ABCDEF01234567".into()],
        priority: None,
        packages: vec![],
        private: false,
        added_at: now,
        states: vec![state("debian-bookworm", 12, now), state("debian-sid", 1, now)],
    };
    let vendor = Ppa {
        name: "vendor".into(),
        uri: "http://mirror.example/flat".into(),
        suite: "./".into(),
        components: vec![],
        architectures: vec!["amd64".into()],
        priority: Some(-5),
        packages: vec!["src:hello".into(), "greeting".into()],
        private: true,
        states: vec![state("debian-bookworm", 3, now)],
        ..tools.clone()
    };
    vec![tools, vendor]
}

fn refreshed(now: Moment) -> Vec<PpaRefreshed> {
    let outcome = |name: &str, before: Option<u64>, after: Option<u64>| PpaRefreshed {
        name: name.into(),
        series: Series("debian-bookworm".into()),
        before: before.map(|packages| state("debian-bookworm", packages, now)),
        after: after.map(|packages| state("debian-bookworm", packages, now)),
        refused: after.is_none().then(|| PpaRefused {
            message: format!("the PPA {name} is refused: the release file expired\u{7}"),
            hint: Some("try again later".into()),
        }),
    };
    vec![
        outcome("first", None, Some(1)),
        outcome("same", Some(2), Some(2)),
        outcome("newer", Some(2), Some(3)),
        outcome("expired", Some(2), None),
        outcome("never", None, None),
    ]
}

/// None for requests about something else.
pub(super) fn answer(name: &str, params: &Value, now: Moment) -> Option<Result<Value, RpcError>> {
    let params = params.clone();
    Some(match name {
        method::PpaList::NAME => write(ppas(now)),
        method::PpaAdd::NAME => write(ppas(now).drain(..1).collect::<Vec<_>>()),
        method::PpaShow::NAME => read(params).and_then(|request: method::PpaShow| {
            let found = ppas(now).into_iter().find(|ppa| ppa.name == request.name);
            write(
                found
                    .ok_or_else(|| RpcError::new(ErrorCode::NotFound, "there is no such PPA").with_hint("list them"))?,
            )
        }),
        method::PpaRefresh::NAME => read(params).and_then(|request: method::PpaRefresh| {
            let mut all = refreshed(now);
            all.retain(|one| request.name.as_ref().is_none_or(|name| one.name == *name));
            write(all)
        }),
        method::PpaRemove::NAME => write(Empty {}),
        _ => return None,
    })
}
