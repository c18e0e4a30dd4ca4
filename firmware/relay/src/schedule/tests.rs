use super::*;
use picket_wire::control::Claim;
use picket_wire::control::Signature;

const ME: Index = Index(100);
const GW2: Index = Index(101);
const GW3: Index = Index(102);
const BRAVO: Index = Index(2);
const NOW: Instant = Instant(1_000_000);
const RADIO: Way = Way::Neighbour { port: 1, gateway: GW2 };
const UPLINK: Way = Way::Uplink(0);

fn claim(gateway: Index, sequence: u32) -> Claim {
    Claim { member: BRAVO, gateway, sequence, signature: Signature([0; 64]) }
}

fn after(seconds: u64) -> Instant {
    NOW + Duration::from_secs(seconds)
}

/// A relay with an uplink and a radio on which GW2 was heard.
fn relay() -> Relay {
    let mut relay = Relay::new(ME);
    relay.uplink_up(NOW, 0);
    relay.port_up(NOW, 1);
    relay.neighbour(NOW, 1, GW2);
    relay
}

fn take(relay: &mut Relay, key: u64, precedence: Precedence) -> Branch {
    relay.take(NOW, ParcelKey(key), BRAVO, Ingress { from: Index(1), uplink: None }, precedence);
    of(key)
}

fn of(key: u64) -> Branch {
    Branch { parcel: ParcelKey(key), to: BRAVO }
}

#[test]
fn ways_are_tried_in_order_attached_uplink_radio() {
    let mut r = relay();
    r.follow(NOW, claim(GW2, 1));
    let key = take(&mut r, 1, Precedence::Routine);
    assert_eq!(r.state(key), Some(State::Ready(UPLINK)));
    assert_eq!(r.next(UPLINK, after(15)), Some(key));
    r.due(after(15));
    assert_eq!(r.take_abandoned(), [(key, UPLINK)], "no custody within the time-out");
    assert_eq!(r.state(key), Some(State::Ready(RADIO)));
    assert_eq!(r.next(RADIO, after(60)), Some(key));
    r.due(after(60));
    assert!(matches!(r.state(key), Some(State::Held(Wait::Retry(at))) if at == after(60) + RETRY_FIRST));
    r.due(after(60) + RETRY_FIRST);
    assert_eq!(r.state(key), Some(State::Ready(UPLINK)), "and from the beginning");
}

#[test]
fn a_member_attached_here_gets_it_and_nobody_else_does() {
    let mut r = relay();
    r.port_up(NOW, 2);
    let key = take(&mut r, 1, Precedence::Routine);
    r.follow(NOW, claim(ME, 1));
    assert_eq!(r.state(key), Some(State::Held(Wait::Away)), "claimed here, not attached yet");
    r.attach(NOW, BRAVO, 2);
    let way = Way::Attached { port: 2, member: BRAVO };
    assert_eq!(r.next(way, after(9)), Some(key));
    r.port_removed(NOW, 2);
    assert_eq!(r.state(key), Some(State::Held(Wait::Away)));
    assert_eq!(r.take_abandoned(), [(key, way)]);
}

#[test]
fn without_a_known_attachment_everybody_is_asked_once_and_then_it_is_held() {
    let mut r = relay();
    let key = take(&mut r, 1, Precedence::Routine);
    for way in [UPLINK, RADIO] {
        assert_eq!(r.next(way, after(5)), Some(key));
        r.failed(NOW, key, way, Failure::NobodyListening);
    }
    assert_eq!(r.state(key), Some(State::Held(Wait::NoAttachment)));
    assert_eq!(r.next_wake(), None, "held, not retried");
    assert!(r.neighbour(NOW, 1, GW3));
    assert_eq!(r.state(key), Some(State::Ready(Way::Neighbour { port: 1, gateway: GW3 })), "a new neighbour is asked");
    r.follow(NOW, claim(GW2, 1));
    assert_eq!(r.state(key), Some(State::Ready(UPLINK)), "a claim starts anew");
}

