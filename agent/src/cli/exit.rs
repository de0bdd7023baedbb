//! Which exit status an error gives: the numbers of sysexits.h, decided here and nowhere else.

use std::io;
use std::process::ExitCode;

use rusqlite::ErrorCode;

use crate::capture::{CaptureError, InterfaceError, TapError};
use crate::config::ConfigError;
use crate::control::{ClientError, Why};
use crate::store::{ChangeError, StoreError};
use crate::vendor::RegistryError;

/// The command line makes no sense (`EX_USAGE`).
const USAGE: u8 = 64;
/// Damaged input (`EX_DATAERR`).
pub(crate) const DATA_ERROR: u8 = 65;
/// Input that is not there (`EX_NOINPUT`).
const NO_INPUT: u8 = 66;
/// Somebody who is needed is not there (`EX_UNAVAILABLE`).
const UNAVAILABLE: u8 = 69;
/// Anything that has no better number (`EX_SOFTWARE`).
const SOFTWARE: u8 = 70;
/// Output that cannot be made (`EX_CANTCREAT`).
const CANNOT_CREATE: u8 = 73;
/// Reading or writing failed (`EX_IOERR`).
const IO_ERROR: u8 = 74;
/// Trying again later may help (`EX_TEMPFAIL`).
const TRY_AGAIN: u8 = 75;
/// Not allowed (`EX_NOPERM`).
const NO_PERMISSION: u8 = 77;
/// The configuration is wrong (`EX_CONFIG`).
const CONFIG: u8 = 78;

/// What was asked makes no sense, as with an unknown option.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// What was asked for is not in the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotFound(pub(crate) String);

/// The exit status of an error: of the first cause that has one.
pub(crate) fn code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(status).unwrap_or(SOFTWARE)
}

/// The error with its causes, without those that it names itself.
pub(crate) fn said(error: &anyhow::Error) -> String {
    let mut said = String::new();
    // Beneath an error of SQLite is only its number.
    for cause in error.chain().filter(|cause| !cause.is::<rusqlite::ffi::Error>()).map(ToString::to_string) {
        if !said.contains(&cause) {
            said += if said.is_empty() { "" } else { ": " };
            said += &cause;
        }
    }
    said
}

/// Whether nobody reads any more what is written, as after `| head`: that is success.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = match cause.downcast_ref::<csv::Error>().map(csv::Error::kind) {
            Some(csv::ErrorKind::Io(error)) => Some(error),
            _ => cause.downcast_ref::<io::Error>(),
        };
        io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Says what clap has to say: help and version with success, anything else as wrong usage.
pub(crate) fn after_clap(error: &clap::Error) -> ExitCode {
    // That nobody reads the help is no failure.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

fn status(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if cause.is::<Usage>() {
        return Some(USAGE);
    }
    if cause.is::<NotFound>() {
        return Some(NO_INPUT);
    }
    if let Some(error) = cause.downcast_ref::<ChangeError>() {
        return match error {
            ChangeError::Unknown(_) => Some(NO_INPUT),
            ChangeError::Refused(_) => Some(USAGE),
            ChangeError::Unavailable(_) => Some(TRY_AGAIN),
            ChangeError::Store(error) => status(error),
        };
    }
    if let Some(error) = cause.downcast_ref::<StoreError>() {
        return Some(match error {
            StoreError::Missing(_) => NO_INPUT,
            StoreError::Foreign(..)
            | StoreError::Newer { .. }
            | StoreError::Again(..)
            | StoreError::Twice(..)
            | StoreError::DamagedAgain { .. } => DATA_ERROR,
            StoreError::Zone { .. } => CONFIG,
            StoreError::Busy(_) | StoreError::Locked(_) => TRY_AGAIN,
            StoreError::Io { path, source } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem if path.exists() => {
                    NO_PERMISSION
                }
                io::ErrorKind::StorageFull => IO_ERROR,
                _ => CANNOT_CREATE,
            },
            StoreError::Folder { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => NO_PERMISSION,
                _ => CANNOT_CREATE,
            },
            StoreError::Denied(_) | StoreError::Foreigner { .. } => NO_PERMISSION,
            // SQLite does not tell a file that may not be opened from one that cannot be made.
            StoreError::Sqlite { path, source } => match of_sqlite(source) {
                CANNOT_CREATE if path.exists() => NO_PERMISSION,
                status => status,
            },
        });
    }
    if let Some(error) = cause.downcast_ref::<rusqlite::Error>() {
        return Some(of_sqlite(error));
    }
    if let Some(error) = cause.downcast_ref::<CaptureError>() {
        return Some(match error {
            CaptureError::Open(_, error) => of_input(error),
            _ => DATA_ERROR,
        });
    }
    if let Some(error) = cause.downcast_ref::<TapError>() {
        return Some(match error {
            TapError::NotAllowed(..) => NO_PERMISSION,
            TapError::LinkType(..) | TapError::Filter(..) => CONFIG,
            // The service manager starts it again, and then the interface is waited for.
            TapError::Gone(_) | TapError::Renamed(..) | TapError::NotPromiscuous(_) | TapError::Open(..) => {
                TRY_AGAIN
            }
            TapError::Broken(..) => IO_ERROR,
        });
    }
    if let Some(error) = cause.downcast_ref::<ClientError>() {
        return Some(match error {
            ClientError::NotRunning(..) => UNAVAILABLE,
            ClientError::NotAllowed(..) => NO_PERMISSION,
            ClientError::TooLong => USAGE,
            ClientError::Broken(..) => IO_ERROR,
            ClientError::Slow(_) => TRY_AGAIN,
            ClientError::Refused(why, _) => match why {
                Why::Later => TRY_AGAIN,
                Why::Forbidden => NO_PERMISSION,
                Why::Unknown => NO_INPUT,
                Why::Wrong => USAGE,
            },
        });
    }
    if let Some(error) = cause.downcast_ref::<RegistryError>() {
        return Some(match error {
            RegistryError::Read { source, .. } => of_input(source),
            _ => DATA_ERROR,
        });
    }
    if let Some(error) = cause.downcast_ref::<InterfaceError>() {
        return Some(match error {
            // It may be plugged in, or come up, later.
            InterfaceError::Missing { .. } | InterfaceError::NothingFits { .. } | InterfaceError::Off(_) => {
                TRY_AGAIN
            }
            InterfaceError::Repeated(_)
            | InterfaceError::Loopback(_)
            | InterfaceError::Ports { .. }
            | InterfaceError::Stacked { .. }
            | InterfaceError::Uplink { .. } => CONFIG,
        });
    }
    if let Some(error) = cause.downcast_ref::<ConfigError>() {
        return Some(match error {
            ConfigError::Unreadable(_, error) => of_input(error),
            ConfigError::Wrong(_) => CONFIG,
        });
    }
    cause.downcast_ref::<io::Error>().map(|error| match error.kind() {
        // Somebody has the socket, and may give it back.
        io::ErrorKind::AddrInUse => TRY_AGAIN,
        io::ErrorKind::PermissionDenied => NO_PERMISSION,
        _ => IO_ERROR,
    })
}

