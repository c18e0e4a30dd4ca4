//! How rooms are made, joined, changed, read and left.

use super::*;

#[test]
fn a_room_is_made_joined_and_read_with_its_three_states_of_trust() {
    let mut net = Net::new(1);
    net.create(A, false);
    net.invite(A, B);
    net.settle();
    let invited = net.devices[B].rooms().remove(0);
    assert!(!invited.joined && invited.name == "ops" && invited.members[0].moderator);
    assert_eq!(net.say(B, "early", false), Err(RoomError::NotJoined));
    net.join(B);
    net.settle();
    assert_eq!(net.devices[A].rooms()[0].members[1].joined, Some(true));
    assert_eq!(net.devices[B].listening().unwrap(), [invited.index]);
    net.say(A, "routine", false).unwrap();
    net.say(A, "order", true).unwrap();
    net.settle();
    assert_eq!(net.texts(B), [said("routine", Trust::Member), said("order", Trust::Signed)]);
    net.pass(Duration::from_secs(61));
    net.settle();
    assert_eq!(net.texts(B), [said("routine", Trust::Confirmed), said("order", Trust::Signed)]);
    let incoming = net.devices[B].inbox(net.now).unwrap().remove(0);
    assert_eq!((incoming.to_name.as_str(), incoming.room), ("ops", Some(invited.index)));
}

#[test]
fn sixteen_messages_are_attested_at_once_and_an_attestation_survives_a_reboot() {
    let mut net = Net::new(2);
    net.room(&[A, B]);
    for n in 0..16 {
        net.say(A, &format!("{n}"), false).unwrap();
    }
    net.settle();
    assert!(net.texts(B).iter().all(|(_, trust)| *trust == Trust::Confirmed));
    net.say(A, "last words", false).unwrap();
    let vault = net.devices[A].vault_mut().clone();
    net.reopen(A, vault);
    net.say(A, "again", false).unwrap();
    net.settle();
    let last: Vec<_> = net.texts(B).split_off(16);
    assert_eq!(last, [said("last words", Trust::Confirmed), said("again", Trust::Member)]);
}

#[test]
fn a_removed_member_opens_nothing_after_and_is_not_believed() {
    let mut net = Net::new(3);
    net.room(&[A, B, C]);
    let captured = net.devices[C].vault_mut().clone();
    net.with(A, |e, now, random| e.room_remove(now, "ops", "charlie", random)).unwrap();
    // Charlie has not heard of it yet, and writes.
    net.say(C, "as if nothing were", false).unwrap();
    net.say(C, "order", true).unwrap();
    net.settle();
    assert_eq!(net.texts(A), []);
    assert!(net.events.iter().any(|(at, e)| *at == C && matches!(e, RoomEvent::Removed { .. })));
    assert_eq!(net.devices[C].rooms(), []);
    assert!(!net.devices[C].vault_mut().map().keys().any(|k| k[0] == b'm' || k[0] == b'M'), "keys are gone");
    net.say(A, "without charlie", true).unwrap();
    let heard = net.air.clone();
    net.settle();
    assert_eq!(net.texts(B), [said("without charlie", Trust::Signed)]);
    assert_eq!(net.texts(C), []);
    // Nor with everything the device had before, and all that was on air.
    net.reopen(C, captured);
    for (_, bytes) in &heard {
        net.hand(C, bytes);
    }
    assert_eq!(net.texts(C), []);
    assert!(!net.devices[C].rooms().is_empty());
}

#[test]
fn under_keys_that_a_removed_member_has_only_what_is_proven_is_shown() {
    let mut net = Net::new(4);
    net.room(&[A, B, C]);
    net.say(B, "before", false).unwrap();
    let late = core::mem::take(&mut net.air);
    net.with(A, |e, now, random| e.room_remove(now, "ops", "charlie", random)).unwrap();
    net.settle();
    for (to, bytes) in late {
        net.hand(to, &bytes);
    }
    assert_eq!(net.texts(A), [], "charlie could have written it");
    net.pass(Duration::from_secs(61));
    net.settle();
    assert_eq!(net.texts(A), [said("before", Trust::Confirmed)]);
}

