//! The control thread: the socket's side of the daemon. One request, one answer, a few at a time, none for long.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::process::umask;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::ask::Ask;
use super::folder;
use super::state::Daemon;
use super::waiting::Waiting;
use super::writer::Job;
use crate::control::{Answer, Flushed, REQUEST_BYTES, Request, Why};
use crate::group;
use crate::store::ChangeError;

/// Requests that are answered at a time; more are told to come back.
const AT_ONCE: usize = 8;
/// How long one may take, from connecting to the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// A flush on request wears the card like any other: so often at most.
const FLUSH_EVERY: Duration = Duration::from_secs(30);
const ENDING: &str = "the daemon is ending";

/// Who answers.
#[derive(Clone)]
pub(super) enum Whom {
    /// It has nothing to capture on yet.
    Waiting(Arc<Waiting>),
    /// It captures.
    Capturing(Arc<Daemon>),
}

/// The socket's file, removed when the daemon ends.
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens at `path`, for the daemon's user and group. A socket that a killed daemon left is replaced.
    ///
    /// # Errors
    /// If somebody listens there already, or it cannot be made.
    pub(super) fn listen(path: &Path) -> io::Result<Self> {
        if let Ok(metadata) = fs::symlink_metadata(path) {
            if !metadata.file_type().is_socket() {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "there is something else of that name",
                ));
            }
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another lanscribe listens there"));
            }
            fs::remove_file(path)?;
        }
        if let Some(folder) = path.parent() {
            folder::make(folder)?;
        }
        // For its owner and group, from the moment it is there: by its name afterwards it could be something else.
        let usual = umask(Mode::from_raw_mode(0o117));
        let listener = UnixListener::bind(path);
        umask(usual);
        let listener = listener?;
        group::give(path);
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers for ever.
    pub(super) async fn serve(&self, whom: Whom) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (place, whom) = (Arc::clone(&places).try_acquire_owned(), whom.clone());
                    tokio::spawn(async move {
                        let busy = place.is_err();
                        // Who does not ask in time, or does not wait for the answer, gets none.
                        let _ = timeout(PATIENCE * 2, converse(stream, &whom, busy)).await;
                        drop(place);
                    });
                }
                // Out of descriptors, for example: it passes, and must not spin until then.
                Err(error) => {
                    tracing::warn!("control socket: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn converse(mut stream: UnixStream, whom: &Whom, busy: bool) -> io::Result<()> {
    let answer = if busy {
        Answer::error(Why::Later, format!("busy: {AT_ONCE} others are asking; try again"))
    } else {
        match timeout(PATIENCE, request(&mut stream)).await {
            Ok(Ok(request)) => match timeout(PATIENCE, answer(whom, &request, &stream)).await {
                Ok(answer) => answer,
                Err(_) => Answer::error(
                    Why::Later,
                    format!(
                        "not done within {} s: the writer is busy or waits for the disk; `lanscribe status` says more",
                        PATIENCE.as_secs()
                    ),
                ),
            },
            Ok(Err(error)) => Answer::error(Why::Wrong, error),
            Err(_) => Answer::error(Why::Wrong, format!("no request within {} s", PATIENCE.as_secs())),
        }
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.shutdown().await
}

async fn request(stream: &mut UnixStream) -> Result<Request, String> {
    let mut line = Vec::with_capacity(REQUEST_BYTES);
    let mut reader = BufReader::with_capacity(REQUEST_BYTES, stream.take(REQUEST_BYTES as u64));
    reader.read_until(b'\n', &mut line).await.map_err(|e| e.to_string())?;
    if line.len() == REQUEST_BYTES && line.last() != Some(&b'\n') {
        return Err(format!("longer than {REQUEST_BYTES} bytes"));
    }
    Request::parse(&String::from_utf8_lossy(&line))
}

/// Whether who asks may change what is kept: root and the daemon's own user, others if the configuration says so.
fn may_write(stream: &UnixStream, daemon: &Daemon) -> bool {
    let own = rustix::process::geteuid().as_raw();
    daemon.group_writes() || stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == own)
}

async fn answer(whom: &Whom, request: &Request, stream: &UnixStream) -> Answer {
    let daemon = match whom {
        Whom::Capturing(daemon) => daemon,
        Whom::Waiting(waiting) if *request == Request::Status => return ok(&waiting.status()),
        Whom::Waiting(waiting) => {
            return Answer::error(Why::Later, format!("not capturing yet: {}", waiting.what()));
        }
    };
    if request.writes() && !may_write(stream, daemon) {
        return Answer::error(
            Why::Forbidden,
            "only root may change what is kept (sudo), unless control.group_writes = true",
        );
    }
    match request {
        Request::Status => ok(&daemon.status()),
        Request::Flush => flush(daemon).await,
        Request::Traffic => of_capture(daemon, Ask::Traffic).await,
        Request::Talks { device } => of_capture(daemon, |reply| Ask::Talks(*device, reply)).await,
        Request::Change(change) => {
            let (reply, done) = oneshot::channel();
            if daemon.writer.try_send(Job::Change { change: change.clone(), reply }).is_err() {
                return Answer::error(Why::Later, "the writer is busy; try again in a while");
            }
            match done.await {
                Ok(Ok(said)) => ok(&said),
                Ok(Err(error)) => Answer::error(why_not(&error), error.to_string()),
                Err(_) => Answer::error(Why::Later, ENDING),
            }
        }
    }
}

async fn flush(daemon: &Daemon) -> Answer {
    let now = Instant::now();
    if let Some(wait) = daemon.claim_flush(now, FLUSH_EVERY) {
        return Answer::error(
            Why::Later,
            format!(
                "was asked to write less than {} s ago, which is as often as a card should be written; try again in {} s",
                FLUSH_EVERY.as_secs(),
                wait.as_secs() + 1
            ),
        );
    }
    let before = daemon.written().rows;
    let (reply, done) = oneshot::channel();
    daemon.capture.ask(Ask::Flush(reply));
    match done.await {
        Ok(Ok(())) => ok(&Flushed { rows: daemon.written().rows - before }),
        Ok(Err(error)) => Answer::error(Why::Later, error),
        Err(_) => Answer::error(Why::Later, ENDING),
    }
}

async fn of_capture<T: Serialize>(daemon: &Daemon, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Answer {
    let (reply, done) = oneshot::channel();
    daemon.capture.ask(ask(reply));
    match done.await {
        Ok(value) => ok(&value),
        Err(_) => Answer::error(Why::Later, ENDING),
    }
}

fn why_not(error: &ChangeError) -> Why {
    match error {
        ChangeError::Unknown(_) => Why::Unknown,
        ChangeError::Refused(_) => Why::Wrong,
        ChangeError::Unavailable(_) | ChangeError::Store(_) => Why::Later,
    }
}

fn ok(value: &impl Serialize) -> Answer {
    match serde_json::to_value(value) {
        Ok(ok) => Answer::Ok { ok },
        Err(error) => Answer::error(Why::Wrong, error.to_string()),
    }
}
