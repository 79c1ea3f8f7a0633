//! Where packages are found beside the mirrors on this host: what the configuration says, and for what it leaves to the
//! host's apt, what apt says. The doctor tells which of them can be used; using them is the archive's matter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use preflight_archive::{HostCache, Places, SnapshotService};
use preflight_protocol::health::{Check, CheckState};
use tokio::process::Command;

use crate::config::{ArchiveConfig, ArchiveUrl, OfApt, ProxyUrl, ServiceTemplate};
use crate::services::{HostDescription, HostDoctor};

/// apt answers within milliseconds, and a cache is near.
const SOON: Duration = Duration::from_secs(3);

/// What the host's apt is configured with, as far as it is of use here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct HostApt {
    archives: Option<PathBuf>,
    proxy: Option<ProxyUrl>,
}

impl HostApt {
    /// Asks apt-config; on a host without apt there is nothing.
    async fn ask() -> Self {
        let asking = Command::new("apt-config")
            .args(["shell", "ARCHIVES", "Dir::Cache::archives/d"])
            .args(["PROXY", "Acquire::http::Proxy"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        match tokio::time::timeout(SOON, asking).await {
            Ok(Ok(output)) if output.status.success() => Self::parse(&String::from_utf8_lossy(&output.stdout)),
            Ok(Ok(output)) => {
                tracing::warn!(status = %output.status, "apt-config does not say what the host's apt has");
                Self::default()
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "the host has no apt-config");
                Self::default()
            }
            Err(_) => {
                tracing::warn!("apt-config does not answer");
                Self::default()
            }
        }
    }

    /// `NAME='value'` lines, as apt-config writes them for a shell.
    fn parse(text: &str) -> Self {
        let values: BTreeMap<&str, String> = text
            .lines()
            .filter_map(|line| {
                let (name, value) = line.split_once('=')?;
                let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
                Some((name, value.replace("'\\''", "'")))
            })
            .collect();
        let archives = values.get("ARCHIVES").map(PathBuf::from);
        Self {
            archives: archives.filter(|path| path.is_absolute()),
            // It may be `DIRECT`, or a proxy of another kind.
            proxy: values.get("PROXY").and_then(|url| url.parse().ok()),
        }
    }
}

/// The places beside the mirrors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackagePlaces {
    /// apt's folder, and whether the configuration names it itself.
    archives: Option<(PathBuf, bool)>,
    /// The caching proxy, and whether the configuration names it itself.
    proxy: Option<(ProxyUrl, bool)>,
    services: BTreeMap<ArchiveUrl, ServiceTemplate>,
}

impl PackagePlaces {
    /// What is configured, and what is left to the host's apt.
    pub async fn of(config: &ArchiveConfig) -> Self {
        let apt = match (&config.apt_archives, &config.proxy) {
            (OfApt::Same, _) | (_, OfApt::Same) => HostApt::ask().await,
            _ => HostApt::default(),
        };
        Self::choose(config, apt)
    }

    fn choose(config: &ArchiveConfig, apt: HostApt) -> Self {
        Self {
            archives: match &config.apt_archives {
                OfApt::Same => apt.archives.map(|path| (path, false)),
                OfApt::Without => None,
                OfApt::Own(folder) => Some((folder.0.clone(), true)),
            },
            proxy: match &config.proxy {
                OfApt::Same => apt.proxy.map(|url| (url, false)),
                OfApt::Without => None,
                OfApt::Own(url) => Some((url.clone(), true)),
            },
            services: config.snapshot_services.clone(),
        }
    }

    /// As the archive asks them.
    #[must_use]
    pub fn places(&self) -> Places {
        let archives = self.archives.iter();
        let archives = archives.map(|(path, _)| HostCache::AptArchives(path.clone()));
        let proxy = self.proxy.iter();
        let proxy = proxy.map(|(url, _)| HostCache::Proxy(url.expose().to_owned()));
        let services = self.services.iter();
        Places {
            host_caches: archives.chain(proxy).collect(),
            snapshot_services: services
                .map(|(url, service)| (url.0.clone(), service.0.clone()))
                .collect(),
        }
    }

