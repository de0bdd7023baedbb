//! Taps in good and bad places, made by hand and from real captures.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;
use crate::capture::{Source, read_all};

const US: [u8; 6] = [0xb8, 0x27, 0xeb, 0, 0, 1];
const BULB: [u8; 6] = [0x18, 0xb4, 0x30, 0, 0, 2];
const ROUTER: [u8; 6] = [0x44, 0x4e, 0x6d, 0, 0, 3];
const ALL: [u8; 6] = [0xff; 6];

/// A UDP packet in an Ethernet frame; `id` is IPv4's identification.
fn frame(from: ([u8; 6], [u8; 4]), to: ([u8; 6], [u8; 4]), id: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(to.0);
    frame.extend(from.0);
    frame.extend([8, 0, 0x45, 0, 0, 36]);
    frame.extend(id.to_be_bytes());
    frame.extend([0x40, 0, 64, 17, 0, 0]);
    frame.extend(from.1);
    frame.extend(to.1);
    frame.extend([0x30, 0x39, 0, 53, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    frame
}

const BULB_IP: [u8; 4] = [192, 168, 1, 20];
const OUR_IP: [u8; 4] = [192, 168, 1, 5];
const CLOUD: [u8; 4] = [8, 8, 8, 8];

fn own() -> Own {
    Own {
        macs: vec![MacAddr(US)],
        networks: vec!["192.168.1.0/24".parse().unwrap()],
        addresses: vec![OUR_IP.into()],
        ..Own::default()
    }
}

/// `frames` each second, for a number of seconds.
fn watch(sight: &mut Sight, from: i64, seconds: i64, frames: &[Vec<u8>]) -> Timestamp {
    for second in from..from + seconds {
        for (n, frame) in (0..).zip(frames) {
            sight.observe(Timestamp(second * 1_000_000 + n * 15_000), LinkType::ETHERNET, frame);
        }
    }
    Timestamp::from_secs(from + seconds)
}

/// A second as a port sees it that is not mirrored: broadcasts, and this machine's own packets.
fn unmirrored() -> Vec<Vec<u8>> {
    vec![
        frame((BULB, BULB_IP), (ALL, [255; 4]), 1),
        frame((US, OUR_IP), (ROUTER, CLOUD), 2),
        frame((ROUTER, CLOUD), (US, OUR_IP), 3),
    ]
}

#[test]
fn a_port_that_is_not_mirrored_shows_broadcasts_and_this_machine_only() {
    let mut sight = Sight::new(&own());
    let now = watch(&mut sight, 1_000, 180, &unmirrored());
    assert_eq!(sight.hints(now).words(), [""; 0], "it may be that nobody spoke for three minutes");
    let now = watch(&mut sight, 1_180, 2, &unmirrored());
    let hints = sight.hints(now);
    assert_eq!(hints.words(), [NOT_MIRRORED]);
    assert_eq!(hints.frames_sampled, 182 * 3);
    assert!(
        hints.others == 0.0 && (hints.own - 2.0 / 3.0).abs() < 1e-9 && (hints.group - 1.0 / 3.0).abs() < 1e-9
    );
    assert_eq!(hints.last_frame, Some(Timestamp(1_181_030_000)));
}

#[test]
fn few_frames_and_a_download_say_nothing_of_the_port() {
    let mut quiet = Sight::new(&own());
    let now = watch(&mut quiet, 0, 199, &unmirrored()[..1]);
    assert_eq!(quiet.hints(now).words(), [""; 0]);
    let now = watch(&mut quiet, 199, 1, &unmirrored()[..1]);
    assert_eq!(quiet.hints(now).words(), [NOT_MIRRORED]);
    let mut download = Sight::new(&own());
    let now = watch(&mut download, 0, 300, &unmirrored()[1..]);
    assert_eq!(download.hints(now).words(), [""; 0], "it fills the sample, whatever there is else");
}

#[test]
fn a_mirrored_port_shows_what_others_say_to_one_another() {
    let mut frames = vec![frame((BULB, BULB_IP), (ALL, [255; 4]), 1); 19];
    frames.push(frame((BULB, BULB_IP), (ROUTER, CLOUD), 2));
    let mut sight = Sight::new(&own());
    let now = watch(&mut sight, 0, 200, &frames);
    assert_eq!(sight.hints(now).words(), [""; 0], "one frame in twenty is enough");
    assert_eq!(sight.hints(now).others, 1.0);
    // But not what a switch floods now and then.
    let mut flooded = Sight::new(&own());
    for minute in 0..5 {
        watch(&mut flooded, minute * 60, 59, &unmirrored()[..2]);
        watch(&mut flooded, minute * 60 + 59, 1, &[]);
    }
    let now = watch(&mut flooded, 300, 1, &frames[19..]);
    assert_eq!(flooded.hints(now).words(), [NOT_MIRRORED]);
}

#[test]
fn what_an_access_point_passes_on_is_not_its_own() {
    let (client, cloud) = ((BULB, BULB_IP), CLOUD);
    let frames = [
        frame(client, (ALL, [255; 4]), 1),
        frame(client, (US, cloud), 2),
        frame((US, cloud), client, 3),
        frame(client, (US, OUR_IP), 4),
        // An address of its own that is newer than what is known.
        frame((US, [192, 168, 1, 6]), client, 5),
    ];
    let mut sight = Sight::new(&Own { forwards: true, ..own() });
    let now = watch(&mut sight, 0, 200, &frames);
    let hints = sight.hints(now);
    assert_eq!((hints.others, hints.own), (0.5, 0.4));
    assert_eq!(hints.words(), [""; 0]);
    let mut station = Sight::new(&own());
    let now = watch(&mut station, 0, 200, &frames);
    assert_eq!((station.hints(now).others, station.hints(now).words()), (0.0, vec![NOT_MIRRORED]));
}

#[test]
fn where_others_talk_through_this_machine_there_is_nothing_to_mirror() {
    let mut sight = Sight::new(&Own { in_path: true, ..own() });
    let now = watch(&mut sight, 0, 200, &unmirrored());
    assert_eq!(sight.hints(now).words(), [""; 0]);
    sight.set_own(&own());
    assert_eq!(sight.hints(now).words(), [NOT_MIRRORED]);
}

#[test]
fn a_night_without_talk_says_nothing_of_a_port_that_was_mirrored_but_a_day_does() {
    let hour = 3_600;
    let mut sight = Sight::new(&own());
    let mirrored = [unmirrored(), vec![frame((BULB, BULB_IP), (ROUTER, CLOUD), 9)]].concat();
    watch(&mut sight, 0, 100, &mirrored);
    for (quiet, words) in [(12 * hour, vec![]), (23 * hour, vec![]), (24 * hour, vec![NOT_MIRRORED])] {
        let now = watch(&mut sight, quiet, 300, &unmirrored());
        assert_eq!(sight.hints(now).words(), words, "{quiet}");
    }
}

/// Frames of two stations, of which the first `doubled` come again after so many microseconds, changed.
fn doubled(doubled: usize, after: i64, change: impl Fn(&mut Vec<u8>)) -> Hints {
    let mut sight = Sight::new(&own());
    for second in 0..10 {
        for n in 0..30_usize {
            let at = Timestamp(second * 1_000_000 + i64::try_from(n).unwrap() * 15_000);
            let id = u16::try_from(second * 100).unwrap() + u16::try_from(n).unwrap();
            let mut frame = frame((BULB, BULB_IP), (ROUTER, CLOUD), id);
            sight.observe(at, LinkType::ETHERNET, &frame);
            if n < doubled {
                change(&mut frame);
                sight.observe(Timestamp(at.0 + after), LinkType::ETHERNET, &frame);
            }
        }
    }
    sight.hints(Timestamp::from_secs(10))
}

#[test]
fn frames_that_arrive_twice_are_noticed_whatever_their_link_header() {
    for (what, words) in [
        ("as they were", doubled(30, 10, |_| {}).words()),
        ("with another link header", doubled(30, 10, |frame| frame[..6].copy_from_slice(&US)).words()),
        (
            "with a VLAN tag",
            doubled(30, 10, |frame| {
                frame.splice(12..12, [0x81, 0, 0, 5]);
            })
            .words(),
        ),
        ("padded", doubled(30, 10, |frame| frame.extend([0; 10])).words()),
        ("late", doubled(30, 2_000, |_| {}).words()),
        ("in the wrong order", doubled(30, -1_000, |_| {}).words()),
    ] {
        assert_eq!(words, [TWICE], "{what}");
    }
    for (what, hints) in [
        ("only once", doubled(0, 10, |_| {})),
        ("too few", doubled(12, 10, |_| {})),
        ("too late", doubled(30, 2_001, |_| {})),
        ("sent again by the host", doubled(30, 10, |frame| frame[19] ^= 0x80)),
        ("with another payload", doubled(30, 10, |frame| *frame.last_mut().unwrap() += 1)),
        ("to another", doubled(30, 10, |frame| frame[33] += 1)),
    ] {
        assert_eq!(hints.words(), [""; 0], "{what}");
    }
    let some = doubled(12, 10, |_| {}).twice;
    assert!((some - 12.0 / 42.0).abs() < 1e-9, "{some}");
}

#[test]
fn only_the_first_frames_of_a_second_are_looked_at() {
    let mut sight = Sight::new(&own());
    let frame = frame((BULB, BULB_IP), (ROUTER, CLOUD), 1);
    let mut at = Timestamp::from_secs(50);
    for n in 0..3_000 {
        at = Timestamp(50_000_000 + n * 1_000);
        sight.observe(at, LinkType::ETHERNET, &frame);
        // Another ring delivers late.
        sight.observe(Timestamp(at.0 - 900_000), LinkType::ETHERNET, &frame);
    }
    assert_eq!(sight.hints(at).frames_sampled, 3 * u64::from(SAMPLE));
}

#[test]
fn what_was_is_forgotten_and_a_clock_that_steps_does_no_harm() {
    let mut sight = Sight::new(&own());
    let now = watch(&mut sight, 0, 590, &unmirrored());
    assert_eq!(sight.hints(now).words(), [NOT_MIRRORED]);
    // Now it is mirrored: within ten minutes that is known, and after twenty nothing else is.
    let mirrored = [unmirrored(), vec![frame((BULB, BULB_IP), (ROUTER, CLOUD), 9)]].concat();
    let now = watch(&mut sight, 590, 600, &mirrored);
    assert_eq!(sight.hints(now).words(), [""; 0]);
    assert_eq!(sight.hints(now).frames_sampled, 590 * 3 + 600 * 4, "both halves count");
    let now = watch(&mut sight, 1_190, 60, &mirrored);
    assert_eq!(sight.hints(now).frames_sampled, 650 * 4);
    let now = watch(&mut sight, 1_250, 640, &mirrored);
    assert_eq!(sight.hints(now).frames_sampled, 690 * 4, "of which the older goes after twenty minutes");
    let last = sight.hints(now).last_frame;
    let later = sight.hints(now + Span::from_secs(1_200));
    assert_eq!((later.frames_sampled, later.last_frame), (0, last), "nothing came for twenty minutes");
    for step in [-90, 90, -1] {
        let year = 31_000_000;
        let now = watch(&mut sight, 100 * year + step * year, 200, &unmirrored());
        assert_eq!((sight.hints(now).frames_sampled, sight.hints(now).words()), (600, vec![NOT_MIRRORED]));
    }
    let mut sight = Sight::new(&own());
    for at in [i64::MIN, i64::MAX, 0, -1, i64::MIN + 1, i64::MAX - 1] {
        sight.observe(Timestamp(at), LinkType::ETHERNET, &unmirrored()[0]);
        sight.hints(Timestamp(0)).words();
    }
}

#[test]
fn frames_that_cannot_be_read_are_sampled_and_nothing_more() {
    let mut sight = Sight::new(&own());
    let now = watch(&mut sight, 0, 300, &[vec![], vec![1, 2, 3]]);
    let hints = sight.hints(now);
    assert_eq!((hints.frames_sampled, hints.own, hints.group, hints.twice), (600, 0.0, 0.0, 0.0));
    assert_eq!(hints.words(), [""; 0]);
}

const CAPTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/captures");

fn captures(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            captures(&path, found);
        } else if path.extension().is_some_and(|e| e.to_string_lossy().starts_with("pcap")) {
            found.push(path);
        }
    }
}

