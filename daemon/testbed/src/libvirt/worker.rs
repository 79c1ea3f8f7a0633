//! Threads on which libvirt's calls block, and the way to them from tokio. There are several kinds, so that a queue of slow
//! starts does not hold up a destroy, nor a slow destroy a resume.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::oneshot;

use crate::hypervisor::HypervisorError;

type Work = Box<dyn FnOnce() + Send>;

/// Threads that take pieces of work from one queue; they end with the last handle to it.
pub(super) struct Worker(mpsc::Sender<Work>);

impl Worker {
    /// Starts so many threads.
    pub(super) fn start(name: &str, threads: usize) -> Result<Self, HypervisorError> {
        let (sender, receiver) = mpsc::channel::<Work>();
        let queue = Arc::new(Mutex::new(receiver));
        for _ in 0..threads {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    while let Some(work) = next(&queue) {
                        work();
                    }
                })
                .map_err(|source| HypervisorError::File {
                    what: format!("the thread {name}"),
                    source,
                })?;
        }
        Ok(Self(sender))
    }

    /// Does a piece of work on one of the threads. It is done also when nobody waits for it any more.
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

/// The next piece of work; none when all handles are gone. Whoever waits for one holds the lock, and the others wait for it.
fn next(queue: &Mutex<mpsc::Receiver<Work>>) -> Option<Work> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
