//! What every command gets: where the daemon is, and how to write.

use std::time::Duration;

use preflight_protocol::client::Connection;
use preflight_protocol::method::Method;
use tokio::time::sleep;

use super::error::CliError;
use super::output::Output;
use crate::conn::attach::{Attached, Endpoint};

/// What every command gets.
#[derive(Debug)]
pub struct Context {
    /// Where the daemon is.
    pub endpoint: Endpoint,
    /// How to write.
    pub output: Output,
}

impl Context {
    /// A connection to the daemon, which is started where it does not run.
    ///
    /// # Errors
    /// Where it does not start, or speaks another version.
    pub async fn attach(&self) -> Result<Attached, CliError> {
        Ok(self.endpoint.connect_or_start().await?)
    }

    /// One request over a connection of its own.
    ///
    /// # Errors
    /// Where there is no daemon, or it refuses.
    pub async fn ask<M: Method>(&self, request: &M) -> Result<M::Answer, CliError> {
        let (connection, _notifications) = self.attach().await?;
        ask(&connection, request).await
    }
}

/// How long a request may take before the owner is told what takes so long.
const SILENCE: Duration = Duration::from_secs(2);

impl Context {
    /// One request that may take minutes: then standard error says what is waited for.
    ///
    /// # Errors
    /// Where there is no daemon, or it refuses.
    pub async fn ask_patiently<M: Method>(&self, request: &M, what: &str) -> Result<M::Answer, CliError> {
        let answer = self.ask(request);
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => return answer,
            () = sleep(SILENCE) => eprintln!("{what} …"),
        }
        answer.await
    }
}

/// One request.
///
/// # Errors
/// Where the daemon refuses, or goes away.
pub async fn ask<M: Method>(connection: &Connection, request: &M) -> Result<M::Answer, CliError> {
    Ok(connection.request(request).await?)
}
