//! What a suite calls itself: the fields of its release file by which apt's pins know it.

use deb822_fast::Deb822;

/// Longer values are cut: apt reads a pin of at most 300 characters.
const LONGEST: usize = 60;

/// The fields of a release file that apt_preferences(5) can match; empty where there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SuiteLabels {
    /// `Origin`: who publishes (`Debian`, `Ubuntu`, `LP-PPA-OWNER-NAME`).
    pub origin: String,
    /// `Label`.
    pub label: String,
    /// `Suite`, which apt calls the archive: `stable`, `noble-proposed`.
    pub suite: String,
    /// `Codename`: `bookworm`, `noble`. Ubuntu's pockets share it.
    pub codename: String,
}

impl SuiteLabels {
    /// The fields of a release file's signed text; what is no release file has none.
    pub(crate) fn of_release(signed: &[u8]) -> Self {
        let parsed = std::str::from_utf8(signed)
            .ok()
            .and_then(|text| text.parse::<Deb822>().ok());
        let field = |name: &str| {
            let stanza = parsed.as_ref().and_then(|document| document.iter().next());
            let value = stanza.and_then(|stanza| stanza.get(name)).unwrap_or_default();
            let first = value.lines().next().unwrap_or_default().trim();
            first.chars().filter(|c| !c.is_control()).take(LONGEST + 1).collect()
        };
        Self {
            origin: field("Origin"),
            label: field("Label"),
            suite: field("Suite"),
            codename: field("Codename"),
        }
    }

    /// The conditions of a `Pin: release` that all of these fields meet; none where there is no field at all.
    pub(crate) fn pin(&self) -> Option<String> {
        let conditions: Vec<String> = [
            ("o", &self.origin),
            ("l", &self.label),
            ("a", &self.suite),
            ("n", &self.codename),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key}={}", pattern(value)))
        .collect();
        (!conditions.is_empty()).then(|| format!("release {}", conditions.join(",")))
    }
}

/// A value as a pattern that matches it: apt parts conditions at commas and takes values for glob(7) or, between slashes,
/// for regular expressions.
pub(crate) fn pattern(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " .-_+~:=@()".contains(c);
    let character = |c: char| match c {
        c if plain(c) => c,
        c if c.is_ascii() => '?',
        // More than one character where apt runs without UTF-8.
        _ => '*',
    };
    let mut pattern: String = value.chars().take(LONGEST).map(character).collect();
    if value.chars().nth(LONGEST).is_some() {
        pattern.push('*');
    }
    pattern
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn fields_and_pins() {
        let text = "Origin: LP-PPA-jane-tools\nLabel: Tools, for [all]\nSuite: noble\nCodename: noble\nSHA256:\n x\n";
        let labels = SuiteLabels::of_release(text.as_bytes());
        assert_eq!(labels.suite, "noble");
        let wanted = "release o=LP-PPA-jane-tools,l=Tools? for ?all?,a=noble,n=noble";
        assert_eq!(labels.pin().as_deref(), Some(wanted));
        for none in ["", "Date: x\n", "\u{0}", "no field"] {
            assert_eq!(SuiteLabels::of_release(none.as_bytes()).pin(), None);
        }
        assert_eq!(pattern("/a/é"), "?a?*");
        assert_eq!(pattern(&"a".repeat(100)), format!("{}*", "a".repeat(60)));
    }
}
