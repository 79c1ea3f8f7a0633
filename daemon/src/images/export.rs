//! Writes an image out as files of its owner's: its root file system's disk with kernel and initrd beside it, or a whole disk
//! that boots by itself under UEFI. Every file appears whole; an export that is broken off leaves none.

use std::fs::File;
use std::io;
use std::path::Path;

use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::image::{ExportFormat, ImageFiles};
use preflight_testbed::overlay::Standalone;
use preflight_testbed::{Disk, DiskFormat};
use preflight_vm_images::{Frame, UefiError, write_frame};
use tempfile::TempDir;

use super::host;
use crate::executor::{BootImage, Workshop};
use crate::output_file::OutputFile;
use crate::services::Export;

fn disk_format(export: &Export) -> DiskFormat {
    match export.format {
        ExportFormat::Qcow2 => DiskFormat::Qcow2,
        ExportFormat::Raw => DiskFormat::Raw,
    }
}

/// Writes it. Broken off, it leaves nothing.
pub(super) async fn write(workshop: &Workshop, image: &BootImage, export: &Export) -> Result<ImageFiles, RpcError> {
    if !export.output.parent().is_some_and(Path::is_dir) {
        return Err(RpcError::new(
            ErrorCode::InvalidParams,
            format!("{} is in no folder that exists", export.output.display()),
        ));
    }
    let mut folders = vec![image.base.folder().to_owned()];
    folders.extend(image.disk.parent().map(Path::to_owned));
    let holds = folders.iter().map(|folder| workshop.folders.budget.hold(folder));
    let _holds = holds.collect::<io::Result<Vec<_>>>().map_err(|error| host(&error))?;
    match export.uefi {
        true => whole_disk(workshop, image, export).await,
        false => root_and_kernel(workshop, image, export).await,
    }
}

fn disk_of(image: &BootImage) -> Disk {
    Disk {
        path: image.disk.clone(),
        format: image.format,
        backing: image.backing.clone(),
    }
}

async fn root_and_kernel(workshop: &Workshop, image: &BootImage, export: &Export) -> Result<ImageFiles, RpcError> {
    let base = &image.base;
    let size = base.metadata.disk_bytes;
    let output = begin(&export.output)?;
    let disk = Standalone::create(handle(&output)?, disk_format(export), size)
        .await
        .map_err(|error| host(&error))?;
    disk.fill(&disk_of(image), 0, size)
        .await
        .map_err(|error| host(&error))?;
    output.publish().map_err(|error| host(&error))?;
    let beside = |ending: &str| {
        let mut name = export.output.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        export.output.with_file_name(name)
    };
    let (kernel, initrd) = (beside(".vmlinuz"), beside(".initrd"));
    copy(&base.kernel(), &kernel)?;
    copy(&workshop.initrd(base).map_err(|error| host(&error))?, &initrd)?;
    Ok(ImageFiles {
        disk: export.output.clone(),
        kernel: Some(kernel),
        initrd: Some(initrd),
        command_line: Workshop::command_line(base, false),
    })
}

async fn whole_disk(workshop: &Workshop, image: &BootImage, export: &Export) -> Result<ImageFiles, RpcError> {
    let output = begin(&export.output)?;
    workshop.until_swept().await;
    // Swept at the daemon's next start, should it die now.
    let scratch = tempfile::Builder::new()
        .prefix("export-")
        .tempdir_in(&workshop.folders.overlays)
        .map_err(|error| host(&error))?;
    let place = scratch.path().join("frame.raw");
    let on = match export.format {
        ExportFormat::Raw => handle(&output)?,
        ExportFormat::Qcow2 => File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&place)
            .map_err(|error| host(&error))?,
    };
    let (frame, _scratch) = framed(workshop, image, scratch, on).await?;
    let layout = frame.layout;
    let disk = Standalone::create(handle(&output)?, disk_format(export), layout.size)
        .await
        .map_err(|error| host(&error))?;
    if export.format == ExportFormat::Qcow2 {
        let frame = Disk {
            path: place,
            format: DiskFormat::Raw,
            backing: vec![],
        };
        disk.fill(&frame, 0, layout.size).await.map_err(|error| host(&error))?;
    }
    disk.fill(&disk_of(image), layout.root.start, layout.root.length)
        .await
        .map_err(|error| host(&error))?;
    output.publish().map_err(|error| host(&error))?;
    Ok(ImageFiles {
        disk: export.output.clone(),
        kernel: None,
        initrd: None,
        command_line: frame.command_line,
    })
}

/// The scratch folder goes with whoever works in it, even where nobody waits for that any more.
async fn framed(
    workshop: &Workshop,
    image: &BootImage,
    scratch: TempDir,
    disk: File,
) -> Result<(Frame, TempDir), RpcError> {
    let (base, agent) = (image.base.clone(), workshop.settings.agent.clone());
    let writing = tokio::task::spawn_blocking(move || {
        let frame = write_frame(&base, &agent, scratch.path(), &disk)?;
        Ok::<_, UefiError>((frame, scratch))
    });
    writing
        .await
        .map_err(|error| host(&error))?
        .map_err(|error| host(&error))
}

fn begin(target: &Path) -> Result<OutputFile, RpcError> {
    let cannot = |error: io::Error| host(&format!("{}: {error}", target.display()));
    OutputFile::begin(target).map_err(cannot)
}

fn handle(output: &OutputFile) -> Result<File, RpcError> {
    output.file().try_clone().map_err(|error| host(&error))
}

fn copy(from: &Path, to: &Path) -> Result<(), RpcError> {
    let output = begin(to)?;
    let copied = File::open(from).and_then(|mut from| io::copy(&mut from, &mut output.file()));
    copied
        .and_then(|_| output.publish())
        .map_err(|error| host(&format!("{}: {error}", to.display())))
}
