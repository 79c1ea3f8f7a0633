//! A web server on this host that answers whatever it is asked with so many zero bytes.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much is written at once.
const PIECE: usize = 256 * 1024;

/// Serves until it is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    port: u16,
    over: Arc<AtomicBool>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes it, so that it sees this. A server that has gone needs no waking.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

/// Serves at a port of this host's own address.
pub(crate) fn serve(bytes: u64) -> io::Result<(u16, Serving)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if seen.load(Ordering::SeqCst) {
                return;
            }
            // Who goes away early has measured nothing, and says so.
            let _ = stream.and_then(|stream| answer(stream, bytes));
        }
    });
    Ok((port, Serving { port, over }))
}

fn answer(mut stream: TcpStream, bytes: u64) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {bytes}\r\n\r\n")?;
    let piece = vec![0; PIECE];
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        stream.write_all(&piece[..length])?;
        left -= length as u64;
    }
    stream.flush()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn as_many_bytes_come_as_were_promised() {
        let (port, _serving) = serve(1_000_000).unwrap();
        for _ in 0..2 {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert!(answer.starts_with(b"HTTP/1.0 200 OK\r\n"));
            assert_eq!(answer.iter().filter(|byte| **byte == 0).count(), 1_000_000);
        }
    }
}
