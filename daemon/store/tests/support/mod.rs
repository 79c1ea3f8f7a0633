//! A history that depends on its seed alone: every kind of event occurs in it.

use preflight_core::promotion::LinkName;
use preflight_core::schedule::{Capacity, Demands, Load, Turn, next};
use preflight_core::*;
use preflight_store::Written;

/// Makes commands from a seed and applies what is decided.
pub(crate) struct History {
    pub(crate) state: State,
    pub(crate) seq: Sequence,
    random: u64,
    now: i64,
}

impl History {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: State::default(),
            seq: Sequence(0),
            random: seed.wrapping_mul(2) + 1,
            now: 0,
        }
    }

    /// xorshift64: the same everywhere.
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 20) % below
    }

    /// The events of the next command that is not refused.
    pub(crate) fn step(&mut self) -> Vec<Written> {
        loop {
            self.now += 1_000;
            let command = self.command();
            match decide(&self.state, command, Moment(self.now)) {
                Ok(events) if !events.is_empty() => return events.into_iter().map(|event| self.take(event)).collect(),
                _ => {}
            }
        }
    }

    fn take(&mut self, event: Event) -> Written {
        self.state.apply(&event);
        self.seq = self.seq.next();
        Written {
            seq: self.seq,
            at: Moment(self.now),
            event,
            kind: "kind".into(),
            json: "{}".into(),
        }
    }

    fn command(&mut self) -> Command {
        let tickets = self.state.tickets().count() as u64;
        let open: Vec<(JobId, Attempt)> = self.state.open_jobs().map(|job| (job.id, job.attempt())).collect();
        let some = TicketId(1 + self.random(tickets + 1));
        match (self.random(17), open.first()) {
            (0, _) => self.create(),
            (12, _) => Command::Rerun {
                ticket: some,
                test: "source0/test1".into(),
                staged: self.random(2) == 0,
            },
            (13, _) if self.random(3) == 0 => Command::Remove { ticket: some },
            (14, _) => self.forget_kept(),
            (15, _) => self.import(),
            (16, _) => Command::ForgetFiles {
                ticket: some,
                files: [TicketFiles::Artifacts, TicketFiles::Sources][usize::from(self.random(2) == 0)],
            },
            (1, _) => {
                let edit = Edit {
                    bug: Some(format!("bug {}", self.now)),
                    kept: (self.random(2) == 0).then(|| self.random(2) == 0),
                    ..Edit::default()
                };
                let queue = self.random(2) == 0;
                Command::Update {
                    ticket: TicketId(1 + self.random(tickets + 1)),
                    edit,
                    queue,
                }
            }
            (2, _) if self.random(4) == 0 => Command::Cancel {
                ticket: TicketId(1 + self.random(tickets + 1)),
            },
            (3, Some(&(job, _))) if self.random(3) == 0 => Command::Interrupt {
                job,
                reason: "died".into(),
            },
            (4, _) => Command::ForgetImage {
                id: ImageId(format!("image-{}", self.random(5))),
            },
            (5..=9, Some(&(job, attempt))) => Command::Report {
                job,
                attempt,
                report: self.report(),
            },
            (_, Some(&(job, attempt))) => Command::Report {
                job,
                attempt,
                report: Report::Finished(self.ending(job, attempt)),
            },
            (_, None) => match self.turn() {
                Turn::Start(job) => Command::Start { job },
                Turn::Full(_) | Turn::Nobody => self.create(),
            },
        }
    }

    /// Whose turn it is, one job at a time.
    fn turn(&self) -> Turn {
        let load = Load {
            capacity: Capacity {
                cores: 1,
                memory_mib: 1,
            },
            demands: &Demands::default(),
            taken: &[],
        };
        next(&self.state, &load)
    }

    fn forget_kept(&mut self) -> Command {
        let tickets = self.state.tickets().flat_map(|ticket| &ticket.jobs);
        let attempts = tickets.flat_map(|job| job.attempts.iter().map(|record| (job.id, record)));
        let kept: Vec<(JobId, Attempt)> = attempts
            .filter(|(_, record)| record.kept.is_some())
            .map(|(job, record)| (job, record.attempt))
            .collect();
        let place = self.random(kept.len().max(1) as u64);
        match kept.get(usize::try_from(place).unwrap()) {
            Some(&(job, attempt)) => Command::ForgetKept { job, attempt },
            None => self.create(),
        }
    }

    /// A ticket that has ended, as another machine would have it.
    fn import(&mut self) -> Command {
        let ended: Vec<&Ticket> = self.state.tickets().filter(|ticket| !ticket.is_active()).collect();
        let Some(ticket) = ended.last().copied().cloned() else {
            return self.create();
        };
        let entry = LockEntry {
            url: "http://mirror.example/imported".into(),
            sha256: Sha256([1; 32]),
            size: 3,
            origin: Some("http://mirror.example/dists/bookworm".into()),
        };
        let run = ticket.jobs.iter().find(|job| job.newest().is_some());
        Command::Import(Box::new(ImportedTicket {
            locks: run.map(|job| (job.id, vec![entry])).into_iter().collect(),
            heads: run.map(|job| (job.id, head())).into_iter().collect(),
            origin: match self.random(2) {
                0 => Origin::Ticket(TicketOrigin {
                    host: "lab".into(),
                    ticket: ticket.id,
                    exported_at: Moment(self.now),
                }),
                _ => Origin::Results(ResultsOrigin {
                    place: "https://ci.example/noble/amd64/h/hello/".into(),
                    format: "result-tar".into(),
                    imported_at: Moment(self.now),
                }),
            },
            ticket,
        }))
    }

    fn create(&mut self) -> Command {
        let signature = |place| match place {
            0 => Signature::None,
            1 => Signature::Good {
                signer: "Jane <j@example.org>".into(),
                fingerprint: "AB".into(),
            },
            _ => Signature::Unverified {
                reason: "unknown key".into(),
            },
        };
        let sources = self.random(4);
        let subtickets = (0..sources)
            .map(|place| NewSubticket {
                source: format!("source{place}"),
                version: "1:2~3".into(),
                origin: "/origin/ü".into(),
                signature: signature(place),
                staged: "sources/x".into(),
                needs_source_package: self.random(2) == 0,
                build_after: (0..usize::try_from(place).unwrap())
                    .filter(|_| self.random(2) == 0)
                    .collect(),
            })
            .collect();
        Command::Create(Box::new(NewTicket {
            title: format!("title {}", self.now),
            description: "two\nlines".into(),
            bug: (self.random(2) == 0).then(|| "12".into()),
            owner: "owner".into(),
            series: Series("debian-bookworm".into()),
            options: Options {
                add_packages: vec!["b".into(), "a".into()],
                remove_packages: vec!["c".into()],
                sources: PackageSources {
                    snapshot: (self.random(2) == 0).then(|| PinnedSnapshot {
                        name: "debian-bookworm@2026-11-20T14:00:00Z-07070707".into(),
                        state: Sha256([7; 32]),
                        suites: vec![],
                    }),
                    repositories: (0..self.random(3))
                        .map(|number| RepositoryUse {
                            ticket: TicketId(number + 1),
                            generation: Sha256([number.to_le_bytes()[0]; 32]),
                            link: (number == 1).then(|| LinkName::new("tested").unwrap()),
                        })
                        .collect(),
                    ..PackageSources::default()
                },
                rebuild: (self.random(4) == 0).then(|| ImageRebuild {
                    base: (self.random(2) == 0).then(|| ImageId("image-1f2e3d4c5b6a".into())),
                    name: ImageName::new("mine").unwrap(),
                }),
                offline: self.random(2) == 0,
                test_timeout: Some(std::time::Duration::from_secs(7)),
                build_timeout: None,
                keep_going: self.random(2) == 0,
                keep_failed: [KeepFailed::Always, KeepFailed::Newest][usize::from(self.random(2) == 0)],
                priority: Priority::Background,
                pool_repositories: u8::from(self.random(2) == 0),
                tests: TestOptions {
                    internet: [InternetPolicy::Skip, InternetPolicy::Try][usize::from(self.random(2) == 0)],
                    timeouts: vec![("source0/x".parse().unwrap(), std::time::Duration::from_secs(8))],
                    triggers: vec!["source0/1".parse().unwrap()],
                    env: vec!["A=b\nc".parse().unwrap()],
                    rerun_failed: 2,
                    baseline: BaselinePolicy::Failed,
                    no_build: false,
                },
                replay_of: (self.random(3) == 0).then_some(ReplayOf {
                    ticket: TicketId(3),
                    job: None,
                    image: None,
                }),
            },
            subtickets,
            preparation: [
                None,
                Some(Preparation::BaseImage),
                Some(Preparation::Snapshot),
                Some(Preparation::Prefetch),
            ][usize::try_from(self.random(4)).unwrap()],
            wait: self.random(4) == 0,
            warnings: vec!["unsigned".into()],
        }))
    }

    fn report(&mut self) -> Report {
        let number = self.random(4);
        match self.random(8) {
            7 => Report::LockHead(Box::new(head())),
            6 => Report::Finding(Box::new(self.finding())),
            5 => Report::Kept {
                bytes: self.random(1 << 40),
            },
            0 => Report::Test(TestResult {
                source: "source0".into(),
                name: format!("test{number}"),
                status: [TestStatus::Pass, TestStatus::Fail, TestStatus::Skip, TestStatus::Flaky]
                    [usize::try_from(number).unwrap()],
                reason: (number > 0).then(|| "because".into()),
                duration: std::time::Duration::from_micros(number),
                log_line: Some(number),
            }),
            1 => Report::Artifact(Artifact {
                name: format!("file{number}"),
                sha256: Sha256([u8::try_from(number).unwrap(); 32]),
                size: self.random(1 << 40),
                path: "/artifacts/file".into(),
            }),
            2 => {
                let entry = |n: u64| LockEntry {
                    url: format!("http://mirror.example/{n}"),
                    sha256: Sha256([1; 32]),
                    size: n,
                    origin: n.is_multiple_of(2).then(|| format!("http://mirror.example/dists/{n}")),
                };
                Report::Lock((0..number).map(entry).collect())
            }
            3 => Report::Warning("beware".into()),
            _ => Report::Image(ImageRecord {
                id: ImageId(format!("image-{number}")),
                series: Series("debian-bookworm".into()),
                kind: [
                    ImageKind::Base,
                    ImageKind::BaseBuild,
                    ImageKind::Ticket,
                    ImageKind::Ticket,
                ][usize::try_from(number).unwrap()],
                parent: (number > 1).then(|| ImageId("image-0".into())),
                size: number,
                created_at: Moment(self.now),
                path: "/images/i".into(),
            }),
        }
    }

    fn finding(&mut self) -> Finding {
        let process = |words: &[&str]| GuestProcess {
            pid: 7,
            uid: u32::MAX,
            name: "curl".into(),
            command_line: words.iter().copied().map(str::to_owned).collect(),
            parents: vec!["sh".into(), "agent".into()],
        };
        let network = |protocol, process| {
            FindingKind::Network(NetworkFinding {
                protocol,
                destination: std::net::Ipv6Addr::LOCALHOST.into(),
                name: (protocol == NetworkProtocol::Dns).then(|| "www.example".into()),
                port: (protocol == NetworkProtocol::Tcp).then_some(u16::MAX),
                process,
            })
        };
        let place = |line: Option<u32>| FilePlace {
            file: "src/hello.c".into(),
            in_source: line.is_some(),
            line,
            column: line.filter(|line| *line > 1),
        };
        let said = |severity, place| {
            FindingKind::Log(LogFinding {
                severity,
                tool: "gcc".into(),
                message: "'x' undeclared".into(),
                place,
            })
        };
        let kind = match self.random(12) {
            0 => network(NetworkProtocol::Tcp, Some(process(&[]))),
            1 => network(NetworkProtocol::Udp, Some(process(&[""]))),
            2 => network(NetworkProtocol::Dns, Some(process(&["curl", "", "two words"]))),
            3 => network(NetworkProtocol::Ping, None),
            4 => network(NetworkProtocol::Other(89), None),
            5 => FindingKind::Fetch {
                url: "http://mirror.example/x".into(),
                reason: "sealed".into(),
            },
            6 => said(Severity::Error, Some(place(Some(u32::MAX)))),
            7 => said(Severity::Warning, Some(place(Some(1)))),
            8 => said(Severity::Note, Some(place(None))),
            9 => said(Severity::Error, None),
            _ => FindingKind::Unlisted,
        };
        Finding {
            test: (self.random(2) == 0).then(|| "test1".into()),
            kind,
            declared: self.random(2) == 0,
            log_line: (self.random(2) == 0).then_some(12),
            count: 1 + self.random(1 << 40),
        }
    }

    fn ending(&mut self, job: JobId, attempt: Attempt) -> Ending {
        let codes = [0, 0, 0, 0, 2, 4, 6, 8, 12, 16];
        let code = codes[usize::try_from(self.random(10)).unwrap()];
        let exit_code = ExitCode::try_from(code).unwrap();
        let log = self.state.job(job).unwrap().log_name(attempt);
        Ending {
            outcome: exit_code.outcome(),
            exit_code,
            reason: (code > 0).then(|| "reason".into()),
            first_error: (code > 2).then(|| FirstError {
                log,
                line: 3,
                text: "E: x".into(),
            }),
            unresponsive: code == 16 && self.random(2) == 0,
        }
    }
}

/// What a lock says beside the fetched files.
pub(crate) fn head() -> LockHead {
    LockHead {
        base: ImageId("debian-bookworm-build-00".into()),
        archive_state: Some(Sha256([2; 32])),
        image: Some(ImageId("ticket-00".into())),
        sources: vec![SourceFile {
            name: "hello_2.10-3.dsc".into(),
            sha256: Sha256([3; 32]),
            size: 4,
        }],
    }
}
