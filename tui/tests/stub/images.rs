//! An invented image that was made for itself.

use std::path::PathBuf;

use preflight_protocol::error::RpcError;
use preflight_protocol::ids::{ImageId, Moment, Series, TicketId};
use preflight_protocol::image::{
    ImageDetails, ImageInfo, ImageKind, ImageRebuilding, PackageChange, RebuildStep, RebuiltImage,
};
use preflight_protocol::method::{self, Method};
use serde_json::Value;

use super::{read, write};

fn change(name: &str, before: Option<&str>, after: Option<&str>) -> PackageChange {
    PackageChange {
        name: name.into(),
        architecture: "amd64".into(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    }
}

fn step(add: &[&str], remove: &[&str]) -> RebuildStep {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    RebuildStep {
        add: words(add),
        remove: words(remove),
    }
}

fn mine(now: Moment) -> ImageDetails {
    ImageDetails {
        info: ImageInfo {
            id: ImageId("image-5452e406919f".into()),
            series: Series("debian-bookworm".into()),
            kind: ImageKind::Ticket,
            size: 88_000_000,
            created_at: now,
            users: vec![TicketId(3)],
            path: PathBuf::from("/home/jane/.cache/preflight/ticket-images/image-5452e406919f/root.qcow2"),
            names: vec!["mine".into(), "second".into()],
        },
        base: Some(ImageId("debian-bookworm-test-5d1c0a7e".into())),
        rebuilt: Some(RebuiltImage {
            steps: vec![
                step(&[], &[]),
                step(&["jq"], &[]),
                step(&["jq", "tree=2.1.0-1"], &["nano"]),
            ],
            sources: vec!["PPA jane/tools\u{1b}[31m".into()],
            packages: vec![
                change("jq", None, Some("1.6-2.1")),
                change("nano", Some("7.2-1"), None),
                change("libc6", Some("2.36-9"), Some("2.36-9+deb12u14\u{7}")),
            ],
        }),
    }
}

/// The answer to a request about such images; none where it is about something else. An image that is called `other` or
/// `broken` has to be made, by a ticket that has passed or failed.
pub(crate) fn answer(method: &str, params: &Value, now: Moment) -> Option<Result<Value, RpcError>> {
    Some(match method {
        method::ImageShow::NAME => write(mine(now)),
        method::ImageRebuild::NAME => {
            read::<method::ImageRebuild>(params.clone()).and_then(|request| match request.name.as_str() {
                "other" => write(ImageRebuilding::Ticket(TicketId(2))),
                "broken" => write(ImageRebuilding::Ticket(TicketId(1))),
                _ => write(ImageRebuilding::Here(Box::new(mine(now)))),
            })
        }
        _ => return None,
    })
}
