//! A thread on which libvirt's calls block, and the way to it from tokio. There are two, so that a queue of slow
//! starts does not hold up a destroy.

use std::sync::mpsc;

use tokio::sync::oneshot;

use crate::hypervisor::HypervisorError;

type Work = Box<dyn FnOnce() + Send>;

/// A thread that does one piece of work after another; it ends with the last handle to it.
pub(super) struct Worker(mpsc::Sender<Work>);

impl Worker {
    /// Starts the thread.
    pub(super) fn start(name: &str) -> Result<Self, HypervisorError> {
        let (sender, receiver) = mpsc::channel::<Work>();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || receiver.into_iter().for_each(|work| work()))
            .map_err(|source| HypervisorError::File {
                what: format!("the thread {name}"),
                source,
            })?;
        Ok(Self(sender))
    }

    /// Does a piece of work on the thread. It is done also when nobody waits for it any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HypervisorError> + Send + 'static,
    ) -> Result<T, HypervisorError> {
        let (sender, receiver) = oneshot::channel();
        let lost = || HypervisorError::Disconnected("its thread has ended".into());
        let work = move || drop(sender.send(work()));
        self.0.send(Box::new(work)).map_err(|_| lost())?;
        receiver.await.map_err(|_| lost())?
    }
}
