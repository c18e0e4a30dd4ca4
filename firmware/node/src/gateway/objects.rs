//! Signed objects at a gateway: from links and brokers to the host, who verifies them; from the host to links and brokers
//! (spec §35.6). And what a change of the network key is to a gateway (§35.7).

use super::meta::Kind;
use super::{Count, Gateway};
use crate::io::{Directory, LinkId, Output, Report, UplinkId};
use crate::limits::{OBJECT_AGAIN, OBJECT_PUBLISH};
use crate::objects::{Candidate, Say};
use alloc::string::String;
use alloc::vec::Vec;
use picket_link::gate::Traffic;
use picket_relay::ParcelKey;
use picket_store::Medium;
use picket_wire::control::NoticeReason;
use picket_wire::keys::TopicKind;
use picket_wire::signed::{AT_BROKER, Have, ObjectKind, Signed, WHOLE_LEN, object_topic, object_version};
use picket_wire::time::{Duration, Instant};
use picket_wire::{Index, Precedence};

/// What a broker has of our objects.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AtBroker {
    /// When what it lacks is published.
    due: Option<Instant>,
    /// What it was seen to have.
    seen: Have,
}

impl<M: Medium> Gateway<M> {
    /// An object that nobody has verified yet.
    pub(super) fn object_arrived(&mut self, now: Instant, link: Option<LinkId>, object: Vec<u8>) {
        match self.objects.candidate(now, link, &object) {
            Candidate::Verify => self.out.push_back(Output::Object(object)),
            Candidate::Known => {}
            Candidate::Limited => self.counters.add(Count::ObjectsLimited),
            Candidate::Garbage => self.counters.add(Count::ObjectsGarbage),
        }
    }

    /// The host refused an object.
    pub fn object_refused(&mut self) {
        self.counters.add(Count::ObjectsRefused);
    }

    /// The host has verified an object, and it is durable and in force.
    pub(super) fn object_in_force(&mut self, now: Instant, object: Vec<u8>, dir: &dyn Directory) {
        let kind = object_version(&object).map(|(kind, _)| kind);
        if !self.objects.hold(now, self.me, object) {
            return;
        }
        self.counters.add(Count::ObjectsAccepted);
        let uplinks: Vec<UplinkId> = self.uplinks.up().collect();
        match kind {
            Some(ObjectKind::Revoke) => self.network_changed(now, &uplinks, dir),
            Some(ObjectKind::Roster) => self.subscribe_all(dir),
            None => {}
        }
        for id in uplinks {
            self.publish_objects_at(id, now);
        }
    }

    fn publish_objects_at(&mut self, id: UplinkId, at: Instant) {
        if let Some(uplink) = self.uplinks.by_id.get_mut(&id) {
            uplink.objects.due = Some(uplink.objects.due.map_or(at, |due| due.min(at)));
        }
    }

    /// What follows at once from a revocation (spec §35.7): nobody revoked is known any more, nothing of theirs is kept, and
    /// at the brokers we begin anew under the names of the new generation. What was published under the old ones and not
    /// acknowledged is still ours and goes again.
    fn network_changed(&mut self, now: Instant, uplinks: &[UplinkId], dir: &dyn Directory) {
        let listed: Vec<Index> = dir.revoked();
        for index in &listed {
            self.relay.gone(now, *index);
            self.attachments.forget(*index);
            self.forget_listens(now, *index);
        }
        let dead: Vec<ParcelKey> = self.custody_of(now, &listed);
        for key in dead {
            self.counters.add(Count::RefusedRevoked);
            self.died(now, key, NoticeReason::UnknownDestination, dir);
        }
        for id in uplinks {
            self.unsubscribe_earlier(*id, dir);
            let objects = self.uplinks.by_id.get(id).map(|u| u.objects).unwrap_or_default();
            self.uplink_down(now, *id, String::from("the network key changes"));
            // It is the same connection: what the broker has is known.
            self.uplinks.by_id.entry(*id).or_default().objects = objects;
            self.uplink_up(now, *id, dir);
        }
        for (id, port) in &mut self.ports {
            for index in &listed {
                port.link.forget(*index);
                self.telling.forget(*id, *index);
            }
        }
        self.out.push_back(Output::Report(Report::Rekeyed { generation: dir.net().generation }));
    }

    /// Parcels in our custody that a revoked station wrote or is to get.
    fn custody_of(&self, now: Instant, revoked: &[Index]) -> Vec<ParcelKey> {
        let keys = self.custody.queue().entries(now).map(|e| ParcelKey(e.seq.0));
        keys.filter(|key| {
            self.custody.meta(now, *key).is_some_and(|(kind, _, meta)| {
                let parcel = matches!(kind, Kind::Message | Kind::Housekeeping | Kind::Control | Kind::Room);
                parcel && (revoked.contains(&meta.source) || revoked.contains(&meta.destination))
            })
        })
        .collect()
    }

