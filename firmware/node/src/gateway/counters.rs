//! Every refusal, drop and event of a gateway has a name and is counted.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

/// What is counted; the names are the keys of `status.counters`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the variants are their own names, listed by `picket gateway status`, spec §65.5")]
pub enum Count {
    ParcelsTaken,
    ParcelsPassed,
    ParcelsDelivered,
    ParcelsExpired,
    ParcelsDamaged,
    ParcelsHopLimit,
    DuplicatesAcknowledged,
    RefusedFull,
    RefusedPassedOn,
    RefusedExpired,
    RefusedHopLimit,
    RefusedUnknownDestination,
    RefusedRateLimited,
    RefusedStopping,
    RefusedRevoked,
    StoreErrors,
    StoreDamage,
    ClaimsAccepted,
    ClaimsOld,
    ClaimsForged,
    ClaimsNotAMember,
    ClaimsFull,
    ListensAccepted,
    ListensOld,
    ListensForged,
    ListensNotAMember,
    ListensFull,
    RoomBranchesDone,
    RoomBranchesDeclined,
    RoomParcelsShed,
    RoomParcelsEnded,
    RoomTransmissionsShared,
    AttachRefused,
    ControlUnexpected,
    ControlQueueFull,
    ControlHeldBack,
    AnswersNotKept,
    AnswersPaidLate,
    OutputsStopped,
    AirtimeNotRecorded,
    UplinkGarbage,
    UplinkOtherVersion,
    UplinkUnknownPublisher,
    UplinkBadMac,
    UplinkOwnMessage,
    UplinkStaleAnswers,
    UplinkNobodyListening,
    UplinkAnswersDropped,
    OffersTimedOut,
    OffersRefused,
    ReceiptsMerged,
    ReceiptsMade,
    NoticesMade,
    NoticesDropped,
    UnparsableParcels,
    ObjectsAccepted,
    ObjectsRefused,
    ObjectsLimited,
    ObjectsGarbage,
}

impl Count {
    fn name(self) -> String {
        // CamelCase to snake_case, once per status request.
        let mut name = String::new();
        for c in alloc::format!("{self:?}").chars() {
            if c.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(c.to_ascii_lowercase());
        }
        name
    }
}

/// Counters since start.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    own: BTreeMap<Count, u64>,
    /// Of links that are gone: what a closed connection refused stays visible.
    gone: BTreeMap<String, u64>,
}

impl Counters {
    /// One more.
    pub fn add(&mut self, what: Count) {
        *self.own.entry(what).or_insert(0) += 1;
    }

    /// How many so far.
    #[must_use]
    pub fn get(&self, what: Count) -> u64 {
        self.own.get(&what).copied().unwrap_or(0)
    }

    /// By name, only what happened.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        let own = self.own.iter().map(|(what, n)| (what.name(), *n));
        own.chain(self.gone.iter().map(|(name, n)| (name.clone(), *n))).collect()
    }

    /// Keeps the counters of a link that is gone for good.
    pub fn keep_link(&mut self, c: &picket_link::Counters) {
        Self::merge_link(&mut self.gone, c);
    }

    /// Adds the link machines' counters under their own names.
    pub fn merge_link(all: &mut BTreeMap<String, u64>, c: &picket_link::Counters) {
        let rows = [
            ("link_dropped_noise_bytes", c.dropped_noise),
            ("link_dropped_version", c.dropped_version),
            ("link_dropped_generation", c.dropped_generation),
            ("link_dropped_mac", c.dropped_mac),
            ("link_not_for_us", c.not_for_us),
            ("link_dropped_body", c.dropped_body),
            ("link_stale_answers", c.stale_answers),
            ("link_dropped_fragment", c.dropped_fragment),
            ("link_duplicates", c.duplicates),
            ("link_retransmitted", c.retransmitted),
            ("link_rx_frames", c.rx_frames),
            ("link_tx_frames", c.tx_frames),
        ];
        for (name, n) in rows.into_iter().filter(|(_, n)| *n > 0) {
            *all.entry(name.to_string()).or_insert(0) += n;
        }
    }
}
