//! The text of a generation: `Packages`, `Release` and their compressed forms, written and read again. Equal input gives
//! equal text. It knows no files and no keys.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::SystemTime;

use deb822_fast::Deb822;
use preflight_debian::{BinaryPackage, Sha256Digest};

use super::generation::RepositoryPackage;
use super::publish::RepositoryLabels;
use crate::error::ArchiveError;
use crate::release::format_date;

const DATE: &str = "Date: ";

/// Adds a package to `Packages`: its own fields, then where its file is. Fields that would say so themselves are left out.
pub(super) fn stanza(text: &mut String, package: &BinaryPackage, path: &str) {
    const OURS: [&str; 7] = ["filename", "size", "md5sum", "sha1", "sha256", "sha512", "status"];
    for (name, value) in &package.fields {
        if OURS.contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        field(text, name, value);
    }
    field(text, "Filename", path);
    field(text, "Size", &package.size.to_string());
    field(text, "SHA256", &package.sha256.to_string());
    text.push('\n');
}

fn field(text: &mut String, name: &str, value: &str) {
    let mut lines = value.lines();
    // Writing to a String can't fail.
    let _ = writeln!(text, "{name}: {}", lines.next().unwrap_or_default().trim());
    for line in lines {
        let line = line.trim_end();
        let _ = writeln!(text, " {}", if line.is_empty() { "." } else { line });
    }
}

/// The packages that a `Packages` of ours lists.
pub(super) fn packages(text: &str) -> Result<Vec<RepositoryPackage>, ArchiveError> {
    let wrong = |reason: String| ArchiveError::Format {
        what: "a ticket repository's Packages",
        reason,
    };
    let document: Deb822 = text.parse().map_err(|error| wrong(format!("{error}")))?;
    let mut packages = Vec::new();
    for stanza in document.iter() {
        let field = |name: &str| {
            stanza
                .get(name)
                .ok_or_else(|| wrong(format!("a stanza without {name}")))
        };
        let name = field("Package")?;
        let source = stanza.get("Source").and_then(|source| source.split(' ').next());
        packages.push(RepositoryPackage {
            source: source
                .unwrap_or(name)
                .parse()
                .map_err(|error| wrong(format!("{error}")))?,
            name: name.parse().map_err(|error| wrong(format!("{error}")))?,
            version: field("Version")?.parse().map_err(|error| wrong(format!("{error}")))?,
            architecture: field("Architecture")?
                .parse()
                .map_err(|error| wrong(format!("{error}")))?,
            path: field("Filename")?.to_owned(),
            size: field("Size")?.parse().map_err(|error| wrong(format!("{error}")))?,
            sha256: field("SHA256")?.parse().map_err(|error| wrong(format!("{error}")))?,
        });
    }
    Ok(packages)
}

/// `Packages` as it is and compressed, each with its name.
pub(super) fn indices(text: &str) -> io::Result<Vec<(&'static str, Vec<u8>)>> {
    Ok(vec![
        ("Packages", text.as_bytes().to_vec()),
        ("Packages.gz", gzip(text.as_bytes())?),
        ("Packages.xz", xz(text.as_bytes())?),
    ])
}

pub(super) fn release(labels: &RepositoryLabels, indices: &[(&'static str, Vec<u8>)], date: SystemTime) -> String {
    let one_line = |text: &str| {
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect::<String>()
    };
    let mut text = String::new();
    field(&mut text, "Origin", &one_line(&labels.origin));
    field(&mut text, "Label", &one_line(&labels.label));
    let _ = writeln!(text, "{DATE}{}", format_date(date));
    field(&mut text, "Acquire-By-Hash", "yes");
    text.push_str("SHA256:\n");
    for (name, bytes) in indices {
        let _ = writeln!(text, " {} {} {name}", Sha256Digest::of(bytes), bytes.len());
    }
    text
}

/// What two `Release` files say but when.
pub(super) fn say_the_same(one: &str, other: &str) -> bool {
    let undated = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with(DATE));
        lines.map(str::to_owned).collect()
    };
    undated(one) == undated(other)
}

/// What a `Release` says of itself.
pub(super) fn labels(release: &str) -> RepositoryLabels {
    let field = |name: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(name));
        value.unwrap_or_default().trim().to_owned()
    };
    RepositoryLabels {
        origin: field("Origin:"),
        label: field("Label:"),
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn xz(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pretty_assertions::assert_eq;

    use super::*;

    fn package(name: &str, source: Option<&str>) -> BinaryPackage {
        let mut fields = vec![
            ("Package".to_owned(), name.to_owned()),
            ("Version".to_owned(), "2:1.0~rc1+b1-1".to_owned()),
            ("Architecture".to_owned(), "all".to_owned()),
            ("Filename".to_owned(), "/etc/passwd".to_owned()),
            ("Description".to_owned(), "short\n long\n\n end".to_owned()),
        ];
        fields.extend(source.map(|source| ("Source".to_owned(), source.to_owned())));
        BinaryPackage {
            name: name.parse().unwrap(),
            version: "2:1.0~rc1+b1-1".parse().unwrap(),
            architecture: "all".parse().unwrap(),
            source: source.unwrap_or(name).split(' ').next().unwrap().parse().unwrap(),
            fields,
            size: 12,
            sha256: Sha256Digest::of(name.as_bytes()),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let packages_in = [package("one", None), package("two", Some("source (2:1.0)"))];
        let wanted: Vec<RepositoryPackage> = packages_in.iter().map(RepositoryPackage::of).collect();
        let mut text = String::new();
        for (package, entry) in packages_in.iter().zip(&wanted) {
            stanza(&mut text, package, &entry.path);
        }
        assert_eq!(packages(&text).unwrap(), wanted);
        assert!(!text.contains("passwd"), "{text}");
        assert_eq!(packages("").unwrap(), []);
        for wrong in [
            "Package: one\n",
            "Package: one\nVersion: x\n",
            &text.replace("Size: 12", "Size: -1"),
        ] {
            assert!(packages(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn releases_of_different_moments_may_say_the_same() {
        let labels_in = RepositoryLabels {
            origin: "Pre\nflight".to_owned(),
            label: "ticket".to_owned(),
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let some = indices("Package: x\n").unwrap();
        let one = release(&labels_in, &some, at);
        assert!(one.contains("Date: Sun, 09 Sep 2001 01:46:40 UTC\n"), "{one}");
        assert!(say_the_same(
            &one,
            &release(&labels_in, &some, at + Duration::from_secs(1))
        ));
        assert!(!say_the_same(&one, &release(&labels_in, &indices("").unwrap(), at)));
        assert_eq!(labels(&one).origin, "Pre flight");
        assert_eq!(labels(&one).label, "ticket");
    }
}
