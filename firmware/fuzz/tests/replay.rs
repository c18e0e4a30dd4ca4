//! Replays every committed corpus file through its target, and some mutations of each: the part of fuzzing that needs
//! no special compiler.

use picket_codes::shield::{self, Level};
use picket_fuzz::TARGETS;
use std::fs;
use std::path::{Path, PathBuf};

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

fn files(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths: Vec<_> = fs::read_dir(corpus(target))
        .unwrap_or_else(|e| panic!("corpus/{target}: {e}"))
        .map(|entry| entry.expect("readable folder").path())
        .collect();
    paths.sort();
    paths.into_iter().map(|p| (p.clone(), fs::read(&p).expect("readable file"))).collect()
}

#[test]
fn every_corpus_file_passes_its_target() {
    for (name, target) in TARGETS {
        let files = files(name);
        assert!(!files.is_empty(), "corpus/{name} is empty");
        for (path, data) in files {
            println!("{}", path.display());
            target(&data);
        }
    }
}

#[test]
fn seeds_cut_and_damaged_pass_too() {
    for (name, target) in TARGETS {
        for (path, data) in files(name) {
            let step = 1 + data.len() / 48;
            for at in (0..data.len()).step_by(step) {
                println!("{} cut at {at}", path.display());
                target(&data[..at]);
                for flip in [0x01, 0x80, 0xFF] {
                    let mut bad = data.clone();
                    bad[at] ^= flip;
                    println!("{} byte {at} flipped by {flip}", path.display());
                    target(&bad);
                }
            }
        }
    }
}

#[test]
fn folders_and_targets_are_the_same() {
    let mut folders: Vec<String> = fs::read_dir(corpus(""))
        .expect("corpus")
        .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let mut targets: Vec<&str> = TARGETS.iter().map(|(n, _)| *n).collect();
    targets.sort_unstable();
    assert_eq!(folders, targets);
}

#[test]
#[ignore = "writes seeds that do not exist yet"]
fn write_missing_seeds() {
    for (target, name, data) in seeds() {
        let path = corpus(target).join(name);
        fs::create_dir_all(corpus(target)).expect("folder");
        if !path.exists() {
            fs::write(path, data).expect("seed");
        }
    }
}

fn vectors(file: &str) -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors").join(file);
    serde_json::from_str(&fs::read_to_string(path).expect(file)).expect(file)
}

/// Collects every hex string of at least `least` bytes under one of `keys`.
fn hexes(value: &serde_json::Value, keys: &[&str], found: &mut Vec<Vec<u8>>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                match value.as_str().filter(|_| keys.contains(&key.as_str())) {
                    Some(text) => found.extend(hex::decode(text).ok()),
                    None => hexes(value, keys, found),
                }
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|v| hexes(v, keys, found)),
        _ => (),
    }
}

fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let sources = [
        ("wire_frame", "vector", "wire-frames.json", "/frames", &["hex"][..]),
        ("wire_frame", "refused", "wire-errors.json", "/frames", &["hex"][..]),
        ("wire_envelope", "vector", "wire-envelopes.json", "/envelopes", &["hex"][..]),
        ("wire_envelope", "refused", "wire-errors.json", "/envelopes", &["hex"][..]),
        ("wire_control", "vector", "wire-control.json", "/controls", &["hex"][..]),
        ("wire_control", "refused", "wire-errors.json", "/controls", &["hex"][..]),
        ("roster_formats", "vector", "roster.json", "", &["hex", "file"][..]),
        ("extension_formats", "request", "extension.json", "/requests", &["hex"][..]),
        ("extension_formats", "pending", "extension.json", "/pending", &["hex"][..]),
        ("roster_formats", "extended", "extension.json", "/rosters", &["hex"][..]),
        ("seal_state", "vector", "seal.json", "/sessions", &["state"][..]),
        ("provision_formats", "sealed", "provision.json", "/sealed", &["hex"][..]),
        ("provision_formats", "audit", "provision.json", "/audit", &["log", "head"][..]),
    ];
    for (target, name, file, part, keys) in sources {
        let mut found = Vec::new();
        hexes(vectors(file).pointer(part).expect(part), keys, &mut found);
        seeds.extend(found.into_iter().enumerate().map(|(i, d)| (target, format!("{name}-{i:02}"), d)));
    }
    seeds.extend(safe_seeds());
    let parts = vectors("provision.json")["parts"]["parts"].clone();
    let lines: Vec<&str> = parts.as_array().expect("parts").iter().filter_map(|p| p.as_str()).collect();
    seeds.push(("provision_parts", "in-order".into(), lines.join("\n").into_bytes()));
    seeds.push(("provision_parts", "one".into(), lines[0].as_bytes().to_vec()));
    seeds.push(("provision_parts", "short".into(), b"PICKETQ1/2HXH65QLVYQP2/1/1/ME\n\nhello".to_vec()));
    seeds.extend(codes_seeds());
    seeds.extend(link_seeds());
    for (i, kind) in (0..8u8).enumerate() {
        let content = [&[kind, 0x40, 0, 0x10, 0x20][..], b"hello from the field"].concat();
        seeds.push(("seal_content", format!("kind-{i}"), content));
    }
    for target in ["store_queue", "store_table"] {
        seeds.push((target, "untouched".into(), vec![0]));
        let edits: Vec<u8> = (0..60u8).flat_map(|n| [n % 3, n, n.wrapping_mul(41), n]).collect();
        seeds.push((target, "edits".into(), [&[0][..], &edits].concat()));
        seeds.push((target, "header-edits".into(), [&[0][..], &[0, 0, 9, 2, 1, 0, 12, 7, 2, 0, 3, 1]].concat()));
        seeds.push((target, "shortened".into(), vec![0, 1, 0x02, 0x00, 255]));
        seeds.push((target, "noise".into(), (0..600u32).map(|n| ((n * 7919) >> 3) as u8 | 1).collect()));
    }
    seeds
}

