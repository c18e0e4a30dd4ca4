//! Full disks and damaged stores.

use std::path::{Path, PathBuf};
use std::process::Command;

use hil_tests::skip::{is_root, skip};
use hil_tests::{Gateway, Plan, Rig, wait};

use crate::world::texts;

#[test]
fn a_full_disk_loses_nothing() {
    const NAME: &str = "a_full_disk_loses_nothing";
    let mut rig = Rig::new(NAME, &["alpha", "bravo"], &["gw1"]);
    let disk = match Disk::mount(&rig.path("disk"), 24) {
        Ok(disk) => disk,
        Err(why) => return skip(NAME, &why),
    };
    let all = texts("message", 30, rig.rng());
    let mut gw1 = rig.gateway(Plan::new("gw1").state(&disk.path.join("gw1")));
    let alpha = rig.member("alpha", "gw1");
    alpha.send_with("bravo", &["--wait", "custody", &all[0]]).expect(0);
    disk.fill();
    rig.note("the disk is full");
    let big = crate::world::file(&mut rig, "big.bin", 40 * 1024);
    let big = big.display().to_string();
    for text in &all[1..] {
        let sent = alpha.send("bravo", text).expect(0);
        assert!(sent.states().iter().all(|s| ["queued", "custody"].contains(s)), "{sent:?}");
    }
    for _ in 0..60 {
        // Enough to need more disk than there was preallocated.
        alpha.send_with("bravo", &["--file", &big]).expect(0);
        if gw1.counter("refused_full") + gw1.counter("store_errors") > 0 {
            break;
        }
    }
    assert!(gw1.is_running(), "a full disk ends no gateway: {}", gw1.said());
    let counters = gw1.status()["counters"].clone();
    assert!(gw1.counter("refused_full") + gw1.counter("store_errors") > 0, "it says so: {counters}");
    gw1.kill9();

    // Started on the full disk it either serves what it has, or says clearly why not.
    disk.empty();
    gw1.start();
    let mut at_alpha = alpha.follow();
    let mut at_bravo = rig.member("bravo", "gw1").follow();
    at_bravo.texts_all(&all, wait::PROMPT * 3);
    at_alpha.drain();
}

#[test]
fn a_store_on_a_full_disk_is_refused_clearly() {
    const NAME: &str = "a_store_on_a_full_disk_is_refused_clearly";
    let rig = Rig::new(NAME, &["alpha", "bravo"], &["gw1"]);
    let disk = match Disk::mount(&rig.path("disk"), 2) {
        Ok(disk) => disk,
        Err(why) => return skip(NAME, &why),
    };
    disk.fill();
    let mut gw1 = Gateway::prepare(&rig, Plan::new("gw1").state(&disk.path.join("gw1")));
    let refused = gw1.start_refused();
    assert_eq!(refused.code, 8, "{}", refused.err);
    assert!(refused.err.to_lowercase().contains("space") || refused.err.contains("full"), "{}", refused.err);
    drop(disk);
    gw1 = Gateway::prepare(&rig, Plan::new("gw1"));
    gw1.start();
}

#[test]
fn one_damaged_record_costs_no_other() {
    let mut rig = Rig::new("one_damaged_record_costs_no_other", &["alpha", "bravo"], &["gw1"]);
    let mut gw1 = rig.gateway(Plan::new("gw1"));
    let alpha = rig.member("alpha", "gw1");
    let all = texts("message", 12, rig.rng());
    let mut at_alpha = alpha.follow();
    let ids: Vec<String> = all
        .iter()
        .map(|text| {
            let sent = alpha.send_with("bravo", &["--wait", "custody", text]).expect(0);
            sent.id()
        })
        .collect();
    at_alpha.kill9();
    assert_eq!(gw1.queue().len(), 12);
    gw1.kill9();

    let (file, at) = find_record(&rig.mission("state/gw1"), &ids[6]);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    gw1.start();
    let damage = gw1.counter("store_damage");
    assert!(damage > 0, "the damage is reported: {}", gw1.status());
    assert_eq!(gw1.queue().len(), 11, "that record alone is lost");
    let mut at_bravo = rig.member("bravo", "gw1").follow();
    let others: Vec<String> = all.iter().enumerate().filter(|(n, _)| *n != 6).map(|(_, t)| t.clone()).collect();
    at_bravo.texts_all(&others, wait::PROMPT);
}

