//! Recovery of damaged media: it opens or says why not, and what it shows can be used.

use picket_store::{Medium, Parcel, Queue, QueueLimits, RamMedium, SegmentId, Table, TableLimits};
use picket_wire::time::{Duration, Instant, Wall};
use picket_wire::{Identity, Precedence};

const NOW: Instant = Instant(1_000_000);

/// Edits of a medium: three bytes choose segment and place, the fourth is the new byte; a last byte of 255 removes or
/// shortens the segment.
fn damage(medium: &mut RamMedium, edits: &[u8]) {
    let Ok(mut ids) = medium.list() else { return };
    ids.sort_unstable();
    for edit in edits.chunks_exact(4).take(512) {
        let Some(id) = ids.get(usize::from(edit[0]) % ids.len().max(1)).copied() else { return };
        let place = usize::from(u16::from_be_bytes([edit[1], edit[2]]));
        match medium.segment_mut(id) {
            Some(bytes) if edit[3] == 255 && place % 2 == 0 => bytes.truncate(place),
            Some(bytes) => {
                let len = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(place % len) {
                    *byte = edit[3];
                }
            }
            None => (),
        }
    }
}

/// A medium of one segment that is just the input.
fn raw(data: &[u8]) -> RamMedium {
    let mut medium = RamMedium::default();
    let len = u32::try_from(data.len().max(4096)).unwrap_or(4096);
    if medium.create(SegmentId(0), len).is_ok() {
        let _ = medium.write(SegmentId(0), 0, data);
    }
    medium
}

fn queue_limits() -> QueueLimits {
    QueueLimits { max_bytes: 65_536, segment_bytes: 4096, max_parcels: 64, max_memos: 64, ..QueueLimits::default() }
}

fn parcel(n: u8, body: &[u8]) -> Parcel<'_> {
    Parcel {
        kind: 0,
        identity: Identity([n; 16]),
        precedence: Precedence::Routine,
        lifetime: Duration::from_secs(600),
        meta: &[1, 2, 3],
        body,
    }
}

fn filled_queue() -> Option<RamMedium> {
    let (mut queue, _) = Queue::open(RamMedium::default(), queue_limits(), NOW, Some(Wall(1))).ok()?;
    for n in 0..12u8 {
        let (seq, _) = queue.put(NOW, &parcel(n, &vec![n; 40 * usize::from(n)])).ok()?;
        if n % 4 == 0 {
            queue.finish(NOW, seq, Duration::from_secs(60)).ok()?;
        }
    }
    queue.close(NOW, Some(Wall(2))).ok()
}

/// First byte even: edits of a real queue; odd: a segment that is the input.
pub fn store_queue(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let mut medium = if choice & 1 == 1 { raw(rest) } else { filled_queue().unwrap_or_default() };
    if choice & 1 == 0 {
        damage(&mut medium, rest);
    }
    let Ok((mut queue, _)) = Queue::open(medium, queue_limits(), NOW, Some(Wall(3))) else { return };
    let held: Vec<_> = queue.entries(NOW).map(|e| e.seq).collect();
    for seq in held {
        let _ = queue.body(seq);
    }
    let put = queue.put(NOW, &parcel(0xEE, b"after recovery"));
    for _ in 0..16 {
        let _ = queue.maintain(NOW, None);
    }
    if let Ok((seq, _)) = put {
        assert_eq!(queue.body(seq).ok().as_deref(), Some(&b"after recovery"[..]));
    }
}

fn table_limits() -> TableLimits {
    TableLimits { max_bytes: 65_536, segment_bytes: 4096, max_keys: 64, ..TableLimits::default() }
}

fn filled_table() -> Option<RamMedium> {
    let (mut table, _) = Table::open(RamMedium::default(), table_limits()).ok()?;
    for n in 0..12u8 {
        table.commit(&[(&[n % 5][..], Some(&vec![n; 60][..])), (&[100][..], Some(&[n][..]))]).ok()?;
    }
    table.close().ok()
}

/// As [`store_queue`], for the table.
pub fn store_table(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let mut medium = if choice & 1 == 1 { raw(rest) } else { filled_table().unwrap_or_default() };
    if choice & 1 == 0 {
        damage(&mut medium, rest);
    }
    let Ok((mut table, _)) = Table::open(medium, table_limits()) else { return };
    let written = table.commit(&[(b"key", Some(b"after recovery"))]).is_ok();
    if written {
        assert_eq!(table.get(b"key").ok().flatten().as_deref(), Some(&b"after recovery"[..]));
    }
}
