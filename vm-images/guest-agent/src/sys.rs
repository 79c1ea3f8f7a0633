//! The few system calls for which neither std nor nix has a safe function. Each wrapper here is safe to call; nothing else
//! of the agent is unsafe.
#![expect(
    unsafe_code,
    reason = "pidfd_open, kexec_file_load, pre_exec and ioctls have no safe wrapper in std or nix"
)]

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, setgid, setgroups, setsid, setuid};

/// Who a command becomes between fork and exec.
pub(crate) struct Identity {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    pub(crate) groups: Vec<Gid>,
}

/// What a command's session is led from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Nothing.
    Detached,
    /// The terminal that is the command's standard input.
    OnTerminal,
}

nix::ioctl_write_int_bad!(take_terminal, libc::TIOCSCTTY);
nix::ioctl_write_ptr_bad!(set_window_size, libc::TIOCSWINSZ, libc::winsize);

/// Starts a command in a session of its own, in a cgroup (by its open `cgroup.procs`) and as a user.
pub(crate) fn spawn(
    command: &mut Command,
    cgroup: Option<OwnedFd>,
    identity: Option<Identity>,
    standing: Standing,
) -> io::Result<Child> {
    let become_it = move || {
        setsid()?;
        if standing == Standing::OnTerminal {
            // SAFETY: the request takes an integer: 0, for a terminal that no other session leads.
            unsafe { take_terminal(libc::STDIN_FILENO, 0) }?;
        }
        if let Some(procs) = &cgroup {
            nix::unistd::write(procs.as_fd(), b"0")?;
        }
        // The agent itself must survive a lack of memory; what it runs must not be spared for that.
        if let Ok(score) = nix::fcntl::open(c"/proc/self/oom_score_adj", OFlag::O_WRONLY, Mode::empty()) {
            let _ = nix::unistd::write(score, b"0");
        }
        if let Some(who) = &identity {
            if standing == Standing::Detached {
                // A pipe is its maker's: without this the command could not open `/dev/stdout` or `/dev/stderr` anew.
                for output in [libc::STDOUT_FILENO, libc::STDERR_FILENO] {
                    // SAFETY: fchown takes integers, and both are the command's pipes.
                    if unsafe { libc::fchown(output, who.uid.as_raw(), who.gid.as_raw()) } != 0 {
                        return Err(io::Error::last_os_error());
                    }
                }
            }
            setgroups(&who.groups)?;
            setgid(who.gid)?;
            setuid(who.uid)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec of a process with threads only async-signal-safe calls are allowed; the closure makes
    // plain system calls on what was allocated before, and allocates nothing.
    unsafe { command.pre_exec(become_it) };
    command.spawn()
}

/// Gives a terminal another size; the kernel tells its foreground processes by SIGWINCH.
pub(crate) fn resize(terminal: BorrowedFd<'_>, rows: u16, cols: u16) -> io::Result<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the request reads a winsize.
    unsafe { set_window_size(terminal.as_raw_fd(), &raw const size) }?;
    Ok(())
}

/// A descriptor that is readable once the process has ended. The process must not have been waited for.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just made this descriptor and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Has the kernel take in another one, with its initrd and its command line, for `reboot` to start.
pub(crate) fn load_kernel(kernel: BorrowedFd<'_>, initrd: Option<BorrowedFd<'_>>, line: &CStr) -> io::Result<()> {
    /// `KEXEC_FILE_NO_INITRAMFS` of linux/kexec.h.
    const NO_INITRAMFS: libc::c_ulong = 4;
    let flags = if initrd.is_some() { 0 } else { NO_INITRAMFS };
    let initrd = initrd.map_or(-1, |initrd| initrd.as_raw_fd());
    let bytes = line.to_bytes_with_nul();
    // SAFETY: the call reads two open files, and of `bytes` as many bytes as it is told.
    let done = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            kernel.as_raw_fd(),
            initrd,
            bytes.len(),
            bytes.as_ptr(),
            flags,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What RNDADDENTROPY takes: `struct rand_pool_info` with a buffer of fixed size.
#[repr(C)]
struct Entropy {
    bits: libc::c_int,
    bytes: libc::c_int,
    buffer: [u8; ENTROPY_CHUNK],
}

/// Bytes that one [`add_entropy`] takes.
pub(crate) const ENTROPY_CHUNK: usize = 64;

nix::ioctl_write_ptr_bad!(rnd_add_entropy, nix::request_code_write!(b'R', 3, 8), Entropy);
nix::ioctl_none!(rnd_reseed_crng, b'R', 7);

/// Adds bytes to the kernel's pool, counted as full entropy.
pub(crate) fn add_entropy(random: &File, bytes: &[u8]) -> io::Result<()> {
    for chunk in bytes.chunks(ENTROPY_CHUNK) {
        let length = i32::try_from(chunk.len()).unwrap_or(0);
        let mut entropy = Entropy {
            bits: length * 8,
            bytes: length,
            buffer: [0; ENTROPY_CHUNK],
        };
        entropy.buffer[..chunk.len()].copy_from_slice(chunk);
        // SAFETY: the structure has the layout that the request wants and its own length in `bytes`.
        unsafe { rnd_add_entropy(random.as_raw_fd(), &raw const entropy) }?;
    }
    Ok(())
}

/// Makes the kernel derive new keys from its pool at once.
pub(crate) fn reseed(random: &File) -> io::Result<()> {
    // SAFETY: the request takes no argument.
    unsafe { rnd_reseed_crng(random.as_raw_fd()) }?;
    Ok(())
}

nix::ioctl_readwrite_bad!(get_interface_flags, libc::SIOCGIFFLAGS, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_interface_flags, libc::SIOCSIFFLAGS, libc::ifreq);

/// Brings a network interface up. `socket` is any socket of the internet family.
pub(crate) fn interface_up(socket: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut request = interface_request(name)?;
    // SAFETY: both requests take an ifreq with a terminated name; the union holds the flags after the first.
    unsafe {
        get_interface_flags(socket.as_raw_fd(), &raw mut request)?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        set_interface_flags(socket.as_raw_fd(), &raw const request)?;
    }
    Ok(())
}

fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    if name.len() >= libc::IFNAMSIZ {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: all zeros is a valid ifreq: an empty name and a union of plain numbers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    Ok(request)
}

nix::ioctl_write_ptr_bad!(tun_set_interface, nix::request_code_write!(b'T', 202, 4), libc::ifreq);

/// Makes an open `/dev/net/tun` an interface of this name that carries bare IP packets. It lives as long as the file.
pub(crate) fn make_tun(device: &File, name: &str) -> io::Result<()> {
    let mut request = interface_request(name)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request takes an ifreq with a terminated name and the flags in its union.
    unsafe { tun_set_interface(device.as_raw_fd(), &raw const request) }?;
    Ok(())
}
