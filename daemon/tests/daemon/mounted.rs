//! What other tickets have built, asked for over the socket: what is refused, and that what is taken is the ticket's own.

use std::time::SystemTime;

use preflight_archive::{Publication, RepositoryLabels, SigningKey, TicketRepository};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::TicketId;
use preflight_protocol::image::ImageRebuilding;
use preflight_protocol::method::{ImageRebuild, LockShow, Promote, TicketCreate, TicketRemove, TicketShow};
use preflight_protocol::package_sources::{AskedRepository, AskedSources};
use preflight_protocol::prefetch::ArchivePrefetch;
use preflight_protocol::ticket::Ticket;
use preflight_protocol::transfer::{TicketExport, TicketImport};

use crate::replays::{World, ask, replay};
use crate::support::Client;

/// Publishes an empty state, which differs from others by what it calls itself.
fn publish(world: &World, ticket: TicketId, label: &str) -> String {
    let repository = TicketRepository::at(world.ticket(ticket).join("repository"));
    let publication = Publication {
        debs: &[],
        labels: &RepositoryLabels {
            origin: "Preflight".into(),
            label: label.into(),
        },
        key: &SigningKey::load_or_create(&world.house.folders().state.join("keys")).unwrap(),
        at: SystemTime::now(),
        by: "job 1",
    };
    let published = repository.writer().unwrap().publish(&publication).unwrap();
    published.generation.to_string()
}

fn state(ticket: TicketId, generation: Option<&str>) -> AskedRepository {
    AskedRepository::Ticket {
        ticket,
        generation: generation.map(str::to_owned),
    }
}

fn request(world: &World, repositories: &[AskedRepository]) -> TicketCreate {
    TicketCreate {
        sources: vec![world.house.source("hello.dsc", false)],
        package_sources: sources(repositories),
        ..TicketCreate::default()
    }
}

fn sources(repositories: &[AskedRepository]) -> AskedSources {
    AskedSources {
        repositories: repositories.to_vec(),
        ..AskedSources::default()
    }
}

/// A ticket that has run with these.
async fn checked(world: &World, client: &mut Client, repositories: &[AskedRepository]) -> Ticket {
    let id = ask(client, &request(world, repositories)).await.unwrap().id;
    let package = world.ticket(id).join("sources/hello/package");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::write(package.join("hello.dsc"), "hello").unwrap();
    client.until_ended(id).await
}

/// Whose `InRelease` is there, below a ticket.
fn has(world: &World, ticket: TicketId, generation: &str) -> bool {
    let folder = world
        .ticket(ticket)
        .join(format!("repositories/generation-{generation}"));
    folder.join("InRelease").is_file() && folder.join("key.asc").is_file()
}

