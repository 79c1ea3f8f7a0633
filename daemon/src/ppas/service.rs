//! PPAs from the network: named ones are resolved through Launchpad, all are fetched and judged by the archive, and only
//! what was verified is told to the dispatcher.

use futures_util::StreamExt as _;
use preflight_archive::{
    Archive, ArchiveStateId, Credentials, LaunchpadClient, Network, PpaRefusal, PpaRefusalKind, PpaSpec, SecretStore,
    SpecOptions,
};
use preflight_core::ppa::{self as core_ppa, NewPpa, PpaCommand, PpaName, PpaRecord, PpaState};
use preflight_core::{Command, Moment, PpaUse, Series};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::package_sources::AskedPpa;
use preflight_protocol::ppa::{PpaAdd, PpaRefreshed, PpaRefused, Token};
use preflight_vm_images::Catalogue;
use tokio::sync::Mutex;

use super::credentials::CredentialDesk;
use super::{Ppas, Refreshing, definition};
use crate::convert;
use crate::dispatcher::Handle;

/// PPAs that are taken anew at once.
const PARALLEL: usize = 4;

/// What PPAs are taken with.
#[derive(Debug)]
pub struct PpaParts {
    /// Where states are kept.
    pub archive: Archive,
    /// Whom named ones are asked of.
    pub launchpad: LaunchpadClient,
    /// Where secrets are kept.
    pub secrets: SecretStore,
    /// The series that there are.
    pub catalogue: Catalogue,
    /// Whether anything may be fetched.
    pub network: Network,
}

/// PPAs from the network.
#[derive(Debug)]
pub struct ArchivePpas {
    launchpad: LaunchpadClient,
    desk: CredentialDesk,
    catalogue: Catalogue,
    network: Network,
    /// Held while the list is changed: what is secret is kept before a PPA is there, and only once it has a name of its own.
    changing: Mutex<()>,
}

/// A PPA that was verified, and its secret.
struct Verified {
    new: NewPpa,
    ppa: preflight_archive::Ppa,
    credentials: Option<Credentials>,
}

impl ArchivePpas {
    /// A service made of these parts; needs no network yet.
    #[must_use]
    pub fn new(parts: PpaParts) -> Self {
        Self {
            launchpad: parts.launchpad,
            desk: CredentialDesk {
                archive: parts.archive,
                secrets: parts.secrets,
            },
            catalogue: parts.catalogue,
            network: parts.network,
            changing: Mutex::new(()),
        }
    }

    /// Everything that a request names, as it would be added.
    async fn described(&self, request: PpaAdd) -> Result<Vec<preflight_archive::NewPpa>, RpcError> {
        let options = options(&request)?;
        let words = request.source;
        // Key files and lists of sources are read.
        let parsed = tokio::task::spawn_blocking(move || PpaSpec::parse(&words, &options)).await;
        let parsed = parsed.map_err(|error| RpcError::new(ErrorCode::Internal, error.to_string()))?;
        match parsed.map_err(|error| wrong(&error, error.hint()))? {
            PpaSpec::Repositories(new) => Ok(new),
            PpaSpec::Launchpad(spec) => {
                let completed = self.launchpad.complete(&spec).await;
                Ok(vec![completed.map_err(|error| wrong(&error, error.hint()))?])
            }
        }
    }

    fn may_fetch(&self) -> Result<(), RpcError> {
        if self.network == Network::Allowed {
            return Ok(());
        }
        let error = RpcError::new(
            ErrorCode::Conflict,
            "PPAs are not fetched: `archive.network` is `offline`",
        );
        Err(error.with_hint("set it to `online` in the configuration, and restart the daemon"))
    }

    async fn take(&self, ppa: &preflight_archive::Ppa, series: &Series) -> Result<PpaState, RpcError> {
        self.may_fetch()?;
        let recipe = self.catalogue.find(series.as_str());
        let recipe = recipe.map_err(|error| wrong(&error, None))?;
        let architecture = preflight_vm_images::host_architecture().map_err(|error| wrong(&error, None))?;
        let taking = self
            .desk
            .archive
            .refresh_ppa(ppa, recipe.series.as_str(), architecture.as_str(), None);
        let taken = taking.await.map_err(|refusal| of_refusal(&refusal))?;
        Ok(definition::state(taken, now()))
    }

