use super::*;

mod changes;
mod packets;
mod shared;

fn ms(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

/// Runs the channel by its own wakes until it is quiet; what each station heard.
fn drain(channel: &mut Channel) -> Vec<Vec<u8>> {
    let mut heard = vec![Vec::new(); channel.config().stations];
    while let Some(at) = channel.next_wake() {
        for d in channel.poll(at) {
            heard[d.to].extend(d.bytes);
        }
    }
    heard
}

#[test]
fn a_byte_takes_its_time_on_air_and_then_the_latency() {
    let config = Config::new(8000).latency(Duration::from_millis(5));
    let mut channel = Channel::new(config, 1);
    channel.transmit(ms(0), 0, b"abc");
    assert_eq!(channel.next_wake(), Some(ms(6)));
    assert!(channel.poll(ms(5)).is_empty());
    assert_eq!(channel.poll(ms(6))[0].bytes, b"a");
    assert_eq!(channel.next_wake(), Some(ms(7)));
    assert_eq!(channel.poll(ms(8)), [Delivery { to: 1, at: ms(8), bytes: b"bc".to_vec() }]);
    assert_eq!(channel.next_wake(), None);
}

#[test]
fn the_rate_holds_over_many_small_writes() {
    let mut channel = Channel::new(Config::new(9600), 1);
    let mut t = Instant::ZERO;
    for _ in 0..1200 {
        channel.transmit(t, 0, &[7]);
        t += Duration::from_micros(100);
    }
    let mut last = Instant::ZERO;
    while let Some(at) = channel.next_wake() {
        last = channel.poll(at).last().map_or(last, |d| d.at);
    }
    assert_eq!(last, ms(1000), "1200 bytes at 9600 bit/s take one second");
}

#[test]
fn half_duplex_stations_that_take_turns_are_heard() {
    let mut channel = Channel::new(Config::new(9600).half(Duration::from_millis(50)), 2);
    channel.transmit(ms(0), 0, &[1; 12]);
    assert_eq!(channel.poll(ms(60))[0].bytes, [1; 12]);
    channel.transmit(ms(60), 1, &[2; 12]);
    let heard = drain(&mut channel);
    assert_eq!(heard[0], [2; 12]);
}

#[test]
fn turn_round_delays_the_first_byte_of_a_transmission_only() {
    let mut channel = Channel::new(Config::new(8000).half(Duration::from_millis(50)), 2);
    channel.transmit(ms(0), 0, &[1; 2]);
    assert_eq!(channel.poll(ms(51))[0].bytes, [1]);
    channel.transmit(ms(51), 0, &[1; 1]);
    assert_eq!(channel.poll(ms(53))[0].bytes, [1, 1]);
}

#[test]
fn an_outage_loses_exactly_what_ends_in_it() {
    let mut channel = Channel::new(Config::new(8000), 3);
    channel.transmit(ms(0), 0, &(0..100).collect::<Vec<u8>>());
    channel.set_outage(ms(20), true);
    channel.set_outage(ms(50), false);
    let heard = drain(&mut channel);
    let expected: Vec<u8> = (0..20).chain(50..100).collect();
    assert_eq!(heard[1], expected);
    assert_eq!(channel.counters(1).lost, 30);
    assert_eq!(channel.counters(0).sent, 100);
}

#[test]
fn a_seed_replays_exactly_and_another_does_not() {
    let run = |seed| {
        let burst = Burst { enter: 0.01, leave: 0.2, ber: 0.3 };
        let mut channel = Channel::new(Config::new(9600).ber(1e-2).burst(burst), seed);
        channel.transmit(ms(0), 0, &[0; 1000]);
        drain(&mut channel)
    };
    assert_eq!(run(4), run(4));
    assert_ne!(run(4), run(5));
}

#[test]
fn polling_often_or_rarely_hears_the_same() {
    let run = |step| {
        let mut channel = Channel::new(Config::new(9600).ber(1e-2), 9);
        channel.transmit(ms(0), 0, &[0; 500]);
        let mut heard = Vec::new();
        let mut t = Instant::ZERO;
        while t < ms(1000) {
            t += Duration::from_micros(step);
            heard.extend(channel.poll(t).into_iter().flat_map(|d| d.bytes));
        }
        heard
    };
    assert_eq!(run(100), run(77_777));
}

#[test]
fn three_stations_all_hear_one() {
    let mut channel = Channel::new(Config::new(9600).stations(3), 1);
    channel.transmit(ms(0), 2, b"x");
    assert_eq!(drain(&mut channel), [b"x".to_vec(), b"x".to_vec(), vec![]]);
}

#[test]
fn the_buffer_is_bounded_and_says_so() {
    let mut channel = Channel::new(Config::new(9600), 1);
    assert_eq!(channel.transmit(ms(0), 0, &[0; 5000]), 4096);
    assert_eq!(channel.room(0), 0);
    assert_eq!(channel.counters(0).overrun, 904);
    assert_eq!(channel.room(9), 0, "no such station");
}

#[test]
fn injected_bytes_arrive_and_an_aborted_transmission_ends() {
    let mut channel = Channel::new(Config::new(8000), 1);
    channel.inject(ms(1), 0, b"zz");
    assert_eq!(channel.poll(ms(1))[0].bytes, b"zz");
    channel.transmit(ms(2), 0, &[9; 10]);
    channel.abort(ms(5), 0);
    assert_eq!(drain(&mut channel)[1], [9; 3]);
}

#[test]
fn a_grain_batches_arrivals() {
    let mut channel = Channel::new(Config::new(8000).grain(Duration::from_millis(10)), 1);
    channel.transmit(ms(0), 0, &[1; 15]);
    let mut sizes = Vec::new();
    while let Some(at) = channel.next_wake() {
        sizes.extend(channel.poll(at).into_iter().map(|d| d.bytes.len()));
    }
    assert_eq!(sizes, [10, 5]);
}

#[test]
fn a_deaf_station_hears_nothing_and_is_heard() {
    let mut channel = Channel::new(Config::new(8000), 1);
    channel.set_deaf(ms(0), 1, true);
    channel.transmit(ms(0), 0, b"a");
    channel.transmit(ms(0), 1, b"b");
    assert_eq!(drain(&mut channel), [b"b".to_vec(), vec![]]);
}
