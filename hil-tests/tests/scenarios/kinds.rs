//! Links of the other kinds: UDP and TCP between gateways, a packet radio, members over TCP.

use hil_tests::{Air, Ether, Plan, Rig, wait};

const WAIT: [&str; 3] = ["--wait", "delivered", "--timeout"];

#[test]
fn gateways_joined_by_udp() {
    let (one, two) = (port(), port());
    let link = |bind: u16, peer: u16| {
        format!(
            "\n[[link]]\nname = \"ip\"\nkind = \"udp\"\nbind = \"127.0.0.1:{bind}\"\npeer = \"127.0.0.1:{peer}\"\nmtu = 1200\n"
        )
    };
    joined("gateways_joined_by_udp", &link(one, two), &link(two, one));
}

#[test]
fn gateways_joined_by_a_packet_radio_that_loses_packets() {
    let ether = Ether::open(Air::new(57_600).packets(255).loss(0.1), 1, 2).unwrap();
    let link = |station| {
        let (bind, peer) = (ether.bind_address(station).unwrap(), ether.peer_address(station).unwrap());
        format!(
            "\n[[link]]\nname = \"radio\"\nkind = \"udp\"\nbind = \"{bind}\"\npeer = \"{peer}\"\nmtu = 255\nair_bps = 57600\n"
        )
    };
    joined("gateways_joined_by_a_packet_radio_that_loses_packets", &link(0), &link(1));
    assert!(ether.counters(1).lost > 0, "packets were lost");
    assert_eq!(ether.counters(0).overrun, 0, "no packet was too long");
}

#[test]
fn gateways_joined_by_tcp() {
    let port = port();
    let listen = format!("\n[[link]]\nname = \"ip\"\nkind = \"tcp\"\nlisten = \"127.0.0.1:{port}\"\n");
    let connect = format!("\n[[link]]\nname = \"ip\"\nkind = \"tcp\"\nconnect = \"127.0.0.1:{port}\"\n");
    joined("gateways_joined_by_tcp", &listen, &connect);
}

#[test]
fn a_member_attaches_over_tcp() {
    let rig = Rig::new("a_member_attaches_over_tcp", &["alpha", "bravo"], &["gw1"]);
    let port = port();
    let listen = format!("\n[[link]]\nname = \"field\"\nkind = \"tcp\"\nlisten = \"127.0.0.1:{port}\"\n");
    let mut gw1 = rig.gateway(Plan::new("gw1").more(&listen));
    let alpha = rig.member("alpha", "gw1").via(&format!("tcp:127.0.0.1:{port}"));
    let mut at_bravo = rig.member("bravo", "gw1").follow();
    alpha.send_with("bravo", &[&WAIT[..], &["60s", "over tcp"]].concat()).expect(0);
    at_bravo.text("over tcp", wait::PROMPT);
    // The reader finds its gateway again by itself.
    assert_eq!(gw1.stop(), 0);
    gw1.start();
    alpha.send_with("bravo", &[&WAIT[..], &["60s", "after a restart"]].concat()).expect(0);
    at_bravo.text("after a restart", wait::PROMPT);
}

fn joined(name: &str, first: &str, second: &str) {
    let mut rig = Rig::new(name, &["alpha", "bravo"], &["gw1", "gw2"]);
    let _gw1 = rig.gateway(Plan::new("gw1").more(first));
    let mut gw2 = rig.gateway(Plan::new("gw2").more(second));
    let (alpha, bravo) = (rig.member("alpha", "gw1"), rig.member("bravo", "gw2"));
    let mut at_bravo = bravo.follow();
    let path = crate::world::file(&mut rig, "photo.bin", 40 * 1024);
    alpha.send_with("bravo", &[&WAIT[..], &["90s", "hello"]].concat()).expect(0);
    let file =
        alpha.send_with("bravo", &[&WAIT[..], &["90s", "--file", &path.display().to_string()]].concat()).expect(0);
    at_bravo.find("the file", wait::PROMPT, |m| m["id"] == file.id().as_str());
    gw2.kill9();
    alpha.send("bravo", "while gw2 is away").expect(0);
    gw2.start();
    at_bravo.text("while gw2 is away", wait::PROMPT * 4);
}

/// A port that is free now, below those that outgoing connections take.
fn port() -> u16 {
    hil_tests::broker::free_port()
}