    async fn checks(&self) -> Vec<Check> {
        let folder = match &self.archives {
            Some((path, asked)) => check_folder(path, *asked).await,
            None => nothing("apt archives", "no folder of downloaded packages is used"),
        };
        let proxy = match &self.proxy {
            Some((url, asked)) => check_proxy(url, *asked).await,
            None => nothing("package proxy", "no caching proxy is used"),
        };
        vec![folder, proxy, self.check_services()]
    }

    fn check_services(&self) -> Check {
        let words = |(url, service): (&ArchiveUrl, &ServiceTemplate)| -> String {
            let service: &SnapshotService = &service.0;
            format!("{}: {service}", url.0.as_str())
        };
        if self.services.is_empty() {
            let none = "none is configured: what a mirror no longer has is missing";
            return nothing("snapshot services", none);
        }
        let all: Vec<String> = self.services.iter().map(words).collect();
        Check {
            name: "snapshot services".to_owned(),
            state: CheckState::Ok,
            detail: all.join("; "),
            hint: None,
        }
    }
}

fn nothing(name: &str, detail: &str) -> Check {
    Check {
        name: name.to_owned(),
        state: CheckState::Ok,
        detail: detail.to_owned(),
        hint: None,
    }
}

async fn check_folder(path: &Path, asked: bool) -> Check {
    let looked = path.to_owned();
    let packages = tokio::task::spawn_blocking(move || {
        let entries = std::fs::read_dir(&looked)?;
        let is_package = |name: &std::ffi::OsStr| Path::new(name).extension().is_some_and(|is| is == "deb");
        std::io::Result::Ok(entries.flatten().filter(|entry| is_package(&entry.file_name())).count())
    });
    let packages = packages.await.map_err(std::io::Error::other).and_then(|found| found);
    let (state, detail) = match packages {
        Ok(packages) => (CheckState::Ok, format!("{packages} packages in {}", path.display())),
        // apt's own folder is taken where it helps.
        Err(error) if !asked => (CheckState::Ok, format!("{} is not used: {error}", path.display())),
        Err(error) => (
            CheckState::Warning,
            format!("{} cannot be read: {error}", path.display()),
        ),
    };
    let hint = "set `archive.apt_archives` to a folder that can be read, or to false";
    check("apt archives", state, detail, hint)
}

async fn check_proxy(url: &ProxyUrl, asked: bool) -> Check {
    let (host, port) = url.address();
    let origin = if asked { "" } else { ", as the host's apt has it" };
    let problem = match tokio::time::timeout(SOON, tokio::net::TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("it does not answer".to_owned()),
    };
    let (state, detail) = match problem {
        None => (CheckState::Ok, format!("http://{host}:{port}{origin}")),
        Some(problem) => (
            CheckState::Warning,
            format!("http://{host}:{port}{origin}, cannot be reached and is passed over: {problem}"),
        ),
    };
    check(
        "package proxy",
        state,
        detail,
        "start it, or set `archive.proxy` to another URL or to false",
    )
}

fn check(name: &str, state: CheckState, detail: String, hint: &str) -> Check {
    Check {
        name: name.to_owned(),
        hint: (state != CheckState::Ok).then(|| hint.to_owned()),
        state,
        detail,
    }
}

/// A doctor who knows of these places, too.
pub struct PlacesDoctor {
    others: Arc<dyn HostDoctor>,
    places: PackagePlaces,
}

impl PlacesDoctor {
    /// Asks this one for the rest.
    #[must_use]
    pub fn new(others: Arc<dyn HostDoctor>, places: PackagePlaces) -> Self {
        Self { others, places }
    }
}

