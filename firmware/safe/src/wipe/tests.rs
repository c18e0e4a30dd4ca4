#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::sim::Sim;
use super::*;
use crate::disk::Files;
use crate::slots::{Cost, Opened, Opener, SlotsError};
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

const DATA: [u8; 32] = *b"the data key, planted for search";
const KEYFILL: &[u8] = b"a keyfill in clear: network key 4711";
const CHEAP: Cost = Cost { memory: 8, passes: 1, lanes: 1 };

/// Draws that never repeat within a process.
fn draw(out: &mut [u8]) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    for piece in out.chunks_mut(8) {
        let n = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        piece.copy_from_slice(&n[..piece.len()]);
    }
    Ok(())
}

fn nothing(_: (u32, u32)) -> Result<(), String> {
    Ok(())
}

fn device() -> Device {
    Device {
        folder: "/device".into(),
        key: "/device/home.key".into(),
        owner: Owner::Home,
        clear: vec!["/etc/gw1.keyfill".into(), "/etc/gw1.key".into()],
    }
}

fn full(file: &KeyFile) -> Sim {
    let device = device();
    Sim::default()
        .with(&device.key, file.bytes())
        .with(Path::new("/device/state/00000001.seg"), b"ciphertext")
        .with(Path::new("/device/state/lock"), b"")
        .with(Path::new("/device/request"), b"public")
        .with(&device.clear[0], KEYFILL)
        .with(&device.clear[1], KEYFILL)
}

fn whole(sim: &Sim, file: &KeyFile) -> bool {
    let names = sim.names();
    let there = names.len() == 6;
    let same = |p: &str, bytes: &[u8]| sim.read(Path::new(p), 0).is_ok_and(|b| b == bytes);
    there
        && same("/device/home.key", file.bytes())
        && same("/device/state/00000001.seg", b"ciphertext")
        && same("/etc/gw1.keyfill", KEYFILL)
        && same("/etc/gw1.key", KEYFILL)
}

fn wipe(sim: &mut Sim) -> io::Result<()> {
    destroy_key(sim, &device(), Manner::Open, draw, &mut nothing)?;
    finish(sim, &device(), draw)
}

/// The wrapping key, as it lies in a file-protected key file.
fn wrapping(file: &KeyFile) -> Vec<u8> {
    file.bytes()[44..76].to_vec()
}

fn nothing_is_left(sim: &Sim, file: &KeyFile) {
    assert!(sim.names().is_empty(), "{:?}", sim.names());
    assert!(!sim.holds(&wrapping(file)), "the wrapping key is still on the medium");
    assert!(!sim.holds(&file.bytes()[84..145]), "the wrapped data key is still on the medium");
    assert!(!sim.holds(KEYFILL), "a keyfill in clear is still on the medium");
}

/// K-75.3-1, K-75.3-2: every operation, forty fates each, and a second cut at every operation of the resumption.
#[test]
fn wherever_the_power_fails_a_wipe_has_not_begun_or_is_finished_by_the_next_start() {
    let file = KeyFile::in_file(Owner::Home, &DATA, draw).unwrap();
    let mut uncut = full(&file);
    wipe(&mut uncut).unwrap();
    nothing_is_left(&uncut.after_the_cut(1), &file);
    let (mut never, mut resumed) = (0, 0);
    for cut in 1..=uncut.steps {
        for fate in 0..40 {
            let mut sim = full(&file);
            sim.cut = Some(cut);
            wipe(&mut sim).expect_err("the power went");
            let mut sim = sim.after_the_cut(fate);
            if !is_pending(&sim, &device()).unwrap() {
                if sim.names().contains_key(&device().key) {
                    assert!(whole(&sim, &file), "cut {cut}, fate {fate}: neither whole nor pending");
                    let read = KeyFile::decode(&sim.read(&device().key, 0).unwrap()).unwrap();
                    assert!(matches!(read.open(&Opener::File), Ok(Opened::Key(key)) if *key == DATA));
                    never += 1;
                } else {
                    nothing_is_left(&sim, &file);
                }
                continue;
            }
            resumed += 1;
            assert_eq!(KeyFile::decode(&sim.read(&device().key, 0).unwrap()).unwrap_err(), SlotsError::Wiping);
            for again in 1.. {
                let mut second = sim.clone();
                second.cut = Some(again);
                if resume(&mut second, &device(), draw, &mut nothing).is_ok() {
                    break;
                }
                let mut third = second.after_the_cut(fate + 1);
                resume(&mut third, &device(), draw, &mut nothing).unwrap();
                nothing_is_left(&third.after_the_cut(fate), &file);
            }
            resume(&mut sim, &device(), draw, &mut nothing).unwrap();
            nothing_is_left(&sim.after_the_cut(fate), &file);
        }
    }
    assert!(never > 0 && resumed > 300, "both were seen: {never}, {resumed}");
}