    fn unsubscribe_earlier(&mut self, id: UplinkId, dir: &dyn Directory) {
        let Some((net, _)) = dir.earlier() else { return };
        let mut topics = alloc::vec![net.topic_name(TopicKind::Gateway, self.me)];
        topics.extend(dir.members().into_iter().map(|m| net.topic_name(TopicKind::Claims, m)));
        let here = self.relay.routes().iter().filter(|c| c.gateway == self.me);
        topics.extend(here.map(|c| net.topic_name(TopicKind::Member, c.member)));
        self.out.extend(topics.into_iter().map(|topic| Output::Unsubscribe(id, topic)));
    }

    /// Somebody else's frame of another generation was heard.
    pub(super) fn other_generation(&mut self, now: Instant, link: LinkId, theirs: u8, dir: &dyn Directory) {
        self.objects.other_generation(now, self.me, link, theirs, dir.net().generation);
    }

    /// Says on links and at brokers what is due of objects.
    pub(super) fn say_objects(&mut self, now: Instant, dir: &dyn Directory) {
        for (id, say) in self.objects.due(now) {
            let Some(port) = self.ports.get_mut(&id) else { continue };
            match say {
                Say::Have if self.emission.allows(port.air, Traffic::Presence) => {
                    port.link.say_have(now, &self.objects.have());
                }
                Say::Have => self.counters.add(Count::ControlHeldBack),
                Say::Push(kind) => {
                    let allowed = self.emission.allows(port.air, Traffic::Parcel(urgency(kind)));
                    match self.objects.get(kind).filter(|_| allowed && !port.link.objects_wait()) {
                        Some(object) => {
                            let more = port.link.push_object(now, object);
                            self.objects.pushed(now, id, kind, more);
                        }
                        None => self.objects.postponed(now, id, kind),
                    }
                }
            }
        }
        self.publish_objects(now, dir);
    }

    fn publish_objects(&mut self, now: Instant, dir: &dyn Directory) {
        let Some(mission) = dir.mission() else { return };
        let due = self
            .uplinks
            .by_id
            .iter_mut()
            .filter(|(_, u)| u.down.is_none() && u.objects.due.is_some_and(|at| at <= now));
        let mut publish = Vec::new();
        for (id, uplink) in due {
            uplink.objects.due = None;
            for kind in self.objects.kinds() {
                let ours = self.objects.have().version(kind);
                if uplink.objects.seen.version(kind) < ours {
                    uplink.objects.seen.set(kind, ours);
                    publish.push((*id, kind));
                }
            }
        }
        for (id, kind) in publish {
            let Some(object) = self.objects.get(kind) else { continue };
            let mut payload = alloc::vec![0; AT_BROKER.len() + WHOLE_LEN + object.len()];
            let (prefix, frame) = payload.split_at_mut(AT_BROKER.len());
            prefix.copy_from_slice(&AT_BROKER);
            if Signed::Whole(object).write(frame).is_some() {
                self.publish_answer(id, object_topic(mission, kind), payload, true, Duration::MAX);
            }
        }
    }

    pub(super) fn subscribe_objects(&mut self, now: Instant, id: UplinkId, dir: &dyn Directory) {
        let Some(mission) = dir.mission() else { return };
        self.out.extend(ObjectKind::ALL.into_iter().map(|kind| Output::Subscribe(id, object_topic(mission, kind))));
        // What the broker retains comes first; we say only what it lacks.
        self.publish_objects_at(id, now + OBJECT_PUBLISH);
    }

    /// What came in place of a publisher's frame: an object, from nobody in particular.
    pub(super) fn object_published(&mut self, now: Instant, id: UplinkId, frame: &[u8]) -> Result<(), Count> {
        let Ok(Signed::Whole(object)) = Signed::parse(frame) else { return Err(Count::ObjectsGarbage) };
        let (kind, version) = object_version(object).ok_or(Count::ObjectsGarbage)?;
        let ours = self.objects.have().version(kind);
        if let Some(uplink) = self.uplinks.by_id.get_mut(&id) {
            uplink.objects.seen.set(kind, version);
        }
        if version < ours {
            self.publish_objects_at(id, now + OBJECT_AGAIN);
        }
        self.object_arrived(now, None, object.to_vec());
        Ok(())
    }

    pub(super) fn next_object(&self) -> Option<Instant> {
        let up = self.uplinks.by_id.values().filter(|u| u.down.is_none());
        up.filter_map(|u| u.objects.due).chain(self.objects.next_wake()).min()
    }
}

const fn urgency(kind: ObjectKind) -> Precedence {
    match kind {
        ObjectKind::Revoke => Precedence::Immediate,
        ObjectKind::Roster => Precedence::Routine,
    }
}
