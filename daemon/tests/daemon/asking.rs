//! What is asked for beside tickets, and what is refused.

use preflight_protocol::client::ClientError;
use preflight_protocol::error::ErrorCode;
use preflight_protocol::ids::{ImageId, Series, TicketId};
use preflight_protocol::image::ExportFormat;
use preflight_protocol::method::*;
use preflight_protocol::ticket::WorkflowStep;

use crate::support::{House, within};

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_makes_no_ticket_and_leaves_nothing() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let client = house.client().await;
    let good = house.source("a.dsc", false);
    for (request, code, part) in [
        (TicketCreate::default(), ErrorCode::InvalidParams, "no source"),
        (
            TicketCreate {
                sources: vec!["a.dsc".into()],
                ..Default::default()
            },
            ErrorCode::InvalidParams,
            "absolute",
        ),
        (
            TicketCreate {
                sources: vec!["/nowhere/a.dsc".into()],
                ..Default::default()
            },
            ErrorCode::InvalidParams,
            "nowhere",
        ),
        (
            TicketCreate {
                sources: vec![good],
                series: Some("beos-r5".into()),
                ..Default::default()
            },
            ErrorCode::InvalidParams,
            "beos-r5",
        ),
    ] {
        match within(client.connection.request(&request)).await {
            Err(ClientError::Rpc(error)) => {
                assert_eq!(error.code, code);
                assert!(error.message.contains(part), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        within(client.connection.request(&TicketList::default()))
            .await
            .unwrap()
            .is_empty()
    );
    let staged = house.folders().state.join("tickets/staging");
    assert_eq!(std::fs::read_dir(staged).unwrap().count(), 0);
    let missing = within(client.connection.request(&TicketShow { id: TicketId(7) })).await;
    assert!(
        matches!(missing, Err(ClientError::Rpc(error)) if error.code == ErrorCode::NotFound && error.hint().is_some())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn images_and_the_host() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    let building = ImageBuild {
        series: Series("debian-bookworm".into()),
    };
    let ticket = within(client.connection.request(&building)).await.unwrap().ticket;
    let ticket = client.until_ended(ticket).await;
    assert_eq!(
        (ticket.jobs.len(), ticket.summary.workflow_step),
        (1, WorkflowStep::Complete)
    );
    assert!(
        within(client.connection.request(&ImageList {}))
            .await
            .unwrap()
            .is_empty()
    );
    let none = ImageGet {
        ticket: Some(ticket.summary.id),
        image: None,
        output: "/tmp/x".into(),
        format: ExportFormat::default(),
        uefi: false,
    };
    let refused = within(client.connection.request(&none)).await;
    assert!(matches!(refused, Err(ClientError::Rpc(error)) if error.code == ErrorCode::Conflict));
    let unknown = ImageRemove {
        id: ImageId("x".into()),
    };
    let refused = within(client.connection.request(&unknown)).await;
    assert!(matches!(refused, Err(ClientError::Rpc(error)) if error.code == ErrorCode::NotFound));
    let checks = within(client.connection.request(&Doctor { fresh: true }))
        .await
        .unwrap();
    assert_eq!(checks[0].detail, "looked at now");
    let status = within(client.connection.request(&Status {})).await.unwrap();
    assert_eq!((status.pid, status.queued, status.running), (std::process::id(), 0, 0));
}
