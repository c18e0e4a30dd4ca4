//! Runs by seed. A seed that ever failed stays here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_sim::{Fault, Outcome, Plan, Verdict, World};
use picket_wire::Precedence::{Flash, Routine};

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
fn the_same_seed_gives_the_same_run() {
    let twice = [0, 1].map(|_| World::new(Plan::drawn(77)).and_then(World::run).expect("runs"));
    assert_eq!(twice[0], twice[1]);
}
