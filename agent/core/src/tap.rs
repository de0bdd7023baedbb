//! What may happen to an interface while it is captured.

use std::fmt::{self, Display, Formatter};

use crate::time::Span;

/// What happened to an interface, as a sentence that its name begins: `eth0` `is down`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapChange {
    /// The cable was pulled, the radio network lost, or the interface switched off.
    Down,
    /// It has a link again.
    Up {
        /// How long it had none.
        after: Span,
    },
    /// It takes longer or shorter frames.
    Mtu {
        /// Bytes that a frame carried at most until now.
        from: u32,
        /// And from now on.
        to: u32,
    },
    /// There is no such interface any more, or another one by its name.
    Gone,
    /// It goes by another name.
    Renamed,
    /// It hears only what is sent to this machine and to groups.
    NotPromiscuous,
    /// More happened than is written down one by one.
    Unlisted {
        /// How many times.
        count: u64,
    },
}

impl Display for TapChange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("is down"),
            Self::Up { after } => {
                f.write_str("is up again after ")?;
                write_length(f, *after)
            }
            Self::Mtu { from, to } => write!(f, "has an MTU of {to} now, and had one of {from}"),
            Self::Gone => f.write_str("is gone"),
            Self::Renamed => f.write_str("has another name now"),
            Self::NotPromiscuous => f.write_str("is not promiscuous any more"),
            Self::Unlisted { count } => write!(f, "changed {count} more times, too often to list"),
        }
    }
}

/// Seconds as long as they are few, else minutes or hours.
fn write_length(f: &mut Formatter<'_>, length: Span) -> fmt::Result {
    let tenths = length.0.max(0) / 100_000;
    match tenths {
        0..100 => write!(f, "{}.{} s", tenths / 10, tenths % 10),
        100..6_000 => write!(f, "{} s", tenths / 10),
        6_000..72_000 => write!(f, "{} min", tenths / 600),
        _ => write!(f, "{} h", tenths / 36_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_a_few_words() {
        let up = |millis: i64| TapChange::Up { after: Span(millis * 1_000) }.to_string();
        assert_eq!(up(340), "is up again after 0.3 s");
        assert_eq!(up(12_000), "is up again after 12 s");
        assert_eq!(up(3_600_000), "is up again after 60 min");
        assert_eq!(up(90_000_000), "is up again after 25 h");
        assert_eq!(up(-1), "is up again after 0.0 s", "a clock that went back");
        assert_eq!(
            TapChange::Mtu { from: 1500, to: 9000 }.to_string(),
            "has an MTU of 9000 now, and had one of 1500"
        );
    }
}
