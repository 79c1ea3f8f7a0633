//! Replays as clients see them: what is made of a ticket, what stands in the way, and whether the two runs agree. What
//! jobs do is scripted.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use preflight_archive::ContentStore;
use preflight_core as core;
use preflight_core::JobKind;
use preflight_protocol::client::ClientError;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::{JobId, TicketId};
use preflight_protocol::job::JobState;
use preflight_protocol::method::{LockShow, Method, TicketAgreement, TicketRemove, TicketReplay};
use preflight_protocol::replay::{Agreement, DifferenceKind};
use preflight_protocol::ticket::Ticket;
use preflight_protocol::transfer::{TicketExport, TicketImport};
use preflightd::services::JobReport;
use preflightd::testing::Step;

use crate::steps::{artifact, test};
use crate::support::{Client, House, within};

const BASE: &str = "debian-bookworm-build-00";
const PACKAGE: &[u8] = b"a package";
const URL: &str = "http://mirror.example/debian/pool/main/p/package_1_all.deb";

fn sha256(bytes: &[u8]) -> core::Sha256 {
    core::Sha256(*preflight_debian::Sha256Digest::of(bytes).as_bytes())
}

fn image(id: &str, kind: core::ImageKind) -> core::ImageRecord {
    core::ImageRecord {
        id: core::ImageId(id.into()),
        series: core::Series("debian-bookworm".into()),
        kind,
        parent: None,
        size: 1,
        created_at: core::Moment(0),
        path: PathBuf::from("/images").join(id),
    }
}

/// What a job reports; a test fails where it is told to.
fn reports(kind: JobKind, source: Option<&str>, fails: bool) -> Vec<Step> {
    let source = source.unwrap_or_default();
    let head = core::LockHead {
        base: core::ImageId(BASE.into()),
        archive_state: Some(sha256(b"a state")),
        image: None,
        sources: match kind {
            JobKind::Image => vec![],
            _ => vec![core::SourceFile {
                name: format!("{source}.dsc"),
                sha256: sha256(source.as_bytes()),
                size: source.len() as u64,
            }],
        },
    };
    let mut steps = vec![Step::Report(JobReport::LockHead(Box::new(head)))];
    match kind {
        JobKind::Build => steps.extend([
            Step::Report(JobReport::Lock(vec![core::LockEntry {
                url: URL.into(),
                sha256: sha256(PACKAGE),
                size: PACKAGE.len() as u64,
                origin: None,
            }])),
            artifact(&format!("{source}_1_all.deb")),
        ]),
        JobKind::Image => steps.push(Step::Report(JobReport::Image(image(
            "ticket-0",
            core::ImageKind::Ticket,
        )))),
        JobKind::Test => {
            let status = if fails {
                core::TestStatus::Fail
            } else {
                core::TestStatus::Pass
            };
            steps.push(test(source, "smoke", status));
            if fails {
                let ending = core::Ending::new(core::Outcome::Fail, None);
                steps.push(Step::Report(JobReport::Finished(ending)));
            }
        }
        _ => {}
    }
    steps
}

/// A house in which a ticket of these sources has run, and all that a replay of it needs is there.
pub(crate) struct World {
    pub(crate) house: House,
    fails: Arc<AtomicBool>,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self::without_base();
        world.house.images.add(image(BASE, core::ImageKind::BaseBuild));
        world
    }

    fn without_base() -> Self {
        let fails = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&fails);
        let house = House::new(move |kind, source| reports(kind, source, told.load(Ordering::Relaxed)));
        Self { house, fails }
    }

    fn store(&self) -> ContentStore {
        ContentStore::open(&self.house.folders().state.join("archive")).unwrap()
    }

    /// Runs a ticket of these sources, each a `.dsc` that holds its own name.
    pub(crate) async fn run(&self, client: &mut Client, names: &[&str]) -> Ticket {
        self.store().put(PACKAGE).unwrap();
        client.subscribe(None).await;
        let sources = names
            .iter()
            .map(|name| self.house.source(&format!("{name}.dsc"), false));
        let id = client.create(sources.collect()).await.id;
        for name in names {
            let package = self.ticket(id).join(format!("sources/{name}/package"));
            std::fs::create_dir_all(&package).unwrap();
            std::fs::write(package.join(format!("{name}.dsc")), name).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", package.join("link")).unwrap();
        }
        client.until_ended(id).await
    }

    pub(crate) fn ticket(&self, id: TicketId) -> PathBuf {
        self.house.folders().state.join("tickets").join(id.to_string())
    }
}

