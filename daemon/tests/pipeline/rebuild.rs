//! Images that are made for themselves: what a request shares with an earlier one is not done again, the same request is
//! answered from the cache, and one that fails leaves everything as it was.

use std::sync::atomic::{AtomicBool, Ordering};

use preflight_protocol::client::ClientError;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::ImageId;
use preflight_protocol::image::{ImageChoice, ImageDetails, ImageRebuilding};
use preflight_protocol::job::JobKind;
use preflight_protocol::method::{ImageList, ImageRebuild, ImageRemove, ImageShow, Method, TicketRemove};
use preflight_protocol::ticket::Ticket;
use preflight_testbed::fake::{Chance, Faults};
use preflightd::bootstrap::Daemon;

use crate::client::{Client, job, within};
use crate::guest::Play;
use crate::lab::{Lab, Scenario};
use crate::stage::Stage;

fn scenario() -> Scenario {
    Scenario {
        hypervisor: Faults::default(),
        ..Scenario::default()
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// `mine = debian-bookworm: jq -nano`
fn request(text: &str) -> ImageRebuild {
    let (name, rest) = text.split_once(" = ").unwrap();
    let (base, packages) = rest.split_once(':').unwrap();
    let (remove, add): (Vec<_>, Vec<_>) = words(packages).into_iter().partition(|word| word.starts_with('-'));
    ImageRebuild {
        base: base.to_owned(),
        name: name.to_owned(),
        add_packages: add,
        remove_packages: remove.iter().map(|word| word[1..].to_owned()).collect(),
        ..ImageRebuild::default()
    }
}

struct World {
    lab: Lab,
    client: Client,
    _daemon: Daemon,
}

impl World {
    async fn new(scenario: Scenario) -> Self {
        let lab = Lab::new(scenario);
        let daemon = lab.start().await;
        let client = lab.client().await;
        Self {
            lab,
            client,
            _daemon: daemon,
        }
    }

    async fn ask<M: Method>(&self, request: &M) -> Result<M::Answer, ClientError> {
        within(self.client.connection.request(request)).await
    }

    async fn refused<M: Method>(&self, request: &M) -> RpcError {
        match self.ask(request).await.err().unwrap() {
            ClientError::Rpc(error) => error,
            other => panic!("{other}"),
        }
    }

    /// Has a ticket make it.
    async fn run(&mut self, text: &str) -> Ticket {
        match self.ask(&request(text)).await.unwrap() {
            ImageRebuilding::Ticket(id) => self.client.until_ended(id).await,
            ImageRebuilding::Here(image) => panic!("{} is there", image.info.id),
        }
    }

    async fn make(&mut self, text: &str) -> ImageDetails {
        let ticket = self.run(text).await;
        assert_eq!(ticket.summary.exit_code, Some(0), "{ticket:#?}");
        let image = self.show(&ticket.image.unwrap().0).await;
        self.lab.assert_nothing_is_left().await;
        image
    }

    async fn here(&self, text: &str) -> ImageDetails {
        match self.ask(&request(text)).await.unwrap() {
            ImageRebuilding::Here(image) => *image,
            ImageRebuilding::Ticket(id) => panic!("ticket {id} makes it"),
        }
    }

    async fn show(&self, name: &str) -> ImageDetails {
        let image = ImageChoice::Image(ImageId(name.to_owned()));
        self.ask(&ImageShow { image }).await.unwrap()
    }

    fn log(&self, ticket: &Ticket) -> String {
        self.lab
            .log(ticket, &job(ticket, JobKind::Image).log.clone().unwrap().0)
    }

    /// The packages that apt was to install, by machine.
    fn installed(&self) -> Vec<String> {
        let scenes = self.lab.machines.scenes().into_iter();
        let installing = scenes.filter(|scene| scene.stage == Stage::Install);
        installing
            .map(|scene| {
                let words = scene.line.rsplit_once("--allow-downgrades").unwrap().1;
                words.trim().to_owned()
            })
            .collect()
    }
}

fn changes(image: &ImageDetails) -> Vec<String> {
    let packages = image.rebuilt.as_ref().unwrap().packages.iter();
    packages
        .map(|change| {
            let version = |version: &Option<String>| version.clone().unwrap_or_default();
            format!("{} {}>{}", change.name, version(&change.before), version(&change.after))
        })
        .collect()
}

#[tokio::test]
async fn what_was_done_once_is_not_done_again() {
    let mut world = World::new(scenario()).await;
    let first = world.make("mine = debian-bookworm: jq").await;
    assert_eq!(changes(&first), ["jq >1"]);
    assert_eq!(first.info.names, ["mine"]);
    let mine = world.show("mine").await;
    assert_eq!(mine, first);

    // The same, in other words.
    let machines = world.lab.machines.starting();
    let again = world.here("mine = debian-bookworm: jq jq").await;
    assert_eq!(again, first);
    let other = world.here("other = mine: jq").await;
    assert_eq!(
        (other.info.id, other.info.names),
        (first.info.id.clone(), words("mine other"))
    );
    assert_eq!(world.lab.machines.starting(), machines);

    // More of it starts from what there is, whether that is named or not.
    let ticket = world.run("mine = debian-bookworm: tree -nano jq").await;
    let log = world.log(&ticket);
    let start = format!("starts from {}, which has +jq", first.info.id);
    assert!(log.contains(&start), "{log}");
    assert!(log.contains("nano (amd64): 7.2-1 -> none"), "{log}");
    let second = world.show("mine").await;
    assert_eq!(changes(&second), ["jq >1", "nano 7.2-1>", "tree >1"]);
    let steps = &second.rebuilt.as_ref().unwrap().steps;
    assert_eq!(
        (steps.len(), &steps[0].add, &steps[1].remove),
        (2, &words("jq"), &words("nano"))
    );
    assert_eq!(world.show("other").await.info.names, ["other"]);

    let third = world.make("third = other: vim").await;
    assert_eq!(changes(&third), ["jq >1", "vim >1"]);
    assert_eq!(third.base, first.base);
    // Step by step it is the same image as at once.
    let fourth = world.make("third = third: tmux").await;
    assert_eq!(world.here("third = third: tmux").await, fourth);
    assert_eq!(
        world.here("y = debian-bookworm: tmux jq vim").await.info.id,
        fourth.info.id
    );
    // Each run of apt has in sight what must not go; nothing was installed twice.
    assert_eq!(world.installed(), ["jq", "jq tree nano-", "jq vim", "jq tmux vim"]);
    // In whatever order it was asked for.
    assert_eq!(world.here("x = debian-bookworm: vim jq").await.info.id, third.info.id);

    let all = world.ask(&ImageList {}).await.unwrap();
    let named: Vec<_> = all.iter().filter(|image| !image.names.is_empty()).collect();
    assert_eq!(named.len(), 4, "{all:#?}");
}

#[tokio::test]
async fn a_named_image_outlives_the_ticket_that_made_it() {
    let mut world = World::new(scenario()).await;
    let [first, second] = [
        world.run("mine = debian-bookworm: jq").await,
        world.run("mine = debian-bookworm: tree").await,
    ];
    for ticket in [&first, &second] {
        let ticket = ticket.summary.id;
        world.ask(&TicketRemove { ticket }).await.unwrap();
    }
    let all = world.ask(&ImageList {}).await.unwrap();
    let is_there = |ticket: &Ticket| all.iter().any(|image| Some(&image.id) == ticket.image.as_ref());
    // The first one lost its name to the second.
    assert_eq!((is_there(&first), is_there(&second)), (false, true));
    assert_eq!(world.show("mine").await.info.id, second.image.unwrap());
}

#[tokio::test]
async fn what_cannot_be_frozen_is_made_by_booting() {
    let mut world = World::new(Scenario {
        hypervisor: Faults {
            freeze_fails: Chance::ALWAYS,
            ..Faults::default()
        },
        ..Scenario::default()
    })
    .await;
    let first = world.make("mine = debian-bookworm: jq").await;
    assert_eq!(changes(&first), ["jq >1"]);
    let ticket = world.run("mine = mine: tree").await;
    assert!(world.log(&ticket).contains("which has +jq"));
    assert_eq!(world.installed(), ["jq", "jq tree"]);
}

#[tokio::test]
async fn one_that_fails_leaves_everything_as_it_was() {
    let mut world = World::new(Scenario {
        hypervisor: Faults::default(),
        ..Scenario::scripted(|scene| match scene.stage {
            Stage::Install if scene.line.ends_with("nosuch") => {
                Play::SaysError("E: Unable to locate package nosuch\n", 100)
            }
            Stage::Packages if scene.nth > 4 => Play::Says("P\tinstalled\tjq\t1\tamd64\0F\tx\0E\0", 0),
            _ => Play::Usual,
        })
    })
    .await;
    let first = world.make("mine = debian-bookworm: jq").await;
    let failed = world.run("mine = mine: nosuch").await;
    assert_eq!((failed.summary.exit_code, &failed.image), (Some(12), &None));
    let image = job(&failed, JobKind::Image);
    let error = image.first_error.clone().unwrap();
    assert_eq!(error.text, "E: Unable to locate package nosuch");
    assert!(image.reason.as_ref().unwrap().contains("installing packages failed"));
    world.lab.assert_nothing_is_left().await;
    assert_eq!(world.show("mine").await, first);

    // A guest that does not say what it has.
    let broken = world.run("mine = mine: tree").await;
    assert_eq!(broken.summary.exit_code, Some(16));
    let why = job(&broken, JobKind::Image).reason.clone().unwrap();
    assert!(
        why.contains("what the guest says of its packages cannot be used"),
        "{why}"
    );
    world.lab.assert_nothing_is_left().await;
    assert_eq!(world.show("mine").await, first);
}

#[tokio::test]
async fn a_daemon_that_dies_over_it_makes_it_at_its_next_start() {
    let once = AtomicBool::new(true);
    let lab = Lab::new(Scenario {
        hypervisor: Faults::default(),
        ..Scenario::scripted(move |scene| match scene.stage {
            Stage::Packages if once.swap(false, Ordering::SeqCst) => Play::Hangs(""),
            _ => Play::Usual,
        })
    });
    let daemon = lab.start().await;
    let client = lab.client().await;
    let asked = request("mine = debian-bookworm: jq");
    let made = within(client.connection.request(&asked)).await.unwrap();
    let ImageRebuilding::Ticket(id) = made else {
        panic!("{made:?}");
    };
    lab.machines.reached(|scene| scene.stage == Stage::Packages).await;
    drop(client);
    drop(daemon);
    let _daemon = lab.start().await;
    let mut client = lab.client().await;
    let ticket = client.until_ended(id).await;
    assert_eq!((ticket.summary.exit_code, ticket.jobs[0].attempts.len()), (Some(0), 2));
    let image = ImageChoice::Image(ImageId("mine".to_owned()));
    let image = within(client.connection.request(&ImageShow { image })).await.unwrap();
    assert_eq!(
        (Some(&image.info.id), changes(&image)),
        (ticket.image.as_ref(), vec!["jq >1".to_owned()])
    );
    lab.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_makes_no_sense_makes_no_ticket() {
    let mut world = World::new(Scenario::default()).await;
    let ticket = world.client.create(world.lab.request()).await.id;
    let ticket = world.client.until_ended(ticket).await;
    let of_ticket = format!("mine = {}: jq", ticket.image.unwrap());
    for (text, code, why) in [
        (
            "mine = debian-bookworm:",
            ErrorCode::InvalidParams,
            "nothing is asked for",
        ),
        (
            "mine = debian-bookworm: jq -jq",
            ErrorCode::InvalidParams,
            "of one package",
        ),
        (
            "mine = debian-bookworm: jq;reboot",
            ErrorCode::InvalidParams,
            "names no package",
        ),
        (
            "mine = nowhere: jq",
            ErrorCode::NotFound,
            "neither a series nor an image",
        ),
        (
            "Mine = debian-bookworm: jq",
            ErrorCode::InvalidParams,
            "cannot name an image",
        ),
        (
            "debian-bookworm = debian-bookworm: jq",
            ErrorCode::InvalidParams,
            "is a series",
        ),
        (
            "image-1 = debian-bookworm: jq",
            ErrorCode::InvalidParams,
            "that Preflight gives",
        ),
        (&of_ticket, ErrorCode::InvalidParams, "is a ticket's image"),
    ] {
        let error = world.refused(&request(text)).await;
        assert_eq!(error.code, code, "{text}: {error:?}");
        assert!(error.message.contains(why), "{text}: {error:?}");
    }
    let build = world
        .ask(&ImageList {})
        .await
        .unwrap()
        .into_iter()
        .map(|image| image.id.0);
    let build = build.into_iter().find(|id| id.contains("-build-")).unwrap();
    let error = world.refused(&request(&format!("mine = {build}: jq"))).await;
    assert!(error.message.contains("an image for builds"), "{error:?}");
}

#[tokio::test]
async fn two_that_want_the_same_get_one_image() {
    let mut world = World::new(Scenario { jobs: 2, ..scenario() }).await;
    let mut tickets = Vec::new();
    for name in ["one", "two"] {
        let asked = request(&format!("{name} = debian-bookworm: jq"));
        match world.ask(&asked).await.unwrap() {
            ImageRebuilding::Ticket(id) => tickets.push(id),
            ImageRebuilding::Here(image) => panic!("{} is there", image.info.id),
        }
    }
    let mut images = Vec::new();
    for id in tickets {
        let ticket = world.client.until_ended(id).await;
        assert_eq!(ticket.summary.exit_code, Some(0), "{ticket:#?}");
        images.push(ticket.image);
    }
    assert_eq!(images[0], images[1]);
    assert_eq!(world.installed(), ["jq"]);
    let names = world.show("two").await.info.names;
    assert_eq!(names, ["one", "two"]);

    // A name is enough to remove it by, and goes with it.
    let one = ImageRemove {
        id: ImageId("one".to_owned()),
    };
    world.ask(&one).await.unwrap();
    for name in ["one", "two"] {
        let image = ImageChoice::Image(ImageId(name.to_owned()));
        let error = world.refused(&ImageShow { image }).await;
        assert_eq!(error.code, ErrorCode::NotFound);
    }
}
