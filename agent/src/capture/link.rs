//! The links of the captured interfaces: down, up, of another size, not promiscuous, gone.
//!
//! The kernel's messages about interfaces (rtnetlink) are not read but for being there: they say when to look, and what
//! sysfs says then is the truth. So one that is lost or made up does no harm. A link that was down for less than the
//! moment until somebody looks was not down.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lanscribe_core::tap::TapChange;
use lanscribe_core::time::Span;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use super::interface::{LinkState, name_of};
use super::tap::TapError;

/// The messages about interfaces (`RTMGRP_LINK`).
const ABOUT_LINKS: u32 = 1;
/// Other interfaces may come and go by the thousand, as those of containers do: after a look the kernel is not listened
/// to for this long.
const REST: Duration = Duration::from_millis(100);
/// An interface that goes away is not promiscuous for a moment before: one that is not for so long is there to stay.
const DOUBT: Duration = Duration::from_millis(500);
/// Messages that are taken at once. What is left wakes again.
const AT_ONCE: usize = 256;
/// What is told of an interface within an hour, one by one. More is counted and told in one when the hour is over: a
/// loose cable must fill neither the file nor the journal.
const TOLD: u32 = 40;
const HOUR: Duration = Duration::from_secs(3_600);

/// The links of all captured interfaces.
pub(crate) struct Links {
    root: PathBuf,
    /// Wakes up when something happens to an interface; without it somebody must look now and then.
    socket: Option<OwnedFd>,
    resting_until: Option<Instant>,
    links: Vec<Link>,
}

/// What a look found.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// What is to be told, with the number of the interface.
    pub(crate) told: Vec<(u16, TapChange)>,
    /// Why it cannot go on.
    pub(crate) end: Option<TapError>,
}

struct Link {
    name: String,
    /// `None` where there is nothing to look at, as for all interfaces at once: that is always up.
    state: Option<LinkState>,
    /// It is gone, and that was told.
    lost: bool,
    /// It was asked for all frames.
    promiscuous: bool,
    /// Since when it is not, having been so before.
    narrow_since: Option<Instant>,
    /// When it went down.
    down_since: Instant,
    quota: Quota,
}

impl Links {
    /// The links of these interfaces, before they are opened: an interface that is made anew meanwhile is noticed.
    pub(crate) fn new(names: &[String], promiscuous: bool, now: Instant) -> Self {
        let socket = listen()
            .inspect_err(|error| {
                tracing::warn!(
                    "no word from the kernel of links that come and go, so they are looked at: {error}"
                );
            })
            .ok();
        Self::at(Path::new("/"), socket, names, promiscuous, now)
    }

    fn at(root: &Path, socket: Option<OwnedFd>, names: &[String], promiscuous: bool, now: Instant) -> Self {
        let link = |name: &String| Link {
            name: name.clone(),
            // One that is down from the start is told of, and what it was not asked for yet cannot be lost.
            state: LinkState::read(root, name).map(|state| LinkState {
                up: true,
                promiscuous: false,
                ..state
            }),
            lost: false,
            promiscuous,
            narrow_since: None,
            down_since: now,
            quota: Quota::new(now),
        };
        let links = names.iter().map(link).collect();
        Self { root: root.to_owned(), socket, resting_until: None, links }
    }