#[test]
fn precedence_decides_and_age_within_it() {
    let mut r = relay();
    take(&mut r, 1, Precedence::Routine);
    take(&mut r, 2, Precedence::Flash);
    take(&mut r, 3, Precedence::Routine);
    take(&mut r, 4, Precedence::Override);
    let order: Vec<u64> = core::iter::from_fn(|| r.next(UPLINK, after(9)).map(|k| k.parcel.0)).collect();
    assert_eq!(order, [4, 2, 1, 3]);
}

#[test]
fn an_uplink_that_goes_away_frees_what_was_offered_there_and_gets_it_back() {
    let mut r = relay();
    let key = take(&mut r, 1, Precedence::Routine);
    r.next(UPLINK, after(15));
    r.uplink_down(NOW, 0);
    assert_eq!(r.state(key), Some(State::Ready(RADIO)));
    r.uplink_up(NOW, 0);
    assert_eq!(r.state(key), Some(State::Ready(UPLINK)), "not on air yet, so the better way wins");
}

#[test]
fn full_pauses_the_parcel_and_passed_on_raises_the_round_a_bounded_number_of_times() {
    let mut r = relay();
    r.follow(NOW, claim(GW2, 1));
    let key = take(&mut r, 1, Precedence::Routine);
    r.next(UPLINK, after(15));
    r.failed(NOW, key, UPLINK, Failure::Refused(RefuseReason::Full, Duration::from_secs(30)));
    assert_eq!(r.state(key), Some(State::Held(Wait::Refused(RefuseReason::Full, after(30)))));
    r.due(after(30));
    for _ in 0..ROUNDS_MAX {
        assert_eq!(r.next(UPLINK, after(60)), Some(key));
        assert!(r.failed(NOW, key, UPLINK, Failure::Refused(RefuseReason::PassedOn, Duration::ZERO)));
        assert_eq!(r.state(key), Some(State::Ready(UPLINK)));
    }
    r.next(UPLINK, after(60));
    assert!(!r.failed(NOW, key, UPLINK, Failure::Refused(RefuseReason::PassedOn, Duration::ZERO)));
    assert_eq!(r.state(key), Some(State::Ready(RADIO)));
}

#[test]
fn a_newer_claim_moves_even_what_is_on_its_way() {
    let mut r = relay();
    r.neighbour(NOW, 1, GW3);
    r.uplink_down(NOW, 0);
    r.follow(NOW, claim(GW2, 1));
    let key = take(&mut r, 1, Precedence::Routine);
    r.next(RADIO, after(60));
    r.follow(NOW, claim(GW3, 2));
    assert_eq!(r.take_abandoned(), [(key, RADIO)]);
    assert_eq!(r.state(key), Some(State::Ready(Way::Neighbour { port: 1, gateway: GW3 })));
}

#[test]
fn a_dropped_parcel_leaves_nothing_behind() {
    let mut r = relay();
    let (a, b) = (take(&mut r, 1, Precedence::Routine), take(&mut r, 2, Precedence::Routine));
    r.next(UPLINK, after(15));
    r.drop(a.parcel);
    r.drop(b.parcel);
    assert_eq!(r.take_abandoned(), [(a, UPLINK)]);
    assert!(r.is_empty() && r.ready.is_empty() && r.timers.is_empty() && r.by_destination.is_empty());
}

#[test]
fn what_came_by_a_broker_or_neighbour_is_not_offered_back_there_unasked() {
    let mut r = relay();
    r.neighbour(NOW, 1, GW3);
    r.take(NOW, ParcelKey(1), BRAVO, Ingress { from: GW2, uplink: Some(0) }, Precedence::Routine);
    let only = Way::Neighbour { port: 1, gateway: GW3 };
    assert_eq!(r.state(of(1)), Some(State::Ready(only)));
    r.next(only, after(9));
    r.failed(NOW, of(1), only, Failure::TimedOut);
    assert_eq!(r.state(of(1)), Some(State::Held(Wait::NoAttachment)));
    r.follow(NOW, claim(GW2, 1));
    assert_eq!(r.state(of(1)), Some(State::Ready(UPLINK)), "the member is there: back it goes");
}