/// K-75.3-3: once `destroy_key` has returned, nothing opens whatever happens next.
#[test]
fn the_key_is_gone_before_anything_else_is_touched() {
    let file = KeyFile::in_file(Owner::Home, &DATA, draw).unwrap();
    for fate in 0..40 {
        let mut sim = full(&file);
        destroy_key(&mut sim, &device(), Manner::Open, draw, &mut nothing).unwrap();
        let after = sim.after_the_cut(fate);
        assert!(!after.holds(&wrapping(&file)) && !after.holds(&file.bytes()[84..145]));
        assert_eq!(after.names().len(), 6, "and nothing else was");
    }
}

/// K-75.4-2
#[test]
fn a_quiet_wipe_leaves_a_home_that_looks_locked_wherever_the_power_failed() {
    let file = KeyFile::under_passphrase(Owner::Home, &DATA, b"right", CHEAP, draw).unwrap();
    let file = file.with_duress(b"right", b"duress", draw).unwrap();
    let run = |sim: &mut Sim| -> io::Result<()> {
        destroy_key(sim, &device(), Manner::Quiet, draw, &mut nothing)?;
        finish(sim, &Device { clear: vec![], ..device() }, draw)
    };
    let mut uncut = full(&file);
    run(&mut uncut).unwrap();
    for cut in 1..=uncut.steps {
        for fate in 0..20 {
            let mut sim = full(&file);
            sim.cut = Some(cut);
            run(&mut sim).expect_err("the power went");
            let mut sim = sim.after_the_cut(fate);
            if resume(&mut sim, &Device { clear: vec![], ..device() }, draw, &mut nothing).unwrap() {
                assert!(!sim.holds(&file.bytes()[84..145]) && !sim.holds(&file.bytes()[145..206]));
                // A mark torn to something else is an ordinary wipe: nothing is left then.
                let Ok(bytes) = sim.read(&device().key, 0) else { continue };
                let decoy = KeyFile::decode(&bytes).unwrap();
                assert_eq!((decoy.protection(), decoy.cost()), (file.protection(), file.cost()));
                for passphrase in [&b"right"[..], b"duress", b"other"] {
                    assert_eq!(decoy.open(&Opener::Passphrase(passphrase)).unwrap_err(), SlotsError::Wrong);
                }
            }
        }
    }
}

