//! The host's doctor, and beside what the host says how testbeds start here: which way was chosen, whether a clone has
//! proven it, and why no faster one was.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use preflight_protocol::health::{Check, CheckState};
use preflight_testbed::{Freezing, Method};

use super::workshop::Workshop;
use crate::services::{HostDescription, HostDoctor};

/// A doctor who knows of testbeds, too.
pub struct TestbedDoctor {
    host: Arc<dyn HostDoctor>,
    workshop: Arc<Workshop>,
}

impl TestbedDoctor {
    /// Asks this one for the rest.
    #[must_use]
    pub fn new(host: Arc<dyn HostDoctor>, workshop: Arc<Workshop>) -> Self {
        Self { host, workshop }
    }
}

#[async_trait]
impl HostDoctor for TestbedDoctor {
    async fn checks(&self, fresh: bool) -> Vec<Check> {
        let mut checks = self.host.checks(fresh).await;
        if let Some(hypervisor) = self.workshop.connected() {
            let methods = hypervisor.methods();
            checks.push(judge(&methods, |method| self.workshop.templates.experience(method)));
        }
        checks
    }

    fn describe(&self) -> HostDescription {
        let mut description = self.host.describe();
        let broken = self.workshop.templates.broken();
        let warnings = broken
            .iter()
            .map(|(method, why)| format!("testbeds start slowly: {method} does not work here: {why}"));
        description.warnings.extend(warnings);
        description
    }

    fn heartbeat(&self) -> Duration {
        self.host.heartbeat()
    }
}

/// What has been found out about a way to freeze.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Experience {
    /// Nobody has tried it in this daemon's life.
    Untried,
    /// A clone has answered.
    Proven,
    /// It does not work, for this reason.
    Broken(String),
}

fn judge(methods: &[Freezing], experience: impl Fn(Method) -> Experience) -> Check {
    let mut slower_because = Vec::new();
    for freezing in methods {
        let known = match &freezing.hindrance {
            Some(why) => Experience::Broken(why.clone()),
            None => experience(freezing.method),
        };
        let proof = match known {
            Experience::Broken(why) => {
                slower_because.push(format!("{} is not possible: {why}", freezing.method));
                continue;
            }
            Experience::Proven => "a clone has answered",
            Experience::Untried => "to be proven by the first clone",
        };
        let mut detail = format!("clones of frozen templates by {} ({proof})", freezing.method);
        for why in &slower_because {
            detail += &format!("; {why}");
        }
        return Check {
            name: "testbed start".to_owned(),
            state: if slower_because.is_empty() {
                CheckState::Ok
            } else {
                CheckState::Warning
            },
            detail,
            hint: None,
        };
    }
    Check {
        name: "testbed start".to_owned(),
        state: CheckState::Warning,
        detail: format!("every testbed boots: {}", slower_because.join("; ")),
        hint: Some("a libvirt of your own session (qemu:///session) needs no rule of the system's".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freezing(method: Method, hindrance: Option<&str>) -> Freezing {
        Freezing {
            method,
            hindrance: hindrance.map(str::to_owned),
        }
    }

    #[test]
    fn the_way_and_the_reasons_are_told() {
        let both = [freezing(Method::SharedMemory, None), freezing(Method::SaveImage, None)];
        let fine = judge(&both, |_| Experience::Proven);
        assert_eq!(fine.state, CheckState::Ok);
        assert!(
            fine.detail.contains("shared memory (a clone has answered)"),
            "{}",
            fine.detail
        );
        let untried = judge(&both, |_| Experience::Untried);
        assert!(untried.detail.contains("to be proven"), "{}", untried.detail);

        let confined = [
            freezing(Method::SharedMemory, Some("apparmor")),
            freezing(Method::SaveImage, None),
        ];
        let slower = judge(&confined, |_| Experience::Untried);
        assert_eq!(slower.state, CheckState::Warning);
        assert!(
            slower.detail.contains("by save image") && slower.detail.contains("not possible: apparmor"),
            "{}",
            slower.detail
        );

        let boots = judge(&both, |_| Experience::Broken("no".into()));
        assert_eq!(boots.state, CheckState::Warning);
        assert!(boots.detail.starts_with("every testbed boots"), "{}", boots.detail);
    }
}
