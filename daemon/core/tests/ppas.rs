//! The list of PPAs: added all or none, a state never goes back, and tickets keep what they have of one that is removed.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use std::collections::BTreeMap;

use preflight_core::ppa::{
    MOST, NewPpa, PpaCommand, PpaDefinition, PpaLabels, PpaName, PpaRecord, PpaRefusal, PpaState,
};
use preflight_core::*;
use proptest::prelude::*;

#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{House, source, ticket};

fn name(text: &str) -> PpaName {
    text.parse().unwrap()
}

fn state(digest: u8, date: Option<i64>) -> PpaState {
    PpaState {
        state: Sha256([digest; 32]),
        suite: "bookworm".into(),
        date: date.map(Moment),
        labels: PpaLabels::default(),
        packages: 1,
        refreshed_at: Moment(0),
    }
}

fn new(ppa: &str, private: bool, state: PpaState) -> NewPpa {
    NewPpa {
        definition: PpaDefinition {
            name: name(ppa),
            uri: "https://ppa.example/it".into(),
            suite: "{series}".into(),
            components: vec!["main".into()],
            architectures: vec![],
            keys: "-----BEGIN".into(),
            fingerprints: vec!["ABCD".into()],
            priority: Some(700),
            packages: vec!["src:hello".into()],
            private,
        },
        series: series(0),
        state,
    }
}

fn series(number: u8) -> Series {
    Series(format!("series-{number}"))
}

fn add(new: Vec<NewPpa>) -> Command {
    Command::Ppa(PpaCommand::Add(new))
}

fn note(record: &PpaRecord, number: u8, state: PpaState) -> Command {
    Command::Ppa(PpaCommand::NoteRefreshed {
        name: record.name().clone(),
        added_at: record.added_at,
        series: series(number),
        state: Box::new(state),
    })
}

fn remove(ppa: &str) -> Command {
    Command::Ppa(PpaCommand::Remove { name: name(ppa) })
}

/// A ticket that uses a PPA.
fn user(ppa: &str) -> NewTicket {
    let mut ticket = ticket(vec![source("hello", false, &[])]);
    ticket.options.sources.ppas.push(PpaUse {
        name: ppa.into(),
        suite: AptSuite {
            uri: "http://ppa.example/it".into(),
            suite: "bookworm".into(),
            components: vec!["main".into()],
        },
        upstream: "https://ppa.example/it".into(),
        keys: "-----BEGIN".into(),
        state: Sha256([1; 32]),
        priority: None,
        packages: vec![],
    });
    ticket
}

fn refused(house: &mut House, command: Command) -> String {
    let before = house.state.clone();
    let refusal = house.send(command).unwrap_err();
    assert_eq!(house.state, before);
    refusal.to_string()
}

#[test]
fn names_are_given_once_and_several_are_added_all_or_none() {
    let mut house = House::new();
    let first = || new("jane/tools", false, state(1, Some(5)));
    house.send(add(vec![first()])).unwrap();
    let both = add(vec![new("joe/tools", false, state(1, None)), first()]);
    assert_eq!(refused(&mut house, both), "there is a PPA jane/tools already");
    let twice = [(); 2].map(|()| new("a", false, state(1, None))).into();
    assert_eq!(refused(&mut house, add(twice)), "there is a PPA a already");
    let many = (0..MOST).map(|number| new(&format!("a{number}"), false, state(1, None)));
    let many = add(many.collect());
    assert_eq!(
        refused(&mut house, many),
        format!("there may be {MOST} PPAs, and there would be {}", MOST + 1)
    );
    for missing in [
        remove("nobody"),
        note(
            &PpaRecord {
                definition: new("nobody", false, state(1, None)).definition,
                added_at: Moment(0),
                states: BTreeMap::new(),
            },
            0,
            state(1, None),
        ),
    ] {
        assert_eq!(refused(&mut house, missing), "there is no PPA nobody");
    }
}

