//! Members who are revoked: their seats go, and the keys change (spec §45.11).

use super::*;

fn lapses(net: &Net, at: usize) -> Vec<(Option<picket_wire::Index>, bool)> {
    let of = |(who, e): &(usize, RoomEvent)| match e {
        RoomEvent::Lapsed { keeper, heir, .. } if *who == at => Some((*keeper, *heir)),
        _ => None,
    };
    net.events.iter().filter_map(of).collect()
}

#[test]
fn a_revoked_member_loses_its_seat_at_once_and_reads_nothing_after() {
    let mut net = Net::new(30);
    net.room(&[A, B, C]);
    let captured = net.devices[C].vault_mut().clone();
    let before = net.generation(A);
    let object = net.revocation(&[C]);
    net.revoke(A, &object);
    assert_eq!((net.members(A), net.generation(A)), (vec!["alpha".into(), "bravo".into()], before + 1));
    assert_eq!(lapses(&net, A), [(Some(net.mission.indices[A]), false)]);
    net.revoke(B, &object);
    net.settle();
    assert_eq!((net.members(B), net.secret(B) == net.secret(A)), (net.members(A), true));
    net.say(B, "without charlie", true).unwrap();
    let heard = net.air.clone();
    net.settle();
    assert_eq!(net.texts(A), [said("without charlie", Trust::Signed)]);
    // The captor hears all of it, and has the device as it was.
    net.reopen(C, captured);
    for (_, bytes) in &heard {
        net.hand(C, bytes);
    }
    assert_eq!(net.texts(C), []);
    net.say(C, "i am still here", true).unwrap();
    net.settle();
    assert_eq!(net.texts(A).len() + net.texts(B).len(), 1);
}

#[test]
fn nobody_writes_under_keys_that_the_revoked_have() {
    let mut net = Net::new(31);
    net.room(&[A, B, C]);
    let object = net.revocation(&[C]);
    // Alpha, who moderates, has not heard of it.
    net.revoke(B, &object);
    let refused = net.say(B, "for charlie too", true).unwrap_err();
    let expected = RoomError::Lapsed { gone: vec!["charlie".into()], keeper: Some("alpha".into()) };
    assert_eq!(refused, expected);
    assert_eq!(refused.to_string().matches("alpha").count(), 1);
    let view = net.devices[B].rooms().remove(0);
    assert_eq!((view.lapsed, view.keeper, view.members[2].gone), (true, Some("alpha".into()), true));
    // Written in alpha's name by the captor, who has these keys: as good as by anybody.
    net.say(A, "by alpha, or by whoever has the keys", false).unwrap();
    net.settle();
    assert_eq!(net.texts(B), []);
    net.revoke(A, &object);
    net.settle();
    assert_eq!(net.texts(B), [said("by alpha, or by whoever has the keys", Trust::Confirmed)], "attested meanwhile");
    net.say(B, "among us", true).unwrap();
    net.settle();
    assert!(net.texts(A).contains(&said("among us", Trust::Signed)));
}

#[test]
fn what_waits_to_be_confirmed_by_the_revoked_is_dropped_and_what_was_shown_stays_as_it_was() {
    let mut net = Net::new(32);
    net.room(&[A, B, C, D]);
    net.say(C, "shown", false).unwrap();
    net.settle();
    // Under keys that delta has, who is removed: it waits for its attestation.
    net.say(C, "waits", false).unwrap();
    let late = core::mem::take(&mut net.air);
    net.with(A, |e, now, random| e.room_remove(now, "ops", "delta", random)).unwrap();
    net.settle();
    for (to, bytes) in late {
        net.hand(to, &bytes);
    }
    assert_eq!(net.texts(B), [said("shown", Trust::Member)]);
    let held = |net: &Net| net.devices[B].rooms.notes.values().filter(|n| n.held).count();
    assert_eq!(held(&net), 1);
    let object = net.revocation(&[C]);
    net.revoke(B, &object);
    assert_eq!((held(&net), net.texts(B)), (0, vec![said("shown", Trust::Member)]));
    let bodies = net.devices[B].vault_mut().map().values().filter(|v| v.windows(5).any(|w| w == b"waits")).count();
    assert_eq!(bodies, 0);
    // Its attestation comes to nothing.
    net.pass(Duration::from_secs(61));
    net.settle();
    assert_eq!(net.texts(B), [said("shown", Trust::Member)]);
}

