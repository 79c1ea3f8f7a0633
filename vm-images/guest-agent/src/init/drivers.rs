//! Loads the kernel modules that the initrd's list names, in its order. Whoever composed the initrd knows what depends on
//! what.

use std::fs::{self, File};
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

use super::InitError;

const LIST: &str = "/preflight/modules";

/// Loads them all; a module that is there already is no error, nor is an initrd without a list.
pub(super) fn load_all() -> Result<(), InitError> {
    if !Path::new(LIST).exists() {
        return Ok(());
    }
    let list = fs::read_to_string(LIST).map_err(InitError::io(LIST))?;
    for path in list
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let module = File::open(path).map_err(InitError::io(format!("the module {path}")))?;
        match finit_module(&module, c"", ModuleInitFlags::empty()) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(InitError::io(format!("loading the module {path}"))(error)),
        }
    }
    Ok(())
}
