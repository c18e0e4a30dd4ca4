//! The bytes of a small segment and what they say, both ways (§60.9).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fmt::Write as _;
use std::path::PathBuf;

use picket_store::log::format::{SegmentHeader, kind};
use picket_store::log::scan::{Found, Scan};
use picket_store::testing::CrashMedium;
use picket_store::{Parcel, Queue, QueueLimits, Table, TableLimits};
use picket_wire::time::{Duration, Instant, Wall};
use picket_wire::{Identity, Precedence};

fn queue() -> CrashMedium {
    let medium = CrashMedium::default();
    let limits = QueueLimits { max_bytes: 64 * 1024, segment_bytes: 4096, salt: 0x0102_0304, ..QueueLimits::default() };
    let wall = Some(Wall(1_700_000_000_000));
    let (mut queue, _) = Queue::open(medium.clone(), limits, Instant::ZERO, wall).unwrap();
    let parcel = |n: u8, body: &'static [u8]| Parcel {
        kind: n,
        identity: Identity([0x10 + n; 16]),
        precedence: Precedence::Flash,
        lifetime: Duration::from_secs(3600),
        meta: &[0xAB, 0xCD],
        body,
    };
    let (first, _) = queue.put(Instant::ZERO, &parcel(1, b"first body")).unwrap();
    let (second, _) = queue.put(Instant(1_000_000), &parcel(2, b"second")).unwrap();
    queue.sync_now().unwrap();
    queue.note(second, b"noted").unwrap();
    queue.finish(Instant(2_000_000), first, Duration::from_secs(60)).unwrap();
    medium
}

fn table() -> CrashMedium {
    let medium = CrashMedium::default();
    let limits = TableLimits { max_bytes: 64 * 1024, segment_bytes: 4096, salt: 0x0102_0304, ..TableLimits::default() };
    let (mut table, _) = Table::open(medium.clone(), limits).unwrap();
    table.commit(&[(b"alpha", Some(b"one")), (b"bravo", Some(b"two"))]).unwrap();
    table.sync_now().unwrap();
    table.commit(&[(b"alpha", None)]).unwrap();
    medium
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        write!(out, "{b:02x}").unwrap();
        out
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn name(kind: u8) -> &'static str {
    match kind {
        kind::MARK => "mark",
        kind::FILLER => "filler",
        kind::PUT => "parcel",
        kind::NOTE => "note",
        kind::MEMO => "memo",
        kind::STAMP => "stamp",
        kind::COMMIT => "transaction",
        other => panic!("kind {other}"),
    }
}

/// The segment's used bytes as a vector: one line per record.
fn describe(bytes: &[u8]) -> String {
    let header = SegmentHeader::parse(bytes).unwrap();
    let mut out = String::from("{\n");
    writeln!(
        out,
        "  \"segment\": {{\"hex\": \"{}\", \"version\": {}, \"store\": {}, \"serial\": {}, \"length\": {}, \"floor\": {}, \"before\": {}, \"before_end\": {}, \"next_number\": {}}},",
        hex(&bytes[..64]), header.version, header.store, header.serial, header.len, header.floor, header.before, header.before_end, header.next_seq.0
    )
    .unwrap();
    out.push_str("  \"records\": [\n");
    let mut lines = Vec::new();
    for found in Scan::new(bytes, header.serial, None) {
        let Found::Record { offset, header, head, body } = found else { panic!("{found:?}") };
        let raw = &bytes[offset as usize..(offset + header.size()) as usize];
        lines.push(format!(
            "    {{\"hex\": \"{}\", \"offset\": {offset}, \"kind\": \"{}\", \"number\": {}, \"synced\": {}, \"head\": \"{}\", \"body\": \"{}\"}}",
            hex(raw), name(header.kind), header.seq.0, header.synced, hex(head), hex(body)
        ));
    }
    writeln!(out, "{}\n  ]\n}}", lines.join(",\n")).unwrap();
    out
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors").join(file)
}

fn segment(medium: &CrashMedium) -> Vec<u8> {
    medium.bytes(medium.segments()[0].0)
}

/// The bytes in a vector's `hex` fields, one after the other, in a segment of 4096.
fn bytes_of(vector: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        vector.split("\"hex\": \"").skip(1).flat_map(|rest| unhex(rest.split('"').next().unwrap())).collect();
    bytes.resize(4096, 0);
    bytes
}

#[test]
fn operations_write_exactly_these_bytes_and_these_bytes_say_exactly_this() {
    for (file, medium) in [("store-queue.json", queue()), ("store-table.json", table())] {
        let vector = std::fs::read_to_string(path(file)).expect("the vector exists");
        assert_eq!(describe(&segment(&medium)), vector, "{file}: bytes are law");
        assert_eq!(describe(&bytes_of(&vector)), vector, "{file}: read back from its hex");
    }
}

#[test]
fn a_store_opens_from_the_vectors_bytes_alone() {
    let vector = std::fs::read_to_string(path("store-queue.json")).unwrap();
    let medium = queue();
    let (id, _) = medium.segments()[0];
    medium.damage(id, |bytes| *bytes = bytes_of(&vector));
    let limits = QueueLimits { max_bytes: 64 * 1024, segment_bytes: 4096, ..QueueLimits::default() };
    let (mut queue, recovery) = Queue::open(medium, limits, Instant::ZERO, None).unwrap();
    assert_eq!(recovery.losses, vec![]);
    let entry = queue.entries(Instant::ZERO).next().unwrap();
    assert_eq!((entry.kind, entry.meta, entry.precedence), (2, &b"noted"[..], Precedence::Flash));
    let seq = entry.seq;
    assert_eq!(queue.body(seq).unwrap(), b"second");
    assert_eq!(queue.remembered(Instant::ZERO, &Identity([0x11; 16])).unwrap().meta, [0xAB, 0xCD]);
}

/// Writes vectors that do not exist yet; an existing one is never written again.
#[test]
#[ignore = "writes files"]
fn write_missing_vectors() {
    for (file, medium) in [("store-queue.json", queue()), ("store-table.json", table())] {
        if !path(file).exists() {
            std::fs::write(path(file), describe(&segment(&medium))).unwrap();
        }
    }
}
