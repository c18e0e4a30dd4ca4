//! The story, and the proof of each leg.

use super::Telling;
use super::stage::{Gw, Stage, wait};
use crate::error::Failure;
use std::time::Duration;

/// Longest any single message may take once a way is open.
const SOON: Duration = Duration::from_secs(60);

/// Tells all of it.
pub(super) fn tell(stage: &mut Stage, telling: &mut Telling) -> Result<(), Failure> {
    over_the_broker(stage, telling)?;
    over_the_radio(stage, telling)?;
    let waiting = with_no_way(stage, telling)?;
    gateway_dies(stage, telling)?;
    ways_open(stage, telling, &waiting)
}

fn over_the_broker(stage: &mut Stage, telling: &mut Telling) -> Result<(), Failure> {
    telling.chapter("1. A message over the broker")?;
    let before = stage.radio.on_air();
    let id = stage.send("alpha", "bravo", &["--wait", "delivered", "--timeout", "60s"], "The bridge is open.")?;
    let message = stage.bravo.wait_for(&id, SOON)?;
    let on_air = stage.radio.on_air() - before;
    expect(message["text"] == "The bridge is open.", "bravo reads what alpha wrote")?;
    expect(on_air < 54, "the broker carried it, and not the radio")?;
    telling.leg(&format!("alpha → gw1 → broker → gw2 → bravo: {id} delivered, {on_air} B on the radio"))?;
    stage.read("bravo", &id)?;
    stage.wait_state("alpha", &id, "read")?;
    telling.leg("bravo read it; alpha's receipt came back: custody, delivered, read")
}

fn over_the_radio(stage: &mut Stage, telling: &mut Telling) -> Result<(), Failure> {
    telling.chapter("2. The uplink goes down: the next one goes over the radio")?;
    stage.uplink.set_cut(true);
    for gw in [Gw::One, Gw::Two] {
        stage.wait_uplink(gw, false)?;
    }
    telling.leg("the cable to the broker is pulled; both gateways have noticed")?;
    let before = stage.radio.on_air();
    let id = stage.send("alpha", "bravo", &["--wait", "delivered", "--timeout", "90s"], "Uplink lost. Radio now.")?;
    stage.bravo.wait_for(&id, SOON)?;
    let on_air = stage.radio.on_air() - before;
    expect(on_air >= 54, "the radio carried it")?;
    telling.leg(&format!("alpha → gw1 ~radio~ gw2 → bravo: {id} delivered, {on_air} B on the radio, both ways"))?;
    let back = stage.send("bravo", "alpha", &["--wait", "delivered", "--timeout", "90s"], "Heard you on the radio.")?;
    stage.alpha.wait_for(&back, SOON)?;
    telling.leg(&format!("and bravo's answer {back} the same way back"))
}

fn with_no_way(stage: &mut Stage, telling: &mut Telling) -> Result<Vec<String>, Failure> {
    telling.chapter("3. The radio goes down too: messages queue")?;
    stage.radio.set_outage(true);
    let mut waiting = Vec::new();
    for (precedence, text) in [
        ("routine", "Fuel at the depot: 40 %."),
        ("flash", "Dam is breached. Leave the valley now."),
        ("priority", "Two vehicles north of the ford."),
    ] {
        let id = stage.send("alpha", "bravo", &["--precedence", precedence, "--wait", "custody"], text)?;
        telling.leg(&format!("alpha writes {id} ({precedence}): gw1 has it durably and holds it"))?;
        waiting.push(id);
    }
    let queue = stage.gateway(Gw::One, "queue")?;
    for id in &waiting {
        let row = queue.iter().find(|row| row["id"] == *id);
        let why = row.and_then(|row| row["why"].as_str()).unwrap_or_default();
        expect(!why.is_empty(), "the queue says why a message waits")?;
        telling
            .leg(&format!("  queue of gw1: {id} {}: {why}", row.map_or("", |r| r["state"].as_str().unwrap_or(""))))?;
    }
    Ok(waiting)
}

fn gateway_dies(stage: &mut Stage, telling: &mut Telling) -> Result<(), Failure> {
    telling.chapter("4. A gateway is killed with -9")?;
    let before = stage.queued(Gw::One)?;
    stage.kill(Gw::One)?;
    telling.leg(&format!("gw1 is gone, with {before} parcels in its custody"))?;
    stage.start(Gw::One)?;
    let after = stage.queued(Gw::One)?;
    expect(after >= before, "what was in custody is there after the restart")?;
    telling.leg(&format!("gw1 is back and holds {after}"))
}

fn ways_open(stage: &mut Stage, telling: &mut Telling, waiting: &[String]) -> Result<(), Failure> {
    telling.chapter("5. The ways open again")?;
    stage.radio.set_outage(false);
    stage.uplink.set_cut(false);
    telling.leg("the radio is back, the cable is plugged in")?;
    for id in waiting {
        stage.bravo.wait_for(id, SOON)?;
        stage.wait_state("alpha", id, "delivered")?;
        telling.leg(&format!("{id} delivered, and alpha knows"))?;
    }
    for gw in [Gw::One, Gw::Two] {
        wait("the queues to empty", || stage.queued(gw).is_ok_and(|n| n == 0))?;
    }
    telling.leg("both gateways' queues are empty")?;
    for id in waiting {
        expect(stage.bravo.times_shown(id) == 1, "every message is shown once")?;
    }
    Ok(())
}

fn expect(true_: bool, what: &str) -> Result<(), Failure> {
    if true_ { Ok(()) } else { Err(Failure::internal(format!("the demo could not verify: {what}"))) }
}
