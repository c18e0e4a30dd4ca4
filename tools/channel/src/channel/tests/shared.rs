//! Several stations: overlaps, ranges, capture, carrier sense.

use super::*;

fn half(stations: usize) -> Config {
    Config::new(8000).half(Duration::ZERO).stations(stations)
}

#[test]
fn full_duplex_does_not_collide() {
    let mut channel = Channel::new(Config::new(8000), 2);
    channel.transmit(ms(0), 0, &[0x55; 40]);
    channel.transmit(ms(10), 1, &[0xAA; 40]);
    assert_eq!(drain(&mut channel), [[0xAA; 40], [0x55; 40]]);
}

#[test]
fn a_half_duplex_station_hears_nothing_while_it_transmits() {
    let mut channel = Channel::new(half(2), 2);
    channel.transmit(ms(0), 0, &(0..40).collect::<Vec<u8>>());
    channel.transmit(ms(10), 1, &[0xAA; 10]);
    let heard = drain(&mut channel);
    assert_eq!(heard[1], (0..10).chain(20..40).collect::<Vec<u8>>(), "its own ten bytes cost it ten of the other's");
    assert!(heard[0].is_empty(), "all of them came while it transmitted itself");
    assert_eq!((channel.counters(0).deafened, channel.counters(1).deafened), (10, 10));
    assert_eq!(channel.counters(1).collided, 0);
}

#[test]
fn an_overlap_garbles_where_both_are_heard_and_nowhere_else() {
    let mut channel = Channel::new(half(4), 2);
    // 0 and 1 do not hear each other; 2 hears both, 3 only the first.
    channel.set_range(ms(0), 0, 1, false);
    channel.set_range(ms(0), 1, 3, false);
    channel.transmit(ms(0), 0, &[0x55; 40]);
    channel.transmit(ms(10), 1, &[0xAA; 40]);
    let heard = drain(&mut channel);
    assert_eq!(heard[3], [0x55; 40]);
    assert_eq!(channel.counters(3).collided, 0);
    assert_eq!(heard[2].len(), 80, "an overlap garbles, it does not shorten");
    assert_eq!(&heard[2][..10], &[0x55; 10], "what was on air before the other is unharmed");
    assert_eq!(&heard[2][70..], &[0xAA; 10], "and what was on air after it");
    assert_eq!(channel.counters(2).collided, 60);
    assert_eq!([channel.counters(0).heard, channel.counters(1).heard], [0, 0]);
}

#[test]
fn ranges_may_be_one_way() {
    let mut channel = Channel::new(half(2), 2);
    channel.set_heard(ms(0), 0, 1, false);
    channel.transmit(ms(0), 0, b"a");
    channel.transmit(ms(5), 1, b"b");
    assert_eq!(drain(&mut channel), [b"b".to_vec(), vec![]]);
    assert_eq!(channel.counters(1).lost, 0, "out of range is not lost");
}

#[test]
fn the_stronger_one_captures_and_the_weaker_one_vanishes() {
    for (advantage, captures) in [(6.0, true), (5.9, false)] {
        let mut channel = Channel::new(half(3).capture(6.0), 2);
        channel.set_strength(ms(0), 0, 2, advantage);
        channel.transmit(ms(0), 0, &[0x55; 40]);
        channel.transmit(ms(10), 1, &[0xAA; 40]);
        let heard = drain(&mut channel);
        let strong = [vec![0x55; 40], vec![0xAA; 10]].concat();
        assert_eq!(heard[2] == strong, captures);
        assert_eq!(channel.counters(2).captured, if captures { 30 } else { 0 });
        assert_eq!(channel.counters(2).collided, if captures { 30 } else { 60 });
    }
}

#[test]
fn the_stronger_one_is_held_against_the_sum_of_the_others() {
    let mut channel = Channel::new(half(4).capture(6.0), 2);
    channel.set_strength(ms(0), 0, 3, 8.0);
    channel.transmit(ms(0), 0, &[1; 10]);
    channel.transmit(ms(0), 1, &[2; 10]);
    channel.transmit(ms(5), 2, &[3; 10]);
    drain(&mut channel);
    assert_eq!(channel.counters(3).captured, 5, "8 dB above one, 5 dB above two");
}

#[test]
fn carrier_is_sensed_by_those_in_range_who_listen() {
    let mut channel = Channel::new(half(4), 2);
    channel.set_range(ms(0), 0, 2, false);
    channel.transmit(ms(0), 0, &[1; 10]);
    let busy = |channel: &Channel, at| [0, 1, 2, 3].map(|s| channel.busy(ms(at), s));
    assert_eq!(busy(&channel, 0), [false, true, false, true]);
    channel.transmit(ms(2), 3, &[1; 4]);
    assert_eq!(busy(&channel, 3), [false, true, true, false], "who transmits hears nobody");
    assert_eq!(busy(&channel, 9), [false, true, false, true]);
    assert_eq!(busy(&channel, 10), [false; 4]);
}

#[test]
fn turn_round_passes_before_the_carrier_is_there() {
    let channel = &mut Channel::new(Config::new(8000).half(Duration::from_millis(50)), 1);
    channel.transmit(ms(0), 0, b"x");
    assert!(!channel.busy(ms(49), 1));
    assert!(channel.busy(ms(50), 1));
}

#[test]
fn the_air_that_was_used_is_counted() {
    let mut channel = Channel::new(Config::new(8000).packets(100).preamble(Duration::from_millis(5)), 1);
    channel.transmit(ms(0), 0, &[0; 45]);
    channel.transmit(ms(100), 1, &[0; 45]);
    channel.poll(ms(1000));
    assert_eq!(channel.counters(0).air, Duration::from_millis(50));
    assert!((channel.utilisation() - 0.1).abs() < 1e-9);
}

#[test]
fn what_several_send_at_once_is_heard_the_same_however_often_one_looks() {
    let run = |step| {
        let mut channel = Channel::new(half(4).ber(1e-2).jitter(Duration::from_millis(9)), 9);
        channel.set_range(ms(0), 0, 1, false);
        let (mut t, mut heard) = (Instant::ZERO, vec![Vec::new(); 4]);
        for n in 0..8 {
            channel.transmit(ms(n * 60), 0, &[1; 50]);
            channel.transmit(ms(n * 60), 1, &[2; 30]);
            while t < ms((n + 1) * 60) {
                t += Duration::from_micros(step);
                channel.poll(t).into_iter().for_each(|d| heard[d.to].extend(d.bytes));
            }
        }
        channel.poll(ms(9_000)).into_iter().for_each(|d| heard[d.to].extend(d.bytes));
        heard
    };
    assert_eq!(run(500), run(20_000));
}
