//! Tickets' images: written out on request, read-only once published, and none of a ticket that failed.

use std::os::unix::fs::PermissionsExt as _;

use preflight_protocol::image::ExportFormat;
use preflight_protocol::method::{ImageGet, ImageList};

use crate::client::within;
use crate::guest::Play;
use crate::lab::{Lab, Scenario};
use crate::stage::Stage;

#[tokio::test]
async fn an_image_can_be_had_without_its_base() {
    let lab = Lab::new(Scenario::default());
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    let ticket = client.until_ended(id).await;
    let image = ticket.image.clone().unwrap();
    let published = lab.ticket_images().get(&image.0).unwrap();
    let mode = std::fs::metadata(&published.disk).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o444);

    let output = lab.desk().join("hello.qcow2");
    let get = ImageGet {
        ticket: Some(id),
        image: None,
        output: output.clone(),
        format: ExportFormat::Qcow2,
        uefi: false,
    };
    let files = within(client.connection.request(&get)).await.unwrap();
    let info = std::process::Command::new("qemu-img")
        .args(["info", "--output=json"])
        .arg(&output)
        .output()
        .unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!(
        (info["format"].as_str(), info.get("backing-filename")),
        (Some("qcow2"), None)
    );
    let beside = [files.kernel, files.initrd].map(Option::unwrap);
    assert!(beside.iter().all(|file| file.is_file()), "{beside:?}");
    let left = std::fs::read_dir(lab.desk()).unwrap().flatten();
    let names: Vec<_> = left
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().contains("hello.qcow2"))
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    drop(daemon);
}

#[tokio::test]
async fn a_ticket_that_fails_leaves_no_half_image() {
    for stage in [Stage::Install, Stage::Clean] {
        let lab = Lab::new(Scenario::scripted(move |scene| match scene.stage == stage {
            true => Play::Says("E: no\n", 100),
            false => Play::Usual,
        }));
        let daemon = lab.start().await;
        let mut client = lab.client().await;
        let id = client.create(lab.request()).await.id;
        client.until_ended(id).await;
        lab.assert_nothing_is_left().await;
        let images = within(client.connection.request(&ImageList {})).await.unwrap();
        assert_eq!(
            serde_json::to_value(&images)
                .unwrap()
                .to_string()
                .matches("ticket-")
                .count(),
            0
        );
        drop(daemon);
    }
}
