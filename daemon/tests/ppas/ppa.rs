//! What the archive's tests have.

#[expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]
#[path = "../../archive/tests/archive/ppa/repository.rs"]
pub(crate) mod repository;
#[expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]
#[path = "../../archive/tests/archive/ppa/server.rs"]
pub(crate) mod server;
#[expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]
#[path = "../../archive/tests/archive/ppa/stand_in.rs"]
pub(crate) mod stand_in;