fn staged(world: &World) -> usize {
    let staging = world.house.folders().state.join("tickets/staging");
    std::fs::read_dir(staging).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_refused_before_anything_is_made() {
    let world = World::new();
    let _daemon = world.house.start().await;
    let mut client = world.house.client().await;
    let built = world.run(&mut client, &["hello"]).await.summary.id;
    let refused = async |repositories: &[AskedRepository], series: Option<&str>| -> RpcError {
        let request = TicketCreate {
            series: series.map(str::to_owned),
            ..request(&world, repositories)
        };
        ask(&client, &request).await.unwrap_err()
    };
    let link = |name: &str| AskedRepository::Link(name.into());

    let error = refused(&[state(built, None)], None).await;
    assert_eq!(
        (error.code, error.message.as_str()),
        (ErrorCode::Conflict, "ticket 1 has no repository")
    );
    let generation = publish(&world, built, "ticket");
    for (asked, code, said) in [
        (vec![state(TicketId(99), None)], ErrorCode::NotFound, "no ticket 99"),
        (vec![state(built, Some("0000"))], ErrorCode::NotFound, "0000"),
        (
            vec![link("tested")],
            ErrorCode::Conflict,
            "the link tested points at nothing",
        ),
        (vec![link("nosuch")], ErrorCode::NotFound, "no link nosuch"),
        (vec![link("../x")], ErrorCode::InvalidParams, "cannot name a link"),
        (
            vec![state(built, None), state(built, Some(&generation[..8]))],
            ErrorCode::InvalidParams,
            "asked for twice",
        ),
    ] {
        let error = refused(&asked, None).await;
        assert_eq!(error.code, code, "{asked:?}: {error:?}");
        assert!(error.message.contains(said), "{asked:?}: {error:?}");
    }
    let error = refused(&[state(built, None)], Some("debian-sid")).await;
    assert_eq!(error.code, ErrorCode::InvalidParams);
    assert_eq!(
        error.message,
        "ticket 1 was built for debian-bookworm, and this is for debian-sid"
    );
    // One that was made by a release that left no key in it.
    let key = world
        .ticket(built)
        .join(format!("repository/generation-{generation}/key.asc"));
    std::fs::remove_file(key).unwrap();
    let error = refused(&[state(built, None)], None).await;
    assert!(error.message.contains("check the package again"), "{error:?}");
    // Nothing of it is left: the next ticket is the second.
    assert_eq!(staged(&world), 0);
    assert_eq!(checked(&world, &mut client, &[]).await.summary.id, TicketId(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_stays_when_the_other_ticket_has_gone() {
    let world = World::new();
    let _daemon = world.house.start().await;
    let mut client = world.house.client().await;
    let built = world.run(&mut client, &["hello"]).await.summary.id;
    let first = publish(&world, built, "one");
    let promoted = Promote {
        link: "tested".into(),
        ticket: Some(built),
        ..Promote::default()
    };
    assert!(ask(&client, &promoted).await.unwrap().moved);
    let second = publish(&world, built, "two");
    let earlier = built_earlier(&world, &mut client).await;

    let asked = [
        state(earlier.0, Some(&earlier.1[..8])),
        AskedRepository::Link("tested".into()),
    ];
    let ticket = checked(&world, &mut client, &asked).await;
    let id = ticket.summary.id;
    let used: Vec<_> = ticket
        .repositories
        .iter()
        .map(|used| (used.ticket, used.generation.0.as_str(), used.link.as_deref()))
        .collect();
    assert_eq!(
        used,
        [
            (earlier.0, earlier.1.as_str(), None),
            (built, first.as_str(), Some("tested"))
        ]
    );
    assert!(has(&world, id, &first) && has(&world, id, &earlier.1) && !has(&world, id, &second));
    let locks = ask(&client, &LockShow { ticket: id, job: None }).await.unwrap();
    let states = &locks[0].head.as_ref().unwrap().states;
    assert_eq!(
        states
            .iter()
            .map(|state| (state.name.as_str(), state.state.0.as_str()))
            .collect::<Vec<_>>(),
        [
            (
                format!("repository of ticket #{}", earlier.0).as_str(),
                earlier.1.as_str()
            ),
            (
                format!("repository of ticket #{built} (tested)").as_str(),
                first.as_str()
            )
        ]
    );

    ask(&client, &TicketRemove { ticket: earlier.0 }).await.unwrap();
    let again = ask(&client, &replay(id, None)).await.unwrap().id;
    let again = client.until_ended(again).await;
    assert_eq!(again.repositories, ticket.repositories);
    assert!(has(&world, again.summary.id, &first) && has(&world, again.summary.id, &earlier.1));
    // Another machine gets it with the ticket, and can run it again.
    let file = world.house.folders().state.join("ticket.preflight");
    let export = TicketExport {
        ticket: id,
        file: file.clone(),
        with_packages: false,
    };
    ask(&client, &export).await.unwrap();
    let imported = ask(&client, &TicketImport { file }).await.unwrap().ticket;
    let shown = ask(&client, &TicketShow { id: imported }).await.unwrap();
    assert_eq!(shown.repositories, ticket.repositories);
    let again = ask(&client, &replay(imported, None)).await.unwrap().id;
    for id in [imported, again] {
        assert!(has(&world, id, &first) && has(&world, id, &earlier.1), "{id}");
    }
    // Where it was freed, there is nothing to run it again with.
    std::fs::remove_dir_all(world.ticket(id).join("repositories")).unwrap();
    let error = ask(&client, &replay(id, None)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Conflict);
    assert!(error.message.contains("was freed"), "{error:?}");
    assert_eq!(staged(&world), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_and_prefetches_have_it_too() {
    let world = World::new();
    let _daemon = world.house.start().await;
    let mut client = world.house.client().await;
    let (built, generation) = built_earlier(&world, &mut client).await;
    let asked = sources(&[state(built, None)]);
    let rebuild = ImageRebuild {
        base: "debian-bookworm".into(),
        name: "mine".into(),
        package_sources: asked.clone(),
        ..ImageRebuild::default()
    };
    let ImageRebuilding::Ticket(image) = ask(&client, &rebuild).await.unwrap() else {
        panic!("it is there already")
    };
    let prefetch = ArchivePrefetch {
        packages: vec!["hello".into()],
        package_sources: asked,
        ..ArchivePrefetch::default()
    };
    let prefetch = ask(&client, &prefetch).await.unwrap().ticket;
    for id in [image, prefetch] {
        assert!(has(&world, id, &generation), "{id}");
        let shown = ask(&client, &TicketShow { id }).await.unwrap();
        assert_eq!(shown.repositories[0].ticket, built);
    }
}

/// A ticket and the state of what it has built.
async fn built_earlier(world: &World, client: &mut Client) -> (TicketId, String) {
    let id = world.run(client, &["world"]).await.summary.id;
    (id, publish(world, id, "another"))
}
