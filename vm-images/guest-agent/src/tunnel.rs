//! The package tunnel's end in the guest: each connection to a port of the loopback becomes a stream to the daemon. Knows
//! nothing of HTTP.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use preflight_guest_protocol::Channel;
use preflight_guest_protocol::frame::DATA_CHUNK;
use preflight_guest_protocol::message::ToHost;

use crate::failure::Refusal;
use crate::serve::{Agent, thread};
use crate::session::Session;
use crate::stream::Stream;

/// Connections at a time; apt has one a server and method. More are closed at once.
const MOST: usize = 64;

/// Listens on the loopback. Port 0 takes a free one.
pub(crate) fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

/// Serves connections for ever.
pub(crate) fn serve(agent: &Agent, listener: &TcpListener) {
    let open = Arc::new(AtomicUsize::new(0));
    for connection in listener.incoming().flatten() {
        // Without a daemon the connection is closed at once: apt then says so, instead of waiting.
        let Some(session) = agent.session() else { continue };
        if open.load(Ordering::Relaxed) >= MOST {
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&open));
        let _ = thread("tunnel", move || {
            let _counted = counted;
            let _ = carry(&session, connection);
        });
    }
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn carry(session: &Session, connection: TcpStream) -> Result<(), Refusal> {
    let stream = session.open_here().ok_or(Refusal::Aborted)?;
    let carried = both_ways(&stream, connection);
    if carried.is_err() {
        let _ = stream.tell(&ToHost::Abort);
    }
    stream.finish();
    session.done(stream.id());
    carried
}

fn both_ways(stream: &Arc<Stream>, mut connection: TcpStream) -> Result<(), Refusal> {
    stream.tell(&ToHost::TunnelOpen)?;
    let inward = {
        let stream = Arc::clone(stream);
        let mut connection = connection.try_clone().map_err(Refusal::io("a tunnel connection"))?;
        thread("tunnel", move || {
            let delivered = deliver(&stream, &mut connection);
            // An aborted stream must end the reading half too, which waits for the process behind the connection.
            let how = if delivered.is_ok() {
                Shutdown::Write
            } else {
                Shutdown::Both
            };
            let _ = connection.shutdown(how);
            delivered
        })
        .map_err(Refusal::io("starting a thread"))?
    };
    let mut buffer = vec![0; DATA_CHUNK];
    let outward = loop {
        match connection.read(&mut buffer) {
            Ok(0) => break stream.send_eof(Channel::Main),
            Ok(length) => {
                if let Err(refusal) = stream.send_data(Channel::Main, &buffer[..length]) {
                    break Err(refusal);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(Refusal::io("a tunnel connection")(error)),
        }
    };
    if outward.is_err() {
        let _ = connection.shutdown(Shutdown::Both);
        stream.finish();
    }
    let inward = inward.join().unwrap_or(Err(Refusal::Aborted));
    outward.and(inward)
}

fn deliver(stream: &Stream, connection: &mut TcpStream) -> Result<(), Refusal> {
    while let Some(bytes) = stream.receive()? {
        connection
            .write_all(&bytes)
            .map_err(Refusal::io("a tunnel connection"))?;
    }
    Ok(())
}
