//! Where a ticket's packages come from, in one line.

use preflight_protocol::ticket::Ticket;

/// Snapshot, pockets, PPAs and others' repositories, and what comes from them; none where it is the archive as the base image has it.
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
    let repositories = ticket
        .repositories
        .iter()
        .map(|used| format!("ticket #{}", used.ticket));
    let named = pockets.chain(ppas).chain(repositories);
    let all: Vec<String> = ticket.snapshot.iter().cloned().chain(named).collect();
    (!all.is_empty()).then(|| format!("packages from {}", all.join(", ")))
}
