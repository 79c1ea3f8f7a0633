//! libvirt's event loop and its two callbacks (a domain's life, the connection's end), as messages on a channel. The
//! only file with calls into libvirt's C library that the `virt` crate does not wrap; it interprets nothing.
#![expect(
    unsafe_code,
    reason = "the virt crate wraps neither domain events nor the close callback"
)]

use std::ffi::CStr;
use std::os::raw::{c_int, c_void};
use std::sync::OnceLock;
use std::sync::mpsc::Sender;

use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

/// What the thread that watches is told: what a callback saw, or that it has to look again.
#[derive(Debug)]
pub(super) enum Raw {
    /// libvirt is about to be called.
    Called,
    /// A domain's life went on: libvirt's event number and its detail.
    Life { name: String, event: u32, detail: u32 },
    /// The connection of this generation has ended.
    Closed { generation: u64 },
}

/// Starts libvirt's event loop, once in a process, on a thread of its own. Before the first connection is opened.
pub(super) fn start_loop() -> Result<(), String> {
    static STARTED: OnceLock<Result<(), String>> = OnceLock::new();
    STARTED
        .get_or_init(|| {
            quiet();
            virt::event::event_register_default_impl().map_err(|error| error.message().to_owned())?;
            std::thread::Builder::new()
                .name("libvirt-events".into())
                .spawn(|| {
                    while let Ok(()) = virt::event::event_run_default_impl() {}
                    tracing::error!("libvirt's event loop has ended: machines' ends are no longer noticed");
                })
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .clone()
}

/// libvirt prints each error on stderr, over whatever is shown there; all of them reach us as values, too.
fn quiet() {
    unsafe extern "C" fn ignore(_: *mut c_void, _: sys::virErrorPtr) {}
    // SAFETY: the handler is a static function that touches neither of its arguments.
    unsafe { sys::virSetErrorFunc(std::ptr::null_mut(), Some(ignore)) };
}

/// A connection whose events are told; dropping it takes the callbacks away.
pub(super) struct Watched {
    connect: Connect,
    lifecycle: c_int,
}

struct Sink {
    messages: Sender<Raw>,
    generation: u64,
}

impl Watched {
    /// Registers both callbacks.
    pub(super) fn new(connect: Connect, messages: Sender<Raw>, generation: u64) -> Result<Self, Error> {
        let sink = |messages| Box::into_raw(Box::new(Sink { messages, generation })).cast::<c_void>();
        let opaque = sink(messages.clone());
        // SAFETY: libvirt casts a life cycle callback back to this very type by the event's number (its own macro
        // VIR_DOMAIN_EVENT_CALLBACK does the same); the types differ in arguments only.
        let callback = unsafe {
            std::mem::transmute::<
                unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void) -> c_int,
                unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void),
            >(on_life)
        };
        // SAFETY: the connection is open as long as `connect` lives. libvirt owns `opaque` from here, hands it to the
        // callback, and frees it by `free` when the callback is taken away.
        let lifecycle = unsafe {
            sys::virConnectDomainEventRegisterAny(
                connect.as_ptr(),
                std::ptr::null_mut(),
                sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE as c_int,
                Some(callback),
                opaque,
                Some(free),
            )
        };
        if lifecycle < 0 {
            let error = Error::last_error();
            // SAFETY: libvirt does not free what it refused.
            unsafe { free(opaque) };
            return Err(error);
        }
        let watched = Self { connect, lifecycle };
        let opaque = sink(messages);
        // SAFETY: as above.
        let closing = unsafe {
            sys::virConnectRegisterCloseCallback(watched.connect.as_ptr(), Some(on_close), opaque, Some(free))
        };
        if closing < 0 {
            let error = Error::last_error();
            // SAFETY: libvirt does not free what it refused.
            unsafe { free(opaque) };
            return Err(error);
        }
        Ok(watched)
    }

    /// The connection.
    pub(super) fn connect(&self) -> &Connect {
        &self.connect
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // SAFETY: the connection is still open, and both numbers are what libvirt gave; it refuses what it does not
        // know. On a dead connection these fail, and libvirt frees with the connection.
        unsafe {
            sys::virConnectDomainEventDeregisterAny(self.connect.as_ptr(), self.lifecycle);
            sys::virConnectUnregisterCloseCallback(self.connect.as_ptr(), Some(on_close));
        }
    }
}

unsafe extern "C" fn on_life(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: `opaque` is the Sink given at the registration and alive until `free`; only this thread, libvirt's event
    // loop, uses it. The name belongs to the domain, which lives during the call.
    let (sink, name) = unsafe {
        let name = sys::virDomainGetName(domain);
        if name.is_null() {
            return 0;
        }
        (
            &*opaque.cast::<Sink>(),
            CStr::from_ptr(name).to_string_lossy().into_owned(),
        )
    };
    let (event, detail) = (event.cast_unsigned(), detail.cast_unsigned());
    let _ = sink.messages.send(Raw::Life { name, event, detail });
    0
}

unsafe extern "C" fn on_close(_: sys::virConnectPtr, _: c_int, opaque: *mut c_void) {
    // SAFETY: as in `on_life`.
    let sink = unsafe { &*opaque.cast::<Sink>() };
    let _ = sink.messages.send(Raw::Closed {
        generation: sink.generation,
    });
}

unsafe extern "C" fn free(opaque: *mut c_void) {
    // SAFETY: made by Box::into_raw in `Watched::new`, and libvirt calls this once.
    drop(unsafe { Box::from_raw(opaque.cast::<Sink>()) });
}
