//! Testbeds that are lent to clients: what is asked for, what is told, and the traits by which the server meets who lends
//! them. It knows neither the clients' socket nor how a testbed is made.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use preflight_core::{ImageId, Series, Ticket};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_vm_images::Variant;

use crate::shells::Phase;

/// The name of a lent testbed, as long as it is lent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoanId(pub String);

impl fmt::Display for LoanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A testbed as it is asked for.
#[derive(Debug, Clone)]
pub struct LoanRequest {
    /// What it runs.
    pub target: LoanTarget,
    /// Which base image, where it runs one that is not named.
    pub variant: Variant,
}

/// What a lent testbed runs.
#[derive(Debug, Clone)]
pub enum LoanTarget {
    /// A series' newest base image, or the image that is called so.
    Named(Series),
    /// A ticket's image; the base image of its series where it has none.
    Ticket(Arc<Ticket>),
}

/// What is told of a lent testbed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoanInfo {
    /// The machine that it is now.
    pub machine: String,
    /// The series that it runs.
    pub series: Series,
    /// The image that it started from.
    pub image: ImageId,
    /// The image's unprivileged user.
    pub user: String,
}

/// Lends testbeds.
#[async_trait]
pub trait Loans: Send + Sync {
    /// Makes a testbed and lends it. A future that is dropped leaves none behind.
    ///
    /// # Errors
    /// Where there is no such series or image, or no testbed can be had.
    async fn open(&self, request: LoanRequest, phase: Phase) -> Result<Box<dyn Loan>, RpcError>;
}

/// A testbed that is lent. Dropping it takes the testbed down, with all that runs in it.
#[async_trait]
pub trait Loan: Send + Sync {
    /// Its name, by which shells in it are asked for.
    fn id(&self) -> &LoanId;

    /// What is told of it now.
    ///
    /// # Errors
    /// It was lost by a revert that failed.
    fn info(&self) -> Result<LoanInfo, RpcError>;

    /// Puts a fresh one in its place. Dropping the future loses the testbed, as does an error.
    ///
    /// # Errors
    /// No other can be had.
    async fn revert(&self, phase: Phase) -> Result<(), RpcError>;

    /// Starts it again on its own disk; where it is `awaited`, what runs in it brings it down. Dropping the future loses the
    /// testbed, as does an error.
    ///
    /// # Errors
    /// It does not go down, or does not come back.
    async fn reboot(&self, awaited: bool, phase: Phase) -> Result<(), RpcError>;
}

/// Lends none: for a daemon that has none.
#[derive(Debug, Clone, Copy)]
pub struct NoLoans;

#[async_trait]
impl Loans for NoLoans {
    async fn open(&self, _: LoanRequest, _: Phase) -> Result<Box<dyn Loan>, RpcError> {
        Err(RpcError::new(
            ErrorCode::Host,
            "this daemon lends no testbeds: nothing that makes them is assembled",
        ))
    }
}
