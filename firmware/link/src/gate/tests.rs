//! The budget over simulated days, and the states over everything that may be asked.

use super::airtime::{Record, WHOLE};
use super::*;
use proptest::prelude::*;

fn parcel(precedence: Precedence, air: Duration) -> Leaving {
    Leaving { traffic: Traffic::Parcel(precedence), bytes: 100, air }
}

/// What a host does: the record is written down before the airtime is spent.
fn grant(gate: &mut Gate, now: Instant) -> Option<Record> {
    let airtime = gate.airtime_mut()?;
    if !airtime.wants_block() {
        return None;
    }
    let record = airtime.record(now);
    airtime.granted(record.asked);
    Some(record)
}

/// Tries again when a record made room, as a node does.
fn send(gate: &mut Gate, now: Instant, frame: Leaving, durable: &mut Record) -> Result<(), Held> {
    let tried = gate.permit(now, frame);
    if tried.is_err_and(|held| held.why == HeldBy::NotRecorded)
        && let Some(record) = grant(gate, now)
    {
        *durable = record;
        return gate.permit(now, frame);
    }
    tried
}

fn on_air(sent: &[(Instant, Duration)], from: u64, to: u64) -> u64 {
    let overlap = |(at, air): &(Instant, Duration)| (at.0 + air.0).min(to).saturating_sub(at.0.max(from));
    sent.iter().rev().take_while(|(at, _)| at.0 + 120_000_000 > from).map(overlap).sum()
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Send(Precedence, u64),
    /// Power is cut and comes back on the same clock; the last durable record is found.
    Restart,
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u64..200_000_000).prop_map(Step::Wait),
        1 => (0u64..5_000_000_000).prop_map(Step::Wait),
        12 => (0usize..6, 1_000u64..3_000_000).prop_map(|(p, air)| Step::Send(Precedence::ALL[p], air)),
        1 => Just(Step::Restart),
        1 => Just(Step::Stop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// E-57.6-1, E-57.6-2, E-57.6-4: days of random traffic with power cuts.
    #[test]
    fn no_hour_anywhere_has_more_airtime_than_the_duty_cycle_and_lower_precedences_leave_the_reserve(
        steps in prop::collection::vec(step(), 1..800), duty in 50u32..1_000, reserve in 0u32..=5_000,
    ) {
        let fresh = || Gate::radio().with_airtime(Airtime::new(duty, reserve));
        let mut gate = fresh();
        let limit = gate.airtime().unwrap().limit().0;
        let general = limit - gate.airtime().unwrap().reserve().0;
        let mut now = Instant(7_000_000);
        let (mut all, mut durable) = (Vec::new(), Record::default());
        for step in steps {
            match step {
                Step::Wait(us) => now += Duration(us),
                Step::Send(precedence, air) => {
                    if send(&mut gate, now, parcel(precedence, Duration(air)), &mut durable).is_ok() {
                        all.push((now, Duration(air)));
                        let end = now.0 + air;
                        let hour = on_air(&all, end.saturating_sub(3_600_000_000), end);
                        prop_assert!(hour <= limit, "{hour} µs of {limit} in the hour before {end}");
                        if precedence < Precedence::Flash {
                            prop_assert!(hour <= general, "{precedence:?} took of the reserve: {hour} of {general}");
                        }
                        now += Duration(air);
                    }
                }
                Step::Restart => {
                    gate = fresh();
                    gate.airtime_mut().unwrap().restore(now, &durable);
                }
                Step::Stop => {
                    durable = gate.airtime().unwrap().last_record(now);
                    gate = fresh();
                    gate.airtime_mut().unwrap().restore(now, &durable);
                }
            }
        }
    }

    /// E-57.2-1: whatever is asked, in a closed state nothing is permitted and no bytes become an emission.
    #[test]
    fn a_closed_gate_lets_nothing_through(
        asked in prop::collection::vec((0usize..3, 0usize..6, 0usize..2_000), 0..50), silent in any::<bool>(),
    ) {
        let mut gate = Gate::radio();
        gate.set(if silent { Emcon::Silent } else { Emcon::ReceiveOnly });
        for (kind, precedence, bytes) in asked {
            let precedence = Precedence::ALL[precedence];
            let traffic = [Traffic::Parcel(precedence), Traffic::Answer(precedence), Traffic::Presence][kind];
            let frame = Leaving { traffic, bytes, air: Duration::ZERO };
            let refused = gate.permit(Instant(1), frame).is_err();
            prop_assert!(refused);
            prop_assert_eq!(gate.emit(alloc::vec![1; bytes]), None);
        }
    }
}

