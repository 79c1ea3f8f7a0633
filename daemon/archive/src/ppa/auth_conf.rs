//! A subscription as it is given: `USER:TOKEN`, or apt's auth.conf(5), a netrc-like file of which machine wants which login
//! and password. Pure; the caller reads the file.

use std::str::FromStr;

use url::Url;

use crate::ppa::credentials::{Credentials, CredentialsError, Secret};
use crate::ppa::definition::PpaUri;

/// What private PPAs want to be told, as the user gave it. It shows nothing of it.
#[derive(Debug, Clone)]
pub struct GivenCredentials(Given);

#[derive(Debug, Clone)]
enum Given {
    Pair(Credentials),
    AuthConf(Secret),
}

impl GivenCredentials {
    /// What of it is for a repository; none where only others are named.
    ///
    /// # Errors
    /// The login or password can't be sent.
    pub(crate) fn of(&self, uri: &PpaUri) -> Result<Option<Credentials>, CredentialsError> {
        match &self.0 {
            Given::Pair(credentials) => Ok(Some(credentials.clone())),
            Given::AuthConf(text) => credentials_for(text.expose(), uri),
        }
    }
}

impl From<Credentials> for GivenCredentials {
    fn from(credentials: Credentials) -> Self {
        Self(Given::Pair(credentials))
    }
}

impl FromStr for GivenCredentials {
    type Err = CredentialsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // No pair has blanks.
        match text.split_ascii_whitespace().any(|word| word == "machine") {
            true => Ok(Self(Given::AuthConf(Secret::new(text)))),
            false => text.parse::<Credentials>().map(Self::from),
        }
    }
}

/// The credentials that a text in auth.conf(5)'s format has for a repository; of several entries the first that fits.
/// Tokens that apt does not know are skipped, as apt does.
///
/// # Errors
/// There is an entry, and its login or password can't be sent.
fn credentials_for(auth_conf: &str, uri: &PpaUri) -> Result<Option<Credentials>, CredentialsError> {
    let url = uri.url();
    let lines = auth_conf.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut words = lines.flat_map(str::split_ascii_whitespace);
    let (mut inside, mut login, mut password) = (false, None, None);
    while let Some(word) = words.next() {
        match word {
            "machine" if login.is_some() && password.is_some() => break,
            "machine" => {
                inside = words.next().is_some_and(|machine| is_machine(machine, &url));
                (login, password) = (None, None);
            }
            "login" if inside => login = words.next(),
            "password" if inside => password = words.next(),
            // Of another machine: its value is not to be taken for a keyword.
            "login" | "password" => _ = words.next(),
            _ => {}
        }
    }
    match (login, password) {
        (Some(login), Some(password)) => Credentials::new(login, password).map(Some),
        _ => Ok(None),
    }
}

/// `[protocol://]hostname[:port][/path]`: without a protocol https only, without a port any; the path is a prefix of
/// characters, not of segments.
fn is_machine(machine: &str, url: &Url) -> bool {
    let (scheme, rest) = machine.split_once("://").unwrap_or(("https", machine));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let bracketed = authority.rfind(']').unwrap_or(0);
    let (host, port) = match authority.rfind(':').filter(|at| *at > bracketed) {
        Some(at) => (&authority[..at], Some(&authority[at + 1..])),
        None => (authority, None),
    };
    let whole = format!("{}/", url.path().trim_end_matches('/'));
    scheme.eq_ignore_ascii_case(url.scheme())
        && url.host_str().is_some_and(|wanted| wanted.eq_ignore_ascii_case(host))
        // The manual: a port in the entry does not match a URL that writes none.
        && port.is_none_or(|port| url.port().is_some_and(|wanted| port == wanted.to_string()))
        && whole.starts_with(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, uri: &str) -> Option<Credentials> {
        credentials_for(text, &uri.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_manuals_own_examples() {
        let wanted = Some(Credentials::new("apt", "debian").unwrap());
        for machine in [
            "example.org",
            "example.org/deb",
            "example.org/debian",
            "example.org/debian/",
        ] {
            let text = format!("machine {machine} login apt password debian\n");
            assert_eq!(found(&text, "https://example.org/debian"), wanted, "{machine}");
        }
        for machine in [
            "example.org:443",
            "example.org/deb/",
            "example.org/ubuntu",
            "example.orga",
            "example.net",
        ] {
            let text = format!("machine {machine} login apt password debian\n");
            assert_eq!(found(&text, "https://example.org/debian"), None, "{machine}");
        }
    }

    #[test]
    fn entries_lines_and_protocols() {
        let text = "# machine a.example login no password no\nmachine a.example\nlogin\tjane\npassword hush\n\n\
                    machine b.example login login password machine account x\nmachine http://c.example:8080 login joe password quiet\n";
        let wanted = |user, token| Some(Credentials::new(user, token).unwrap());
        assert_eq!(found(text, "https://a.example/x"), wanted("jane", "hush"));
        assert_eq!(found(text, "http://a.example/x"), None);
        assert_eq!(found(text, "https://b.example/x"), wanted("login", "machine"));
        assert_eq!(found(text, "http://c.example:8080/x"), wanted("joe", "quiet"));
        assert_eq!(found(text, "http://c.example/x"), None);
        assert_eq!(found("machine", "https://a.example/x"), None);
        assert_eq!(found("machine a.example login jane", "https://a.example/x"), None);
        let uri = "https://a.example/x".parse().unwrap();
        assert_eq!(
            credentials_for("machine a.example login jane password h\u{fc}sh", &uri),
            Err(CredentialsError::Malformed)
        );
    }

    #[test]
    fn a_pair_is_for_whatever_is_added_and_a_file_for_those_that_it_names() {
        let of = |text: &str, uri: &str| text.parse::<GivenCredentials>().unwrap().of(&uri.parse().unwrap());
        let jane = Credentials::new("jane", "hush").unwrap();
        assert_eq!(of("jane:hush\n", "https://a.example/x"), Ok(Some(jane.clone())));
        let file = "# mine\nmachine a.example login jane password hush\n";
        assert_eq!(of(file, "https://a.example/x"), Ok(Some(jane)));
        assert_eq!(of(file, "https://b.example/x"), Ok(None));
        assert!("jane hush".parse::<GivenCredentials>().is_err());
        for text in [file, "jane:hush"] {
            let shown = format!("{:?}", text.parse::<GivenCredentials>().unwrap());
            assert!(!shown.contains("hush"), "{shown}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "((machine|login|password|#| |\n|[a-z:/\\]\\[.é]{0,6}) ?){0,12}") {
            let _ = credentials_for(&text, &"https://a.example/x".parse().unwrap());
        }
    }
}
