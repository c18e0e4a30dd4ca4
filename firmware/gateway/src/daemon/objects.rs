//! Signed objects at the daemon: verified, made durable, put in force, handed back to the node to be passed on.

use super::Daemon;
use crate::control;
use crate::mission::{ImportError, RevocationError};
use picket_node::Input;
use picket_node::operator::Reply;
use picket_roster::UpgradeError;
use picket_safe::stack;
use picket_wire::signed::{ObjectKind, object_version};
use picket_wire::time::Duration;

impl Daemon {
    /// What was kept is held again.
    pub(super) fn hold_objects(&mut self) {
        for (object, given) in self.mission.objects() {
            self.tell(if given { Input::Keep(object) } else { Input::Object(object) });
        }
    }

    /// Once a minute: the time, and whether a change of the network key has lasted long enough.
    pub(super) fn minute(&mut self) {
        let now = self.clock.now();
        let longest: Duration = self.mission.roster().max_delay();
        if self.changing.is_some_and(|since| now.since(since) > longest) {
            self.changing = None;
            self.mission.end_change();
        }
        self.tell(Input::Wall(self.clock.wall()));
    }

    /// An object that the node heard, newer than what is in force: nobody has verified it yet.
    pub(super) fn object(&mut self, object: Vec<u8>) {
        let refused = match object_version(&object) {
            Some((ObjectKind::Revoke, _)) => match self.revoke(object) {
                Ok(_) | Err(RevocationError::Older) => return,
                Err(e) => (e.code(), e.to_string()),
            },
            Some((ObjectKind::Roster, _)) => match self.mission.import(object.get(1..).unwrap_or_default().to_vec()) {
                Ok(version) => {
                    tracing::info!(version, "roster in force, from a neighbour or broker");
                    return self.spread_roster();
                }
                Err(ImportError::Upgrade(UpgradeError::Older { .. })) => return,
                Err(e) => (e.code(), e.to_string()),
            },
            None => return,
        };
        self.node.object_refused();
        tracing::warn!(code = refused.0, why = refused.1, "an object heard is refused");
    }

    /// `gateway push`.
    pub(super) fn push_object(&mut self, hex: &str) -> Reply {
        let Ok(object) = hex::decode(hex) else {
            return control::error("bad_request", "not hexadecimal", "send the object file's bytes as hex");
        };
        match self.revoke(object) {
            Ok(generation) => Reply::Object { generation },
            Err(RevocationError::Older) => Reply::Object { generation: self.mission.generation() },
            Err(e) => control::error(e.code(), &e.to_string(), "get the newest revocation from the authority"),
        }
    }

    fn revoke(&mut self, object: Vec<u8>) -> Result<u8, RevocationError> {
        let outcome = self.mission.revoke(&object);
        stack::scrub();
        if let Err(RevocationError::Revoked) = outcome {
            tracing::warn!("this gateway is revoked: it stops, and will not start again in this mission");
            self.revoked = true;
        }
        let generation = outcome?;
        self.changing = Some(self.clock.now());
        self.next.push_back(Input::Object(object));
        self.follow();
        Ok(generation)
    }

    /// The roster in force is new: it is passed on.
    pub(super) fn spread_roster(&mut self) {
        self.next.push_back(Input::RosterChanged);
        if let Some((roster, _)) = self.mission.objects().pop() {
            self.next.push_back(Input::Object(roster));
        }
        self.follow();
    }

    pub(super) fn import(&mut self, hex: &str) -> Reply {
        let Ok(bytes) = hex::decode(hex) else {
            return control::error("bad_request", "not hexadecimal", "send the roster file's bytes as hex");
        };
        match self.mission.import(bytes) {
            Ok(version) => {
                tracing::info!(version, "roster in force");
                self.spread_roster();
                Reply::Roster { version }
            }
            Err(e) => {
                tracing::warn!(code = e.code(), "roster refused");
                control::error(e.code(), &e.to_string(), "get the newest roster from the authority")
            }
        }
    }
}
