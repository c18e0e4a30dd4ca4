//! What lies beside the keys in clear, and whoever may write to the folder can change.

use picket_safe::deadman::DeadMan;
use picket_safe::line::Place;
use picket_safe::slots::{self, KeyFile, Opener, Protection, SlotsError};

/// Key files, dead man's counts, places of switches. A key file whose bytes pass is what it says, and opens with a wrong
/// secret to nothing.
pub fn safe_formats(data: &[u8]) {
    match KeyFile::decode(data) {
        Ok(file) => {
            assert_eq!(&file.bytes()[..], data, "what passes is kept");
            assert!(!slots::is_marked(data));
            if file.protection() == Protection::Tpm {
                assert!(file.open(&Opener::Tpm(&[0xEE; 32])).is_err());
            }
        }
        Err(e) => assert_eq!(e == SlotsError::Wiping, slots::is_marked(data) && version(data) <= 1),
    }
    let _ = slots::header(data);
    if let Some(man) = DeadMan::from_line(data) {
        assert_eq!(DeadMan::from_line(man.to_line().as_bytes()), Some(man));
    }
    let _ = core::str::from_utf8(data).map(|text| text.parse::<Place>());
}

fn version(data: &[u8]) -> u16 {
    data.get(8..10).map_or(0, |v| u16::from_be_bytes([v[0], v[1]]))
}
