//! The audit log (spec §30.15).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{authority, log};
use picket_provision::audit::{LOG_HEADER_LEN, check, entries};
use picket_provision::{Act, Broken, Chain, Entry, Why};
use picket_roster::AuthorityKey;

/// Where each entry lies.
fn spans(log: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut at = LOG_HEADER_LEN;
    let mut found = Vec::new();
    while at < log.len() {
        let end = at + 146 + usize::from(log[at + 45]);
        found.push(at..end);
        at = end;
    }
    found
}

fn broken(log: &[u8], head: &[u8]) -> Broken {
    check(log, head, &authority().public().unwrap()).expect_err("a changed log holds")
}

#[test]
fn a_log_holds_and_says_what_was_done() {
    let (log, head) = log();
    let found = check(&log, &head, &authority().public().unwrap()).unwrap();
    assert_eq!(found, entries(&log).unwrap());
    let acts: Vec<_> = found.iter().map(|e| (e.number, e.act, e.name, e.detail, e.time.is_some())).collect();
    assert_eq!(acts[2], (3, Act::Enrol, "alpha", 1, true));
    assert_eq!(acts[3], (4, Act::Roster, "exercise", 2, false), "the time may be unknown");
    assert_eq!(acts.len(), 6);
}

#[test]
fn every_flipped_byte_of_a_log_or_its_head_is_noticed_where_it_is() {
    let (log, head) = log();
    let spans = spans(&log);
    for at in 0..log.len() {
        let mut bad = log.clone();
        bad[at] ^= 1 << (at % 8);
        let found = broken(&bad, &head);
        let place = spans.iter().position(|s| s.contains(&at)).map_or(0, |n| n as u32 + 1);
        assert_eq!(found.entry, place, "byte {at}: {found}");
    }
    for at in 0..head.len() {
        let mut bad = head.clone();
        bad[at] ^= 1;
        assert_eq!(broken(&log, &bad), Broken { entry: 0, why: Why::Head }, "byte {at}");
        assert_eq!(broken(&log, &head[..at]).why, Why::Head);
    }
}

#[test]
fn a_removed_swapped_repeated_or_added_entry_is_noticed_where_it_is() {
    let (log, head) = log();
    let spans = spans(&log);
    for (n, span) in spans.iter().enumerate() {
        let without = [&log[..span.start], &log[span.end..]].concat();
        let found = broken(&without, &head);
        let last = n + 1 == spans.len();
        assert_eq!(found, Broken { entry: n as u32 + 1, why: if last { Why::CutOff } else { Why::Number } });
        let twice = [&log[..span.end], &log[span.start..]].concat();
        assert_eq!(broken(&twice, &head), Broken { entry: n as u32 + 2, why: Why::Number });
        if let Some(next) = spans.get(n + 1) {
            let swapped = [&log[..span.start], &log[next.clone()], &log[span.clone()], &log[next.end..]].concat();
            assert_eq!(broken(&swapped, &head), Broken { entry: n as u32 + 1, why: Why::Number });
        }
    }
    // An act that the head does not know, signed by the authority all the same.
    let public = authority().public().unwrap();
    let mut chain = Chain::from_head(&head, &public).unwrap();
    let entry = Entry { number: 0, time: None, act: Act::Revoke, name: "alpha", detail: 1, output: [0; 32] };
    let longer = [log, chain.append(&authority(), &entry).unwrap()].concat();
    assert_eq!(broken(&longer, &head), Broken { entry: 7, why: Why::Beyond });
    assert_eq!(check(&longer, &chain.head(&authority()).unwrap(), &public).unwrap().len(), 7);
}

#[test]
fn a_log_that_was_cut_off_is_noticed_at_every_length() {
    let (log, head) = log();
    for len in 0..log.len() {
        let found = broken(&log[..len], &head);
        let whole = spans(&log).iter().filter(|s| s.end <= len).count() as u32;
        assert_eq!(found.entry, if len < LOG_HEADER_LEN { 0 } else { whole + 1 }, "{len}: {found}");
    }
}

#[test]
fn a_head_of_before_does_not_hide_what_came_after() {
    let (log, _) = log();
    let key = authority();
    let public = key.public().unwrap();
    let mut chain = Chain::begin(&public);
    let entry = Entry { number: 0, time: None, act: Act::Create, name: "exercise", detail: 0, output: [9; 32] };
    chain.append(&key, &entry).unwrap();
    assert_eq!(broken(&log, &chain.head(&key).unwrap()).why, Why::Beyond);
}

#[test]
fn an_entry_of_another_history_of_the_same_authority_is_noticed() {
    let (log, head) = log();
    let spans = spans(&log);
    let key = authority();
    // A copy of the folder from after the second act, in which something else was done then.
    let public = key.public().unwrap();
    let mut chain = Chain::begin(&public);
    let mut other = Vec::new();
    for (n, act) in [Act::Create, Act::Begin, Act::Enrol, Act::Roster].into_iter().enumerate() {
        let entry = Entry { number: 0, time: None, act, name: "mallory", detail: n as u32, output: [0; 32] };
        other.push(chain.append(&key, &entry).unwrap());
    }
    let spliced = [&log[..spans[2].start], &other[2], &log[spans[2].end..]].concat();
    assert_eq!(broken(&spliced, &head), Broken { entry: 3, why: Why::Chain });
    let whole = [picket_provision::audit::log_header(&public), other.concat()].concat();
    assert_eq!(broken(&whole, &head), Broken { entry: 5, why: Why::CutOff });
}

#[test]
fn another_authoritys_log_is_refused() {
    let (log, head) = log();
    let other = AuthorityKey::generate(&[2; 32]).unwrap();
    let refused = check(&log, &head, &other.public().unwrap()).unwrap_err();
    assert_eq!(refused, Broken { entry: 0, why: Why::Beginning });
    // A forger who writes his own key into the beginning, with entries of his own.
    let public = other.public().unwrap();
    let mut forged = picket_provision::audit::log_header(&public);
    let mut chain = Chain::begin(&public);
    let entry = Entry { number: 0, time: None, act: Act::Create, name: "exercise", detail: 0, output: [9; 32] };
    forged.extend(chain.append(&other, &entry).unwrap());
    assert_eq!(broken(&forged, &chain.head(&other).unwrap()).why, Why::Beginning);
}
