//! What the state says of what is in use: which tickets are at work, which images they run on, what runs now. Taken in
//! one turn of the dispatcher; nothing that it says can change while that turn lasts.

use std::collections::{BTreeMap, BTreeSet};

use preflight_core::ppa::PpaRecord;
use preflight_core::{Attempt, ImageId, ImageKind, JobId, JobKind, Moment, Series, Sha256, State, Ticket, TicketId};

use super::item::Subject;

/// A ticket, as far as its disk use goes.
#[derive(Debug, Clone)]
pub(super) struct TicketOutlook {
    /// Something is still to be done for it.
    pub(super) active: bool,
    /// Its owner wants it kept, or a link points at it.
    pub(super) kept: bool,
    /// When it ended.
    pub(super) ended: Option<Moment>,
    pub(super) image: Option<ImageId>,
    /// The archive states that its package sources are pinned to.
    pub(super) states: Vec<Sha256>,
    /// Its image is just being made, or found to be there already.
    makes_image: bool,
    series: Series,
}

/// What the state says.
#[derive(Debug, Clone, Default)]
pub(super) struct Outlook {
    pub(super) tickets: BTreeMap<TicketId, TicketOutlook>,
    /// Failed testbeds that are kept, and when their attempts ended.
    pub(super) kept: BTreeMap<(TicketId, JobId, Attempt), Option<Moment>>,
    /// Images that the state names.
    pub(super) images: BTreeSet<ImageId>,
    /// The newest states of PPAs, and whose each is.
    pub(super) ppas: Vec<(Sha256, String)>,
    /// Attempts that run, be it only to wind down.
    running: BTreeMap<JobId, (TicketId, Attempt)>,
}

impl Outlook {
    pub(super) fn of(state: &State) -> Self {
        let mut outlook = Self {
            images: state.images().map(|image| image.id.clone()).collect(),
            ppas: state.ppas().flat_map(states_of).collect(),
            running: state
                .open_jobs()
                .map(|job| (job.id, (job.ticket, job.attempt())))
                .collect(),
            ..Self::default()
        };
        for ticket in state.tickets() {
            outlook.add(ticket, state.link_to(ticket.id).is_some());
        }
        outlook
    }

    fn add(&mut self, ticket: &Ticket, promoted: bool) {
        self.tickets.insert(
            ticket.id,
            TicketOutlook {
                active: ticket.is_active(),
                kept: ticket.kept || promoted,
                ended: ticket.end.as_ref().map(|end| end.at),
                image: ticket.image.clone(),
                states: states(ticket),
                makes_image: ticket
                    .jobs
                    .iter()
                    .any(|job| job.kind == JobKind::Image && job.is_open()),
                series: ticket.series.clone(),
            },
        );
        for job in &ticket.jobs {
            for record in job.attempts.iter().filter(|record| record.kept.is_some()) {
                self.kept
                    .insert((ticket.id, job.id, record.attempt), record.finished_at);
            }
        }
    }

    /// Who uses it now, in words; nobody where it may go.
    pub(super) fn user(&self, subject: &Subject) -> Option<String> {
        match subject {
            Subject::Files | Subject::Template(_) => None,
            Subject::Image(image) => {
                let uses = |ticket: &&TicketOutlook| match image.kind {
                    ImageKind::Ticket => {
                        let may_find_it = ticket.makes_image && ticket.series == image.series;
                        may_find_it || ticket.image.as_ref() == Some(&image.id)
                    }
                    // Its next job may start from it, or may have started from it already.
                    ImageKind::Base | ImageKind::BaseBuild => ticket.series == image.series,
                };
                self.active()
                    .find(|(_, ticket)| uses(ticket))
                    .map(|(id, _)| at_work(*id))
            }
            Subject::Ticket(id) => self
                .active()
                .find(|(other, _)| *other == id)
                .map(|(id, _)| at_work(*id)),
            Subject::Kept(_, job, attempt) => self
                .running
                .get(job)
                .filter(|(_, running)| running == attempt)
                .map(|(ticket, _)| at_work(*ticket)),
            Subject::Object(_) | Subject::Boot => self.running.values().next().map(|(ticket, _)| at_work(*ticket)),
        }
    }

    fn active(&self) -> impl Iterator<Item = (&TicketId, &TicketOutlook)> {
        self.tickets.iter().filter(|(_, ticket)| ticket.active)
    }
}

fn states_of(ppa: &PpaRecord) -> impl Iterator<Item = (Sha256, String)> {
    let states = ppa.states.values();
    states.map(|state| (state.state, format!("the PPA {}", ppa.name())))
}

fn states(ticket: &Ticket) -> Vec<Sha256> {
    let sources = &ticket.options.sources;
    let snapshot = sources.snapshot.iter().map(|snapshot| snapshot.state);
    snapshot.chain(sources.ppas.iter().map(|ppa| ppa.state)).collect()
}

fn at_work(ticket: TicketId) -> String {
    format!("ticket #{ticket}, which is not done")
}

#[cfg(test)]
mod tests {
    use preflight_core::ppa::{NewPpa, PpaCommand, PpaDefinition, PpaLabels, PpaState};
    use preflight_core::promotion::{Criteria, LinkCommand, LinkName, RepositoryState};
    use preflight_core::{
        Command, Ending, ImageRecord, NewSubticket, NewTicket, Options, Outcome, Report, Signature, decide,
    };

    use super::*;