#[test]
fn a_state_never_goes_back_and_is_of_the_ppa_that_was_asked() {
    let mut house = House::new();
    house.send(add(vec![new("a", false, state(1, Some(5)))])).unwrap();
    let record = house.state.ppa(&name("a")).unwrap().clone();
    house.send(note(&record, 0, state(2, Some(6)))).unwrap();
    let older = refused(&mut house, note(&record, 0, state(1, Some(5))));
    assert_eq!(
        older,
        "the PPA a is refused for series-0: what it serves is older than what was taken before"
    );
    assert_eq!(refused(&mut house, note(&record, 0, state(3, None))), older);
    // Of another series nothing is known yet, and the same date is no step back.
    house.send(note(&record, 1, state(1, Some(5)))).unwrap();
    house.send(note(&record, 0, state(3, Some(6)))).unwrap();
    let states: Vec<Sha256> = house
        .state
        .ppa(&name("a"))
        .unwrap()
        .states
        .values()
        .map(|state| state.state)
        .collect();
    assert_eq!(states, [Sha256([3; 32]), Sha256([1; 32])]);

    house.send(remove("a")).unwrap();
    house.send(add(vec![new("a", false, state(7, None))])).unwrap();
    let late = note(&record, 0, state(8, Some(9)));
    assert_eq!(refused(&mut house, late), "there is no PPA a", "it is another's state");
}

#[test]
fn one_that_is_removed_stays_with_tickets_and_a_private_one_until_they_are_done() {
    let mut house = House::new();
    for (ppa, private) in [("open", false), ("closed", true)] {
        house.send(add(vec![new(ppa, private, state(1, None))])).unwrap();
        house.create(user(ppa));
    }
    let before: Vec<Ticket> = house.state.tickets().cloned().collect();
    house.send(remove("open")).unwrap();
    assert_eq!(house.state.tickets().cloned().collect::<Vec<_>>(), before);
    assert_eq!(
        house.send(remove("closed")),
        Err(PpaRefusal::InUse {
            name: name("closed"),
            ticket: TicketId(2)
        }
        .into())
    );
    house.run(&BTreeMap::new());
    house.send(remove("closed")).unwrap();
    assert_eq!(house.state.ppas().count(), 0);
    let used = house.state.tickets().map(|ticket| ticket.options.sources.ppas.len());
    assert_eq!(used.collect::<Vec<_>>(), [1, 1]);
}

#[derive(Debug, Clone)]
enum Act {
    Add(u8, Option<i64>),
    Note(u8, u8, Option<i64>),
    Remove(u8),
}

fn act() -> impl Strategy<Value = Act> {
    let date = || prop::option::of(0..5i64);
    prop_oneof![
        2 => (0..3u8, date()).prop_map(|(ppa, date)| Act::Add(ppa, date)),
        6 => (0..3u8, 0..2u8, date()).prop_map(|(ppa, series, date)| Act::Note(ppa, series, date)),
        1 => (0..3u8).prop_map(Act::Remove),
    ]
}

proptest! {
    #[test]
    fn what_is_kept_is_what_the_events_say(acts in prop::collection::vec(act(), 0..40)) {
        let mut house = House::new();
        for act in acts {
            let ppa = |number: u8| format!("ppa{number}");
            let command = match act {
                Act::Add(number, date) => add(vec![new(&ppa(number), false, state(number, date))]),
                Act::Note(number, of, date) => match house.state.ppa(&name(&ppa(number))) {
                    Some(record) => note(record, of, state(number, date)),
                    None => continue,
                },
                Act::Remove(number) => remove(&ppa(number)),
            };
            let before = house.state.clone();
            if house.send(command).is_err() {
                prop_assert_eq!(&house.state, &before);
            }
            for record in house.state.ppas() {
                let Some(old) = before.ppa(record.name()).filter(|old| old.added_at == record.added_at) else { continue };
                prop_assert_eq!(&old.definition, &record.definition);
                for (series, state) in &old.states {
                    let now = &record.states[series];
                    prop_assert!(now.date >= state.date, "{:?} {:?}", state, now);
                }
            }
            let kept = State::default().with_ppas(house.state.ppas().cloned().collect());
            prop_assert!(kept.ppas().eq(house.state.ppas()));
        }
    }
}
