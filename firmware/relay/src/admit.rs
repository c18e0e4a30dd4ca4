//! Whether to take custody of an offered parcel.

use picket_wire::control::{RefuseReason, Token};
use picket_wire::{Identity, Index};

/// An authentic offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Identity of the parcel.
    pub identity: Identity,
    /// Neighbour that offers it.
    pub from: Index,
    /// Custody round of the offer.
    pub round: u8,
    /// It has custody rounds: envelopes do, receipts and notices do not.
    pub has_rounds: bool,
    /// Some lifetime is left.
    pub alive: bool,
    /// The destination is a member in our roster.
    pub known_destination: bool,
    /// The destination is attached here, so that the hop limit does not matter any more.
    pub attached_here: bool,
    /// Custodians that may still take it after us.
    pub hop_limit: u8,
}

/// What we know of this identity already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    Fresh,
    /// It was written and is not durable yet.
    Writing,
    /// It is in our custody, durable.
    Held,
    /// It was in our custody and was delivered, with this token if the recipient gave one.
    Delivered(Option<Token>),
    /// It was taken from this neighbour in this round and passed on to another custodian.
    PassedOn {
        /// Who had offered it.
        from: Index,
        /// In which round.
        round: u8,
        /// With which hop limit.
        hop_limit: u8,
    },
    /// Its lifetime ended here, or it died for another reason.
    Died,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Store it; acknowledge when durable.
    Take,
    /// The answer follows when it is durable.
    Wait,
    /// We have (had) it: acknowledge again.
    AcknowledgeAgain(Option<Token>),
    /// Refuse.
    Refuse(RefuseReason),
}

/// Decides about one offer (spec §55.2). Nothing that we do not hold, or have not handed on in the very round that is
/// offered, is ever acknowledged.
#[must_use]
pub fn admit(offered: &Offered, known: Known) -> Admission {
    match known {
        Known::Writing => Admission::Wait,
        Known::Held => Admission::AcknowledgeAgain(None),
        Known::Delivered(token) => Admission::AcknowledgeAgain(token),
        // No round tells its return from a repetition; but where its destination is attached it can only have returned.
        Known::PassedOn { .. } if !offered.has_rounds && offered.attached_here => fresh(offered),
        // Every custodian takes one from the hop limit: with another one it has been elsewhere and come back.
        Known::PassedOn { from, hop_limit, .. }
            if !offered.has_rounds && from == offered.from && hop_limit != offered.hop_limit =>
        {
            fresh(offered)
        }
        Known::PassedOn { from, round, .. } if round == offered.round && from == offered.from => {
            Admission::AcknowledgeAgain(None)
        }
        Known::PassedOn { round, .. } if round == offered.round => Admission::Refuse(RefuseReason::PassedOn),
        Known::Died => Admission::Refuse(RefuseReason::Expired),
        Known::Fresh | Known::PassedOn { .. } => fresh(offered),
    }
}

fn fresh(offered: &Offered) -> Admission {
    if !offered.known_destination {
        return Admission::Refuse(RefuseReason::UnknownDestination);
    }
    if !offered.alive {
        return Admission::Refuse(RefuseReason::Expired);
    }
    if offered.hop_limit == 0 && !offered.attached_here {
        return Admission::Refuse(RefuseReason::HopLimit);
    }
    Admission::Take
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: Offered = Offered {
        identity: Identity([1; 16]),
        from: Index(7),
        round: 1,
        has_rounds: true,
        alive: true,
        known_destination: true,
        attached_here: false,
        hop_limit: 3,
    };

    #[test]
    fn only_what_is_held_or_was_passed_on_in_this_round_is_acknowledged_again() {
        let again = Admission::AcknowledgeAgain(None);
        let refuse = Admission::Refuse;
        let table = [
            (Known::Fresh, Admission::Take),
            (Known::Writing, Admission::Wait),
            (Known::Held, again),
            (Known::Delivered(Some([3; 8])), Admission::AcknowledgeAgain(Some([3; 8]))),
            (Known::PassedOn { from: Index(7), round: 1, hop_limit: 3 }, again),
            (Known::PassedOn { from: Index(8), round: 1, hop_limit: 3 }, refuse(RefuseReason::PassedOn)),
            (Known::PassedOn { from: Index(7), round: 0, hop_limit: 3 }, Admission::Take),
            (Known::PassedOn { from: Index(8), round: 2, hop_limit: 3 }, Admission::Take),
            (Known::Died, refuse(RefuseReason::Expired)),
        ];
        for (known, decision) in table {
            assert_eq!(admit(&OFFER, known), decision, "{known:?}");
        }
    }

    #[test]
    fn a_receipt_that_returns_to_where_its_member_now_is_attached_is_taken_again() {
        let back = Offered { has_rounds: false, attached_here: true, ..OFFER };
        for from in [Index(7), Index(8)] {
            assert_eq!(admit(&back, Known::PassedOn { from, round: 1, hop_limit: 3 }), Admission::Take);
        }
        let elsewhere = Offered { attached_here: false, ..back };
        let refused = Admission::Refuse(RefuseReason::PassedOn);
        assert_eq!(admit(&elsewhere, Known::PassedOn { from: Index(8), round: 1, hop_limit: 3 }), refused);
        let passed_on = Known::PassedOn { from: Index(7), round: 1, hop_limit: 5 };
        assert_eq!(
            admit(&elsewhere, passed_on),
            Admission::Take,
            "it came back to whom we had it from, and to us again"
        );
        let repeated = Offered { hop_limit: 5, ..elsewhere };
        assert_eq!(admit(&repeated, passed_on), Admission::AcknowledgeAgain(None));
        let envelope = Offered { has_rounds: true, ..back };
        assert_eq!(admit(&envelope, Known::PassedOn { from: Index(8), round: 1, hop_limit: 3 }), refused);
    }

    #[test]
    fn a_fresh_offer_is_refused_for_one_named_reason() {
        let table = [
            (Offered { known_destination: false, ..OFFER }, RefuseReason::UnknownDestination),
            (Offered { alive: false, ..OFFER }, RefuseReason::Expired),
            (Offered { hop_limit: 0, ..OFFER }, RefuseReason::HopLimit),
        ];
        for (offer, reason) in table {
            assert_eq!(admit(&offer, Known::Fresh), Admission::Refuse(reason));
        }
        let last_hop = Offered { hop_limit: 0, attached_here: true, ..OFFER };
        assert_eq!(admit(&last_hop, Known::Fresh), Admission::Take);
    }
}