#[async_trait]
impl HostDoctor for PlacesDoctor {
    async fn checks(&self, fresh: bool) -> Vec<Check> {
        let mut checks = self.others.checks(fresh).await;
        checks.extend(self.places.checks().await);
        checks
    }

    fn describe(&self) -> HostDescription {
        self.others.describe()
    }

    fn heartbeat(&self) -> Duration {
        self.others.heartbeat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Folder;

    fn proxy(url: &str) -> ProxyUrl {
        url.parse().unwrap()
    }

    #[test]
    fn apts_word_is_read_as_a_shell_would() {
        for (text, archives, url) in [
            ("", None, None),
            (
                "ARCHIVES='/var/cache/apt/archives/'\n",
                Some("/var/cache/apt/archives/"),
                None,
            ),
            (
                "ARCHIVES='/srv/it'\\''s/'\nPROXY='http://cache.example:3142/'\n",
                Some("/srv/it's/"),
                Some("http://cache.example:3142"),
            ),
            ("PROXY='DIRECT'\nARCHIVES='relative'\n", None, None),
            ("PROXY='socks5h://localhost:9050'\n", None, None),
            ("PROXY=http://unquoted.example\n", None, None),
        ] {
            let expected = HostApt {
                archives: archives.map(PathBuf::from),
                proxy: url.map(proxy),
            };
            assert_eq!(HostApt::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn the_configuration_goes_before_apt() {
        let apt = || HostApt {
            archives: Some("/apt".into()),
            proxy: Some(proxy("http://apt.example:1")),
        };
        let caches = |apt_archives, url| {
            let config = ArchiveConfig {
                apt_archives,
                proxy: url,
                ..ArchiveConfig::default()
            };
            PackagePlaces::choose(&config, apt()).places().host_caches
        };
        let folder = |path: &str| HostCache::AptArchives(path.into());
        let through = |url: &str| HostCache::Proxy(url.to_owned());
        assert_eq!(
            caches(OfApt::Same, OfApt::Same),
            [folder("/apt"), through("http://apt.example:1/")]
        );
        assert_eq!(caches(OfApt::Without, OfApt::Without), []);
        assert_eq!(
            caches(
                OfApt::Own(Folder("/own".into())),
                OfApt::Own(proxy("http://own.example:2"))
            ),
            [folder("/own"), through("http://own.example:2/")]
        );
    }

    #[tokio::test]
    async fn the_doctor_tells_what_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a_1_all.deb"), "a").unwrap();
        std::fs::write(folder.path().join("lock"), "").unwrap();
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (there, gone) = (open.local_addr().unwrap(), closed.local_addr().unwrap());
        drop(closed);
        let states = async |places: PackagePlaces| {
            let checks = places.checks().await;
            let states: Vec<(CheckState, bool)> =
                checks.iter().map(|check| (check.state, check.hint.is_some())).collect();
            (states, checks.into_iter().map(|check| check.detail).collect::<String>())
        };
        let fine = PackagePlaces {
            archives: Some((folder.path().to_owned(), true)),
            proxy: Some((proxy(&format!("http://u:secret@{there}")), false)),
            services: BTreeMap::new(),
        };
        let (found, detail) = states(fine).await;
        assert_eq!(found, [(CheckState::Ok, false); 3]);
        assert!(
            detail.contains("1 packages") && detail.contains(&there.to_string()) && !detail.contains("secret"),
            "{detail}"
        );

        let nowhere = folder.path().join("nowhere");
        let bad = |asked| PackagePlaces {
            archives: Some((nowhere.clone(), asked)),
            proxy: Some((proxy(&format!("http://{gone}")), asked)),
            services: BTreeMap::new(),
        };
        let (ok, warning) = ((CheckState::Ok, false), (CheckState::Warning, true));
        assert_eq!(states(bad(true)).await.0, [warning, warning, ok]);
        assert_eq!(states(bad(false)).await.0, [ok, warning, ok]);
    }
}
