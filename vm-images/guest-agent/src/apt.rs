//! Points the guest's apt at the package tunnel. Written at every start, because an image may have been made by another
//! version; owns that one file and nothing else of apt.

use std::fs;
use std::path::Path;

const FOLDER: &str = "/etc/apt/apt.conf.d";
const FILE: &str = "/etc/apt/apt.conf.d/00preflight-tunnel";

/// What the file says: no retries, because what the tunnel refuses stays refused; no translations, which nothing reads;
/// patience, because the daemon sends nothing of a file before the whole of it is verified; no look at dates, because the
/// daemon judged the release files when it took them, and the guest uses them whatever the date is.
pub fn configuration(tunnel_port: u16) -> String {
    format!(
        "Acquire::http::Proxy \"http://127.0.0.1:{tunnel_port}\";\n\
         Acquire::https::Proxy \"http://127.0.0.1:{tunnel_port}\";\n\
         Acquire::http::Timeout \"3600\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::PDiffs \"false\";\n\
         Acquire::Check-Valid-Until \"false\";\n\
         Acquire::Check-Date \"false\";\n\
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
