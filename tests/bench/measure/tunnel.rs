//! A large file into a guest: through the agent's package tunnel, from the content store.

use preflight_tests::progress;

use crate::bed::{Bed, CHECK, SHORT};
use crate::error::BenchError;
use crate::finding::{Findings, Key};
use crate::live::Ended;
use crate::measure::download::Download;

/// Where guests' apt finds the tunnel.
const PROXY: (&str, &str) = ("127.0.0.1", "3128");
/// The largest package of the archive that is not larger than this; apt's word for where it is.
const LARGE: &str = r#"
name=$(apt-cache dumpavail | awk '/^Package:/ { name = $2 } /^Size:/ { if ($2 > most && $2 < 120000000) { most = $2; found = name } } END { print found }')
apt-get --print-uris download "$name"
"#;

/// Runs a command so many times.
const OFTEN: &str = r#"
set -e
for ((left = $0; left > 0; left--)); do "$@"; done
"#;

/// Fetches it so many times, after once to have it in the store.
pub(crate) fn measure(bed: &Bed, count: u32, findings: &mut Findings) -> Result<(), BenchError> {
    bed.images()?;
    let file = Large::find(bed)?;
    progress::say(&format!("{} ({} MB)", file.url, file.size / 1_000_000));
    // In one testbed, as the peer's in one machine: what is slow in a clone is its first touch of memory and code.
    let times = (count + 1).to_string();
    let mut words = vec!["bash", "-c", OFTEN, times.as_str()];
    words.extend(Download::command(PROXY.0, PROXY.1, &file.url));
    let found = Download::each(&run(bed, &words)?, file.size)?;
    let mut rates = Vec::new();
    for (number, found) in found.iter().enumerate() {
        progress::say(&format!("fetch {number} of {count}: {:.1} MB/s", found.rate()));
        if number > 0 {
            rates.push(found.rate());
        }
    }
    let note = format!("a package of {} MB, in the content store", file.size / 1_000_000);
    findings.found(Key::Tunnel, rates, Some(note));
    Ok(())
}

fn run(bed: &Bed, words: &[&str]) -> Result<Ended, BenchError> {
    bed.shell(words, false)?.finish(SHORT, |_| {})?.with_code(&[0])
}

/// A large file of the archive.
#[derive(Debug, PartialEq, Eq)]
struct Large {
    url: String,
    size: u64,
}

impl Large {
    fn find(bed: &Bed) -> Result<Self, BenchError> {
        // Reading the whole archive's index takes emulation a while.
        let ended = bed.shell(&["sh", "-c", LARGE], false)?.finish(CHECK, |_| {})?;
        let text = ended.with_code(&[0])?.text();
        Self::parse(&text).ok_or_else(|| BenchError::Unexpected(format!("apt names no file: {text:?}")))
    }

    /// `'URL' NAME SIZE DIGEST`.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().rfind(|line| line.starts_with('\''))?;
        let (url, rest) = line.strip_prefix('\'')?.split_once('\'')?;
        let size = rest.split_whitespace().nth(1)?.parse().ok()?;
        Some(Self {
            url: url.to_owned(),
            size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apts_word_is_read() {
        let text = "W: something\n'http://mirror.example/debian/pool/main/b/big/big_1%2b2_all.deb' big_1+2_all.deb 99000000 SHA256:00\n";
        let found = Large::parse(text).unwrap();
        assert_eq!(found.size, 99_000_000);
        assert!(found.url.ends_with("/big_1%2b2_all.deb"), "{found:?}");
        assert_eq!(Large::parse("E: nothing"), None);
    }
}