fn safe_seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/key-file.txt");
    let text = fs::read_to_string(path).expect("key-file.txt");
    let files = text.lines().filter_map(|l| l.split_once(' '));
    let mut seeds: Vec<_> =
        files.map(|(name, bytes)| ("safe_formats", format!("key-{name}"), hex::decode(bytes).expect("hex"))).collect();
    let mut marked = seeds[0].2.clone();
    marked[13] = 1;
    seeds.push(("safe_formats", "key-marked".into(), marked));
    seeds.push(("safe_formats", "alive".into(), b"1 259200000 60000 123 - 0a1b-2c\n".to_vec()));
    seeds.push(("safe_formats", "line".into(), b"gpio-low:/dev/gpiochip0:17".to_vec()));
    seeds
}

fn codes_seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut streams = Vec::new();
    hexes(&vectors("codes-shield.json"), &["air"], &mut streams);
    let all: Vec<u8> = streams.concat();
    streams.push(all);
    // Pieces of 100 bytes at most.
    let pieces = |air: &[u8]| air.chunks(100).flat_map(|c| [&[c.len() as u8][..], c].concat()).collect::<Vec<u8>>();
    let hunter = streams.iter().enumerate().map(|(i, s)| ("codes_hunter", format!("vector-{i:02}"), pieces(s)));
    let symbols = |size: [u8; 3], esis: &mut dyn Iterator<Item = u16>| -> Vec<u8> {
        size.into_iter().chain(esis.flat_map(u16::to_be_bytes)).collect()
    };
    let fountain = [
        ("source-only", symbols([1, 0, 16], &mut (0..16))),
        ("repair-only", symbols([1, 0, 16], &mut (16..40))),
        ("one-byte", symbols([0, 1, 1], &mut [0x7FFF, 0].into_iter())),
        ("every-second", symbols([4, 0, 16], &mut (0..64).step_by(2).chain(100..140))),
        ("false-ones", symbols([1, 0, 16], &mut (8..40).map(|n| n | (0x8000 * (n % 2))))),
        ("far-apart", symbols([8, 0, 32], &mut (0..90).map(|n| n * 331))),
    ];
    hunter.chain(fountain.map(|(name, data)| ("codes_fountain", name.into(), data))).collect()
}

fn link_seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut frames = Vec::new();
    hexes(&vectors("wire-frames.json"), &["hex"], &mut frames);
    let mut packets = vec![0x09];
    let mut stream = vec![0x08];
    for frame in frames.iter().filter(|f| f.len() < 200) {
        packets.push(frame.len() as u8);
        packets.extend(frame);
        let stuffed = cobs(frame);
        stream.push(stuffed.len() as u8);
        stream.extend(stuffed);
    }
    // The same in coded frames of every strength, and damaged.
    let mut air = Vec::new();
    for (frame, level) in frames.iter().filter(|f| f.len() < 200).zip(Level::ALL.iter().cycle()) {
        let at = air.len();
        shield::put(&mut air, frame, *level);
        air[at + frame.len() / 2] ^= 0x10;
    }
    let pieces = air.chunks(100).flat_map(|c| [&[c.len() as u8][..], c].concat());
    let coded: Vec<u8> = [24].into_iter().chain(pieces).collect();
    let all = |choice: u8, ops: &[[u8; 2]]| [&[choice][..], &ops.concat()].concat();
    let story: Vec<[u8; 2]> = (0..90u8).map(|n| [n.wrapping_mul(37), n.wrapping_mul(59)]).collect();
    let calm = [[0, 3], [2, 9], [5, 200], [10, 100], [10, 250], [11, 250], [10, 250], [10, 250]];
    // One transmission for both others, among other traffic; then damage, loss and waiting.
    let group = [[16, 40], [10, 50], [2, 9], [10, 100], [17, 200], [10, 250], [12, 77], [14, 90], [10, 250], [11, 250]];
    let group_story: Vec<[u8; 2]> =
        (0..60u8).map(|n| [[16, 17, 10, 12, 0, 11, 14, 10][usize::from(n % 8)], n.wrapping_mul(59)]).collect();
    vec![
        ("link_bytes", "packets".into(), packets),
        ("link_bytes", "stream".into(), stream),
        ("link_pair", "calm-half-duplex".into(), all(4, &calm)),
        ("link_pair", "calm-full-duplex".into(), all(8, &calm)),
        ("link_pair", "packets-with-mtu".into(), all(3, &calm)),
        ("link_pair", "story".into(), all(4, &story)),
        ("link_pair", "story-full".into(), all(12, &story)),
        ("link_bytes", "coded".into(), coded),
        ("link_pair", "coded-half-duplex".into(), all(20, &calm)),
        ("link_pair", "coded-story".into(), all(20, &story)),
        ("link_pair", "coded-story-full".into(), all(28, &story)),
        ("link_pair", "group-of-packets".into(), all(13, &group)),
        ("link_pair", "group-of-packets-half-duplex".into(), all(5, &group)),
        ("link_pair", "group-coded".into(), all(28, &group)),
        ("link_pair", "group-story".into(), all(13, &group_story)),
        ("link_pair", "group-story-half-duplex".into(), all(5, &group_story)),
        ("link_pair", "group-story-coded".into(), all(20, &group_story)),
    ]
}

/// COBS with its delimiter, for frames of less than 254 bytes.
fn cobs(frame: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for run in frame.split(|b| *b == 0) {
        out.push(run.len() as u8 + 1);
        out.extend(run);
    }
    out.push(0);
    out
}