    async fn verified(&self, new: preflight_archive::NewPpa, series: &Series) -> Result<Verified, RpcError> {
        let preflight_archive::NewPpa { ppa, credentials } = new;
        let state = self.take(&ppa, series).await?;
        Ok(Verified {
            new: NewPpa {
                definition: definition::definition(&ppa)?,
                series: series.clone(),
                state,
            },
            ppa,
            credentials,
        })
    }

    /// Verifies all of them and adds them, or does neither.
    async fn add_all(
        &self,
        handle: &Handle,
        series: &Series,
        described: Vec<preflight_archive::NewPpa>,
    ) -> Result<Vec<PpaName>, RpcError> {
        let mut all = Vec::new();
        for new in described {
            self.desk.tell(&new.ppa.uri, new.credentials.clone())?;
            all.push(self.verified(new, series).await?);
        }
        for verified in &all {
            if let Some(credentials) = &verified.credentials {
                self.desk.keep(&verified.ppa.name, credentials)?;
            }
        }
        let names = all
            .iter()
            .map(|verified| verified.new.definition.name.clone())
            .collect();
        let new = all.into_iter().map(|verified| verified.new).collect();
        handle.command(Command::Ppa(PpaCommand::Add(new))).await?;
        Ok(names)
    }

    async fn refreshed(&self, handle: &Handle, record: PpaRecord, series: Series) -> PpaRefreshed {
        let before = record.states.get(&series).cloned();
        let after = self.take_newer(handle, &record, &series).await;
        let wire = |state: &PpaState| convert::ppa_state(&series, state);
        PpaRefreshed {
            name: record.name().to_string(),
            series: convert::series(&series),
            before: before.as_ref().map(wire),
            after: after.as_ref().ok().map(wire),
            refused: after.err().map(|error| PpaRefused {
                hint: error.hint().map(str::to_owned),
                message: error.message,
            }),
        }
    }

    /// Takes the state that a PPA has now, and has it noted.
    async fn take_newer(&self, handle: &Handle, record: &PpaRecord, series: &Series) -> Result<PpaState, RpcError> {
        let ppa = definition::ppa(&record.definition)?;
        let state = self.take(&ppa, series).await?;
        let note = PpaCommand::NoteRefreshed {
            name: record.name().clone(),
            added_at: record.added_at,
            series: series.clone(),
            state: Box::new(state.clone()),
        };
        handle.command(Command::Ppa(note)).await?;
        Ok(state)
    }

    /// Whether what a state names is in the store; the cache may have been removed.
    async fn is_there(&self, state: &PpaState) -> bool {
        let (archive, state) = (self.desk.archive.clone(), ArchiveStateId::new(state.state.0));
        let looked = tokio::task::spawn_blocking(move || archive.suite_labels(state).is_ok());
        looked.await.unwrap_or(false)
    }
}

#[async_trait::async_trait]
impl Ppas for ArchivePpas {
    async fn begin(&self, known: &[PpaRecord]) {
        self.desk.begin(known);
    }

    async fn add(&self, handle: &Handle, series: &Series, request: PpaAdd) -> Result<Vec<PpaName>, RpcError> {
        self.may_fetch()?;
        let described = self.described(request).await?;
        let _changing = self.changing.lock().await;
        let known = all(handle).await?;
        for new in &described {
            if let Some(record) = known
                .iter()
                .find(|record| record.name().as_str() == new.ppa.name.as_str())
            {
                return Err(convert::ppa_refusal(&core_ppa::PpaRefusal::Exists(
                    record.name().clone(),
                )));
            }
        }
        let touched: Vec<_> = described.iter().map(|new| new.ppa.clone()).collect();
        let added = self.add_all(handle, series, described).await;
        // Where the daemon stops meanwhile, the next one removes what is nobody's.
        let known = all(handle).await?;
        for ppa in touched {
            let forgotten = match &added {
                Ok(_) => Ok(()),
                Err(_) => self.desk.forget(&ppa.name),
            };
            if let Err(error) = forgotten.and_then(|()| self.desk.restore(&ppa.uri, &known)) {
                tracing::warn!(ppa = %ppa.name, %error, "the credentials of a PPA are not as they were");
            }
        }
        added
    }

