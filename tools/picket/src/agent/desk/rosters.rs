//! Rosters and revocations, from files and from gateways.

use super::Desk;
use crate::agent::protocol::Reply;
use crate::error::Failure;
use crate::limits;
use crate::refusals;
use crate::trust::Standing;
use picket_endpoint::ObjectError;
use picket_roster::Roster;
use std::path::Path;

impl Desk {
    pub(super) fn import(&mut self, path: &Path) -> Result<Reply, Failure> {
        let bytes = crate::files::read(path, limits::KEYFILL_MAX)?;
        match picket_roster::file::OBJECT.open(&bytes) {
            Ok(object) => self.import_object(object),
            Err(_) => self.import_bytes(&bytes),
        }
    }

    /// A revocation from a file.
    fn import_object(&mut self, object: &[u8]) -> Result<Reply, Failure> {
        let same = match self.endpoint.import_revocation(self.clock.now(), object.to_vec()) {
            Ok(_) => false,
            Err(ObjectError::Older) => true,
            Err(e) => return Err(refusals::object(&e)),
        };
        Ok(Reply::Rekeyed { generation: self.endpoint.generation(), same })
    }

    pub(super) fn import_bytes(&mut self, bytes: &[u8]) -> Result<Reply, Failure> {
        self.foresee(bytes)?;
        let outcome =
            self.endpoint.import_roster(self.clock.now(), bytes.to_vec()).map_err(|e| refusals::import(&e))?;
        let same = match outcome {
            picket_endpoint::Upgrade::Newer => false,
            picket_endpoint::Upgrade::Same => true,
        };
        if !same {
            self.tell_changes();
        }
        Ok(Reply::Roster { version: self.endpoint.roster().version(), same })
    }

    /// Writes down whose keys a roster changes, before it is in force. One that will be refused changes nobody's.
    fn foresee(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let old = self.endpoint.roster();
        let Ok(new) = Roster::verify(bytes, old.authority()) else { return Ok(()) };
        if picket_roster::upgrade(old, &new) != Ok(picket_endpoint::Upgrade::Newer) {
            return Ok(());
        }
        let old = old.clone();
        self.trust.foresee(self.endpoint.vault_mut().state_mut(), &old, &new)
    }

    fn tell_changes(&mut self) {
        let changed = |s: &picket_roster::Station<'_>| self.standing(s.index) == Standing::Changed;
        let names: Vec<String> = self.endpoint.roster().stations().filter(changed).map(|s| s.name.to_owned()).collect();
        for name in names {
            self.note(format!("THE KEYS OF {name} CHANGED with this roster; compare them: picket verify {name}"));
        }
    }
}
