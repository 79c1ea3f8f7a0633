//! Where a ticket's packages come from, in one line.

use preflight_protocol::ticket::Ticket;

/// Snapshot, pockets and PPAs, and what comes from them; none where it is the archive as the base image has it.
#[must_use]
pub fn words(ticket: &Ticket) -> Option<String> {
    let some = |name: String, packages: &[String]| match packages {
        [] => name,
        packages => format!("{name} ({})", packages.join(", ")),
    };
    let pockets = ticket
        .pockets
        .iter()
        .map(|used| some(used.pocket.clone(), &used.packages));
    let ppas = ticket
        .ppas
        .iter()
        .map(|used| some(format!("PPA {}", used.name), &used.packages));
    let all: Vec<String> = ticket.snapshot.iter().cloned().chain(pockets).chain(ppas).collect();
    (!all.is_empty()).then(|| format!("packages from {}", all.join(", ")))
}
