//! Counters of every limit that was reached: a healthy LAN has zeros here.

/// What flow records that nobody took in time are called.
pub(crate) const RECORDS_DROPPED: &str = "flow records dropped";
/// What frames are called whose row lost a name.
pub(crate) const FRAMES_FOLDED: &str = "frames kept only as 'other'";
/// What sightings of addresses are called that were not written down.
pub(crate) const SIGHTINGS_REFUSED: &str = "address sightings not kept";
/// What events that nobody took in time are called.
pub(crate) const EVENTS_DROPPED: &str = "events dropped";

/// What questions are called whose row lost its name.
pub(crate) const QUESTIONS_FOLDED: &str = "questions kept without their name";
/// What questions are called that are in no row.
pub(crate) const QUESTIONS_DROPPED: &str = "questions dropped";
/// What it is called when something that a device said of itself is not kept.
pub(crate) const CLAIMS_REFUSED: &str = "names of devices not kept";

/// A snapshot since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Devices known now.
    pub devices: usize,
    /// Flows open now.
    pub open_flows: usize,
    /// Flows between two, which could have a name; and those that have one.
    pub flows_of_two: u64,
    /// See [`flows_of_two`](Self::flows_of_two).
    pub flows_named: u64,
    /// Questions of DNS.
    pub questions: u64,
    /// Frames' MAC addresses that were not admitted as devices.
    pub devices_refused: u64,
    /// Sightings of addresses that were not written down.
    pub addresses_refused: u64,
    /// Networks and addresses announced as local that were not believed for want of room.
    pub networks_refused: u64,
    /// Fragmented datagrams whose ports were forgotten early.
    pub fragments_forgotten: u64,
    /// Flows that were ended to make room.
    pub flows_evicted: u64,
    /// Flow records that nobody took in time.
    pub records_dropped: u64,
    /// Frames whose row lost a name because of a limit.
    pub frames_folded: u64,
    /// Conversations whose name was not read, for want of room or time.
    pub hellos_lost: u64,
    /// Names that rows did not get, as their domain had enough of them that day.
    pub names_folded: u64,
    /// Addresses whose name was forgotten early.
    pub lookups_forgotten: u64,
    /// Questions that were counted as not answered, or not read, for want of room.
    pub questions_cut: u64,
    /// Questions whose row lost the name.
    pub questions_folded: u64,
    /// Questions that nobody took in time.
    pub questions_dropped: u64,
    /// What devices said of themselves and was not kept.
    pub claims_refused: u64,
    /// Events that nobody took in time.
    pub events_dropped: u64,
}

impl Stats {
    /// Each limit's counter with what it means, for events and warnings.
    #[must_use]
    pub fn limits(&self) -> [(&'static str, u64); 15] {
        [
            ("MAC addresses refused as devices", self.devices_refused),
            (SIGHTINGS_REFUSED, self.addresses_refused),
            ("announced networks not believed", self.networks_refused),
            ("fragmented datagrams forgotten", self.fragments_forgotten),
            ("flows ended early for room", self.flows_evicted),
            (RECORDS_DROPPED, self.records_dropped),
            (FRAMES_FOLDED, self.frames_folded),
            ("conversations whose name was not read", self.hellos_lost),
            ("names kept only as their domain", self.names_folded),
            ("addresses whose name was forgotten", self.lookups_forgotten),
            ("questions not followed to their answer", self.questions_cut),
            (QUESTIONS_FOLDED, self.questions_folded),
            (QUESTIONS_DROPPED, self.questions_dropped),
            (CLAIMS_REFUSED, self.claims_refused),
            (EVENTS_DROPPED, self.events_dropped),
        ]
    }
}
