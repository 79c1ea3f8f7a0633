//! What apt must be told to live behind a session: text for `apt.conf.d`, `sources.list.d` and `preferences.d`. Pure.

use crate::session::TICKET_HOST;
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
