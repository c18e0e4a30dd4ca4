//! No gateway and no broker can read any of it, and no log tells.

use std::path::{Path, PathBuf};

use hil_tests::wait;

use crate::world::ByBroker;

#[test]
fn the_text_is_nowhere_but_with_its_two_ends() {
    let mut world = ByBroker::new("the_text_is_nowhere_but_with_its_two_ends");
    let (alpha, bravo) = (world.rig.member("alpha", "gw1"), world.rig.member("bravo", "gw2"));
    let held = "rendezvous at the old mill";
    let passed = "the password is swordfish";
    let mut at_bravo = bravo.follow();
    alpha.send_with("bravo", &["--wait", "delivered", passed]).expect(0);
    at_bravo.text(passed, wait::PROMPT);
    at_bravo.kill9();
    world.broker.kill9();
    // This one stays with gw1, and is on its disk.
    alpha.send_with("bravo", &["--wait", "custody", held]).expect(0);
    assert_eq!(world.gw1.stop(), 0);

    let mut looked_at = 0;
    for place in [world.rig.mission("state"), world.rig.path("broker"), world.rig.path("log")] {
        for file in files(&place) {
            let bytes = std::fs::read(&file).unwrap();
            looked_at += bytes.len();
            for secret in [held, passed, "swordfish", "mill"] {
                assert!(!contains(&bytes, secret.as_bytes()), "{secret:?} is in {}", file.display());
            }
        }
    }
    assert!(looked_at > 10_000, "the search saw the stores: {looked_at} B");
    // Members' own homes are encrypted too.
    for home in ["alpha", "bravo"] {
        for file in files(&world.rig.mission(home)) {
            assert!(!contains(&std::fs::read(&file).unwrap(), b"swordfish"), "in clear in {}", file.display());
        }
    }
}

#[test]
fn state_and_sockets_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let world = ByBroker::new("state_and_sockets_are_for_their_owner_only");
    let mode = |name: &str| std::fs::metadata(world.rig.mission(name)).unwrap().permissions().mode() & 0o777;
    for (name, wanted) in [("state/gw1", 0o700), ("run", 0o700), ("run/gw1.sock", 0o600), ("run/gw1.ctl", 0o600)] {
        assert_eq!(mode(name), wanted, "{name}: {:o}", mode(name));
    }
    for home in ["alpha", "bravo"] {
        assert_eq!(mode(home) & 0o077, 0, "{home}: {:o}", mode(home));
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|w| w == wanted)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let (folders, files): (Vec<_>, Vec<_>) = entries.map(|e| e.path()).partition(|p| p.is_dir());
    let files = files.into_iter().filter(|p| p.is_file());
    files.chain(folders.iter().flat_map(|f| self::files(f))).collect()
}
