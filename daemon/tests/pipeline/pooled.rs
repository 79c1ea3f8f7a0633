//! Repositories of the PPA pool in the pipeline: a ticket's builds publish there, and whoever comes next finds it empty.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use preflight_archive::TicketRepository;
use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{PoolGrow, PoolList};
use preflight_protocol::pool::PoolState;
use tokio::runtime::Builder;

use crate::client::{Client, within};
use crate::guest::Play;
use crate::lab::{Lab, Scenario};
use crate::passing::assert_passed;
use crate::stage::Stage;

/// What is in the pool's only repository at each build and test, by file name.
type Seen = Arc<Mutex<Vec<(Stage, Vec<String>)>>>;

fn packages(folder: &std::path::Path) -> Vec<String> {
    let repository = TicketRepository::at(folder);
    match repository.current().unwrap() {
        Some(current) => {
            let entry = repository.generation(current).unwrap();
            let names = entry.packages.iter();
            names
                .map(|package| package.path.rsplit('/').next().unwrap().to_owned())
                .collect()
        }
        None => Vec::new(),
    }
}

/// A lab whose guests do what is usual, once this has happened: the first test of all hangs.
fn lab(hangs_once: bool) -> (Lab, Seen) {
    let seen = Seen::default();
    let hangs = AtomicBool::new(hangs_once);
    let place: Arc<OnceLock<PathBuf>> = Arc::default();
    let (noted, folder) = (Arc::clone(&seen), Arc::clone(&place));
    let lab = Lab::new(Scenario {
        jobs: 2,
        ..Scenario::scripted(move |scene| {
            if matches!(scene.stage, Stage::Build | Stage::Test(_)) {
                let there = packages(folder.get().unwrap());
                noted.lock().unwrap().push((scene.stage.clone(), there));
            }
            match matches!(scene.stage, Stage::Test(_)) && hangs.swap(false, Ordering::SeqCst) {
                true => Play::Hangs("it hangs\n"),
                false => Play::Usual,
            }
        })
    });
    place.set(lab.folders().state.join("pool/01")).unwrap();
    (lab, seen)
}

async fn create(lab: &Lab, client: &Client) -> TicketId {
    let mut request = lab.request();
    request.pool = true;
    client.create(request).await.id
}

async fn until_clean(lab: &Lab, client: &Client) {
    let clean = async || {
        let pool = within(client.connection.request(&PoolList {})).await.unwrap();
        pool[0].state == PoolState::Free
    };
    lab.until("the repository is clean", clean).await;
    assert!(!lab.folders().state.join("pool/01").exists());
}

const HELLO: &str = "hello_1.0_all.deb";

#[tokio::test]
async fn two_tickets_share_one_repository_one_after_the_other() {
    let (lab, seen) = lab(false);
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    within(client.connection.request(&PoolGrow { by: 1 })).await.unwrap();
    // There is room for both at once.
    let ids = [create(&lab, &client).await, create(&lab, &client).await];
    for id in ids {
        assert_passed(&client.until_ended(id).await);
    }
    until_clean(&lab, &client).await;
    let seen: Vec<_> = seen.lock().unwrap().drain(..).collect();
    let seen: Vec<(bool, Vec<&str>)> = seen
        .iter()
        .map(|(stage, there)| (*stage == Stage::Build, there.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(
        seen,
        [
            (true, vec![]),
            (false, vec![HELLO]),
            (true, vec![]),
            (false, vec![HELLO])
        ],
        "at the builds it is empty"
    );
    lab.assert_nothing_is_left().await;
    drop(daemon);
}

#[test]
fn a_killed_daemons_ticket_keeps_its_repository() {
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (lab, seen) = lab(true);
    let killed = runtime();
    let id = killed.block_on(async {
        let daemon = lab.start().await;
        let client = lab.client().await;
        within(client.connection.request(&PoolGrow { by: 1 })).await.unwrap();
        let id = create(&lab, &client).await;
        lab.machines
            .reached(|scene| matches!(scene.stage, Stage::Test(_)))
            .await;
        drop(daemon);
        id
    });
    drop(killed);
    runtime().block_on(async {
        let daemon = lab.start().await;
        let mut client = lab.client().await;
        assert_passed(&client.until_ended(id).await);
        until_clean(&lab, &client).await;
        lab.assert_nothing_is_left().await;
        drop(daemon);
    });
    let seen = seen.lock().unwrap();
    let (at_test, what) = seen.last().unwrap();
    assert!(matches!(at_test, Stage::Test(_)));
    assert_eq!((seen.len(), what.as_slice()), (3, &[HELLO.to_owned()][..]));
}
