//! An image that gains one package: on top of one that is there, beside the whole image made from nothing with the package in
//! its recipe. Both get what was fetched before from the store.

use std::path::Path;
use std::time::Duration;

use preflight_tests::progress;

use crate::bed::{Bed, Pool, SHORT};
use crate::error::BenchError;
use crate::finding::{Findings, Key};
use crate::live;

/// Small packages whose dependencies every image has: each is added once.
const PACKAGES: [&str; 7] = ["tree", "bc", "ed", "dc", "pv", "rename", "sl"];
/// mmdebstrap and two disks.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// What the reader has to know.
const OURS: &str =
    "another small package each time, fetched over the network, on an image that a package was added to before";
const NOTHING: &str =
    "`image build` with the package in the recipe: images for tests and for builds, all other packages from the store";

/// Measures each so many times, at most as often as there are packages; the home is empty afterwards.
pub(crate) fn measure(bed: &Bed, count: u32, findings: &mut Findings) -> Result<(), BenchError> {
    bed.images()?;
    bed.restart(Pool::None)?;
    // The template of the base image is made once, whoever needs it first.
    rebuild(bed, &bed.series, "jq")?;
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(PACKAGES.len());
    let (mut ours, mut again) = (Vec::new(), Vec::new());
    for package in &PACKAGES[..count] {
        let took = rebuild(bed, "bench", package)?;
        let same = rebuild(bed, "bench", package)?;
        progress::say(&format!("rebuild with {package}: {took:.1?}, and again: {same:.3?}"));
        ours.push(took.as_secs_f64());
        again.push(same.as_secs_f64());
    }
    findings.found(Key::ImageRebuild, ours, Some(OURS.to_owned()));
    findings.found(Key::ImageRebuildAgain, again, None);
    let recipes = bed.home.folders.config.join("recipes");
    let nothing = from_nothing(bed, &PACKAGES[..count], &recipes);
    if recipes.exists() {
        std::fs::remove_dir_all(&recipes).map_err(BenchError::io(recipes.display().to_string()))?;
    }
    findings.found(Key::ImageFromNothing, nothing?, Some(NOTHING.to_owned()));
    bed.empty()
}

fn rebuild(bed: &Bed, base: &str, package: &str) -> Result<Duration, BenchError> {
    let arguments = [
        "image",
        "rebuild",
        "--base",
        base,
        "--package",
        package,
        "-n",
        "bench",
        "--quiet",
    ];
    Ok(live::run(bed.home.command(&arguments), SHORT)?.took)
}

/// How long the images take to make with one package more, each time another one.
fn from_nothing(bed: &Bed, packages: &[&str], recipes: &Path) -> Result<Vec<f64>, BenchError> {
    let io = |path: &Path| BenchError::io(path.display().to_string());
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../vm-images/recipes/{}.toml", bed.series));
    let recipe = std::fs::read_to_string(&own).map_err(io(&own))?;
    std::fs::create_dir_all(recipes).map_err(io(recipes))?;
    let file = recipes.join("bench.toml");
    let mut found = Vec::new();
    for package in packages {
        let text = recipe.replace("\ntest = [", &format!("\ntest = [{package:?}, "));
        std::fs::write(&file, text).map_err(io(&file))?;
        bed.restart(Pool::None)?;
        let command = bed.home.command(&["image", "build", &bed.series, "--quiet"]);
        let took = live::run(command, PATIENCE)?.took;
        progress::say(&format!("from nothing with {package}: {took:.1?}"));
        found.push(took.as_secs_f64());
    }
    Ok(found)
}
