//! What a device or an authority is handed from outside: sealed keyfills, parts of codes, logs.

use picket_provision::parts::{Collector, split};
use picket_provision::{Sealed, audit};

/// Sealed keyfills, logs and their heads.
pub fn provision_formats(data: &[u8]) {
    if let Ok(sealed) = Sealed::decode(data) {
        assert!(sealed.name().len() <= picket_roster::limits::NAME_MAX);
        // No fuzzer finds a signature.
        assert!(Sealed::verify(data).is_err() || data.len() > 200);
    }
    let key = picket_roster::PublicKey(core::array::from_fn(|n| data.get(10 + n).copied().unwrap_or(2)));
    let _ = audit::check(data, data, &key);
    if let Ok(entries) = audit::entries(data) {
        assert!(entries.len() * 146 <= data.len());
    }
}

/// Lines as they are scanned: what makes a whole file splits into parts that make it again.
pub fn provision_parts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut collector = Collector::new();
    for line in text.lines() {
        let _ = collector.add(line);
    }
    let Ok(file) = collector.finish() else { return };
    let mut again = Collector::new();
    for part in split(&file).expect("what came in parts goes in parts").iter().rev() {
        again.add(part).expect("our own part");
    }
    assert_eq!(*again.finish().expect("our own parts"), *file);
}
