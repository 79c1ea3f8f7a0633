//! Fetching over http within a machine: what is run there, and what it says. The same for Preflight's testbeds and the
//! peer's, so that only the way there differs.

use crate::error::BenchError;
use crate::live::Ended;

/// Asks a host and port for a target, throws the answer's body away, and says how many bytes it had, and when it was asked
/// and over. bash is in every Debian system, curl is not.
const SCRIPT: &str = r#"
export LC_ALL=C
since=$EPOCHREALTIME
exec 3<>"/dev/tcp/$0/$1"
printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
IFS= read -r status <&3
while IFS= read -r line <&3 && [ "$line" != $'\r' ]; do :; done
bytes=$(wc -c <&3)
echo "$bytes $since $EPOCHREALTIME ${status%$'\r'}"
"#;

/// One fetch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Download {
    /// How large the answer's body was.
    pub(crate) bytes: u64,
    /// From the connection's beginning to its end.
    pub(crate) seconds: f64,
}

impl Download {
    /// What to run.
    pub(crate) fn command<'a>(host: &'a str, port: &'a str, target: &'a str) -> [&'a str; 6] {
        ["bash", "-c", SCRIPT, host, port, target]
    }

    /// What was found, of a command that has ended; the body has to be as large as is expected.
    pub(crate) fn of(ended: &Ended, expected: u64) -> Result<Self, BenchError> {
        let found = Self::each(ended, expected)?.pop();
        found.ok_or_else(|| BenchError::Unexpected("it says nothing".to_owned()))
    }

    /// The same of a command that was run several times.
    pub(crate) fn each(ended: &Ended, expected: u64) -> Result<Vec<Self>, BenchError> {
        let text = ended.text();
        let of_line = |line: &str| {
            let found = Self::parse(line).filter(|found| found.bytes == expected && found.seconds > 0.0);
            found.ok_or_else(|| BenchError::Unexpected(format!("{expected} bytes were to come, and it says {line:?}")))
        };
        text.lines().map(of_line).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        let bytes = words.next()?.parse().ok()?;
        let (since, until): (f64, f64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        words.next()?.contains(" 200").then_some(Self {
            bytes,
            seconds: until - since,
        })
    }

    /// In MB (10⁶ bytes) a second.
    pub(crate) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "no file has so many bytes")]
        let megabytes = self.bytes as f64 / 1e6;
        megabytes / self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_rate() {
        let found = Download::parse("5000000 1700000000.25 1700000002.25 HTTP/1.1 200 OK").unwrap();
        assert!((found.rate() - 2.5).abs() < 1e-9, "{found:?}");
        for wrong in [
            "",
            "12 1.0",
            "12 1.0 2.0 HTTP/1.1 404 Not Found",
            "x 1.0 2.0 HTTP/1.0 200",
            "a warning",
        ] {
            assert_eq!(Download::parse(wrong), None, "{wrong}");
        }
    }
}
