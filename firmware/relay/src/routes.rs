//! Attachment claims: where each member was last attached.

use crate::limits::ROUTES_MAX;
use alloc::collections::BTreeMap;
use picket_wire::Index;
use picket_wire::control::Claim;

/// The newest verified claim of each member.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    claims: BTreeMap<Index, Claim>,
}

/// What a verified claim changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The member is there now; where it was before.
    Newer {
        /// The claim it replaces.
        previous: Option<Claim>,
    },
    /// Known already.
    Same,
    /// Older than what we know: whoever sent it should learn ours.
    Older,
    /// No room for another member.
    Full,
}

impl Routes {
    /// Follows a claim whose signature was verified. The highest sequence wins.
    pub fn follow(&mut self, claim: Claim) -> ClaimOutcome {
        match self.claims.get(&claim.member).copied() {
            Some(known) if known.sequence > claim.sequence => ClaimOutcome::Older,
            Some(known) if known.sequence == claim.sequence => ClaimOutcome::Same,
            None if self.claims.len() >= ROUTES_MAX => ClaimOutcome::Full,
            previous => {
                self.claims.insert(claim.member, claim);
                ClaimOutcome::Newer { previous }
            }
        }
    }

    /// Forgets a claim (older than D).
    pub fn forget(&mut self, member: Index) {
        self.claims.remove(&member);
    }

    /// Forgets where a station is, and who is at it.
    pub fn gone(&mut self, station: Index) {
        self.claims.retain(|member, claim| *member != station && claim.gateway != station);
    }

    /// The member's newest claim.
    #[must_use]
    pub fn get(&self, member: Index) -> Option<&Claim> {
        self.claims.get(&member)
    }

    /// All claims, by member.
    pub fn iter(&self) -> impl Iterator<Item = &Claim> {
        self.claims.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_wire::control::Signature;

    fn claim(gateway: u16, sequence: u32) -> Claim {
        Claim { member: Index(1), gateway: Index(gateway), sequence, signature: Signature([0; 64]) }
    }

    #[test]
    fn the_highest_sequence_wins_in_every_order() {
        let mut routes = Routes::default();
        assert_eq!(routes.follow(claim(10, 5)), ClaimOutcome::Newer { previous: None });
        assert_eq!(routes.follow(claim(11, 4)), ClaimOutcome::Older);
        assert_eq!(routes.follow(claim(11, 5)), ClaimOutcome::Same, "the first of two equal claims stays");
        assert_eq!(routes.get(Index(1)).map(|c| c.gateway), Some(Index(10)));
        assert_eq!(routes.follow(claim(11, 6)), ClaimOutcome::Newer { previous: Some(claim(10, 5)) });
        assert_eq!(routes.get(Index(1)).map(|c| c.gateway), Some(Index(11)));
    }
}