#[test]
fn a_claim_that_moves_the_member_publishes_again_for_the_new_addressee_and_a_renewed_one_does_not() {
    let mut r = relay();
    let key = take(&mut r, 1, Precedence::Routine);
    r.next(UPLINK, after(15));
    r.follow(NOW, claim(GW2, 1));
    assert_eq!(r.state(key), Some(State::Ready(UPLINK)), "it was published for whoever knows the member");
    assert_eq!(r.take_abandoned(), [(key, UPLINK)]);
    r.next(UPLINK, after(15));
    r.follow(NOW, claim(GW2, 2));
    assert!(matches!(r.state(key), Some(State::Offered { .. })), "the same gateway: nothing new");
}

#[test]
fn an_offer_taken_back_goes_elsewhere_and_not_to_whom_offers_the_same() {
    let mut r = relay();
    let key = take(&mut r, 1, Precedence::Routine);
    r.uplink_down(NOW, 0);
    assert_eq!(r.next(RADIO, after(60)), Some(key));
    r.take_back(NOW, key, GW2);
    assert_eq!(r.take_abandoned(), [(key, RADIO)]);
    assert_eq!(r.state(key), Some(State::Held(Wait::NoAttachment)));
    assert_eq!(r.due(after(60)), 0, "it is not offered any more");
    r.uplink_up(NOW, 0);
    assert_eq!(r.next(UPLINK, after(90)), Some(key));
    r.take_back(NOW, key, GW3);
    assert_eq!(r.state(key), Some(State::Ready(UPLINK)), "the same way, in another round");
    r.take_abandoned();
    assert_eq!(r.next(UPLINK, after(90)), Some(key));
    assert_eq!(r.due(after(90)), 1);
}

#[test]
fn a_port_on_which_nobody_is_known_moves_nothing_and_one_with_a_neighbour_does() {
    let mut r = Relay::new(ME);
    let key = take(&mut r, 1, Precedence::Routine);
    r.port_up(NOW, 1);
    assert_eq!(r.state(key), Some(State::Held(Wait::NoWay)));
    r.neighbour(NOW, 1, GW2);
    r.port_down(NOW, 1);
    assert_eq!(r.state(key), Some(State::Held(Wait::NoWay)));
    r.port_up(NOW, 1);
    assert_eq!(r.state(key), Some(State::Ready(RADIO)));
}

// §55.5
#[test]
fn what_has_waited_long_gets_one_turn_in_eight_and_flash_waits_for_nobody() {
    let mut r = relay();
    r.follow(NOW, claim(GW2, 1));
    let old: Vec<Branch> = (1..=3).map(|key| take(&mut r, key, Precedence::Deferred)).collect();
    for key in 100..200 {
        take(&mut r, key, Precedence::Priority);
    }
    let turns = |r: &mut Relay, now: Instant, count: usize| -> Vec<Branch> {
        let step = |r: &mut Relay| {
            let turn = r.turn(now, UPLINK).unwrap();
            r.take_turn(UPLINK, turn, after(100_000));
            turn
        };
        (0..count).map(|_| step(r)).map(|turn| turn.branch).collect()
    };
    assert!(turns(&mut r, after(60), 20).iter().all(|key| !old.contains(key)), "nothing has aged yet");
    let later = NOW + AGED_AFTER;
    let aged: Vec<Branch> = turns(&mut r, later, 24).into_iter().filter(|key| old.contains(key)).collect();
    assert_eq!(aged, old, "oldest first, one in eight");
    take(&mut r, 4, Precedence::Routine);
    for key in 200..220 {
        take(&mut r, key, Precedence::Flash);
    }
    let flash = turns(&mut r, later + AGED_AFTER, 20);
    assert!(flash.iter().all(|key| key.parcel.0 >= 200), "{flash:?}");
}