/// K-75.3-1 for a gateway that runs from a keyfill in clear.
#[test]
fn without_a_key_file_it_is_the_same_wherever_the_power_fails() {
    let fresh = || Sim::default().with(&device().clear[0], KEYFILL).with(Path::new("/device/state/x"), b"x");
    let mut uncut = fresh();
    wipe(&mut uncut).unwrap();
    for cut in 1..=uncut.steps {
        for fate in 0..40 {
            let mut sim = fresh();
            sim.cut = Some(cut);
            wipe(&mut sim).expect_err("the power went");
            let mut sim = sim.after_the_cut(fate);
            if resume(&mut sim, &device(), draw, &mut nothing).unwrap() {
                assert!(!sim.after_the_cut(fate).holds(KEYFILL), "cut {cut}, fate {fate}");
            } else if sim.names().contains_key(&device().clear[0]) {
                assert_eq!(sim.read(&device().clear[0], 0).unwrap(), KEYFILL, "not begun: cut {cut}, fate {fate}");
                assert!(sim.names().contains_key(Path::new("/device/state/x")));
            } else {
                assert!(!sim.holds(KEYFILL) && sim.names().is_empty(), "cut {cut}, fate {fate}: {:?}", sim.names());
            }
        }
    }
}

#[test]
fn a_device_without_a_key_file_is_wiped_too_and_what_a_tpm_keeps_is_said() {
    let mut sim = Sim::default().with(&device().clear[0], KEYFILL).with(Path::new("/device/state/x"), b"x");
    wipe(&mut sim).unwrap();
    assert!(sim.names().is_empty() && !sim.after_the_cut(3).holds(KEYFILL));

    let file = KeyFile::under_tpm(Owner::Gateway, &DATA, &[7; 32], (0x0150_0001, 0), draw).unwrap();
    let mut sim = full(&file);
    let mut asked = None;
    let left = destroy_key(&mut sim, &device(), Manner::Open, draw, &mut |nv| {
        asked = Some(nv);
        Err("no TPM here".into())
    });
    assert_eq!((left.unwrap().as_deref(), asked), (Some("no TPM here"), Some((0x0150_0001, 0))));
    assert!(!sim.after_the_cut(1).holds(&file.bytes()[84..145]), "our half is gone all the same");
}

#[test]
fn on_real_files_nothing_is_left_either() {
    let folder = tempfile::tempdir().unwrap();
    let (home, clear) = (folder.path().join("h"), folder.path().join("gw1.keyfill"));
    std::fs::create_dir_all(home.join("state/deeper")).unwrap();
    std::fs::write(home.join("state/deeper/1.seg"), b"x").unwrap();
    std::fs::write(&clear, KEYFILL).unwrap();
    let file = KeyFile::in_file(Owner::Home, &DATA, draw).unwrap();
    let device = Device { key: home.join("home.key"), folder: home, owner: Owner::Home, clear: vec![clear.clone()] };
    disk::replace(&mut Files, &device.key, file.bytes()).unwrap();
    assert!(!resume(&mut Files, &device, draw, &mut nothing).unwrap(), "nothing to resume");
    destroy_key(&mut Files, &device, Manner::Open, draw, &mut nothing).unwrap();
    assert!(is_pending(&Files, &device).unwrap());
    assert!(resume(&mut Files, &device, draw, &mut nothing).unwrap());
    assert!(!clear.exists());
    assert_eq!(std::fs::read_dir(&device.folder).unwrap().count(), 0);
}

proptest! {
    /// K-75.1-4: re-wrapping at any cut leaves the old key file or the new one, and the data key the same.
    #[test]
    fn a_key_file_is_replaced_whole_or_not_at_all(cut in 1usize..9, fate: u64) {
        let (old, new) = (KeyFile::in_file(Owner::Home, &DATA, draw).unwrap(), KeyFile::in_file(Owner::Home, &DATA, draw).unwrap());
        let mut sim = full(&old);
        sim.cut = Some(cut);
        let done = disk::replace(&mut sim, &device().key, new.bytes());
        let after = sim.after_the_cut(fate);
        let read = KeyFile::decode(&after.read(&device().key, 0).unwrap()).unwrap();
        let opens = matches!(read.open(&Opener::File), Ok(Opened::Key(key)) if *key == DATA);
        prop_assert!(opens);
        if done.is_ok() {
            prop_assert!(!after.holds(&wrapping(&old)), "the old wrapping key was written over");
        }
    }
}
