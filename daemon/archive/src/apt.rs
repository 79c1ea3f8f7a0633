//! What apt must be told to live behind a session: text for `apt.conf.d`, `sources.list.d` and `preferences.d`. Pure.

use crate::session::{MOUNTED_HOST, TICKET_HOST};
use crate::ticket_repository::RepositoryLabels;

/// apt.conf(5) for a guest whose proxy is at `proxy_url`.
#[must_use]
pub fn apt_configuration(proxy_url: &str) -> String {
    // A session sends nothing of a file before the whole of it is verified, so apt must be patient.
    // Release files were judged when the state was taken; the guest then uses it whatever the date is.
    // Differences of indices are not offered. A refused URL is final, trying again only hides it.
    format!(
        "Acquire::http::Proxy \"{proxy_url}\";\n\
         Acquire::http::Timeout \"3600\";\n\
         Acquire::Retries \"0\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::PDiffs \"false\";\n\
         Acquire::Check-Valid-Until \"false\";\n\
         Acquire::Check-Date \"false\";\n"
    )
}

/// sources.list(5): the line for a ticket repository mounted at `path`, its armored key at `key_path` in the guest
/// (the name must end in `.asc`).
#[must_use]
pub fn ticket_source(path: &str, key_path: &str) -> String {
    format!("deb [signed-by={key_path}] http://{TICKET_HOST}/{path} ./\n")
}

/// apt_preferences(5): prefers the ticket repository to every archive, even where that is a downgrade, so that a
/// rebuild under the archive's own version number is what gets installed.
#[must_use]
pub fn ticket_preferences(labels: &RepositoryLabels) -> String {
    format!(
        "Package: *\nPin: release o={},l={}\nPin-Priority: 1001\n",
        labels.origin, labels.label
    )
}

/// sources.list(5): the line for another ticket's repository mounted at `path`, as [`ticket_source`].
#[must_use]
pub fn mounted_source(path: &str, key_path: &str) -> String {
    format!("deb [signed-by={key_path}] http://{MOUNTED_HOST}/{path} ./\n")
}

/// apt_preferences(5): prefers all mounted repositories of other tickets to every archive, even where that is a downgrade,
/// but not to the ticket's own. Among several the highest version wins.
///
/// It is 1000, the least priority that may downgrade: what another ticket has built is meant, whatever version the archive is
/// at meanwhile. The ticket's own has one more; pins of pockets and PPAs stay below 1000 unless somebody says otherwise. The
/// pin is by host, since all ticket repositories have the same labels, and must stand before [`ticket_preferences`]: of two
/// general pins that match, apt takes the first.
#[must_use]
pub fn mounted_preferences() -> String {
    format!("Package: *\nPin: origin \"{MOUNTED_HOST}\"\nPin-Priority: 1000\n")
}