#[test]
fn a_revoked_moderator_signs_no_more_states_and_what_it_signed_is_mended() {
    let mut net = Net::new(33);
    net.room(&[A, B, C, D]);
    for name in ["bravo", "charlie"] {
        net.with(A, |e, now, random| e.room_promote(now, "ops", name, random)).unwrap();
        net.settle();
    }
    // Charlie, captured, changes the room again and again; only delta hears it.
    for _ in 0..3 {
        net.with(C, |e, now, random| e.room_promote(now, "ops", "charlie", random)).unwrap();
    }
    let air = core::mem::take(&mut net.air);
    let (deltas, others): (Vec<_>, Vec<_>) = air.into_iter().partition(|(to, _)| *to == D);
    net.air = deltas;
    net.settle();
    let versions: Vec<u32> = (0..4).map(|at| net.devices[at].rooms()[0].version).collect();
    assert!(versions[D] > versions[A] + 1, "{versions:?}");
    let object = net.revocation(&[C]);
    for at in [A, B, D] {
        net.revoke(at, &object);
    }
    net.air.extend(others);
    net.settle();
    for at in [A, B, D] {
        assert_eq!(net.members(at), ["alpha", "bravo", "delta"], "{at}");
        assert!(net.secret(at) == net.secret(A), "{at}");
    }
    net.say(D, "one room", true).unwrap();
    net.settle();
    assert_eq!(net.texts(B), [said("one room", Trust::Signed)]);
}

#[test]
fn the_next_moderator_acts_when_the_first_one_does_not_and_one_who_writes_at_once() {
    for writes in [false, true] {
        let mut net = Net::new(34);
        net.room(&[A, B, C]);
        net.with(A, |e, now, random| e.room_promote(now, "ops", "bravo", random)).unwrap();
        net.settle();
        let object = net.revocation(&[C]);
        // Alpha is away.
        net.revoke(B, &object);
        assert_eq!(net.members(B).len(), 3);
        if writes {
            net.say(B, "at once", true).unwrap();
        } else {
            net.now += crate::limits::ROOM_TURN;
            net.with(B, |e, now, random| e.handle(now, Input::Tick, random));
        }
        assert_eq!(net.members(B), ["alpha", "bravo"]);
        // Alpha comes back, and does it, too.
        net.revoke(A, &object);
        net.settle();
        assert!(net.members(A) == net.members(B) && net.secret(A) == net.secret(B), "{writes}");
        net.say(B, "one room", true).unwrap();
        net.settle();
        assert!(net.texts(A).contains(&said("one room", Trust::Signed)));
        assert_eq!(net.texts(A).len(), 1 + usize::from(writes), "what bravo said under its own keys is read as well");
    }
}

#[test]
fn where_no_moderator_is_left_the_first_member_takes_over() {
    let mut net = Net::new(35);
    // Charlie made the room, and is revoked.
    net.room(&[C, A, B, D]);
    let object = net.revocation(&[C]);
    net.revoke(B, &object);
    assert_eq!(lapses(&net, B), [(Some(net.mission.indices[A]), true)]);
    // Delta has not heard of the revocation, and takes no state by somebody who is no moderator.
    net.revoke(A, &object);
    net.settle();
    assert_eq!(
        (net.members(A), net.members(B)),
        (net.members(B), vec!["alpha".into(), "bravo".into(), "delta".into()])
    );
    assert!(net.devices[B].rooms()[0].members[0].moderator);
    assert_eq!(net.members(D).len(), 4);
    net.revoke(D, &object);
    net.now += crate::limits::ROOM_TURN;
    net.with(D, |e, now, random| e.handle(now, Input::Tick, random));
    net.settle();
    assert_eq!((net.members(D), net.secret(D) == net.secret(A)), (net.members(A), true));
    net.say(D, "one room", true).unwrap();
    net.settle();
    assert_eq!(net.texts(A), [said("one room", Trust::Signed)]);
}

