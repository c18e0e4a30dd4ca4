//! What members' devices tell their owners, held to what was sent.

use super::World;
use picket_endpoint::{Content, Event, RoomEvent, State};
use picket_wire::MessageId;

impl World {
    pub(super) fn member_event(&mut self, n: usize, event: Event) {
        match event {
            // It lost power with this on its lips.
            Event::Received { .. } if self.has_failed(n) => {}
            Event::State { id, state, .. } => self.state(n, id, state),
            Event::Received { id } => self.shown(n, id),
            Event::CannotOpen { .. } | Event::PeerRenewed { .. } | Event::HomeRolledBack if self.plan.restores => {}
            Event::Failed if self.members[n].cut => {}
            Event::Rekeyed { .. } | Event::Revoked if self.plan.revokes => {}
            Event::Room { event: RoomEvent::Alarm { forged: true, .. }, .. } => {
                self.outcome.faults.push(format!("m{n} believes that somebody forged, and nobody did"));
            }
            Event::CannotOpen { id, .. } => self.outcome.faults.push(format!("m{n} cannot open {id}")),
            Event::ReceivedLate { id, .. } => self.outcome.faults.push(format!("{id} arrived too late")),
            Event::PeerRenewed { from } => self.outcome.faults.push(format!("m{n} is told that {from:?} recovered")),
            Event::HomeRolledBack => self.outcome.faults.push(format!("m{n} believes it was rolled back")),
            Event::Failed => self.outcome.faults.push(format!("m{n} failed")),
            Event::Rekeyed { .. } | Event::RosterHeard { .. } | Event::Revoked => {
                self.outcome.faults.push(format!("m{n} heard a signed object, and nobody signs here"));
            }
            Event::Attached { .. } | Event::Drained { .. } | Event::Detached { .. } | Event::Room { .. } => {}
        }
    }

    fn state(&mut self, n: usize, id: MessageId, state: State) {
        if self.room.is_ours(self.now, &mut self.members[n], id) {
            return;
        }
        // A device without power cannot be asked whether that was its room's.
        let failed = self.has_failed(n);
        match self.outcome.sent.get_mut(&id) {
            Some(sent) => sent.states.push(state),
            None if failed => {}
            None => self.outcome.faults.push(format!("state of {id}, which nobody sent")),
        }
    }

    fn has_failed(&self, n: usize) -> bool {
        self.members[n].endpoint.as_ref().is_some_and(|e| e.failed())
    }

    fn shown(&mut self, n: usize, id: MessageId) {
        let now = self.now;
        if let Some(wrong) = self.room.shown(now, n, id, &mut self.members) {
            return self.outcome.faults.extend(wrong);
        }
        let body = self.members[n].endpoint.as_mut().map(|e| e.body(now, id));
        let Some(sent) = self.outcome.sent.get_mut(&id) else {
            return self.outcome.faults.push(format!("m{n} was shown {id}, which nobody sent"));
        };
        sent.shown.push(now);
        match body {
            Some(Ok(body)) if body.content == Content::Text(sent.text.clone()) && sent.to == n => {}
            other => self.outcome.faults.push(format!("m{n} was shown something else as {id}: {other:?}")),
        }
    }
}