pub(crate) async fn ask<M: Method>(client: &Client, request: &M) -> Result<M::Answer, RpcError> {
    match within(client.connection.request(request)).await {
        Ok(answer) => Ok(answer),
        Err(ClientError::Rpc(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn replay(ticket: TicketId, job: Option<JobId>) -> TicketReplay {
    TicketReplay {
        ticket,
        job,
        owner: None,
    }
}

async fn replayed(client: &mut Client, ticket: TicketId, job: Option<JobId>) -> (Ticket, Agreement) {
    let id = ask(client, &replay(ticket, job)).await.unwrap().id;
    let ticket = client.until_ended(id).await;
    let agreement = ask(client, &TicketAgreement { ticket: id }).await.unwrap();
    (ticket, agreement)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_a_ticket_of_the_same_sources_that_agrees_or_says_what_differs() {
    let world = World::new();
    let _daemon = world.house.start().await;
    let mut client = world.house.client().await;
    let earlier = world.run(&mut client, &["hello"]).await;
    let (ticket, agreement) = replayed(&mut client, earlier.summary.id, None).await;
    assert_eq!(ticket.summary.title, format!("replay of #1: {}", earlier.summary.title));
    assert_eq!(ticket.replay_of.as_ref().unwrap().ticket, earlier.summary.id);
    let package = world.ticket(ticket.summary.id).join("sources/hello/package");
    assert_eq!(std::fs::read_to_string(package.join("hello.dsc")).unwrap(), "hello");
    assert_eq!(
        std::fs::read_dir(package).unwrap().count(),
        1,
        "a link is no part of a source"
    );
    assert!(agreement.agrees && agreement.same_results, "{agreement:?}");
    let same = agreement.same;
    assert_eq!((same.jobs, same.tests, same.packages, same.files), (3, 1, 1, 1));

    // What its lock says of it is told.
    let request = LockShow {
        ticket: ticket.summary.id,
        job: Some(ticket.jobs[0].id),
    };
    let locks = ask(&client, &request).await.unwrap();
    let head = locks[0].head.as_ref().unwrap();
    assert_eq!(
        (locks.len(), locks[0].entries.len(), head.base.0.as_str()),
        (1, 1, BASE)
    );
    assert_eq!(head.sources[0].name, "hello.dsc");

    world.fails.store(true, Ordering::Relaxed);
    let (_, agreement) = replayed(&mut client, earlier.summary.id, None).await;
    assert!(!agreement.agrees && !agreement.same_results);
    let lines: Vec<_> = agreement
        .differences
        .iter()
        .map(|found| (found.what, found.text.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (DifferenceKind::Job, "test of hello: fail, was pass"),
            (DifferenceKind::Test, "test smoke: FAIL, was PASS"),
        ]
    );

    // Nobody can say whether it agrees with what is gone.
    ask(
        &client,
        &TicketRemove {
            ticket: earlier.summary.id,
        },
    )
    .await
    .unwrap();
    let request = TicketAgreement {
        ticket: ticket.summary.id,
    };
    let refused = ask(&client, &request).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (ErrorCode::Conflict, "ticket 1, which it replays, has been removed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_job_is_replayed_with_what_the_others_had_made() {
    let world = World::new();
    let _daemon = world.house.start().await;
    let mut client = world.house.client().await;
    let earlier = world.run(&mut client, &["hello"]).await;
    let id = earlier.summary.id;
    let job = |kind| earlier.jobs.iter().find(|job| job.kind == kind).unwrap().id;

    let (ticket, agreement) = replayed(&mut client, id, Some(job(preflight_protocol::job::JobKind::Build))).await;
    assert_eq!(ticket.jobs.len(), 1, "{ticket:?}");
    assert_eq!(ticket.jobs[0].state, JobState::Passed);
    assert_eq!((agreement.agrees, agreement.same.jobs), (true, 1));

    // The tree that a lone test runs in, and the package that the image gets, are the earlier run's.
    let test = job(preflight_protocol::job::JobKind::Test);
    let refused = ask(&client, &replay(id, Some(test))).await.unwrap_err();
    assert!(refused.message.contains("the ticket's image ticket-0"), "{refused:?}");
    world.house.images.add(image("ticket-0", core::ImageKind::Ticket));
    let refused = ask(&client, &replay(id, Some(test))).await.unwrap_err();
    assert!(refused.message.contains("the unpacked tree of hello"), "{refused:?}");
    std::fs::write(world.ticket(id).join("sources/hello/unpacked.tar"), "tree").unwrap();
    let refused = ask(&client, &replay(id, Some(test))).await.unwrap_err();
    assert!(refused.message.contains("hello_1_all.deb"), "{refused:?}");
    let state = world.house.folders().state;
    assert_eq!(std::fs::read_dir(state.join("tickets/staging")).unwrap().count(), 0);

    let nothing = ask(&client, &replay(id, Some(JobId(99)))).await.unwrap_err();
    assert_eq!(nothing.code, ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replay_lacks_is_said_before_anything_is_made() {
    let world = World::new();
    let _daemon = world.house.start().await;
    let mut client = world.house.client().await;
    let id = world.run(&mut client, &["hello"]).await.summary.id;
    let why = async |client: &Client| {
        let error = ask(client, &replay(id, None)).await.unwrap_err();
        (
            error.code,
            error.message.clone(),
            error.hint().unwrap_or_default().to_owned(),
        )
    };

    let sha256 = preflight_debian::Sha256Digest::of(PACKAGE);
    world.store().remove(sha256).unwrap();
    assert_eq!(
        why(&client).await,
        (
            ErrorCode::Conflict,
            format!("the lock of ticket 1 names what the store no longer has: {URL}"),
            "`preflight archive prefetch --ticket 1` fetches what is still to be had".to_owned()
        )
    );
    world.store().put(PACKAGE).unwrap();

    // Another file than the one that was built is no replay.
    let dsc = world.ticket(id).join("sources/hello/package/hello.dsc");
    std::fs::write(&dsc, "another").unwrap();
    let (code, message, _) = why(&client).await;
    assert_eq!(code, ErrorCode::Conflict);
    assert!(message.ends_with("is not the file that the lock names"), "{message}");
    std::fs::remove_file(&dsc).unwrap();
    let (code, message, _) = why(&client).await;
    assert_eq!(
        (code, message.contains("no source package of hello")),
        (ErrorCode::Conflict, true)
    );

    let unknown = ask(&client, &replay(TicketId(99), None)).await.unwrap_err();
    assert_eq!(unknown.code, ErrorCode::NotFound);
    let no_replay = ask(&client, &TicketAgreement { ticket: id }).await.unwrap_err();
    assert_eq!(no_replay.code, ErrorCode::InvalidParams);
    assert_eq!(
        ask(&client, &preflight_protocol::method::TicketList::default())
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_image_that_is_gone_is_named() {
    let world = World::without_base();
    let _daemon = world.house.start().await;
    let mut client = world.house.client().await;
    let id = world.run(&mut client, &["hello"]).await.summary.id;
    let error = ask(&client, &replay(id, None)).await.unwrap_err();
    assert!(
        error
            .message
            .contains(&format!("the base image {BASE} is no longer there")),
        "{error:?}"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("preflight image build debian-bookworm"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_ticket_is_replayed_and_a_replay_says_where_it_comes_from() {
    let world = World::new();
    let _daemon = world.house.start().await;
    let mut client = world.house.client().await;
    let earlier = world.run(&mut client, &["hello"]).await;
    let file = world.house.folders().state.join("hello.preflight");
    let carried = async |client: &Client, ticket| {
        let export = TicketExport {
            ticket,
            file: file.clone(),
            with_packages: true,
        };
        ask(client, &export).await.unwrap();
        ask(client, &TicketImport { file: file.clone() }).await.unwrap().ticket
    };
    let imported = carried(&client, earlier.summary.id).await;
    ask(
        &client,
        &TicketRemove {
            ticket: earlier.summary.id,
        },
    )
    .await
    .unwrap();
    let (later, agreement) = replayed(&mut client, imported, None).await;
    assert!(agreement.agrees, "{agreement:?}");
    assert_eq!(agreement.replay_of.ticket, imported);

    let build = later.jobs[0].id;
    let (lone, _) = replayed(&mut client, later.summary.id, Some(build)).await;
    let there = carried(&client, lone.summary.id).await;
    let shown = client.show(there).await.replay_of.unwrap();
    assert_eq!(Some(shown), lone.replay_of);
    let refused = ask(&client, &TicketAgreement { ticket: there }).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Conflict);
    assert!(
        refused
            .message
            .starts_with(&format!("the ticket that it replays is {} on ", later.summary.id)),
        "{refused:?}"
    );
    let whole = ask(&client, &replay(there, None)).await.unwrap_err();
    assert!(whole.message.contains("is itself a replay of one job"), "{whole:?}");
}
