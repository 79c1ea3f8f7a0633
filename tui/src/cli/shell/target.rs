//! What a shell is opened in, as it is written on the command line.

use std::str::FromStr;

use preflight_protocol::ids::{JobId, Series, TicketId};
use preflight_protocol::job::JobKind;
use preflight_protocol::shell::JobChoice;

/// A series' name or a ticket's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A series.
    Series(Series),
    /// A ticket.
    Ticket(TicketId),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err("a series or a ticket's number is wanted".to_owned());
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().map_err(|_| format!("{text} is no ticket's number"))?;
            return Ok(Self::Ticket(number));
        }
        Ok(Self::Series(Series(text.to_owned())))
    }
}

/// One of a ticket's jobs: `31`, `build`, `test/hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobArgument(pub(super) JobChoice);

impl FromStr for JobArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(number) = text.parse() {
            return Ok(Self(JobChoice::Id(JobId(number))));
        }
        let (kind, source) = match text.split_once('/') {
            Some((kind, source)) if !source.is_empty() => (kind, Some(source.to_owned())),
            Some(_) => return Err("a source's name is wanted after the `/`".to_owned()),
            None => (text, None),
        };
        let kind = match kind {
            "snapshot" => JobKind::Snapshot,
            "base-image" | "base_image" => JobKind::BaseImage,
            "prefetch" => JobKind::Prefetch,
            "source" => JobKind::Source,
            "build" => JobKind::Build,
            "image" => JobKind::Image,
            "test" => JobKind::Test,
            _ => return Err("a job's number, or base-image, source, build, image or test is wanted".to_owned()),
        };
        Ok(Self(JobChoice::Kind { kind, source }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_a_ticket_and_all_else_a_series() {
        for (text, target) in [
            ("12", Ok(Target::Ticket(TicketId(12)))),
            ("debian-12", Ok(Target::Series(Series("debian-12".into())))),
            ("-1", Ok(Target::Series(Series("-1".into())))),
            ("", Err(())),
            ("99999999999999999999", Err(())),
        ] {
            assert_eq!(text.parse::<Target>().map_err(|_| ()), target, "{text}");
        }
    }

    #[test]
    fn jobs_go_by_number_or_by_what_they_do() {
        let kind = |kind, source: Option<&str>| {
            Ok(JobChoice::Kind {
                kind,
                source: source.map(str::to_owned),
            })
        };
        for (text, choice) in [
            ("31", Ok(JobChoice::Id(JobId(31)))),
            ("build", kind(JobKind::Build, None)),
            ("base-image", kind(JobKind::BaseImage, None)),
            ("test/hello", kind(JobKind::Test, Some("hello"))),
            ("test/", Err(())),
            ("tset", Err(())),
            ("", Err(())),
        ] {
            let parsed = text.parse::<JobArgument>();
            assert_eq!(parsed.map(|argument| argument.0).map_err(|_| ()), choice, "{text}");
        }
    }
}
