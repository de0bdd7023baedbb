//! The bytes of a capture file on their way to libpcap: unpacked if they are gzip'ed, through a pipe if need be.
//!
//! libpcap reads plain files by name itself. What is packed, or comes from standard input, is handed to it by a
//! thread through a pipe that it opens by name: no temporary file, whatever the size.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;

use flate2::read::MultiGzDecoder;

/// How a gzip file begins (RFC 1952 section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const CHUNK: usize = 128 * 1024;

/// Where libpcap finds the bytes.
#[derive(Debug)]
pub(crate) struct Feed {
    /// The name to open.
    pub(crate) path: String,
    /// Keeps the pipe open until libpcap has opened it by name.
    _pipe: Option<io::PipeReader>,
    /// Why the thread could not hand everything over; set before it closes the pipe.
    failed: Arc<OnceLock<io::Error>>,
}

impl Feed {
    /// Looks at how the file begins and starts a thread where it has to be unpacked. `-` is standard input.
    ///
    /// # Errors
    /// If the file cannot be opened or read.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Self::through_pipe(io::stdin());
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        match path.to_str() {
            // What is no regular file can be opened once only.
            Some(name) if metadata.is_file() && !is_packed(path) => {
                Ok(Self { path: name.to_owned(), _pipe: None, failed: Arc::default() })
            }
            _ => Self::through_pipe(file),
        }
    }

    fn through_pipe(input: impl Read + Send + 'static) -> io::Result<Self> {
        let mut input = BufReader::with_capacity(CHUNK, input);
        let input: Box<dyn Read + Send> = match input.fill_buf()?.starts_with(&GZIP_MAGIC) {
            true => Box::new(MultiGzDecoder::new(input)),
            false => Box::new(input),
        };
        let (reader, writer) = io::pipe()?;
        let failed = Arc::new(OnceLock::new());
        let failure = Arc::clone(&failed);
        thread::Builder::new().name("unpack".to_owned()).spawn(move || hand_over(input, writer, &failure))?;
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        Ok(Self { path, _pipe: Some(reader), failed })
    }

    /// Why the bytes ended early, once libpcap has seen their end: a packed file that is damaged, for example. The
    /// thread is not waited for: what feeds it may never end.
    pub(crate) fn failure(&self) -> Option<&io::Error> {
        self.failed.get()
    }
}

/// Whether a file begins like one of gzip.
pub(crate) fn is_packed(path: &Path) -> bool {
    let mut magic = [0; 2];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == GZIP_MAGIC
}

fn hand_over(mut input: impl Read, mut output: io::PipeWriter, failure: &OnceLock<io::Error>) {
    let mut chunk = vec![0; CHUNK];
    loop {
        match input.read(&mut chunk) {
            Ok(0) => return,
            // Nobody reads any more: whoever left knows why.
            Ok(n) if output.write_all(&chunk[..n]).is_err() => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let _ = failure.set(error);
                return;
            }
        }
    }
}