    async fn refresh(&self, handle: &Handle, asked: Refreshing) -> Result<Vec<PpaRefreshed>, RpcError> {
        let mut records = all(handle).await?;
        if let Some(name) = &asked.name {
            records.retain(|record| record.name() == name);
            if records.is_empty() {
                return Err(no_ppa(name));
            }
        }
        let mut todo = Vec::new();
        for record in records {
            let series: Vec<Series> = match &asked.series {
                Some(series) => vec![series.clone()],
                None => record.states.keys().cloned().collect(),
            };
            todo.extend(series.into_iter().map(|series| (record.clone(), series)));
        }
        let taking = todo
            .into_iter()
            .map(|(record, series)| self.refreshed(handle, record, series));
        Ok(futures_util::stream::iter(taking).buffered(PARALLEL).collect().await)
    }

    async fn remove(&self, handle: &Handle, name: &PpaName) -> Result<(), RpcError> {
        let _changing = self.changing.lock().await;
        let mut known = all(handle).await?;
        let remove = PpaCommand::Remove { name: name.clone() };
        handle.command(Command::Ppa(remove)).await?;
        let removed = known.iter().position(|record| record.name() == name);
        if let Some(removed) = removed.map(|place| known.swap_remove(place)) {
            let ppa = definition::ppa(&removed.definition)?;
            self.desk.forget(&ppa.name)?;
            self.desk.restore(&ppa.uri, &known)?;
        }
        Ok(())
    }

    async fn resolve(&self, handle: &Handle, series: &Series, asked: &AskedPpa) -> Result<PpaUse, RpcError> {
        let name: PpaName = name(&asked.name)?;
        let record = one(handle, &name).await?;
        if let Some(state) = record.states.get(series)
            && self.is_there(state).await
        {
            return definition::used(&record, state, asked);
        }
        match self.take_newer(handle, &record, series).await {
            Ok(state) => definition::used(&record, &state, asked),
            Err(error) => {
                // Somebody else may have taken a newer one meanwhile.
                let record = one(handle, &name).await?;
                match record.states.get(series) {
                    Some(state) if self.is_there(state).await => definition::used(&record, state, asked),
                    _ => Err(error),
                }
            }
        }
    }
}

fn options(request: &PpaAdd) -> Result<SpecOptions, RpcError> {
    let credentials = request.token.as_ref().map(|Token(text)| text.parse());
    let priority = request.priority.map(TryInto::try_into).transpose();
    let token = "the file of --token-file has one line, USER:TOKEN, or is one of apt's (auth.conf(5))";
    Ok(SpecOptions {
        name: request
            .name
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error| wrong(&error, None))?,
        key: request.key.clone(),
        fingerprints: vec![],
        credentials: credentials
            .transpose()
            .map_err(|error: preflight_archive::CredentialsError| wrong(&error, Some(token)))?,
        priority: priority.map_err(|error: preflight_archive::PinError| wrong(&error, None))?,
        packages: definition::pinned(&request.packages).map_err(|error| wrong(&error, None))?,
    })
}

async fn all(handle: &Handle) -> Result<Vec<PpaRecord>, RpcError> {
    Ok(handle.read(|view| view.state.ppas().cloned().collect()).await?)
}

async fn one(handle: &Handle, name: &PpaName) -> Result<PpaRecord, RpcError> {
    let asked = name.clone();
    let found = handle.read(move |view| view.state.ppa(&asked).cloned()).await?;
    found.ok_or_else(|| no_ppa(name))
}

fn no_ppa(name: &PpaName) -> RpcError {
    convert::ppa_refusal(&core_ppa::PpaRefusal::NoPpa(name.clone()))
}

/// What a client calls a PPA.
pub(crate) fn name(text: &str) -> Result<PpaName, RpcError> {
    let parsed = text.parse::<PpaName>();
    parsed.map_err(|error| wrong(&error, Some("`preflight ppa list` shows those that there are")))
}

fn of_refusal(refusal: &PpaRefusal) -> RpcError {
    let code = match refusal.kind {
        PpaRefusalKind::Internal => ErrorCode::Internal,
        _ => ErrorCode::InvalidParams,
    };
    let error = RpcError::new(code, refusal.to_string());
    match refusal.kind.hint() {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// What was said cannot be, with what to do about it where that is known.
fn wrong(error: &dyn std::fmt::Display, hint: Option<&str>) -> RpcError {
    let error = RpcError::new(ErrorCode::InvalidParams, error.to_string());
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn now() -> Moment {
    Moment(jiff::Timestamp::now().as_microsecond())
}