#[test]
fn whoever_leaves_or_refuses_is_out_and_the_keys_change() {
    let mut net = Net::new(5);
    net.room(&[A, B]);
    net.invite(A, C);
    net.settle();
    for at in [B, C] {
        net.with(at, |e, now, random| e.room_leave(now, "ops", random)).unwrap();
        net.settle();
        assert_eq!(net.devices[at].rooms(), []);
    }
    assert_eq!(net.members(A), ["alpha"]);
    let generation = net.devices[A].rooms.all.values().next().unwrap().state.generation;
    assert_eq!(generation, 5, "a change of keys each");
    net.with(A, |e, now, random| e.room_leave(now, "ops", random)).unwrap();
    assert_eq!(net.devices[A].listening().unwrap(), []);
}

#[test]
fn the_last_moderator_promotes_another_before_leaving() {
    let mut net = Net::new(6);
    net.room(&[A, B, C]);
    let left = net.with(A, |e, now, random| e.room_leave(now, "ops", random));
    assert_eq!(left, Err(RoomError::LastModerator));
    let not = net.with(B, |e, now, random| e.room_invite(now, "ops", "delta", random));
    assert_eq!(not, Err(RoomError::NotModerator));
    net.with(A, |e, now, random| e.room_promote(now, "ops", "bravo", random)).unwrap();
    net.settle();
    net.with(A, |e, now, random| e.room_leave(now, "ops", random)).unwrap();
    net.settle();
    assert_eq!(net.members(C), ["bravo", "charlie"]);
    net.say(B, "still here", true).unwrap();
    net.settle();
    assert_eq!(net.texts(C), [said("still here", Trust::Signed)]);
}

#[test]
fn moderators_who_act_at_once_end_with_the_same_room_and_removals_stand() {
    for order in 0..4u64 {
        let mut net = Net::new(7 + order);
        net.room(&[A, B, C]);
        net.with(A, |e, now, random| e.room_promote(now, "ops", "bravo", random)).unwrap();
        net.settle();
        net.with(A, |e, now, random| e.room_invite(now, "ops", "delta", random)).unwrap();
        net.with(B, |e, now, random| e.room_remove(now, "ops", "charlie", random)).unwrap();
        if order % 2 == 1 {
            net.air.reverse();
        }
        if order / 2 == 1 {
            let half = net.air.len() / 2;
            net.air.rotate_left(half);
        }
        net.settle();
        net.settle();
        let members = net.members(A);
        assert_eq!(members, net.members(B));
        assert_eq!(members, ["alpha", "bravo", "delta"], "order {order}");
        net.join(D);
        net.settle();
        net.say(A, "one room", true).unwrap();
        net.settle();
        assert_eq!((net.texts(B), net.texts(D)), (vec![said("one room", Trust::Signed)], net.texts(B)));
        assert_eq!(net.texts(C), []);
    }
}

#[test]
fn who_is_in_the_roster_no_more_is_in_no_room() {
    let mut net = Net::new(11);
    net.room(&[A, B, C]);
    let mut draft = picket_roster::RosterDraft::new("test", START_S).unwrap();
    core::mem::swap(&mut draft, &mut net.mission.draft);
    draft.remove(net.mission.indices[C]).unwrap();
    let roster = draft.sign(&net.mission.authority, START_S + 1).unwrap();
    for at in [A, B] {
        let bytes = roster.clone();
        net.with(at, |e, now, _| e.import_roster(now, bytes)).unwrap();
    }
    net.say(C, "i am gone", true).unwrap();
    net.pass(Duration::from_secs(1));
    net.settle();
    assert_eq!((net.texts(A), net.texts(B)), (vec![], vec![]));
    assert_eq!((net.members(A), net.members(B)), (net.members(B), vec!["alpha".into(), "bravo".into()]));
    let generation = net.devices[B].rooms.all.values().next().unwrap().state.generation;
    assert_eq!(generation, 4, "fresh keys came with it");
}

#[test]
fn in_a_signed_only_room_everything_is_signed() {
    let mut net = Net::new(12);
    net.create(A, true);
    net.invite(A, B);
    net.settle();
    net.join(B);
    net.settle();
    net.say(B, "roger", false).unwrap();
    net.settle();
    assert_eq!(net.texts(A), [said("roger", Trust::Signed)]);
}

