//! `log/read`: a piece of a log, for clients that cannot read the file.

use std::io::{self, SeekFrom};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use preflight_core::TicketId;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::log::LogRange;
use preflight_protocol::method::LogRead;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{Context, of_ticket};

/// The most that one answer holds, in bytes.
const MOST: u32 = 1 << 20;

pub(super) async fn handle(context: &Context, request: LogRead) -> Result<LogRange, RpcError> {
    // Only a name that the ticket knows becomes part of a path.
    let wanted = request.log.0.clone();
    let name = of_ticket(context, request.ticket, move |ticket, _| {
        let attempts = ticket.jobs.iter().flat_map(|job| &job.attempts);
        attempts
            .map(|record| &record.log)
            .find(|log| log.as_str() == wanted)
            .cloned()
    });
    let name = name.await?.ok_or_else(|| {
        RpcError::new(
            ErrorCode::NotFound,
            format!("ticket {} has no log {:?}", request.ticket, request.log.0),
        )
    })?;
    let path = context.tickets.ticket(TicketId(request.ticket.0)).log(&name);
    match read(&path, request.offset, request.length.min(MOST)).await {
        Ok((bytes, size)) => Ok(LogRange {
            offset: request.offset,
            base64: STANDARD.encode(bytes),
            size,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(LogRange {
            offset: request.offset,
            base64: String::new(),
            size: 0,
        }),
        Err(error) => Err(RpcError::new(
            ErrorCode::Internal,
            format!("{path:?} cannot be read: {error}"),
        )),
    }
}

async fn read(path: &Path, offset: u64, length: u32) -> io::Result<(Vec<u8>, u64)> {
    let mut file = tokio::fs::File::open(path).await?;
    let size = file.metadata().await?.len();
    file.seek(SeekFrom::Start(offset)).await?;
    let mut bytes = Vec::new();
    file.take(length.into()).read_to_end(&mut bytes).await?;
    Ok((bytes, size))
}
