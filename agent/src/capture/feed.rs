//! The bytes of a capture file on their way to libpcap: unpacked if they are gzip'ed, counted, through a pipe.
//!
//! libpcap reads plain files by name itself. What is packed, or comes from standard input, is handed to it by a
//! thread through a pipe that it opens by name: no temporary file, whatever the size.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

/// How a gzip file begins (RFC 1952 section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const CHUNK: usize = 128 * 1024;

/// Computes the SHA-256 of a capture, unpacked if it is gzip'ed, in hexadecimal.
///
/// # Errors
/// If it cannot be read. One that is packed and damaged has the digest of what can be unpacked.
pub(crate) fn sha256(path: &Path) -> io::Result<String> {
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
    let mut file: Box<dyn Read> = match is_packed(path) {
        true => Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, File::open(path)?))),
        false => Box::new(File::open(path)?),
    };
    loop {
        match file.read(&mut chunk) {
            Err(e) if is_damage(&e) => break,
            Ok(0) => break,
            read => hash.update(&chunk[..read?]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether unpacking failed because of what was packed.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
    )
}

/// Whether a file begins like one of gzip.
pub(crate) fn is_packed(path: &Path) -> bool {
    let mut magic = [0; 2];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == GZIP_MAGIC
}

/// Where libpcap finds the bytes.
#[derive(Debug)]
pub(crate) struct Feed {
    /// The name to open.
    pub(crate) path: String,
    /// Keeps the pipe open until libpcap has opened it by name, and tells how the thread fared.
    pipe: Option<(io::PipeReader, thread::JoinHandle<io::Result<()>>)>,
}

impl Feed {
    /// Looks at how the file begins and starts a thread where it has to be unpacked. `-` is standard input.
    ///
    /// # Errors
    /// If the file cannot be opened or read.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let name = path.to_str().map(str::to_owned);
        if path == Path::new("-") {
            return Self::through_pipe(io::stdin());
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        match name {
            // What is no regular file can be opened once only.
            Some(name) if metadata.is_file() && !is_packed(path) => Ok(Self { path: name, pipe: None }),
            _ => Self::through_pipe(file),
        }
    }

    fn through_pipe(input: impl Read + Send + 'static) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let thread =
            thread::Builder::new().name("unpack".to_owned()).spawn(move || hand_over(input, writer))?;
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        Ok(Self { path, pipe: Some((reader, thread)) })
    }

    /// Why the bytes ended early, once libpcap has seen their end: a packed file that is damaged, for example.
    pub(crate) fn finish(&mut self) -> Option<io::Error> {
        let (reader, thread) = self.pipe.take()?;
        // A thread that still writes must learn that nobody reads any more.
        drop(reader);
        match thread.join() {
            Ok(Ok(())) => None,
            Ok(Err(error)) => (error.kind() != io::ErrorKind::BrokenPipe).then_some(error),
            Err(_) => Some(io::Error::other("the unpacking thread died")),
        }
    }
}

fn hand_over(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut input = BufReader::with_capacity(CHUNK, input);
    let packed = io::BufRead::fill_buf(&mut input)?.starts_with(&GZIP_MAGIC);
    if !packed {
        return io::copy(&mut input, &mut output).map(|_| ());
    }
    let (mut unpacked, mut chunk) = (MultiGzDecoder::new(input), vec![0; CHUNK]);
    loop {
        match unpacked.read(&mut chunk)? {
            0 => return Ok(()),
            n => output.write_all(&chunk[..n])?,
        }
    }
}