    /// What to wait on for news, unless it rests.
    pub(crate) fn fd(&self, now: Instant) -> Option<BorrowedFd<'_>> {
        let socket = self.socket.as_ref()?;
        self.rests_until(now).is_none().then(|| socket.as_fd())
    }

    /// When it has rested, if it does.
    pub(crate) fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.resting_until.filter(|&until| until > now)
    }

    /// Whether to look though nothing was heard: nobody says when, or what was seen is in doubt.
    pub(crate) fn is_due(&self) -> bool {
        self.socket.is_none() || self.links.iter().any(|link| link.narrow_since.is_some())
    }

    /// There is news: takes in what the kernel said, and rests from it. What happens meanwhile wakes again after the rest.
    pub(crate) fn hear(&mut self, now: Instant) {
        self.resting_until = Some(now + REST);
        let Some(socket) = &self.socket else { return };
        for _ in 0..AT_ONCE {
            // Messages are not read: a byte of each is enough. What did not fit into its queue is news as well.
            match recv(socket, &mut [0; 1], RecvFlags::DONTWAIT) {
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Whether any interface has a link.
    pub(crate) fn is_any_up(&self) -> bool {
        self.links.iter().any(|link| link.state.is_none_or(|state| state.up))
    }

    /// Whether an interface hears less than it was asked for.
    pub(crate) fn is_narrow(&self, number: usize) -> bool {
        self.links.get(number).is_some_and(|link| {
            link.promiscuous && link.state.is_some_and(|state| !state.promiscuous && state.up)
        })
    }

    /// Looks at all of them.
    pub(crate) fn look(&mut self, now: Instant) -> News {
        let Self { root, links, .. } = self;
        let mut news = News::default();
        for (number, link) in links.iter_mut().enumerate() {
            let Some(before) = link.state.filter(|_| !link.lost) else { continue };
            let after = LinkState::read(root, &link.name);
            let mut changes = Vec::new();
            match after.filter(|after| after.index == before.index) {
                None => {
                    let (change, end) = match name_of(root, before.index) {
                        Some(name) => (TapChange::Renamed, TapError::Renamed(link.name.clone(), name)),
                        None => (TapChange::Gone, TapError::Gone(link.name.clone())),
                    };
                    link.lost = true;
                    link.state = Some(LinkState { up: false, ..before });
                    news.told.push((tap_number(number), change));
                    news.end.get_or_insert(end);
                }
                Some(after) => {
                    link.state = Some(after);
                    if after.up != before.up {
                        changes.push(link.turned(after.up, now));
                    }
                    if after.mtu != before.mtu {
                        changes.push(TapChange::Mtu { from: before.mtu, to: after.mtu });
                    }
                    if link.is_narrow_for_good(before, after, now) {
                        news.told.push((tap_number(number), TapChange::NotPromiscuous));
                        news.end.get_or_insert(TapError::NotPromiscuous(link.name.clone()));
                    }
                }
            }
            changes.retain(|_| link.quota.admits(now));
            for change in changes {
                match change {
                    TapChange::Down => tracing::warn!("{} {change}", link.name),
                    _ => tracing::info!("{} {change}", link.name),
                }
                news.told.push((tap_number(number), change));
            }
        }
        news
    }

    /// What was not told one by one, once its hour is over, or `at_once`.
    pub(crate) fn left_out(&mut self, now: Instant, at_once: bool) -> Vec<(u16, TapChange)> {
        let mut told = Vec::new();
        for (number, link) in self.links.iter_mut().enumerate() {
            if let Some(count) = link.quota.left_out(now, at_once) {
                let change = TapChange::Unlisted { count };
                tracing::warn!("{} {change}", link.name);
                told.push((tap_number(number), change));
            }
        }
        told
    }
}

impl Link {
    /// Whether it was promiscuous, and is not any more.
    fn is_narrow_for_good(&mut self, before: LinkState, after: LinkState, now: Instant) -> bool {
        if after.promiscuous || !self.promiscuous {
            self.narrow_since = None;
        } else if before.promiscuous {
            self.narrow_since = Some(now);
        }
        self.narrow_since.take_if(|since| now.duration_since(*since) >= DOUBT).is_some()
    }

    fn turned(&mut self, up: bool, now: Instant) -> TapChange {
        if up {
            let after = now.duration_since(self.down_since).as_micros();
            return TapChange::Up { after: Span(i64::try_from(after).unwrap_or(i64::MAX)) };
        }
        self.down_since = now;
        TapChange::Down
    }
}

/// How much may still be told within an hour.
struct Quota {
    since: Instant,
    told: u32,
    left_out: u64,
}

impl Quota {
    fn new(now: Instant) -> Self {
        Self { since: now, told: 0, left_out: 0 }
    }

    fn admits(&mut self, now: Instant) -> bool {
        // What was left out is told first.
        if self.is_over(now) && self.left_out == 0 {
            *self = Self::new(now);
        }
        let admitted = self.told < TOLD;
        match admitted {
            true => self.told += 1,
            false => self.left_out += 1,
        }
        admitted
    }

    fn left_out(&mut self, now: Instant, at_once: bool) -> Option<u64> {
        if self.left_out == 0 || !(at_once || self.is_over(now)) {
            return None;
        }
        let count = self.left_out;
        *self = Self::new(now);
        Some(count)
    }

    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= HOUR
    }
}

fn tap_number(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// A socket on which the kernel says what happens to interfaces. Anybody may have one.
fn listen() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Routing is the first of its protocols, which none stands for.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, ABOUT_LINKS))?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
