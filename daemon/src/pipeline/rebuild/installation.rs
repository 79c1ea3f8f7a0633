//! One step, done in a testbed: all that it names in one run of apt, so that apt sees what must not go for what is to come.

use async_trait::async_trait;
use preflight_report::findings;

use crate::executor::{JobContext, Prepare, Step, StepFailure, Testbed};
use crate::pipeline::{apt, build, image_disk, results};

/// Changes with what [`Installation`] does to a testbed.
const GENERATION: &str = "image made for itself, generation 1";

/// A step.
pub(super) struct Installation<'a> {
    pub(super) context: &'a JobContext,
    pub(super) step: &'a Step,
}

impl Installation<'_> {
    /// All that decides what comes of it, beside the layer below it.
    pub(super) fn contents(&self) -> Vec<String> {
        let mut contents = vec![GENERATION.to_owned()];
        contents.extend(words(self.step));
        contents
    }
}

/// What is asked of a step, as people and logs say it.
pub(super) fn words(step: &Step) -> Vec<String> {
    let add = step.add.iter().map(|word| format!("+{word}"));
    add.chain(step.remove.iter().map(|word| format!("-{word}"))).collect()
}

#[async_trait]
impl Prepare for Installation<'_> {
    type Error = StepFailure;

    async fn prepare(&self, testbed: &Testbed) -> Result<(), StepFailure> {
        let (context, step) = (self.context, self.step);
        if step.add.is_empty() && step.remove.is_empty() {
            return image_disk::clean(testbed).await;
        }
        context.phase("installing packages", None);
        let mut arguments = vec!["install".to_owned(), "--allow-downgrades".to_owned()];
        arguments.extend(step.add.iter().cloned());
        // `name-` is apt's way to remove in the same breath.
        arguments.extend(step.remove.iter().map(|word| format!("{word}-")));
        let part = build::part(context);
        let limit = context.workshop.limit(|limits| limits.install);
        let command = apt::apt_get(arguments.iter().map(String::as_str));
        let ran = testbed.run(command, limit).await?;
        if ran.is_success() {
            return image_disk::clean(testbed).await;
        }
        Err(match apt::blame(testbed, "installing packages", ran) {
            StepFailure::Package { reason, .. } => StepFailure::Package {
                reason,
                first_error: results::first_error(context, findings::JobKind::Image, build::ending_of(ran), part),
            },
            testbed => testbed,
        })
    }
}