#[test]
fn a_store_of_a_newer_version_is_left_untouched() {
    let rig = Rig::new("a_store_of_a_newer_version_is_left_untouched", &["alpha", "bravo"], &["gw1"]);
    let mut gw1 = rig.gateway(Plan::new("gw1"));
    rig.member("alpha", "gw1").send_with("bravo", &["--wait", "custody", "kept"]).expect(0);
    assert_eq!(gw1.stop(), 0);
    let state = rig.mission("state/gw1");
    let originals: Vec<(PathBuf, Vec<u8>)> =
        files(&state).into_iter().map(|p| (p.clone(), std::fs::read(p).unwrap())).collect();
    for (path, bytes) in &originals {
        std::fs::write(path, later(bytes)).unwrap();
    }
    assert!(originals.iter().any(|(_, b)| b.starts_with(b"PICKETSG")), "there are segments");
    let damaged: Vec<Vec<u8>> = originals.iter().map(|(p, _)| std::fs::read(p).unwrap()).collect();
    let refused = gw1.start_refused();
    assert_eq!(refused.code, 8, "{}", refused.err);
    assert!(refused.err.len() > 20, "it says why: {}", refused.err);
    for ((path, _), before) in originals.iter().zip(&damaged) {
        assert_eq!(&std::fs::read(path).unwrap(), before, "{} was written to", path.display());
    }
    for (path, bytes) in &originals {
        std::fs::write(path, bytes).unwrap();
    }
    gw1.start();
    let inbox = rig.member("bravo", "gw1").inbox().expect(0);
    assert_eq!(inbox.lines[0]["text"], "kept");
}

/// The same segment as a later version would write it: spec §60.2.2 keeps magic, version and checksum in their places.
fn later(segment: &[u8]) -> Vec<u8> {
    let mut later = segment.to_vec();
    if later.starts_with(b"PICKETSG") {
        later[8..10].copy_from_slice(&0x7FFF_u16.to_be_bytes());
        let sum = crc32fast::hash(&later[..60]);
        later[60..64].copy_from_slice(&sum.to_be_bytes());
    }
    later
}

/// A small disk. Unmounted when dropped.
struct Disk {
    path: PathBuf,
}

impl Disk {
    fn mount(path: &Path, mib: u32) -> Result<Self, String> {
        if !is_root() {
            return Err("mounting a small disk needs root".into());
        }
        std::fs::create_dir(path).unwrap();
        let size = format!("size={mib}m");
        let out = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "picket-test"]).arg(path).output();
        match out {
            Ok(o) if o.status.success() => Ok(Self { path: path.to_owned() }),
            Ok(o) => Err(format!("mounting a small disk: {}", String::from_utf8_lossy(&o.stderr).trim())),
            Err(e) => Err(format!("mounting a small disk: {e}")),
        }
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.path.join("ballast")).unwrap();
        let block = vec![0x5A; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.path.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, as a killed program may still be closing its files.
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            all.extend(files(&entry.path()));
        } else if entry.metadata().unwrap().len() > 0 {
            all.push(entry.path());
        }
    }
    all.sort();
    all
}

/// A byte inside the stored record of a message: just after its identity, as the store keeps it.
fn find_record(state: &Path, id: &str) -> (PathBuf, usize) {
    let id: Vec<u8> = (0..id.len()).step_by(2).map(|i| u8::from_str_radix(&id[i..i + 2], 16).unwrap()).collect();
    for path in files(state) {
        let bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(id.len()).position(|w| w == id) {
            return (path, at + id.len() + 16);
        }
    }
    panic!("no record of {id:02x?} in {}", state.display());
}
