//! What goes: messages that burn, messages whose time is over, and keys that somebody else may have had.

use hil_tests::{memory, skip, wait};

use crate::world::ByBroker;

#[test]
fn what_burns_is_gone_from_both_ends_soon_after_it_was_read() {
    let world = ByBroker::new("what_burns_is_gone_from_both_ends_soon_after_it_was_read");
    let (alpha, bravo) = (world.rig.member("alpha", "gw1"), world.rig.member("bravo", "gw2"));
    let args = ["--ttl", "1h", "--burn", "2s", "--wait", "delivered", "below the mill at four"];
    let mut at_bravo = bravo.follow();
    let sent = alpha.send_with("bravo", &args).expect(0);
    at_bravo.text("below the mill at four", wait::PROMPT);
    let listed = bravo.inbox().expect(0);
    assert_eq!(listed.lines[0]["burn_s"], 2, "{listed:?}");
    let mut at_alpha = alpha.follow();
    bravo.read(&sent.id(), &[]).expect(0);
    wait::until("bravo's copy to burn", wait::PROMPT, || bravo.inbox().expect(0).lines.is_empty().then_some(()));
    bravo.read(&sent.id(), &[]).expect(9);
    wait::until("alpha's copy to burn", wait::PROMPT, || {
        let sent_by_alpha = alpha.sent().expect(0);
        let line = sent_by_alpha.lines.iter().find(|l| l["id"] == sent.id().as_str())?;
        (line["state"] == "read" && line["text"].is_null()).then_some(())
    });
    at_alpha.drain();
    // Nor is it in what either end has freed, or left on its stack.
    if !skip::is_root() {
        return skip::skip("what burned, in memory", "looking at another process's memory needs root");
    }
    let text = [("the text".to_owned(), b"below the mill at four".to_vec())];
    for holder in [at_alpha.id(), at_bravo.id()] {
        let found = memory::search(holder, &text);
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn a_message_that_expires_on_the_way_is_reported() {
    let world = ByBroker::new("a_message_that_expires_on_the_way_is_reported");
    let alpha = world.rig.member("alpha", "gw1");
    // Bravo never attaches.
    let sent = alpha.send_with("bravo", &["--ttl", "3s", "--wait", "delivered", "too late"]).expect(4);
    assert_eq!(sent.states().last(), Some(&"expired"), "{sent:?}");
}

#[test]
fn after_recovery_both_go_on_with_fresh_keys() {
    let world = ByBroker::new("after_recovery_both_go_on_with_fresh_keys");
    let (alpha, bravo) = (world.rig.member("alpha", "gw1"), world.rig.member("bravo", "gw2"));
    let mut at_bravo = bravo.follow();
    alpha.send_with("bravo", &["--wait", "delivered", "before"]).expect(0);
    at_bravo.text("before", wait::PROMPT);
    let told = alpha.recover().expect(0);
    assert_eq!(told.lines.last().map(|l| l["told"].clone()), Some(1.into()), "{told:?}");
    bravo.send_with("alpha", &["--ttl", "1h", "--wait", "custody", "after"]).expect(0);
    let mut at_alpha = alpha.follow();
    at_alpha.text("after", wait::PROMPT);
    alpha.send_with("bravo", &["--wait", "delivered", "and back"]).expect(0);
    at_bravo.text("and back", wait::PROMPT);
}