    fn act(state: &mut State, command: Command) {
        for event in decide(state, command, Moment(1)).unwrap() {
            state.apply(&event);
        }
    }

    fn ticket(state: &mut State, series: &str) {
        let source = NewSubticket {
            source: "hello".into(),
            version: "1".into(),
            origin: "/hello".into(),
            signature: Signature::None,
            staged: "sources/1-hello".into(),
            needs_source_package: false,
            build_after: vec![],
        };
        let new = NewTicket {
            title: String::new(),
            description: String::new(),
            bug: None,
            owner: String::new(),
            series: Series(series.into()),
            options: Options::default(),
            subtickets: vec![source],
            preparation: None,
            wait: false,
            warnings: vec![],
        };
        act(state, Command::Create(Box::new(new)));
    }

    fn image(id: &str, kind: ImageKind) -> ImageRecord {
        ImageRecord {
            id: ImageId(id.into()),
            series: Series("sid".into()),
            kind,
            parent: None,
            size: 0,
            created_at: Moment(0),
            path: "/image/disk".into(),
        }
    }

    fn finish(state: &mut State, job: JobId, reports: Vec<Report>, outcome: Outcome) {
        let ending = Report::Finished(Ending::new(outcome, None));
        for report in reports.into_iter().chain([ending]) {
            let attempt = Attempt(1);
            act(state, Command::Report { job, attempt, report });
        }
    }

    /// Which of them somebody uses: the base image, the ticket's own and another image, the ticket's files, the kept
    /// testbed of its test, objects.
    fn used(state: &State) -> [bool; 6] {
        let outlook = Outlook::of(state);
        [
            Subject::Image(Box::new(image("base", ImageKind::Base))),
            Subject::Image(Box::new(image("own", ImageKind::Ticket))),
            Subject::Image(Box::new(image("other", ImageKind::Ticket))),
            Subject::Ticket(TicketId(1)),
            Subject::Kept(TicketId(1), JobId(3), Attempt(1)),
            Subject::Object(preflight_core::Sha256([0; 32])),
        ]
        .map(|subject| outlook.user(&subject).is_some())
    }

    #[test]
    fn what_is_in_use_follows_a_ticket_through_its_life() {
        let mut state = State::default();
        assert_eq!(used(&state), [false; 6]);
        ticket(&mut state, "sid");
        ticket(&mut state, "bookworm");
        let [build, make, test] = [1, 2, 3].map(JobId);
        assert_eq!(used(&state), [true, false, false, true, false, false], "it waits");
        act(&mut state, Command::Start { job: build });
        assert_eq!(used(&state), [true, false, false, true, false, true]);
        finish(&mut state, build, vec![], Outcome::Pass);
        act(&mut state, Command::Start { job: make });
        assert_eq!(
            used(&state),
            [true, true, true, true, false, true],
            "any may be what it makes"
        );
        let own = Report::Image(image("own", ImageKind::Ticket));
        finish(&mut state, make, vec![own], Outcome::Pass);
        act(&mut state, Command::Start { job: test });
        assert_eq!(used(&state), [true, true, false, true, true, true]);
        finish(&mut state, test, vec![Report::Kept { bytes: 1 }], Outcome::Fail);
        assert_eq!(used(&state), [false; 6], "it has ended");
        assert_eq!(Outlook::of(&state).kept.len(), 1);
    }

    #[test]
    fn the_newest_state_of_a_ppa_is_named_for_each_series() {
        let taken = |digest| PpaState {
            state: Sha256([digest; 32]),
            suite: "sid".into(),
            date: None,
            labels: PpaLabels::default(),
            packages: 1,
            refreshed_at: Moment(1),
        };
        let definition = PpaDefinition {
            name: "jane/tools".parse().unwrap(),
            uri: "https://ppa.example/it".into(),
            suite: "{series}".into(),
            components: vec![],
            architectures: vec![],
            keys: String::new(),
            fingerprints: vec![],
            priority: None,
            packages: vec![],
            private: false,
        };
        let mut state = State::default();
        let new = NewPpa {
            definition,
            series: Series("sid".into()),
            state: taken(1),
        };
        act(&mut state, Command::Ppa(PpaCommand::Add(vec![new])));
        for (series, digest) in [("sid", 2), ("bookworm", 3)] {
            let note = PpaCommand::NoteRefreshed {
                name: "jane/tools".parse().unwrap(),
                added_at: Moment(1),
                series: Series(series.into()),
                state: Box::new(taken(digest)),
            };
            act(&mut state, Command::Ppa(note));
        }
        let who = "the PPA jane/tools".to_owned();
        assert_eq!(
            Outlook::of(&state).ppas,
            [(Sha256([3; 32]), who.clone()), (Sha256([2; 32]), who)]
        );
    }

    #[test]
    fn what_a_link_points_at_counts_as_kept() {
        let mut state = State::default();
        ticket(&mut state, "sid");
        ticket(&mut state, "sid");
        let promote = LinkCommand::Promote {
            link: LinkName::new("own").unwrap(),
            to: RepositoryState {
                ticket: TicketId(1),
                generation: preflight_core::Sha256([0; 32]),
            },
            criteria: Criteria::default(),
            by: "jane".into(),
            why: None,
        };
        act(&mut state, Command::Link(promote));
        let outlook = Outlook::of(&state);
        let kept: Vec<bool> = outlook.tickets.values().map(|ticket| ticket.kept).collect();
        assert_eq!(kept, [true, false]);
    }
}
