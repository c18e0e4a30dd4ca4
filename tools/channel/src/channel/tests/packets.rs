//! Packet radios.

use super::*;

fn radio() -> Config {
    Config::new(8000).packets(255)
}

/// Sends `n` packets of 100 bytes one after another; the packets that station 1 heard.
fn send(channel: &mut Channel, n: u64) -> Vec<Vec<u8>> {
    let mut heard = Vec::new();
    for i in 0..n {
        channel.transmit(ms(i * 100), 0, &[0; 100]);
        heard.extend(channel.poll(ms(i * 100)));
    }
    heard.extend(channel.poll(ms(n * 100)));
    heard.into_iter().filter(|d| d.to == 1).map(|d| d.bytes).collect()
}

#[test]
fn a_packet_arrives_whole_when_its_air_time_has_ended() {
    let mut channel = Channel::new(radio().preamble(Duration::from_millis(8)), 1);
    assert_eq!(channel.transmit(ms(0), 0, b"abc"), 3);
    assert_eq!(channel.transmit(ms(0), 0, b"defg"), 4);
    assert_eq!(channel.next_wake(), Some(ms(11)));
    assert!(channel.poll(ms(10)).is_empty());
    assert_eq!(channel.poll(ms(11)), [Delivery { to: 1, at: ms(11), bytes: b"abc".to_vec() }]);
    assert_eq!(channel.poll(ms(99)), [Delivery { to: 1, at: ms(23), bytes: b"defg".to_vec() }]);
    assert_eq!(channel.next_wake(), None);
}

#[test]
fn packets_that_arrive_together_stay_apart() {
    let mut channel = Channel::new(radio(), 1);
    channel.transmit(ms(0), 0, b"a");
    channel.transmit(ms(0), 0, b"b");
    let heard: Vec<Vec<u8>> = channel.poll(ms(9)).into_iter().map(|d| d.bytes).collect();
    assert_eq!(heard, [b"a", b"b"]);
}

#[test]
fn what_is_too_long_or_does_not_fit_the_buffer_is_refused_whole() {
    let mut channel = Channel::new(radio(), 1);
    assert_eq!(channel.transmit(ms(0), 0, &[0; 256]), 0);
    let taken: usize = (0..20).map(|_| channel.transmit(ms(0), 0, &[0; 255])).sum();
    assert_eq!(taken, 16 * 255);
    assert_eq!(channel.counters(0).overrun, 256 + 4 * 255);
}

#[test]
fn packets_are_lost_at_the_configured_rate_and_independently() {
    let mut channel = Channel::new(radio().loss(0.3).stations(3), 4);
    let heard = send(&mut channel, 10_000).len() as u64;
    assert!((6_800..7_200).contains(&heard), "{heard}");
    let lost = [1, 2].map(|s| channel.counters(s).lost / 100);
    assert_eq!(lost[0], 10_000 - heard);
    assert_ne!(lost[0], lost[1], "each receiver draws its own");
    channel.set_loss(ms(1_000_000), 1.0);
    channel.transmit(ms(1_000_000), 0, &[0; 10]);
    assert!(channel.poll(ms(1_100_000)).is_empty());
}

#[test]
fn a_packet_with_a_wrong_bit_is_dropped_and_counted() {
    let mut channel = Channel::new(radio().ber(1e-3), 4);
    let heard = send(&mut channel, 10_000);
    // (1 - 1e-3)^800 = 0.449
    assert!((4_300..4_700).contains(&heard.len()), "{}", heard.len());
    assert!(heard.iter().all(|p| p == &[0; 100]));
    assert_eq!(channel.counters(1).corrupted / 100 + heard.len() as u64, 10_000);
}

#[test]
fn an_overlap_loses_both_packets_where_both_are_heard() {
    let mut channel = Channel::new(radio().half(Duration::ZERO).stations(4), 1);
    channel.set_range(ms(0), 0, 1, false);
    channel.set_range(ms(0), 1, 3, false);
    channel.transmit(ms(0), 0, &[1; 100]);
    channel.transmit(ms(99), 1, &[2; 100]);
    let heard: Vec<(usize, u8)> = channel.poll(ms(900)).into_iter().map(|d| (d.to, d.bytes[0])).collect();
    assert_eq!(heard, [(3, 1)]);
    assert_eq!(channel.counters(2).collided, 200);
}

#[test]
fn a_packet_that_ends_late_remembers_what_disturbed_its_beginning() {
    let mut channel = Channel::new(radio().half(Duration::ZERO).stations(3), 1);
    channel.set_range(ms(0), 0, 1, false);
    channel.transmit(ms(0), 1, &[2; 10]);
    channel.transmit(ms(5), 0, &[1; 200]);
    let heard: Vec<Delivery> = (6..300).flat_map(|t| channel.poll(ms(t))).collect();
    assert_eq!(heard, [], "looked at every millisecond");
    assert_eq!(channel.counters(2).collided, 210);
}

#[test]
fn the_stronger_packet_is_captured() {
    let mut channel = Channel::new(radio().half(Duration::ZERO).stations(3).capture(10.0), 1);
    channel.set_strength(ms(0), 1, 2, 10.5);
    channel.transmit(ms(0), 0, &[1; 100]);
    channel.transmit(ms(50), 1, &[2; 100]);
    let heard = channel.poll(ms(900));
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].to, heard[0].bytes[0]), (2, 2));
    assert_eq!(channel.counters(2).captured, 100);
}

#[test]
fn an_aborted_queue_is_gone() {
    let mut channel = Channel::new(radio(), 1);
    channel.transmit(ms(0), 0, &[1; 10]);
    channel.transmit(ms(0), 0, &[2; 10]);
    channel.abort(ms(15), 0);
    assert_eq!(drain(&mut channel)[1], [1; 10]);
    assert_eq!(channel.room(0), 4096);
}

#[test]
fn packets_injected_arrive_as_they_are() {
    let mut channel = Channel::new(radio(), 1);
    channel.inject(ms(1), 0, b"zz");
    channel.inject(ms(1), 0, b"y");
    let heard: Vec<Vec<u8>> = channel.poll(ms(1)).into_iter().map(|d| d.bytes).collect();
    assert_eq!(heard, [b"zz".to_vec(), b"y".to_vec()]);
}
