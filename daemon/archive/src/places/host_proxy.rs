//! An HTTP client that goes through a caching proxy of the host's, and rests where the proxy can't be reached, so that
//! a proxy that is down costs one attempt a minute and not one a package.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use reqwest::Client;

use crate::archive::unpoisoned;

const REST: Duration = Duration::from_secs(60);

/// A proxy.
pub(crate) struct HostProxy {
    client: Client,
    resting_until: Mutex<Option<Instant>>,
}

impl fmt::Debug for HostProxy {
    /// Its URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostProxy").finish_non_exhaustive()
    }
}

impl HostProxy {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            resting_until: Mutex::default(),
        }
    }

    /// The client, unless the proxy was not to be reached a moment ago.
    pub(crate) fn client(&self) -> Option<&Client> {
        let resting = unpoisoned(&self.resting_until).is_some_and(|until| Instant::now() < until);
        (!resting).then_some(&self.client)
    }

    pub(crate) fn rest(&self) {
        *unpoisoned(&self.resting_until) = Some(Instant::now() + REST);
    }
}
