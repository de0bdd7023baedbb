//! Asking the daemon.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{Answer, REQUEST_BYTES, Request, Why};
use crate::group;

/// How long an answer is waited for: longer than the daemon takes to say that it has none.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is believed: of 65,536 devices what each moved.
const ANSWER_BYTES: u64 = 16 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody listens there.
    #[error("{}: the daemon does not run, or listens elsewhere ({})", .0.display(), .1)]
    NotRunning(PathBuf, io::Error),
    /// Somebody does, but not for this user.
    #[error("{}: {}; {}", .0.display(), .1, group::who_may(.0, "ask"))]
    NotAllowed(PathBuf, io::Error),
    /// The connection broke, or the answer makes no sense.
    #[error("{}: no answer: {}", .0.display(), .1)]
    Broken(PathBuf, io::Error),
    /// It took too long.
    #[error("{}: the daemon runs, but did not answer within {} s: if that goes on, restart it", .0.display(), PATIENCE.as_secs())]
    Slow(PathBuf),
    /// The request is longer than the daemon takes.
    #[error("the request is longer than {REQUEST_BYTES} bytes")]
    TooLong,
    /// The daemon answered no.
    #[error("{1}")]
    Refused(Why, String),
}

/// Asks the daemon that listens at `socket`.
///
/// # Errors
/// If nobody listens there, it takes too long, or the answer is no.
pub(crate) fn ask<T: DeserializeOwned>(socket: &Path, request: &Request) -> Result<T, ClientError> {
    let stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => ClientError::NotAllowed(socket.to_owned(), error),
        _ => ClientError::NotRunning(socket.to_owned(), error),
    })?;
    let mut line =
        serde_json::to_vec(request).map_err(|e| ClientError::Broken(socket.to_owned(), e.into()))?;
    line.push(b'\n');
    if line.len() > REQUEST_BYTES {
        return Err(ClientError::TooLong);
    }
    let answer = exchange(&stream, &line).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Slow(socket.to_owned()),
        _ => ClientError::Broken(socket.to_owned(), error),
    })?;
    match answer {
        Answer::Ok { ok } => {
            serde_json::from_value(ok).map_err(|e| ClientError::Broken(socket.to_owned(), e.into()))
        }
        Answer::Error { error, why } => Err(ClientError::Refused(why, error)),
    }
}

fn exchange(mut stream: &UnixStream, line: &[u8]) -> io::Result<Answer> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // A daemon that is too busy to hear the question says so and hangs up.
    let asked = stream.write_all(line);
    let mut answer = String::new();
    let read = BufReader::new(stream.take(ANSWER_BYTES)).read_line(&mut answer);
    if answer.is_empty() {
        asked?;
    }
    read?;
    Ok(serde_json::from_str(&answer)?)
}
