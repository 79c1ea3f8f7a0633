//! Points the guest's apt at the package tunnel, for as long as this boot lasts: the words are a file in /run that is mounted
//! over an empty one, so that no disk that is copied out of a guest tells another machine's apt of a tunnel it does not have.

use std::fs;
use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};

const FOLDER: &str = "/etc/apt/apt.conf.d";
const FILE: &str = "/etc/apt/apt.conf.d/00preflight-tunnel";
const SAID: &str = "/run/preflight/apt.conf";

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

/// Has apt read it, if it does not yet. A guest without apt is left alone.
///
/// # Errors
/// The file could not be written, or not be mounted.
pub fn point_at_tunnel(tunnel_port: u16) -> io::Result<()> {
    let wanted = configuration(tunnel_port);
    if !Path::new(FOLDER).is_dir() {
        return Ok(());
    }
    fs::write(SAID, &wanted)?;
    // An agent that is started again finds it mounted.
    if fs::read(FILE).is_ok_and(|found| found == wanted.as_bytes()) {
        return Ok(());
    }
    // An earlier release wrote the words themselves onto the disk.
    fs::write(FILE, "")?;
    mount(Some(SAID), FILE, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(io::Error::from)
}
