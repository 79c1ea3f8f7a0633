//! The testbeds that one connection has borrowed: given back with it, whatever ends it. What is done with them is the
//! handlers' matter, how they are made the lender's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids;
use preflight_protocol::testbed::{self as wire, TestbedId};

use crate::loans::Loan;
use crate::room::LentRoom;

/// A borrowed testbed.
pub(super) struct Held {
    pub(super) loan: Box<dyn Loan>,
    /// Held by who changes it: one change after the other.
    pub(super) turn: tokio::sync::Mutex<()>,
    _room: LentRoom,
}

/// The testbeds of one connection. None once nothing more may be borrowed.
pub(super) struct ConnectionLoans(Mutex<Option<BTreeMap<TestbedId, Arc<Held>>>>);

impl Default for ConnectionLoans {
    fn default() -> Self {
        Self(Mutex::new(Some(BTreeMap::new())))
    }
}

impl ConnectionLoans {
    fn list(&self) -> MutexGuard<'_, Option<BTreeMap<TestbedId, Arc<Held>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one on. Where nothing more may be borrowed it is given back.
    pub(super) fn add(&self, loan: Box<dyn Loan>, room: LentRoom) -> Result<wire::Testbed, RpcError> {
        let told = answer(loan.as_ref())?;
        let held = Held {
            loan,
            turn: tokio::sync::Mutex::default(),
            _room: room,
        };
        let mut list = self.list();
        let list = list.as_mut().ok_or_else(super::shell::stopping)?;
        list.insert(told.id.clone(), Arc::new(held));
        Ok(told)
    }

    /// One of them.
    pub(super) fn get(&self, id: &TestbedId) -> Result<Arc<Held>, RpcError> {
        let found = self.list().as_ref().and_then(|list| list.get(id).cloned());
        found.ok_or_else(|| unknown(id))
    }

    /// Gives one back.
    pub(super) fn remove(&self, id: &TestbedId) -> Result<(), RpcError> {
        let removed = self.list().as_mut().and_then(|list| list.remove(id));
        removed.map(drop).ok_or_else(|| unknown(id))
    }

    /// Gives all back; nothing more is borrowed.
    pub(super) fn close(&self) {
        let all = self.list().take();
        drop(all);
    }
}

/// What a client is told of a testbed.
pub(super) fn answer(loan: &dyn Loan) -> Result<wire::Testbed, RpcError> {
    let info = loan.info()?;
    Ok(wire::Testbed {
        id: TestbedId(loan.id().0.clone()),
        machine: info.machine,
        series: ids::Series(info.series.0),
        image: ids::ImageId(info.image.0),
        user: info.user,
    })
}

fn unknown(id: &TestbedId) -> RpcError {
    RpcError::new(
        ErrorCode::NotFound,
        format!("this connection has borrowed no testbed {id}"),
    )
    .with_hint("a testbed belongs to the connection that opened it")
}