/// What was said at any time while a capture was watched, asked every 30 seconds of it.
fn said(path: &Path, own: &Own) -> Vec<&'static str> {
    let mut sight = Sight::new(own);
    let (mut words, mut last, mut next) = (Vec::new(), Timestamp(0), None);
    // What cannot be opened has no frames, and what breaks off has some.
    let Ok(source) = Source::open(path) else { return words };
    let _ = read_all::<()>(&mut [source], |_, frame| {
        if next.is_none_or(|next| frame.at >= next) {
            words.extend(sight.hints(last).words());
            next = Some(frame.at + Span::from_secs(30));
        }
        sight.observe(frame.at, frame.link_type, frame.bytes);
        last = frame.at;
        Ok(())
    });
    words.extend(sight.hints(last).words());
    words.sort_unstable();
    words.dedup();
    words
}

#[test]
fn real_captures_give_the_hints_that_they_deserve() {
    const NAME: &str = "real_captures_give_the_hints_that_they_deserve";
    /// What happened to be captured where: the merged ones hold frames of a bridge's ports, and of an access point that
    /// repeats what is sent to all; one is of all interfaces of a router at once; one holds nothing but broadcasts.
    const DESERVED: [(&str, &str); 4] = [
        ("homelan/MERGED_sentinel_natural.pcap", TWICE),
        ("homelan/MERGED_shf_all_3interfaces.pcapng", TWICE),
        ("malformed/tcpdump_arp-oobr.pcap", NOT_MIRRORED),
        ("proto/ndpi_rtsp.pcap", TWICE),
    ];
    let folder = Path::new(CAPTURES);
    if !folder.is_dir() {
        let words = format!("SKIPPED: {NAME}: needs ../shared/captures beside the project\n");
        let _ = std::io::stderr().write_all(words.as_bytes());
        return;
    }
    let mut files = Vec::new();
    captures(folder, &mut files);
    files.sort();
    let mut given = Vec::new();
    for file in &files {
        let name = file.strip_prefix(folder).unwrap().to_str().unwrap();
        given.extend(said(file, &Own::default()).into_iter().map(|words| (name, words)));
    }
    assert_eq!(given, DESERVED);

    // Watched from one of the stations, or from their router.
    let hub = Own { macs: vec!["68:3a:48:13:27:04".parse().unwrap()], ..Own::default() };
    let router = Own {
        macs: vec!["c0:56:27:73:46:0b".parse().unwrap()],
        networks: vec!["192.168.1.0/24".parse().unwrap()],
        addresses: vec!["192.168.1.1".parse().unwrap()],
        forwards: true,
        in_path: false,
    };
    for name in ["BEns_base_lan", "all_lan", "all_wan", "all_wlan2.4", "all_wlan5.0"] {
        let file = folder.join(format!("homelan/shf_{name}.pcap"));
        assert_eq!(said(&file, &hub), [""; 0], "{name}: others talk too");
        assert_eq!(said(&file, &router), [""; 0], "{name}: others talk through it");
    }
    let wan = folder.join("homelan/shf_all_wan.pcap");
    assert_eq!(said(&wan, &Own { forwards: false, ..router }), [NOT_MIRRORED], "all of it would be its own");
    let camera = Own { macs: vec!["b0:c5:54:43:54:83".parse().unwrap()], ..Own::default() };
    let alone = folder.join("homelan/shf_dlinkcam_wlan2.4.pcap");
    assert_eq!(said(&alone, &camera), [NOT_MIRRORED], "the only station");
}
