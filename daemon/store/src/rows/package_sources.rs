//! A ticket's package sources as one JSON text: nobody asks the database for a part of them. The format is the store's own,
//! and changes by new versions of the database alone.

use preflight_core::promotion::{LinkName, LinkNameError};
use preflight_core::{
    AptSuite, PackageSources, PinnedSnapshot, PocketUse, PpaUse, RepositoryUse, Sha256, Sha256Error, TicketId,
    UnknownPocket,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    snapshot: Option<Snapshot>,
    pockets: Vec<Pocket>,
    ppas: Vec<Ppa>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    repositories: Vec<Repository>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    uri: String,
    suite: String,
    components: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot {
    name: String,
    state: String,
    suites: Vec<Suite>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pocket {
    pocket: String,
    suite: Suite,
    packages: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ppa {
    name: String,
    suite: Suite,
    upstream: String,
    keys: String,
    state: String,
    priority: Option<i16>,
    packages: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repository {
    ticket: u64,
    generation: String,
    link: Option<String>,
}

impl Suite {
    fn of(suite: &AptSuite) -> Self {
        let AptSuite { uri, suite, components } = suite.clone();
        Self { uri, suite, components }
    }

    fn read(self) -> AptSuite {
        let Self { uri, suite, components } = self;
        AptSuite { uri, suite, components }
    }
}

/// None for the archive as the base image has it.
#[must_use]
pub fn write(sources: &PackageSources) -> Option<String> {
    if sources.is_plain() {
        return None;
    }
    let text = Text {
        snapshot: sources.snapshot.as_ref().map(|snapshot| Snapshot {
            name: snapshot.name.clone(),
            state: snapshot.state.to_string(),
            suites: snapshot.suites.iter().map(Suite::of).collect(),
        }),
        pockets: sources
            .pockets
            .iter()
            .map(|used| Pocket {
                pocket: used.pocket.name().to_owned(),
                suite: Suite::of(&used.suite),
                packages: used.packages.clone(),
            })
            .collect(),
        ppas: sources
            .ppas
            .iter()
            .map(|used| Ppa {
                name: used.name.clone(),
                suite: Suite::of(&used.suite),
                upstream: used.upstream.clone(),
                keys: used.keys.clone(),
                state: used.state.to_string(),
                priority: used.priority,
                packages: used.packages.clone(),
            })
            .collect(),
        repositories: sources
            .repositories
            .iter()
            .map(|used| Repository {
                ticket: used.ticket.0,
                generation: used.generation.to_string(),
                link: used.link.as_ref().map(ToString::to_string),
            })
            .collect(),
    };
    // Strings and numbers: there is nothing in it that can't be written.
    serde_json::to_string(&text).ok()
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// In words: it is none of that.
pub fn read(text: Option<&str>) -> Result<PackageSources, String> {
    let Some(text) = text else {
        return Ok(PackageSources::default());
    };
    let text: Text = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let digest = |text: &str| text.parse::<Sha256>().map_err(|error: Sha256Error| error.to_string());
    let snapshot = |snapshot: Snapshot| {
        Ok::<_, String>(PinnedSnapshot {
            state: digest(&snapshot.state)?,
            name: snapshot.name,
            suites: snapshot.suites.into_iter().map(Suite::read).collect(),
        })
    };
    let pocket = |used: Pocket| {
        Ok(PocketUse {
            pocket: used.pocket.parse().map_err(|error: UnknownPocket| error.to_string())?,
            suite: used.suite.read(),
            packages: used.packages,
        })
    };
    let ppa = |used: Ppa| {
        Ok(PpaUse {
            state: digest(&used.state)?,
            name: used.name,
            suite: used.suite.read(),
            upstream: used.upstream,
            keys: used.keys,
            priority: used.priority,
            packages: used.packages,
        })
    };
    let repository = |used: Repository| {
        let link = used.link.as_deref().map(LinkName::new).transpose();
        Ok(RepositoryUse {
            ticket: TicketId(used.ticket),
            generation: digest(&used.generation)?,
            link: link.map_err(|error: LinkNameError| error.to_string())?,
        })
    };
    Ok(PackageSources {
        snapshot: text.snapshot.map(snapshot).transpose()?,
        pockets: text.pockets.into_iter().map(pocket).collect::<Result<_, String>>()?,
        ppas: text.ppas.into_iter().map(ppa).collect::<Result<_, String>>()?,
        repositories: text
            .repositories
            .into_iter()
            .map(repository)
            .collect::<Result<_, String>>()?,
    })
}

#[cfg(test)]
mod tests {
    use preflight_core::Pocket;

    use super::*;

    fn suite(uri: &str, suite: &str) -> AptSuite {
        AptSuite {
            uri: uri.into(),
            suite: suite.into(),
            components: vec!["main".into()],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let sources = PackageSources {
            snapshot: Some(PinnedSnapshot {
                name: "debian-bookworm@2026-11-20T14:00:00Z-1f2e3d4c".into(),
                state: Sha256([7; 32]),
                suites: vec![suite("http://mirror.example/debian", "bookworm")],
            }),
            pockets: vec![PocketUse {
                pocket: Pocket::Proposed,
                suite: suite("http://mirror.example/debian", "bookworm-proposed-updates"),
                packages: vec!["src:hello".into()],
            }],
            ppas: vec![PpaUse {
                name: "ppa:me/it".into(),
                suite: suite("http://ppa.example/me/it", "noble"),
                upstream: "https://ppa.example/me/it".into(),
                keys: "-----BEGIN".into(),
                state: Sha256([8; 32]),
                priority: Some(990),
                packages: vec![],
            }],
            repositories: vec![
                RepositoryUse {
                    ticket: TicketId(12),
                    generation: Sha256([9; 32]),
                    link: Some(LinkName::new("tested").unwrap()),
                },
                RepositoryUse {
                    ticket: TicketId(13),
                    generation: Sha256([10; 32]),
                    link: None,
                },
            ],
        };
        assert_eq!(read(write(&sources).as_deref()), Ok(sources));
        assert_eq!(write(&PackageSources::default()), None);
        assert_eq!(read(None), Ok(PackageSources::default()));
        assert!(read(Some("{")).is_err());
        // What was written before repositories could be named.
        let earlier = r#"{"snapshot":null,"pockets":[],"ppas":[]}"#;
        assert_eq!(read(Some(earlier)), Ok(PackageSources::default()));
    }
}