/// E-57.6-3: a day of routine traffic that takes all it can get; every flash of that day goes at once.
#[test]
fn flash_gets_through_on_every_hour_of_a_day_when_routine_has_used_up_its_share() {
    let mut gate = Gate::radio().with_airtime(Airtime::new(100, 2_000));
    let (mut now, mut routine, mut held) = (Instant::ZERO, 0u64, 0u64);
    let mut record = Record::default();
    for second in 0..86_400u64 {
        now += Duration::from_secs(1);
        match send(&mut gate, now, parcel(Precedence::Routine, Duration::from_millis(500)), &mut record) {
            Ok(()) => routine += 500,
            Err(_) => held += 1,
        }
        if second % 600 == 599 {
            let flash = send(&mut gate, now, parcel(Precedence::Flash, Duration::from_secs(1)), &mut record);
            assert_eq!(flash, Ok(()), "at {second} s");
        }
    }
    assert!(held > 80_000, "routine was held back most of the day: {held}");
    let hours = routine as f64 / 24.0 / 36_000.0;
    assert!((0.55..=0.8).contains(&hours), "and used what the flashes left of its share, {hours} of the hour's budget");
}

#[test]
fn a_frame_held_for_airtime_says_when_and_goes_then() {
    let mut gate = Gate::radio().with_airtime(Airtime::new(10, 0));
    let mut now = Instant(90_000_000);
    let frame = parcel(Precedence::Routine, Duration::from_secs(3));
    assert_eq!(gate.permit(now, frame), Err(Held { why: HeldBy::NotRecorded, until: None }));
    grant(&mut gate, now);
    assert_eq!(gate.permit(now, frame), Ok(()));
    let Err(Held { why: HeldBy::Airtime, until: Some(at) }) = gate.permit(now, frame) else { panic!("held") };
    assert!(at.since(now) >= airtime::WINDOW && at.since(now) < airtime::WINDOW + Duration::from_secs(61));
    now = at;
    assert_eq!(send(&mut gate, now, frame, &mut Record::default()), Ok(()));
    let never = parcel(Precedence::Override, Duration::from_secs(4));
    assert_eq!(gate.permit(now, never), Err(Held { why: HeldBy::TooLong, until: None }));
    assert_eq!((gate.refusals().airtime, gate.refusals().too_long, gate.refusals().not_recorded), (1, 1, 2));
}

#[test]
fn bytes_without_a_permit_are_destroyed_and_counted() {
    let mut gate = Gate::radio();
    assert_eq!(gate.emit(alloc::vec![1; 10]), None);
    gate.permit(Instant::ZERO, parcel(Precedence::Routine, Duration::ZERO)).unwrap();
    assert_eq!(gate.emit(alloc::vec![1; 101]), None, "more than permitted");
    assert_eq!(gate.emit(alloc::vec![1; 50]), None, "a permission is used once");
    gate.permit(Instant::ZERO, parcel(Precedence::Routine, Duration::ZERO)).unwrap();
    assert_eq!(gate.emit(alloc::vec![1; 100]).unwrap().into_bytes(), [1; 100]);
    gate.permit(Instant::ZERO, parcel(Precedence::Routine, Duration::ZERO)).unwrap();
    gate.set(Emcon::Silent);
    assert_eq!(gate.emit(alloc::vec![1; 100]), None, "silence came between permission and medium");
    assert_eq!(gate.refusals().unpermitted, 4);
}

#[test]
fn minimize_lets_urgent_parcels_and_answers_through_and_no_presence() {
    let mut gate = Gate::radio();
    gate.set(Emcon::Minimize);
    for precedence in Precedence::ALL {
        let urgent = precedence >= Precedence::Immediate;
        assert_eq!(gate.forbids(Traffic::Parcel(precedence)).is_none(), urgent, "{precedence:?}");
        assert_eq!(gate.forbids(Traffic::Answer(precedence)), None);
    }
    assert_eq!(gate.forbids(Traffic::Presence), Some(HeldBy::Minimize));
    let gate = gate.with_urgent(Precedence::Flash);
    assert_eq!(gate.forbids(Traffic::Parcel(Precedence::Immediate)), Some(HeldBy::Minimize));
}

#[test]
fn a_cable_is_never_closed() {
    let mut gate = Gate::cable();
    gate.set(Emcon::Silent);
    assert!(!gate.is_closed() && gate.emcon() == Emcon::Free);
}

#[test]
fn an_unknown_last_hour_counts_as_spent_and_a_whole_is_a_whole() {
    let mut airtime = Airtime::new(WHOLE, 0);
    assert_eq!(airtime.limit(), airtime::WINDOW);
    airtime.assume_spent(Instant(5));
    assert_eq!(airtime.left(Instant(5), Precedence::Override), Duration::ZERO);
    let later = Instant(5) + airtime::WINDOW + Duration::from_secs(60);
    assert_eq!(airtime.left(later, Precedence::Override), airtime.limit());
}
