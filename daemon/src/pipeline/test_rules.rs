//! By whose rules a ticket's tests are planned and judged: those of the autopkgtest that the series' recipe names, and what
//! the ticket's owner says of the network, of time and of the environment.

use std::time::Duration;

use preflight_core::{InternetPolicy, TestPattern, Ticket};
use preflight_dep8::dialect::Dialect;
use preflight_dep8::plan::{Capabilities, Setting};
use preflight_dep8::verdict::Rules;

use crate::executor::{StepFailure, Workshop};

/// What tests' plans are made for.
pub(super) fn setting(workshop: &Workshop, ticket: &Ticket, architecture: &str) -> Result<Setting, StepFailure> {
    let capabilities = match ticket.options.tests.internet {
        InternetPolicy::Skip => Capabilities::of_a_guest(),
        InternetPolicy::Try | InternetPolicy::Run => Capabilities::of_a_guest().with(Capabilities::INTERNET),
    };
    Ok(Setting {
        capabilities,
        architecture: architecture.to_owned(),
        dialect: dialect(workshop, ticket)?,
    })
}

/// How what tests come to is judged.
pub(super) fn rules(workshop: &Workshop, ticket: &Ticket) -> Result<Rules, StepFailure> {
    Ok(Rules {
        dialect: dialect(workshop, ticket)?,
        is_internet_certain: ticket.options.tests.internet != InternetPolicy::Try,
    })
}

/// The autopkgtest of the ticket's series.
fn dialect(workshop: &Workshop, ticket: &Ticket) -> Result<Dialect, StepFailure> {
    let recipe = workshop.recipe(&ticket.series)?;
    let version = recipe.autopkgtest.as_ref().map(|version| version.as_str().parse());
    let broken = |error| StepFailure::Testbed(format!("the recipe of {}: {error}", ticket.series));
    version.transpose().map(Option::unwrap_or_default).map_err(broken)
}

/// More variables for a ticket's tests, in the order in which they are set.
pub(super) fn environment(
    workshop: &Workshop,
    ticket: &Ticket,
    architecture: &str,
) -> Result<Vec<(String, String)>, StepFailure> {
    let options = &ticket.options.tests;
    let mut variables = Vec::new();
    if dialect(workshop, ticket)?.tells_architectures() {
        for name in ["AUTOPKGTEST_TESTBED_ARCH", "AUTOPKGTEST_TEST_ARCH"] {
            variables.push((name.to_owned(), architecture.to_owned()));
        }
    }
    variables.extend(
        options
            .trigger_list()
            .map(|list| ("ADT_TEST_TRIGGERS".to_owned(), list)),
    );
    let own = options.env.iter();
    variables.extend(own.map(|variable| (variable.name().to_owned(), variable.value().to_owned())));
    Ok(variables)
}

/// After how long a test is ended. What the owner says is meant as it is said; what the configuration says is for a host that
/// is not slow.
pub(super) fn time_limit(workshop: &Workshop, ticket: &Ticket, source: &str, test: &str) -> Duration {
    let (options, settings) = (&ticket.options, &workshop.settings);
    let asked = options.tests.timeout_of(source, test).or(options.test_timeout);
    let configured = TestPattern::best(&settings.test_limits, source, test);
    asked.unwrap_or_else(|| workshop.limit(|limits| configured.unwrap_or(limits.test)))
}
