//! What comes through the socket and is no question: refused in words, or left alone after two seconds.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{acquainted, tell};
use crate::support::lab::{Daemon, Lab, PATIENCE, until};

/// Sends bytes and reads the answer to its end.
fn send(socket: &Path, bytes: &[u8], end: bool) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    if end {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    answer(&mut stream)
}

/// What is answered. That the daemon hung up on what it had not read is no matter.
fn answer(stream: &mut UnixStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn answers(daemon: &Daemon) {
    let (status, code) = daemon.status();
    assert_eq!((code, status["pid"].as_u64()), (0, Some(daemon.pid().into())), "{status:#}");
}

#[test]
fn what_makes_no_sense_is_refused_in_words_and_harms_nobody() {
    let Some(lab) = Lab::new("what_makes_no_sense_is_refused_in_words_and_harms_nobody") else { return };
    let daemon = lab.daemon("");
    let long = vec![b'a'; 600];
    let mut line = long.clone();
    line.push(b'\n');
    let nested = ["{\"request\":".repeat(40), "\n".to_owned()].concat();
    let cases: [(&[u8], &str); 9] = [
        (&long, "longer than 512 bytes"),
        (&line, "longer than 512 bytes"),
        (b"\xff\xfe\x00\x01\x80\n", "not understood; requests are status, flush"),
        (b"\n", "not understood"),
        (b"status now\n", "not understood"),
        (b"{\"request\":\"label\",\"device\":\"me\",\"name\":\"x\"}\n", "not understood"),
        (b"{\"request\":\"label\",\"device\":\"02:00:00:00:00:01\",\"nam\":\"x\"}\n", "not understood"),
        (nested.as_bytes(), "not understood"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "not understood"),
    ];
    for (request, words) in cases {
        let answer = send(&daemon.socket, request, false);
        let shown = String::from_utf8_lossy(request).into_owned();
        assert!(answer.starts_with("{\"error\":\"") && answer.contains(words), "{shown}: {answer}");
        answers(&daemon);
    }
    // One that makes sense needs no end of line if nothing else comes.
    assert!(send(&daemon.socket, b"status", true).starts_with("{\"ok\":{\"health\":"));
    // Without both it is waited for, but not for long.
    let since = Instant::now();
    assert!(send(&daemon.socket, b"status", false).contains("no request within 2 s"));
    let waited = since.elapsed();
    assert!(waited > Duration::from_secs(1) && waited < Duration::from_secs(6), "{waited:?}");
    // Who goes without an answer.
    for _ in 0..20 {
        UnixStream::connect(&daemon.socket).unwrap().write_all(b"status\n").unwrap();
    }
    until("it to answer", PATIENCE, || (daemon.status().1 == 0).then_some(()));
    answers(&daemon);
    let ended = daemon.stop();
    assert_eq!(ended.code(), 0, "{}", ended.said);
    assert!(!ended.said.contains("panicked"), "{}", ended.said);
}

#[test]
fn twenty_who_connect_and_say_nothing_keep_others_out_for_two_seconds_only() {
    let Some(lab) = Lab::new("twenty_who_connect_and_say_nothing_keep_others_out_for_two_seconds_only")
    else {
        return;
    };
    let daemon = lab.daemon("");
    let mut silent: Vec<_> = (0..20).map(|_| UnixStream::connect(&daemon.socket).unwrap()).collect();
    let since = Instant::now();
    let (code, said) = tell(&daemon.config, &["status"]);
    // Where the machine is slow it may be over before it is tried.
    if since.elapsed() < Duration::from_secs(1) {
        assert_eq!(code, 75, "{said}");
        assert!(said.contains("busy: 8 others are asking; try again"), "{said}");
    }
    until("it to answer", PATIENCE, || (daemon.status().1 == 0).then_some(()));
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    answers(&daemon);
    let told: Vec<_> = silent.iter_mut().map(answer).collect();
    let count = |words: &str| told.iter().filter(|told| told.contains(words)).count();
    assert_eq!((count("no request within 2 s"), count("busy: 8 others")), (8, 12), "{told:?}");
    assert_eq!(daemon.stop().code(), 0);
}

#[test]
fn a_second_flush_within_half_a_minute_is_refused() {
    let Some(lab) = Lab::new("a_second_flush_within_half_a_minute_is_refused") else { return };
    let daemon = acquainted(&lab, "");
    let written = daemon.status().0["store"]["rows"].as_u64().unwrap();
    assert!(written >= 2, "two devices at least");
    let (code, said) = tell(&daemon.config, &["flush"]);
    assert_eq!(code, 75, "{said}");
    assert!(said.contains("less than 30 s ago") && said.contains("try again in "), "{said}");
    assert_eq!(daemon.status().0["store"]["rows"].as_u64(), Some(written));
}