#[test]
fn nobody_takes_over_while_a_moderator_is_left_nor_out_of_turn() {
    let mut net = Net::new(36);
    net.room(&[C, D, A, B]);
    net.with(C, |e, now, random| e.room_promote(now, "ops", "delta", random)).unwrap();
    net.settle();
    let seizes = |net: &mut Net, at: usize| {
        let id = *net.devices[at].rooms.all.keys().next().unwrap();
        let acts = [super::super::records::Act::Promote(net.mission.indices[at])];
        net.with(at, |e, now, random| e.room_change(now, id, &acts, random)).unwrap();
        net.settle();
    };
    let object = net.revocation(&[C]);
    for at in [A, B, D] {
        net.revoke(at, &object);
    }
    net.settle();
    seizes(&mut net, A);
    assert!(net.devices[B].rooms()[0].members.iter().all(|m| m.moderator == (m.name == "delta")), "delta moderates");
    // No moderator is left. Bravo acts before alpha, whose turn it is, has heard of it.
    let object = net.revocation(&[D]);
    net.revoke(B, &object);
    seizes(&mut net, B);
    net.revoke(A, &object);
    net.settle();
    assert_eq!(net.members(A), ["alpha", "bravo"]);
    assert!(
        net.devices[A].rooms()[0].members.iter().all(|m| m.moderator == (m.name == "alpha")),
        "bravo is not the first"
    );
}

#[test]
fn one_who_is_invited_and_would_take_over_does_so_once_it_joins() {
    let mut net = Net::new(37);
    net.room(&[C, B]);
    net.invite(C, A);
    net.settle();
    let object = net.revocation(&[C]);
    for at in [A, B] {
        net.revoke(at, &object);
    }
    assert_eq!(net.members(A).len(), 3);
    net.join(A);
    net.with(A, |e, now, random| e.handle(now, Input::Tick, random));
    net.settle();
    assert_eq!((net.members(A), net.members(B)), (net.members(B), vec!["alpha".into(), "bravo".into()]));
}

#[test]
fn an_invitation_into_a_lapsed_room_is_seen_as_such() {
    let mut net = Net::new(38);
    net.room(&[A, C]);
    let object = net.revocation(&[C]);
    net.revoke(B, &object);
    net.invite(A, B);
    net.settle();
    assert!(net.devices[B].rooms()[0].lapsed);
    net.join(B);
    assert!(matches!(net.say(B, "?", true), Err(RoomError::Lapsed { .. })));
}

#[test]
fn a_revoked_device_does_nothing_in_rooms_any_more() {
    let mut net = Net::new(40);
    net.room(&[A, C]);
    net.say(C, "not attested yet", false).unwrap();
    net.settle();
    let object = net.revocation(&[C]);
    let told = net.with(C, |e, now, _| e.import_revocation(now, object.clone()));
    assert_eq!(told, Err(crate::ObjectError::Revoked));
    let revoked = RoomError::Compose(crate::ComposeError::Revoked);
    assert_eq!(net.say(C, "?", true), Err(revoked.clone()));
    let left = net.with(C, |e, now, random| e.room_leave(now, "ops", random));
    assert_eq!(left, Err(revoked));
    net.pass(Duration::from_secs(61));
    assert_eq!(net.air, []);
    let wake = net.devices[C].next_wake();
    assert!(wake.is_none_or(|at| at > net.now), "nor does it wait for anything there: {wake:?}");
}

/// The power goes at each commit of a moderator that hears of a revocation; afterwards all is as if it had not.
#[test]
fn a_power_cut_while_a_revoked_member_is_removed_costs_nothing() {
    let mut crashes = 0;
    for done in [false, true] {
        for at in 0.. {
            let mut net = Net::new(39);
            net.room(&[A, B, C]);
            let object = net.revocation(&[C]);
            net.revoke(B, &object);
            let crash = Crash { at: net.devices[A].vault_mut().commits() + at, done };
            net.devices[A].vault_mut().crash_at(Some(crash));
            let whole = net.with(A, |e, now, random| {
                let imported = e.import_revocation(now, object.clone()).is_ok();
                e.handle(now, Input::Tick, random);
                imported && !e.failed()
            });
            let vault = net.devices[A].vault_mut().clone().restarted();
            net.reopen(A, vault);
            let again = net.with(A, |e, now, _| e.import_revocation(now, object.clone()));
            assert!(again == Ok(1) || again == Err(crate::ObjectError::Older), "{again:?}");
            net.with(A, |e, now, random| e.handle(now, Input::Tick, random));
            net.settle();
            assert_eq!((net.members(A).len(), net.members(B).len()), (2, 2), "commit {at}, done {done}");
            assert!(net.secret(A) == net.secret(B));
            net.say(A, "after", true).unwrap();
            net.settle();
            assert_eq!((net.texts(B), net.texts(C)), (vec![said("after", Trust::Signed)], vec![]));
            if whole {
                break;
            }
            crashes += 1;
        }
    }
    assert!(crashes >= 4, "{crashes}");
}
