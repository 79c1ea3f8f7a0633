//! Builds base images by hand: `build RECIPE test|build|both FOLDER [PROXY]`, and `build initrd FOLDER IMAGE AGENT`.

use std::path::{Path, PathBuf};

use preflight_vm_images::{
    BootOptions, BuildRequest, Catalogue, ImageStore, Mirrors, ReleaseDates, SourceSet, Variant, build, compose_initrd,
    kernel_command_line, read_host_sources,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    match run().await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["initrd", folder, image, agent] => {
            let image = ImageStore::open(folder.into()).await?.get(image)?;
            let initrd = compose_initrd(&image, agent.as_ref(), &Path::new(folder).join(".initrd"))?;
            println!("kernel {}\ninitrd {}", image.kernel().display(), initrd.display());
            println!("disk {} {}", image.disk_format().as_str(), image.disk().display());
            let options = BootOptions {
                emulated: true,
                verbose: false,
            };
            println!("append {}", kernel_command_line(&image, options));
        }
        [recipe, variants, folder] => build_by_hand(recipe, variants, folder.into(), None).await?,
        [recipe, variants, folder, proxy] => build_by_hand(recipe, variants, folder.into(), Some(proxy)).await?,
        _ => return Err("usage: build RECIPE test|build|both FOLDER [PROXY] | build initrd FOLDER IMAGE AGENT".into()),
    }
    Ok(())
}

async fn build_by_hand(
    recipe: &str,
    variants: &str,
    folder: PathBuf,
    proxy: Option<&str>,
) -> Result<(), Box<dyn std::error::Error>> {
    let catalogue = Catalogue::load(None)?;
    let recipe = catalogue.find(recipe)?;
    let sources = SourceSet::resolve(recipe, &Mirrors::default(), &read_host_sources("/etc/apt".as_ref()))?;
    let variants = if variants == "both" {
        Variant::ALL.to_vec()
    } else {
        vec![variants.parse()?]
    };
    let proxy = proxy.map(url::Url::parse).transpose()?;
    let store = ImageStore::open(folder.clone()).await?;
    let request = BuildRequest {
        recipe: recipe.clone(),
        sources,
        variants,
        proxy,
        log: Some(folder.join("build.log")),
        release_dates: ReleaseDates::of_host().await,
    };
    let show = |step: preflight_vm_images::Progress| eprintln!("{:3.0} % {}", step.fraction * 100.0, step.message);
    let cancel = tokio_util::sync::CancellationToken::new();
    let watch = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            watch.cancel();
        }
    });
    for image in build(&store, &request, &show, &cancel).await? {
        println!("{} {} MiB", image.folder().display(), image.size_on_disk >> 20);
    }
    Ok(())
}
