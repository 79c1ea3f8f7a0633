//! Points the guest's apt at the package tunnel. Written at every start, because an image may have been made by another
//! version; owns that one file and nothing else of apt.

use std::fs;
use std::path::Path;

const FOLDER: &str = "/etc/apt/apt.conf.d";
const FILE: &str = "/etc/apt/apt.conf.d/00preflight-tunnel";

/// What the file says: no retries, because what the tunnel refuses stays refused; no translations, which nothing reads.
pub fn configuration(tunnel_port: u16) -> String {
    format!(
        "Acquire::http::Proxy \"http://127.0.0.1:{tunnel_port}\";\n\
         Acquire::https::Proxy \"http://127.0.0.1:{tunnel_port}\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::Retries \"0\";\n"
    )
}

/// Writes the file if it is missing or says something else. A guest without apt is left alone.
///
/// # Errors
/// The file could not be written.
pub fn point_at_tunnel(tunnel_port: u16) -> std::io::Result<()> {
    let wanted = configuration(tunnel_port);
    if !Path::new(FOLDER).is_dir() || fs::read(FILE).is_ok_and(|found| found == wanted.as_bytes()) {
        return Ok(());
    }
    fs::write(FILE, wanted)
}
