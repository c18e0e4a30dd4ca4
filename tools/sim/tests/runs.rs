//! Runs by seed. A seed that ever failed stays here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_sim::{Fault, Outcome, Plan, Verdict, World};
use picket_wire::Precedence::{Flash, Override, Routine};

fn run(plan: Plan) -> Outcome {
    let seed = plan.seed;
    let outcome = World::new(plan).and_then(World::run).expect("the world runs");
    assert_eq!(outcome.verdict(), Verdict::Kept, "seed {seed}\n{outcome}");
    outcome
}

#[test]
fn a_message_crosses_the_broker_and_its_receipt_returns() {
    let outcome = run(Plan::quiet(1).write(5, 0, 1, Routine, 20).write(6, 1, 0, Routine, 20));
    assert_eq!(outcome.sent.len(), 2);
}

#[test]
fn a_message_crosses_the_radio_when_there_is_no_broker() {
    let mut plan = Plan::quiet(2).write(5, 0, 1, Routine, 20).write(6, 1, 0, Flash, 3000);
    plan.broker = false;
    run(plan);
}

#[test]
fn the_radio_carries_on_when_the_uplink_goes_and_everything_waits_when_both_do() {
    let mut plan = Plan::quiet(3)
        .fault(10, Fault::UplinkCut(0, true))
        .fault(60, Fault::RadioOutage(true))
        .fault(120, Fault::KillGateway(0))
        .fault(125, Fault::StartGateway(0))
        .fault(180, Fault::RadioOutage(false))
        .fault(200, Fault::UplinkCut(0, false));
    for n in 0..30 {
        plan = plan.write(5 + 6 * n, (n % 2) as usize, (1 - n % 2) as usize, Routine, 40);
    }
    run(plan);
}

#[test]
fn a_member_who_moves_gets_what_waits_elsewhere() {
    let plan = Plan::quiet(4)
        .fault(10, Fault::Move(1, 0))
        .fault(100, Fault::Move(1, 1))
        .write(9, 0, 1, Routine, 30)
        .write(50, 0, 1, Routine, 30)
        .write(101, 0, 1, Routine, 30);
    run(plan);
}

#[test]
fn drawn_worlds_keep_every_promise() {
    for seed in 1..=20 {
        run(Plan::drawn(seed));
    }
}

#[test]
fn a_message_crosses_a_noisy_radio_in_coded_frames() {
    for ber in [1e-4, 1e-3] {
        let mut plan = Plan::noisy(5, ber).write(5, 0, 1, Routine, 20).write(6, 1, 0, Flash, 3000);
        plan.broker = false;
        run(plan);
    }
}

#[test]
fn drawn_worlds_with_noisy_radios_keep_every_promise() {
    for seed in 1..=20 {
        run(Plan::drawn_noisy(seed));
    }
}

#[test]
fn a_noisy_world_differs_from_the_drawn_one_in_its_radio_only() {
    let (plain, noisy) = (Plan::drawn(3), Plan::drawn_noisy(3));
    assert_eq!((plain.air_bps, plain.half_duplex, plain.broker), (noisy.air_bps, noisy.half_duplex, noisy.broker));
    assert_eq!(plain.writes, noisy.writes);
    let others = |plan: &Plan| {
        let radio = |f: &Fault| matches!(f, Fault::RadioNoise(_) | Fault::RadioBursts(_) | Fault::RadioOutage(_));
        plan.faults.iter().filter(|(_, f)| !radio(f)).copied().collect::<Vec<_>>()
    };
    assert_eq!(others(&plain), others(&noisy));
}

/// What is left of `Plan::drawn_noisy(69)`: the gateway comes back, takes the message over radio and broker at once, and
/// merges the receipt with the answer by radio. The other one has withdrawn that offer meanwhile, because the broker's
/// answer was there first: the receipt goes with the stale answer, and nobody sends it again.
#[test]
fn a_receipt_merged_with_an_answer_that_comes_too_late_is_not_lost() {
    let mut plan = Plan::noisy(69, 0.0)
        .fault(221, Fault::KillGateway(0))
        .fault(285, Fault::StartGateway(0))
        .write(248, 1, 0, Override, 9);
    (plan.air_bps, plan.half_duplex) = (57_600, false);
    run(plan);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for plan in [Plan::drawn(77), Plan::drawn_noisy(77)] {
        let twice = [0, 1].map(|_| World::new(plan.clone()).and_then(World::run).expect("runs"));
        assert_eq!(twice[0], twice[1]);
    }
}
