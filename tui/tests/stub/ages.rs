//! What commands print, for comparing: the invented moments are some fixed day's, and ages of them grow.

/// The text with ages and moments in fixed words, and columns, which are as wide as their widest age, parted by two spaces.
pub(crate) fn without_ages(text: &str) -> String {
    let mut text = text.to_owned();
    for (found, instead) in [
        (r"\d+d ago", "AGE"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "MOMENT"),
        (r"(\S) {2,}", "$1  "),
    ] {
        text = regex::Regex::new(found)
            .unwrap()
            .replace_all(&text, instead)
            .into_owned();
    }
    text
}