#[test]
fn keys_of_epochs_that_are_over_are_gone_and_the_room_goes_on() {
    let mut net = Net::new(13);
    net.room(&[A, B]);
    let secret = |net: &Net| net.devices[B].rooms.all.values().next().unwrap().record.keys.last().unwrap().secret();
    let before = secret(&net);
    net.say(A, "today", false).unwrap();
    let recorded = core::mem::take(&mut net.air);
    for day in 0..5 {
        net.pass(Duration::from_secs(86_400));
        net.say(A, &format!("day {day}"), true).unwrap();
        net.settle();
    }
    let bytes = before.to_bytes();
    let vault = net.devices[B].vault_mut();
    let holds = |v: &Vec<u8>| v.windows(32).any(|w| w == bytes.as_slice());
    assert!(!vault.map().values().any(holds), "the secret of that day");
    let count = net.texts(B).len();
    for (to, bytes) in recorded {
        net.hand(to, &bytes);
    }
    assert_eq!(net.texts(B).len(), count, "nothing is left that opens it");
    assert!(net.texts(B).contains(&said("day 4", Trust::Signed)));
}

#[test]
fn a_member_who_missed_the_keys_asks_for_them() {
    let mut net = Net::new(14);
    net.room(&[A, B, C]);
    net.with(A, |e, now, random| e.room_remove(now, "ops", "charlie", random)).unwrap();
    net.air.clear();
    net.say(A, "under new keys", true).unwrap();
    net.settle();
    assert_eq!(net.texts(B), [said("under new keys", Trust::Signed)]);
}

/// After lost state everybody is told a fresh prekey. One for all who are told in one transaction.
#[test]
fn a_change_told_to_several_after_lost_state_is_answered_by_all() {
    let mut net = Net::new(17);
    net.room(&[A, B, C, D]);
    net.with(A, |e, now, _| e.distrust(now)).unwrap();
    net.with(A, |e, now, random| e.room_promote(now, "ops", "bravo", random)).unwrap();
    net.settle();
    // Sealed to what alpha announced.
    for at in [B, C, D] {
        let words = crate::Draft {
            to: "alpha".into(),
            precedence: Precedence::Routine,
            ttl: None,
            burn: None,
            content: Content::Text(format!("from {at}")),
        };
        net.with(at, |e, now, random| e.compose(now, words, random)).unwrap();
    }
    net.settle();
    assert_eq!(net.texts(A).len(), 3);
}

/// The keys are hours behind the message, which waits for them.
#[test]
fn a_message_waits_for_hours_for_keys_that_are_late() {
    let mut net = Net::new(18);
    net.room(&[A, B, C]);
    net.with(A, |e, now, random| e.room_remove(now, "ops", "charlie", random)).unwrap();
    let keys = core::mem::take(&mut net.air);
    net.say(A, "under new keys", true).unwrap();
    let message = core::mem::take(&mut net.air).into_iter().find(|(to, _)| *to == B).unwrap().1;
    for _ in 0..crate::limits::ROOM_TRIES {
        assert!(!net.hand(B, &message));
    }
    net.air = keys;
    net.settle();
    assert!(net.hand(B, &message));
    assert_eq!(net.texts(B), [said("under new keys", Trust::Signed)]);
}

#[test]
fn two_states_of_one_version_by_one_moderator_raise_an_alarm() {
    let mut net = Net::new(15);
    net.room(&[A, B]);
    let copy = net.devices[A].vault_mut().clone();
    net.invite(A, C);
    net.settle();
    net.reopen(A, copy);
    // So that what follows is not taken for the state that the copy sent before.
    let (to, content) = ("bravo".into(), Content::Text("x".into()));
    let draft = crate::message::Draft { to, precedence: Precedence::Routine, ttl: None, burn: None, content };
    net.with(A, |e, now, random| e.compose(now, draft, random)).unwrap();
    net.invite(A, D);
    net.settle();
    let room = net.devices[B].rooms().remove(0);
    assert_eq!((room.alarms.len(), room.alarms[0].forged, net.members(B).len()), (1, false, 3));
}

#[test]
fn kinds_of_stations_that_read_no_rooms_are_not_invited() {
    let mut net = Net::new(16);
    net.create(A, false);
    let invited = net.with(A, |e, now, random| e.room_invite(now, "ops", "nobody", random));
    assert_eq!(invited, Err(RoomError::Member { name: "nobody".into() }));
    assert!(net.devices[A].roster().stations().all(|s| s.kind == Kind::Member));
}

