//! What another ticket has built, in the testbeds of one that uses it: its builds find it, whatever has become of the other.

use preflight_protocol::method::{TicketCreate, TicketRemove, TicketUpdate};
use preflight_protocol::package_sources::{AskedRepository, AskedSources};

use crate::client::within;
use crate::lab::{Lab, Scenario};
use crate::passing::assert_passed;
use crate::source::Source;
use crate::stage::Stage;

fn lab() -> Lab {
    let app = Source {
        build_depends: "liba",
        ..Source::new("app")
    };
    Lab::new(Scenario {
        sources: vec![app, Source::new("liba")],
        ..Scenario::default()
    })
}

/// The source that comes at this place, alone.
fn request(lab: &Lab, place: usize) -> TicketCreate {
    TicketCreate {
        sources: vec![lab.sources[place].write_dsc(&lab.desk())],
        ..TicketCreate::default()
    }
}

#[tokio::test]
async fn a_build_finds_what_another_ticket_has_built() {
    let lab = lab();
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let alone = client.create(request(&lab, 0)).await.id;
    let alone = client.until_ended(alone).await;
    assert_eq!(alone.summary.exit_code, Some(12), "{alone:?}");
    let built = client.create(request(&lab, 1)).await.id;
    assert_passed(&client.until_ended(built).await);

    let asked = AskedRepository::Ticket {
        ticket: built,
        generation: None,
    };
    let with = TicketCreate {
        package_sources: AskedSources {
            repositories: vec![asked],
            ..AskedSources::default()
        },
        wait: true,
        ..request(&lab, 0)
    };
    let with = client.create(with).await.id;
    // The other ticket may go before anything of this one has run.
    within(client.connection.request(&TicketRemove { ticket: built }))
        .await
        .unwrap();
    let before = lab.machines.scenes().len();
    let queue = TicketUpdate {
        id: with,
        queue: true,
        ..TicketUpdate::default()
    };
    within(client.connection.request(&queue)).await.unwrap();
    assert_passed(&client.until_ended(with).await);
    // Each testbed in which something is installed knows of it before that, and takes what is older, too.
    let stages: Vec<Stage> = lab.machines.scenes()[before..]
        .iter()
        .filter(|scene| {
            matches!(
                scene.stage,
                Stage::Update | Stage::Upgrade | Stage::BuildDepends | Stage::Install
            )
        })
        .inspect(|scene| assert!(scene.stage != Stage::Upgrade || scene.line.contains("--allow-downgrades")))
        .map(|scene| scene.stage.clone())
        .collect();
    let told = [Stage::Update, Stage::Upgrade];
    assert_eq!(
        stages,
        [&told[..], &[Stage::BuildDepends], &told[..], &[Stage::Install]].concat()
    );
    lab.assert_nothing_is_left().await;
    drop(daemon);
}
