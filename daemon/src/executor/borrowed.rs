//! Testbeds lent to clients: who borrows one has it until it is given back or the borrower is gone, can have a fresh one in its
//! place, and runs commands in it from as many connections as it likes. How one is made is [`super::place`]'s matter, and what
//! is run in it the shells'.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use preflight_core::ImageId;
use preflight_guest::Guest;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_store::TicketsFolder;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::place::{Leased, Place, Places, refused};
use super::reboot::Reboot;
use super::workshop::Workshop;
use crate::loans::{Loan, LoanId, LoanInfo, LoanRequest, LoanTarget, Loans};
use crate::shells::{Phase, ShellInfo};

/// The testbeds that are lent now; clones share it.
#[derive(Clone, Default)]
pub struct Borrowed(Arc<Mutex<BTreeMap<LoanId, Arc<Lent>>>>);

/// A testbed that is lent.
struct Lent {
    place: Place,
    /// None while another one is put in its place, and after that has failed.
    leased: Mutex<Option<Leased>>,
}

impl Borrowed {
    fn list(&self) -> MutexGuard<'_, BTreeMap<LoanId, Arc<Lent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guest of a lent testbed, and what is told of a shell in it.
    ///
    /// # Errors
    /// None is lent by this name, or it is just being reverted.
    pub(super) fn guest(&self, id: &LoanId) -> Result<(Guest, ShellInfo), RpcError> {
        let lent = self.list().get(id).cloned();
        let lent = lent.ok_or_else(|| {
            RpcError::new(ErrorCode::NotFound, format!("no testbed {id} is lent"))
                .with_hint("a lent testbed is gone with the connection that opened it: open another one")
        })?;
        let leased = lent.leased();
        let leased = leased.as_ref().ok_or_else(away)?;
        let info = ShellInfo {
            machine: leased.testbed.machine().to_string(),
            series: lent.place.series.clone(),
            image: ImageId(lent.place.image.name()),
            job: None,
            resumed: false,
            cwd: None,
            note: None,
        };
        Ok((leased.testbed.guest.clone(), info))
    }
}

impl Lent {
    fn leased(&self) -> MutexGuard<'_, Option<Leased>> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn away() -> RpcError {
    RpcError::new(
        ErrorCode::Conflict,
        "the lent testbed is just being put back or starts again, or was lost by that",
    )
}

/// Lends the workshop's testbeds.
pub struct TestbedLoans {
    places: Arc<Places>,
    borrowed: Borrowed,
}

impl TestbedLoans {
    /// Lends testbeds of this workshop; `borrowed` is told of each, for those who open shells in them.
    #[must_use]
    pub fn new(workshop: Arc<Workshop>, tickets: TicketsFolder, borrowed: Borrowed) -> Self {
        Self {
            places: Arc::new(Places::new(workshop, tickets)),
            borrowed,
        }
    }
}

#[async_trait]
impl Loans for TestbedLoans {
    async fn open(&self, request: LoanRequest, phase: Phase) -> Result<Box<dyn Loan>, RpcError> {
        let place = match &request.target {
            LoanTarget::Named(name) => self.places.named(name, request.variant)?,
            LoanTarget::Ticket(ticket) => self.places.of_ticket(ticket, request.variant)?,
        };
        let workshop = Arc::clone(&self.places.workshop);
        phase.say("starting a testbed");
        workshop.until_swept().await;
        let leased = self.places.lend(&place).await.map_err(refused)?;
        let id = LoanId(leased.testbed.machine().to_string());
        let lent = Arc::new(Lent {
            place,
            leased: Mutex::new(Some(leased)),
        });
        self.borrowed.list().insert(id.clone(), Arc::clone(&lent));
        let ended = CancellationToken::new();
        let loan = TestbedLoan {
            id: id.clone(),
            lent: Arc::clone(&lent),
            places: Arc::clone(&self.places),
            _held: ended.clone().drop_guard(),
        };
        let borrowed = self.borrowed.clone();
        // For as long as it is lent: the daemon's end waits for this task.
        workshop.tidying.clone().spawn(async move {
            ended.cancelled().await;
            borrowed.list().remove(&id);
            let left = lent.leased().take();
            if let Some(leased) = left {
                leased.clear(&workshop).await;
            }
        });
        Ok(Box::new(loan))
    }
}

struct TestbedLoan {
    id: LoanId,
    lent: Arc<Lent>,
    places: Arc<Places>,
    _held: DropGuard,
}

#[async_trait]
impl Loan for TestbedLoan {
    fn id(&self) -> &LoanId {
        &self.id
    }

    fn info(&self) -> Result<LoanInfo, RpcError> {
        let leased = self.lent.leased();
        let machine = leased.as_ref().ok_or_else(away)?.testbed.machine().to_string();
        let place = &self.lent.place;
        Ok(LoanInfo {
            machine,
            series: place.series.clone(),
            image: ImageId(place.image.name()),
            user: place.image.user().to_owned(),
        })
    }

    async fn revert(&self, phase: Phase) -> Result<(), RpcError> {
        let old = self.lent.leased().take();
        if let Some(old) = old {
            // It has the memory that the next one needs.
            old.clear(&self.places.workshop).await;
        }
        phase.say("putting a fresh testbed in its place");
        let fresh = self.places.lend(&self.lent.place).await.map_err(refused)?;
        *self.lent.leased() = Some(fresh);
        Ok(())
    }

    async fn reboot(&self, awaited: bool, phase: Phase) -> Result<(), RpcError> {
        let workshop = &self.places.workshop;
        let how = match awaited {
            true => Reboot::Awaited(workshop.limit(|limits| limits.boot)),
            false => Reboot::Asked,
        };
        phase.say("starting the testbed again");
        let mut leased = self.lent.leased().take().ok_or_else(away)?;
        leased.reboot(workshop, how).await.map_err(refused)?;
        *self.lent.leased() = Some(leased);
        Ok(())
    }
}