/// Bravo's state is overruled, and charlie never hears of it: what bravo says from then on is under the keys that stand.
#[test]
fn whoever_was_overruled_goes_on_under_the_keys_that_stand() {
    let mut net = Net::new(19);
    net.room(&[A, B, C, D]);
    net.with(A, |e, now, random| e.room_promote(now, "ops", "bravo", random)).unwrap();
    net.settle();
    for by in [A, B] {
        net.with(by, |e, now, random| e.room_remove(now, "ops", "delta", random)).unwrap();
    }
    net.say(B, "under keys of bravo's", true).unwrap();
    let from = |bytes: &[u8]| Envelope::parse(bytes).unwrap().header().source;
    let bravo = net.mission.indices[B];
    net.air.retain(|(to, bytes)| *to != C || from(bytes) != bravo);
    net.settle();
    net.say(B, "under alpha's", true).unwrap();
    net.settle();
    assert_eq!(net.texts(C), [said("under alpha's", Trust::Signed)]);
    assert_eq!(net.texts(A).len(), 2);
}

/// An insider has the keys, but not bravo's signature: nothing it says about bravo's messages confirms or denies them.
#[test]
fn an_attestation_that_is_not_signed_says_nothing() {
    let mut net = Net::new(20);
    net.room(&[A, B, C]);
    net.say(B, "by bravo", false).unwrap();
    net.settle();
    let (place, digest) = net.devices[A].rooms.notes.values().map(|n| (*n, n.digest)).next().unwrap();
    let room = net.devices[C].rooms.all.values().next().unwrap().clone();
    let id = room.chain(net.devices[C].home.mission(), net.mission.indices[B], (place.generation, place.epoch, [9; 8]));
    for digest in [digest, [7; 8]] {
        let mut chain = picket_seal::room::RoomSender::begin(&net.secret(C), id).unwrap();
        let digests = [digest];
        let other = Some((place.generation, place.epoch, place.incarnation));
        let attest = picket_seal::room::Attest { other, first: place.counter, digests: &digests };
        let mut buffer = [0; picket_seal::room::Attest::LEN_MAX];
        let bytes = attest.encode(0, &mut buffer).unwrap();
        let lifetime = picket_wire::Lifetime::floor(3_600);
        let content = picket_seal::Content::new(lifetime, Some(60), picket_seal::Body::Attest { bytes });
        let class = picket_wire::envelope::Class::Room;
        let route = picket_seal::Route { class, precedence: Precedence::Routine, hop_limit: 8, lifetime };
        let mut out = vec![0; 1_000];
        let sealed = chain.seal(&route, &content, None, picket_roster::Padding::Off, &mut out).unwrap();
        net.hand(A, sealed.envelope);
    }
    assert_eq!(net.texts(A), [said("by bravo", Trust::Member)]);
    assert_eq!(net.devices[A].counters.refused_kind, 2);
}

/// The power goes at each write of joining and of leaving: what is listened to follows the rooms.
#[test]
fn a_power_cut_between_a_room_and_its_word_of_listening_is_made_good() {
    let mut apart = 0;
    for (joins, after, done) in
        [true, false].into_iter().flat_map(|j| (0..3).flat_map(move |n| [(j, n, false), (j, n, true)]))
    {
        let mut net = Net::new(21);
        net.create(A, false);
        net.invite(A, B);
        net.settle();
        if !joins {
            net.join(B);
        }
        let at = net.devices[B].vault_mut().commits() + after;
        net.devices[B].vault_mut().crash_at(Some(Crash { at, done }));
        let _cut = net.with(B, |e, now, random| match joins {
            true => e.room_join(now, "ops", random),
            false => e.room_leave(now, "ops", random),
        });
        let vault = net.devices[B].vault_mut().clone().restarted();
        let rooms =
            |e: &Endpoint<RamVault>| e.rooms().into_iter().filter(|r| r.joined).map(|r| r.index).collect::<Vec<_>>();
        let mut cut = Endpoint::open(vault.clone(), net.now, wall(net.now)).unwrap();
        apart += usize::from(cut.listening().unwrap() != rooms(&cut));
        net.reopen(B, vault);
        let listened = net.devices[B].listening().unwrap();
        assert_eq!(listened, rooms(&net.devices[B]), "joins {joins}, after {after}, done {done}");
    }
    assert!(apart >= 2, "the cut between the two was among them: {apart}");
}
