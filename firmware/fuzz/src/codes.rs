//! Codes under any input: the hunt for frames, and symbols from anyone.

use picket_codes::fountain::{Decoder, Encoder, Taken};
use picket_codes::limits::CODED_MAX;
use picket_codes::shield::{Found, Hunter, OVERHEAD, coded_len};

/// Pieces cut by a byte of length each. A frame is given back when its first byte is odd; all bytes are told in the
/// end, and nothing but a repaired frame may share some with the next.
pub fn codes_hunter(data: &[u8]) {
    let mut hunter = Hunter::new();
    let (mut pushed, mut told, mut shared, mut rest) = (0, 0, 0, data);
    while let Some((len, more)) = rest.split_first() {
        let (piece, left) = more.split_at(more.len().min(usize::from(*len)));
        rest = left;
        hunter.push(piece);
        pushed += piece.len();
        let (bytes, repaired) = drain(&mut hunter);
        told += bytes;
        shared += 2 * repaired;
        assert!(told <= pushed + shared, "told more than was pushed");
    }
    // No sync word begins with zeros, and no frame is longer.
    let silence = vec![0; CODED_MAX + OVERHEAD];
    hunter.push(&silence);
    pushed += silence.len();
    let (bytes, repaired) = drain(&mut hunter);
    told += bytes;
    shared += 2 * repaired;
    assert!(told >= pushed && told <= pushed + shared, "{told} of {pushed} told");
    assert!(!hunter.in_frame());
}

/// Bytes told, and how many of them were corrected.
fn drain(hunter: &mut Hunter) -> (usize, usize) {
    let (mut told, mut repaired) = (0, 0);
    while let Some(found) = hunter.next() {
        match found {
            Found::Frame { frame, level, body, errors } => {
                assert!(body + OVERHEAD == coded_len(frame.len(), level) && errors <= body);
                if frame.first().is_some_and(|b| b % 2 == 1) {
                    hunter.reject();
                } else {
                    told += body + OVERHEAD;
                    repaired += errors;
                }
            }
            Found::Broken { body, .. } => told += body + OVERHEAD,
            Found::Noise(n) => told += n,
        }
    }
    (told, repaired)
}

/// Larger objects show nothing that smaller ones do not, and in a build with checks take seconds.
const K_MAX: u16 = 96;

/// Two bytes of length, one of symbol size; then two a symbol: its number, with the top bit set a false one.
pub fn codes_fountain(data: &[u8]) {
    let [high, low, size, ref symbols @ ..] = *data else { return };
    let len = usize::from(u16::from_be_bytes([high, low]));
    let object: Vec<u8> = (0..len).map(|i| (i * 31 + (i >> 8)) as u8).collect();
    let mut encoder = Encoder::new(&object, size);
    let Some(mut decoder) = Decoder::new(len, size) else {
        assert_eq!(encoder.k(), 0);
        return;
    };
    if encoder.k() > K_MAX {
        return;
    }
    let mut all_true = true;
    for pair in symbols.chunks_exact(2).take(512) {
        let number = u16::from_be_bytes([pair[0], pair[1]]);
        let esi = number & 0x7FFF;
        let mut symbol = Vec::new();
        assert!(encoder.symbol(esi, &mut symbol));
        if number != esi {
            symbol.iter_mut().for_each(|b| *b ^= 0x55);
            all_true = false;
        }
        let needed = decoder.needed();
        match decoder.take(esi, &symbol) {
            Taken::Complete(whole) => assert!(whole.len() == len && (!all_true || whole == object)),
            Taken::Stored => assert!(decoder.needed() >= 1 && decoder.needed() <= needed),
            Taken::Duplicate | Taken::Wrong => assert_eq!(decoder.needed(), needed),
        }
    }
}
