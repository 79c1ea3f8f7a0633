//! Bad input: told clearly, and no ticket and no file of it is kept.

use std::fs;
use std::path::{Path, PathBuf};

use preflight_protocol::client::ClientError;
use preflight_protocol::error::ErrorCode;
use preflight_protocol::method::{SignaturePolicy, TicketCreate, TicketList};

use crate::client::within;
use crate::lab::{Lab, Scenario};
use crate::source::Source;

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

type Spoil = fn(&Path) -> TicketCreate;

fn request(path: PathBuf) -> TicketCreate {
    TicketCreate {
        sources: vec![path],
        ..TicketCreate::default()
    }
}

#[tokio::test]
async fn bad_input_makes_no_ticket() {
    let cases: [(&str, Spoil); 11] = [
        ("hello_1.0.tar.xz", |desk| {
            let changes = Source::new("hello").write_changes(desk);
            fs::remove_file(desk.join("hello_1.0.tar.xz")).unwrap();
            request(changes)
        }),
        ("hello_1.0.tar.xz", |desk| {
            let dsc = Source::new("hello").write_dsc(desk);
            fs::write(desk.join("hello_1.0.tar.xz"), "the tree of jello\n").unwrap();
            request(dsc)
        }),
        ("../hello_1.0.tar.xz", |desk| {
            let changes = Source::new("hello").write_changes(desk);
            edit(&changes, " hello_1.0.tar.xz", " ../hello_1.0.tar.xz");
            request(changes)
        }),
        ("potato", |desk| TicketCreate {
            series: Some("potato".to_owned()),
            ..request(Source::new("hello").write_dsc(desk))
        }),
        ("debian", |desk| {
            let folder = desk.join("empty");
            fs::create_dir_all(&folder).unwrap();
            request(folder)
        }),
        ("signature", |desk| TicketCreate {
            signatures: Some(SignaturePolicy::Require),
            ..request(Source::new("hello").write_folder(desk))
        }),
        ("sign", |desk| TicketCreate {
            signatures: Some(SignaturePolicy::Require),
            ..request(Source::new("hello").write_dsc(desk))
        }),
        ("nothing.txt", |desk| request(desk.join("nothing.txt"))),
        ("no source", |_| TicketCreate::default()),
        ("not a name", |desk| TicketCreate {
            add_packages: vec!["not a name".to_owned()],
            ..request(Source::new("hello").write_dsc(desk))
        }),
        ("beta", |desk| {
            let source = |name, build_depends| Source {
                build_depends,
                ..Source::new(name)
            };
            TicketCreate {
                sources: vec![
                    source("alpha", "beta").write_dsc(desk),
                    source("beta", "alpha").write_dsc(desk),
                ],
                ..TicketCreate::default()
            }
        }),
    ];
    let lab = Lab::new(Scenario::default());
    let daemon = lab.start().await;
    let client = lab.client().await;
    for (says, spoil) in cases {
        let request = spoil(&lab.desk());
        match within(client.connection.request(&request)).await {
            Err(ClientError::Rpc(error)) => {
                assert_eq!(error.code, ErrorCode::InvalidParams, "{error:?}");
                assert!(error.to_string().contains(says), "{error} does not say {says:?}");
            }
            other => panic!("{says}: {other:?}"),
        }
        lab.assert_nothing_is_left().await;
    }
    let tickets = within(client.connection.request(&TicketList { open: false }))
        .await
        .unwrap();
    assert!(
        !serde_json::to_string(&tickets).unwrap().contains("\"id\""),
        "{tickets:?}"
    );
    assert_eq!(lab.machines.started(), 0);
    drop(daemon);
}

#[tokio::test]
async fn what_its_owner_edits_later_is_no_part_of_the_ticket() {
    let lab = Lab::new(Scenario::default());
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let request = TicketCreate {
        wait: true,
        ..lab.request()
    };
    let id = client.create(request).await.id;
    for entry in fs::read_dir(lab.desk()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let queue = preflight_protocol::method::TicketUpdate {
        id,
        queue: true,
        ..preflight_protocol::method::TicketUpdate::default()
    };
    within(client.connection.request(&queue)).await.unwrap();
    crate::passing::assert_passed(&client.until_ended(id).await);
    drop(daemon);
}
