//! What a lent testbed has beside its image: the sources of packages. autopkgtest and sbuild ask apt for source packages, and
//! images have no indices of them, since no job wants them. They are put in once, as a layer of the image's, so that a revert
//! costs no more than a clone.

use std::sync::Arc;

use preflight_guest::Exec;
use preflight_testbed::template::Template;
use serde_json::Value;

use super::failure::StepFailure;
use super::layer::archive_words;
use super::place::{Leased, Place, Places, Ready};
use super::testbed::{Testbed, TestbedSpec};

/// Who a lent testbed works for, for people who look at the hypervisor.
const LABEL: &str = "lent";
/// Changes with what [`SCRIPT`] does.
const GENERATION: &str = "source packages of a lent testbed, generation 2";
/// Tells apt of the source packages of all archives that it has binaries of. An archive that has none, or cannot be reached,
/// leaves the testbed as its image is: whoever wants sources is told so by apt. They go where autopkgtest's own images have
/// them: it derives pockets from every file that there is.
const SCRIPT: &str = r#"
file=$(mktemp)
sed -n 's/^deb\([[:space:]]\)/deb-src\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    grep -v '\.preflight\.invalid/' >"$file"
if apt-get update -q --error-on=any -o Dir::Etc::SourceList="$file" -o Dir::Etc::SourceParts=/dev/null \
    -o APT::Get::List-Cleanup=0; then
    cat "$file" >>/etc/apt/sources.list
    rm "$file"
else
    rm "$file"
    exit 1
fi
"#;

impl Places {
    /// A testbed to lend: with the sources of packages, where they can be had.
    ///
    /// # Errors
    /// As [`Places::lease`].
    pub(super) async fn lend(&self, place: &Place) -> Result<Leased, StepFailure> {
        let ready = self.make_ready(place)?;
        let spec = ready.spec(place, LABEL);
        let templates = &self.workshop.templates;
        while let Some(below) = templates
            .of_image(&self.workshop, &place.image, &ready.log, &ready.leases)
            .await?
        {
            let Some(layer) = self.layer(&below, &ready, &spec).await? else {
                break;
            };
            let cloned = Testbed::clone_of(&self.workshop, &layer, None, &spec, &ready.log, &ready.leases).await?;
            if let Some(testbed) = cloned {
                drop(spec);
                return Ok(self.leased(place, ready, testbed));
            }
        }
        let testbed = Testbed::lease(&self.workshop, spec, &ready.log, &ready.leases).await?;
        self.prepare(&testbed).await?;
        Ok(self.leased(place, ready, testbed))
    }

    /// The layer on this template: found, or made in a clone of it. None where it cannot be made.
    async fn layer(
        &self,
        below: &Arc<Template>,
        ready: &Ready,
        spec: &TestbedSpec<'_>,
    ) -> Result<Option<Arc<Template>>, StepFailure> {
        let templates = &self.workshop.templates;
        let words = vec![archive_words(&self.workshop, spec.image), GENERATION.to_owned()];
        let identity = below.record().identity.with(words);
        let id = identity.id();
        let _making = templates.lock(&id).await;
        if let Some(found) = templates.find(&id).await {
            return Ok(Some(found));
        }
        let Ok((draft, _room)) = templates.draft(&self.workshop).await else {
            return Ok(None);
        };
        let cloned = Testbed::clone_of(&self.workshop, below, Some(&draft), spec, &ready.log, &ready.leases).await?;
        let Some(testbed) = cloned else {
            return Ok(None);
        };
        let machine = testbed.machine().clone();
        let is_whole = self.prepare(&testbed).await?;
        let frozen = match is_whole {
            // Another time the archive may be there.
            false => {
                drop(testbed);
                None
            }
            true => {
                let title = "source packages".to_owned();
                let frozen = templates.freeze(testbed, draft, identity, title, Value::Null).await;
                frozen
                    .inspect_err(|why| templates.note_broken_freeze(below, &why.to_string(), &ready.log))
                    .ok()
            }
        };
        if let Some(remains) = ready.leases.take(&machine) {
            let hypervisor = self.workshop.connected();
            self.workshop
                .tidying
                .spawn(async move { remains.clear(hypervisor.as_ref()).await });
        }
        Ok(frozen)
    }

    /// Tells a testbed's apt; answers whether it has all.
    async fn prepare(&self, testbed: &Testbed) -> Result<bool, StepFailure> {
        let limit = self.workshop.limit(|limits| limits.install);
        let ran = testbed.run(Exec::new(["sh", "-c", SCRIPT]), limit).await?;
        if !ran.is_success() {
            tracing::info!(machine = %testbed.machine(), ?ran, "a lent testbed knows no source packages");
        }
        Ok(ran.is_success())
    }
}
