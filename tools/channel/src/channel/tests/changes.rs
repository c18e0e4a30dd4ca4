//! What changes while bytes are on air.

use super::*;

#[test]
fn a_new_rate_holds_for_the_rest_of_the_byte_on_air() {
    let mut channel = Channel::new(Config::new(8000), 1);
    channel.transmit(ms(0), 0, &[1; 10]);
    // Four and a half bytes have left; the rest takes ten times as long.
    channel.set_rate(ms(4) + Duration::from_micros(500), 800);
    assert_eq!(channel.poll(ms(9))[0].bytes.len(), 4);
    assert_eq!(channel.poll(ms(9) + Duration::from_micros(500))[0].bytes.len(), 1);
    let mut last = Instant::ZERO;
    while let Some(at) = channel.next_wake() {
        last = channel.poll(at)[0].at;
    }
    assert_eq!(last, Instant(59_500));
    assert_eq!(channel.counters(0).air, Duration(59_500));
    channel.transmit(ms(100), 0, &[1; 10]);
    assert_eq!(channel.poll(ms(200))[0].at, ms(200));
}

#[test]
fn queued_packets_move_with_the_rate() {
    let config = Config::new(8000).packets(100).preamble(Duration::from_millis(2));
    let mut channel = Channel::new(config, 1);
    channel.transmit(ms(0), 0, &[1; 10]);
    channel.transmit(ms(0), 0, &[2; 10]);
    channel.set_rate(ms(7), 80_000);
    let at: Vec<Instant> = channel.poll(ms(90)).into_iter().map(|d| d.at).collect();
    assert_eq!(at, [Instant(7_500), Instant(10_500)], "five bytes more; then preamble and ten bytes");
}

#[test]
fn a_finished_transmission_keeps_its_times_when_the_rate_changes() {
    let mut channel = Channel::new(Config::new(8000).half(Duration::ZERO).stations(3), 1);
    channel.set_range(ms(0), 0, 1, false);
    channel.transmit(ms(0), 1, &[2; 10]);
    channel.set_rate(ms(10), 80);
    channel.transmit(ms(10), 0, &[1; 1]);
    assert_eq!(drain(&mut channel)[2].last(), Some(&1), "the first was over before it began");
    assert_eq!(channel.counters(2).collided, 0);
}

#[test]
fn a_mute_station_is_not_heard_disturbs_nobody_and_hears() {
    let mut channel = Channel::new(Config::new(8000).half(Duration::ZERO).stations(3), 1);
    channel.set_mute(ms(0), 0, true);
    channel.transmit(ms(0), 0, &[1; 10]);
    channel.transmit(ms(5), 1, &[2; 10]);
    assert!(!channel.busy(ms(3), 2));
    let heard = drain(&mut channel);
    assert_eq!(heard[2], [2; 10]);
    assert_eq!(heard[0], [2; 5], "what it did not talk over");
    assert_eq!(channel.counters(2).lost, 10);
}

#[test]
fn jitter_stays_within_its_bound_and_keeps_each_senders_order() {
    let config = Config::new(80_000).latency(Duration::from_millis(5)).jitter(Duration::from_millis(20));
    let mut channel = Channel::new(config.packets(10), 3);
    let mut delays = Vec::new();
    for n in 0..200u8 {
        channel.transmit(ms(u64::from(n) * 10), 0, &[n]);
    }
    for (n, delivery) in channel.poll(ms(9_000)).into_iter().enumerate() {
        assert_eq!(usize::from(delivery.bytes[0]), n);
        delays.push(delivery.at.since(ms(n as u64 * 10)).as_micros());
    }
    assert_eq!(delays.len(), 200);
    assert!(delays.iter().all(|d| (5_100..=25_100).contains(d)), "{delays:?}");
    assert!(delays.iter().min() < Some(&8_000) && delays.iter().max() > Some(&22_000));
}

#[test]
fn bit_errors_come_at_the_rate_in_force_when_the_byte_was_on_air() {
    let mut channel = Channel::new(Config { buffer: 1 << 20, ..Config::new(8000) }, 3);
    channel.transmit(ms(0), 0, &[0; 100_000]);
    channel.set_ber(ms(50_000), 1e-2);
    let heard = drain(&mut channel).remove(1);
    assert!(heard[..50_000].iter().all(|b| *b == 0));
    let wrong: u32 = heard[50_000..].iter().map(|b| b.count_ones()).sum();
    assert!((3_800..4_200).contains(&wrong), "{wrong}");
}

#[test]
fn fifty_kilobytes_with_many_errors_cost_little_even_byte_by_byte() {
    let start = std::time::Instant::now();
    let mut channel = Channel::new(Config { buffer: 1 << 20, ..Config::new(9600).ber(1e-2) }, 3);
    channel.transmit(ms(0), 0, &[0; 50_000]);
    assert_eq!(drain(&mut channel)[1].len(), 50_000);
    // Milliseconds as released; this bound only sees a cost that grows with the square of the length.
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
}
