//! The main job: a text and a file, each way, over each way.

use std::time::Duration;

use hil_tests::{Burst, Member, Rig};

use crate::world::{ByBroker, ByRadio, SLOW, file, half_duplex, same};

const FILE: usize = 40 * 1024;

#[test]
fn text_and_file_each_way_over_radio() {
    let mut world = ByRadio::new("text_and_file_each_way_over_radio", half_duplex(SLOW));
    // 40 KiB need 34 s of air each way, and both ways share one channel.
    exchange(&mut world.rig, FILE, "180s");
    eprintln!("bytes on air: {}", world.radio.on_air());
}

#[test]
fn text_and_file_each_way_over_mqtt() {
    let mut world = ByBroker::new("text_and_file_each_way_over_mqtt");
    exchange(&mut world.rig, FILE, "60s");
}

#[test]
fn text_over_a_noisy_radio() {
    // One byte in twenty is wrong, and now and then a burst of 20 ms leaves nothing of what is on air.
    let air = half_duplex(SLOW).ber(6e-3).burst(Burst { enter: 2e-4, leave: 0.04, ber: 0.5 });
    let mut world = ByRadio::new("text_over_a_noisy_radio", air);
    exchange(&mut world.rig, 6 * 1024, "120s");
    let wrong = world.radio.counters(0).corrupted + world.radio.counters(1).corrupted;
    assert!(wrong > 300, "the noise was real: {wrong}");
}

#[test]
fn a_message_is_read_and_its_sender_knows() {
    let world = ByBroker::new("a_message_is_read_and_its_sender_knows");
    let (alpha, bravo) = (world.rig.member("alpha", "gw1"), world.rig.member("bravo", "gw2"));
    let mut at_alpha = alpha.follow();
    let sent = alpha.send("bravo", "nobody is there yet").expect(0);
    assert_eq!(sent.states().last(), Some(&"custody"), "{sent:?}");

    let mut at_bravo = bravo.follow();
    at_bravo.text("nobody is there yet", hil_tests::wait::PROMPT);
    let inbox = bravo.inbox().expect(0);
    assert_eq!(inbox.lines.len(), 1, "{inbox:?}");
    let (message, id) = (&inbox.lines[0], sent.id());
    assert_eq!(message["id"], id.as_str());
    assert_eq!((message["from"].as_str(), message["to"].as_str()), (Some("alpha"), Some("bravo")));
    assert_eq!(message["text"], "nobody is there yet");
    assert_ne!(message["state"], "read", "the inbox does not mark anything read");

    bravo.read(&id, &[]).expect(0);
    bravo.read("0123456789abcdef", &[]).expect(9);
    hil_tests::wait::until("alpha to know that it was read", hil_tests::wait::PROMPT, || {
        let sent = alpha.sent().expect(0);
        (sent.lines.iter().find(|l| l["id"] == id.as_str())?["state"] == "read").then_some(())
    });
    at_alpha.drain();
    assert!(at_alpha.seen().is_empty(), "receipts are not messages");
}

#[test]
fn a_waiting_sender_is_told_in_time() {
    let rig = Rig::new("a_waiting_sender_is_told_in_time", &["alpha", "bravo"], &["gw1"]);
    let alpha = rig.member("alpha", "gw1");
    let queued = alpha.send("bravo", "no gateway yet").expect(0);
    assert_eq!(queued.states(), ["queued"]);
    assert!(!queued.end.err.trim().is_empty(), "a line on standard error says that no gateway is in reach");
    alpha.send_with("bravo", &["--wait", "custody", "--timeout", "2s", "still none"]).expect(3);
    alpha.inbox().expect(6);

    let _gw1 = rig.gateway(hil_tests::Plan::new("gw1"));
    let third = alpha.send_with("bravo", &["--wait", "custody", "there it is"]).expect(0);
    assert_eq!(third.states().last(), Some(&"custody"));
    alpha.send_with("bravo", &["--wait", "delivered", "--timeout", "2s", "bravo is away"]).expect(3);
    let texts: Vec<String> = texts_of(&rig.member("bravo", "gw1"));
    assert_eq!(texts, ["no gateway yet", "still none", "there it is", "bravo is away"]);
    alpha.send_with("nobody", &["x"]).expect(2);
    alpha.send_with("bravo", &["--ttl", "2s", "--wait", "read", "--timeout", "60s", "too late"]).expect(4);
}

fn texts_of(member: &Member) -> Vec<String> {
    let inbox = member.inbox().expect(0);
    inbox.lines.iter().filter_map(|m| m["text"].as_str().map(str::to_owned)).collect()
}

/// A text and a file from alpha to bravo and back, both ways at once, until both senders know.
fn exchange(rig: &mut Rig, bytes: usize, timeout: &str) {
    let limit = Duration::from_secs(200);
    let (alpha, bravo) = (rig.member("alpha", "gw1"), rig.member("bravo", "gw2"));
    let (mut at_alpha, mut at_bravo) = (alpha.follow(), bravo.follow());
    let wait = ["--wait", "delivered", "--timeout", timeout];
    let (one, two) = (file(rig, "one.bin", bytes), file(rig, "two.bin", bytes));

    for (from, to, text) in [(&alpha, "bravo", "hello bravo"), (&bravo, "alpha", "hello alpha")] {
        let sent = from.send_with(to, &[&wait[..], &[text]].concat()).expect(0);
        assert_eq!(sent.states().last(), Some(&"delivered"), "{sent:?}");
        rig.note(&format!("{text:?} delivered after {:?}", sent.end.took));
    }
    at_bravo.text("hello bravo", limit);
    at_alpha.text("hello alpha", limit);

    std::thread::scope(|s| {
        for (from, to, path) in [(&alpha, "bravo", &one), (&bravo, "alpha", &two)] {
            let (rig, wait) = (&*rig, &wait);
            s.spawn(move || {
                let path = path.display().to_string();
                let sent = from.send_with(to, &[&wait[..], &["--file", &path]].concat()).expect(0);
                rig.note(&format!("file to {to} delivered after {:?}", sent.end.took));
            });
        }
    });
    for (at, who, original) in [(&mut at_bravo, &bravo, &one), (&mut at_alpha, &alpha, &two)] {
        let message = at.find("the file", limit, |m| m["file"].is_object());
        assert_eq!(message["file"]["bytes"], bytes);
        assert_eq!(message["file"]["name"].as_str(), original.file_name().and_then(|n| n.to_str()));
        let copy = original.with_extension("copy");
        who.read(message["id"].as_str().expect("an id"), &["--output", &copy.display().to_string()]).expect(0);
        assert!(same(original, &copy), "the file arrived unchanged");
    }
}
