//! Two gateways in network namespaces of their own, on a slow and lossy uplink.

use std::time::Duration;

use hil_tests::netns::{Cable, Star};
use hil_tests::skip::skip;
use hil_tests::{Broker, Plan, Rig};

use crate::world::{file, same};

const NAME: &str = "a_slow_and_lossy_uplink_between_namespaces";

#[test]
fn a_slow_and_lossy_uplink_between_namespaces() {
    if let Some(why) = Star::obstacle() {
        return skip(NAME, why);
    }
    let address = Star::address();
    let url = format!("mqtts://{address}:8883");
    let mut rig = Rig::with(NAME, &["alpha", "bravo"], &["gw1", "gw2"], &["--broker", &url]);
    let star = Star::new(2, Cable { kbit: 128, loss: 5 });
    let broker = Broker::start(&rig, "broker", Some((address, star.hub())));
    let gw1 = rig.gateway(Plan::new("gw1").uplink(&broker).namespace(star.spoke(0)));
    let gw2 = rig.gateway(Plan::new("gw2").uplink(&broker).namespace(star.spoke(1)));
    for gateway in [&gw1, &gw2] {
        gateway.await_uplink("up", Duration::from_secs(60));
    }
    let (alpha, bravo) = (rig.member("alpha", "gw1"), rig.member("bravo", "gw2"));
    let (_at_alpha, mut at_bravo) = (alpha.follow(), bravo.follow());
    let wait = ["--wait", "delivered", "--timeout", "120s"];
    for n in 0..10 {
        alpha.send("bravo", &format!("message {n}")).expect(0);
    }
    let original = file(&mut rig, "photo.bin", 40 * 1024);
    let path = original.display().to_string();
    let sent = alpha.send_with("bravo", &[&wait[..], &["--file", &path]].concat()).expect(0);
    rig.note(&format!("40 KiB over 128 kbit/s with 5 % loss: {:?}", sent.end.took));
    for n in 0..10 {
        at_bravo.text(&format!("message {n}"), Duration::from_secs(60));
    }
    let copy = original.with_extension("copy");
    bravo.read(&sent.id(), &["--output", &copy.display().to_string()]).expect(0);
    assert!(same(&original, &copy));
}
