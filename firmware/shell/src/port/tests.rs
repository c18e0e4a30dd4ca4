#![allow(clippy::unwrap_used)]
use super::*;

#[tokio::test]
async fn frames_written_while_the_driver_is_away_are_one_batch_with_their_boundaries() {
    let (reporter, mut events) = channel();
    let (id, outbox) = reporter.up(3, None).await.unwrap();
    let event = events.recv().await.unwrap();
    let What::Up(port) = event.what else { unreachable!("the first event is Up") };
    assert_eq!((event.source, event.port, port.id()), (3, id, id));
    for frame in [&b"one"[..], b"two", b""] {
        port.write(frame).unwrap();
    }
    assert_eq!(port.queued(), 6);
    let mut batch = Batch::default();
    assert!(matches!(outbox.next(&mut batch).await, Work::Write));
    assert_eq!(batch.bytes, b"onetwo");
    assert_eq!(batch.frames().collect::<Vec<_>>(), [&b"one"[..], b"two", b""]);
    assert_eq!(port.queued(), 6, "taken, not yet written");
    port.notify_drained();
    assert!(matches!(outbox.next(&mut batch).await, Work::Drained));
    assert_eq!(port.queued(), 0);
}

#[tokio::test]
async fn a_full_outbox_and_a_closed_one_refuse() {
    let (reporter, _events) = channel();
    let (id, outbox) = reporter.up(0, None).await.unwrap();
    let port = Port { id, outbox: Arc::clone(&outbox) };
    port.write(&vec![0; limits::OUTBOX_BYTES]).unwrap();
    assert_eq!(port.write(b"x"), Err(WriteError::Full));
    port.close();
    assert_eq!(port.write(b"x"), Err(WriteError::Closed));
    let mut batch = Batch::default();
    assert!(matches!(outbox.next(&mut batch).await, Work::Write), "what was accepted is still written");
    assert!(matches!(outbox.next(&mut batch).await, Work::Closed));
}

#[tokio::test]
async fn a_silenced_port_destroys_what_waits_and_takes_nothing_until_released() {
    let (reporter, mut events) = channel();
    let (_, outbox) = reporter.up(0, None).await.unwrap();
    let What::Up(port) = events.recv().await.unwrap().what else { panic!() };
    port.write(b"waits").unwrap();
    port.silence();
    assert_eq!(port.queued(), 0);
    assert_eq!(port.write(b"more"), Err(WriteError::Silenced));
    tokio::time::timeout(core::time::Duration::from_secs(5), outbox.recalled(0)).await.unwrap();
    port.release();
    port.write(b"again").unwrap();
    let mut batch = Batch::default();
    assert!(matches!(outbox.next(&mut batch).await, Work::Write));
    assert_eq!(batch.bytes, b"again");
}