fn of_input(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::PermissionDenied => NO_PERMISSION,
        _ => NO_INPUT,
    }
}

fn of_sqlite(error: &rusqlite::Error) -> u8 {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => DATA_ERROR,
        Some(ErrorCode::CannotOpen) => CANNOT_CREATE,
        Some(
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied,
        ) => NO_PERMISSION,
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => IO_ERROR,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => TRY_AGAIN,
        _ => SOFTWARE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_counts_whatever_was_said_around_it() {
        let error = anyhow::Error::new(Usage("no".into())).context("while asking");
        assert_eq!(code(&error), USAGE);
        assert_eq!(code(&StoreError::Missing("x".into()).into()), NO_INPUT);
        assert_eq!(code(&StoreError::Denied("x".into()).into()), NO_PERMISSION);
        let unreadable = |kind| ConfigError::Unreadable("x".into(), io::Error::from(kind));
        assert_eq!(code(&unreadable(io::ErrorKind::NotFound).into()), NO_INPUT);
        assert_eq!(code(&unreadable(io::ErrorKind::PermissionDenied).into()), NO_PERMISSION);
        assert_eq!(code(&anyhow::anyhow!("a surprise")), SOFTWARE);
        // One may be waited for, the other must be corrected.
        assert_eq!(code(&InterfaceError::NothingFits { there: "lo".into() }.into()), TRY_AGAIN);
        assert_eq!(code(&InterfaceError::Repeated("eth0".into()).into()), CONFIG);
        let full = StoreError::Sqlite {
            path: "x".into(),
            source: rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
                None,
            ),
        };
        assert_eq!(code(&full.into()), IO_ERROR);
    }

    #[test]
    fn what_the_daemon_refuses_gives_the_status_that_the_file_would() {
        let told = |why| code(&ClientError::Refused(why, "no".into()).into());
        let mac = "02:00:00:00:00:01".parse().unwrap();
        assert_eq!(told(Why::Unknown), code(&ChangeError::Unknown(mac).into()));
        assert_eq!(told(Why::Wrong), code(&ChangeError::Refused("no".into()).into()));
        assert_eq!(told(Why::Later), code(&ChangeError::Unavailable("full".into()).into()));
        assert_eq!(told(Why::Forbidden), NO_PERMISSION);
    }

    #[test]
    fn a_cause_is_told_once() {
        let path = std::path::PathBuf::from("/x.db");
        let source = rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("database is locked".into()),
        );
        let error = anyhow::Error::from(StoreError::Sqlite { path, source }).context("while asking");
        let said = said(&error);
        assert!(said.starts_with("while asking: /x.db: database is locked"), "{said}");
        assert_eq!(said.matches("/x.db").count(), 1, "{said}");
        assert_eq!(code(&error), TRY_AGAIN);
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_known_through_csv_too() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&broken().into()));
        assert!(is_broken_pipe(&csv::Error::from(broken()).into()));
        assert!(!is_broken_pipe(&io::Error::other("disk").into()));
    }
}
