//! The lines to paste on a host that is to use an exported tree: words for its shell, and nothing that a terminal would
//! act on. Pure.

use std::path::Path;

use preflight_protocol::repository::ExportedRepository;

use crate::safe;

/// Where the key goes on a host whose apt reads no key from a source.
const KEYRING: &str = "/usr/share/keyrings/preflight.asc";

/// What to type where the packages are wanted. Over http everything is fetched from `base`.
pub(super) fn paste(exported: &ExportedRepository, base: Option<&str>) -> String {
    let get = |file: &Path, to: &str| match base {
        // Every host that has apt has this one too.
        Some(base) => {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            format!("  sudo /usr/lib/apt/apt-helper download-file {base}{name} {to}")
        }
        None => format!("  sudo install -m 644 {} {to}", quoted(&file.display().to_string())),
    };
    [
        "To have apt use it, and prefer it to every archive:".to_owned(),
        get(&exported.sources, "/etc/apt/sources.list.d/preflight.sources"),
        get(&exported.preferences, "/etc/apt/preferences.d/preflight.pref"),
        "  sudo apt-get update".to_owned(),
        "Where apt is older than 2.3.10, instead of the first of these lines:".to_owned(),
        get(&exported.key, KEYRING),
        format!(
            "  echo 'deb [signed-by={KEYRING}] {} ./' | sudo tee /etc/apt/sources.list.d/preflight.list",
            exported.uri
        ),
    ]
    .join("\n")
}

/// A shell's word.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@:".contains(&byte);
    match text.bytes().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Several lines, each harmless.
pub(super) fn safe_lines(text: &str) -> String {
    let lines = text.lines().map(safe::text);
    lines.map(|line| line.into_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_shell() {
        for (text, word) in [
            ("/srv/preflight", "/srv/preflight"),
            ("/a b", "'/a b'"),
            ("/it's", r"'/it'\''s'"),
            ("/$(x)", "'/$(x)'"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }
}
