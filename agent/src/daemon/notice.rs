//! What the writer is told of the configuration and the machine, while whoever tells it waits for nobody.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use super::lock;
use super::writer::{Job, Settings};

/// The newest settings, and a thread that brings them to the writer. While that one waits for the disk only the newest
/// wait with it, so that old ones never come after new ones.
pub(super) struct Notice {
    settings: Arc<Mutex<Settings>>,
    /// Says that there are new ones; that it was said once is enough. The thread ends with it.
    fresh: SyncSender<()>,
}

impl Notice {
    /// Starts the thread. `settings` are those that the writer has already.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(super) fn new(settings: Settings, writer: SyncSender<Job>) -> io::Result<Self> {
        let settings = Arc::new(Mutex::new(settings));
        let (fresh, told) = sync_channel(1);
        let newest = Arc::clone(&settings);
        thread::Builder::new().name("notice".to_owned()).spawn(move || {
            while told.recv().is_ok() {
                let settings = Box::new(lock(&newest).clone());
                // A writer that is gone needs no settings.
                if writer.send(Job::Settings(settings)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { settings, fresh })
    }

    /// The newest settings.
    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.settings)
    }

    /// Makes new ones of them, and has the writer told.
    pub(super) fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings());
        let _ = self.fresh.try_send(());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::RecvTimeoutError;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_writer_that_was_busy_is_told_the_newest_last_and_none_after_it() {
        let (writer, jobs) = sync_channel(2);
        let notice = Notice::new(Settings::default(), writer).unwrap();
        for n in 0..200 {
            notice.change(|settings| settings.site = Some(format!("{n:03}")));
        }
        drop(notice);
        let mut sites = Vec::new();
        loop {
            match jobs.recv_timeout(Duration::from_secs(10)) {
                Ok(Job::Settings(settings)) => sites.push(settings.site.unwrap()),
                Ok(job) => panic!("{job:?}"),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the thread does not end"),
            }
        }
        assert!(sites.is_sorted(), "{sites:?}");
        assert_eq!(sites.last().unwrap(), "199");
        assert!(sites.len() <= 5, "what waited was not piled up: {sites:?}");
    }
}
