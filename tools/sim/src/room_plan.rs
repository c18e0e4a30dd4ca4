//! Worlds with a room, drawn from a seed.

use crate::plan::{Fault, Plan, QUIET_AFTER, Topology, at};
use crate::rooms::RoomAct;
use picket_channel::Rng;
use picket_wire::Precedence;
use picket_wire::time::{Duration, Instant};

impl Plan {
    /// A clean world with a room: three gateways in a ring, four members, of whom the first makes the room, invites the
    /// others at once, and all join. Nothing is said.
    #[must_use]
    pub fn room(seed: u64) -> Self {
        let mut plan = Self { gateways: 3, members: 4, topology: Topology::Ring, ..Self::quiet(seed) };
        plan = plan.act(2, RoomAct::Create(0));
        for member in 1..plan.members {
            plan = plan.act(3, RoomAct::Invite(0, member)).act(4, RoomAct::Join(member));
        }
        plan
    }

    /// Ten minutes of trouble, of talk and of changes in the room; then the world is mended, the room changed once more,
    /// and everybody says something.
    #[must_use]
    pub fn drawn_room(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x0700_4005);
        let mut plan = Self { members: 3 + rng.below(3) as usize, ..Self::room(seed) };
        plan = plan.act(3, RoomAct::Invite(0, 4)).act(4, RoomAct::Join(4));
        plan.acts.retain(|(_, act)| !matches!(act, RoomAct::Invite(_, m) | RoomAct::Join(m) if *m >= plan.members));
        plan.topology = if rng.chance(0.6) { Topology::Ring } else { Topology::Shared };
        plan.broker = rng.chance(0.5);
        plan.half_duplex = rng.chance(0.5);
        plan.air_bps = [9600, 57_600][rng.below(2) as usize];
        if plan.half_duplex && !plan.broker {
            // On one channel first greetings may collide, and who has heard a third station greets no more (§65.4).
            plan.topology = Topology::Ring;
        }
        for _ in 0..24 {
            let who = rng.below(plan.members as u64) as usize;
            let precedence = Precedence::ALL[rng.below(6) as usize];
            plan = plan.act(5 + rng.below(575), RoomAct::Say(who, rng.chance(0.3), precedence));
        }
        for _ in 0..5 {
            plan.draw_change(&mut rng);
        }
        for _ in 0..6 {
            plan.draw_room_trouble(&mut rng);
        }
        if rng.chance(0.4) {
            let (whom, gateway) = (1 + rng.below(plan.members as u64 - 1) as usize, rng.below(3) as usize);
            plan = plan.act(100 + rng.below(450), RoomAct::Revoke(whom, gateway));
            plan.revokes = true;
        }
        plan.mend();
        plan.finish_room()
    }

    /// Somebody does something as a moderator, or leaves; whoever is invited joins.
    fn draw_change(&mut self, rng: &mut Rng) {
        let mut other = || 1 + rng.below(self.members as u64 - 1) as usize;
        let (a, b) = (other(), other());
        let by = if rng.chance(0.5) { 0 } else { b };
        let when = 60 + rng.below(500);
        let act = match rng.below(5) {
            0 => RoomAct::Remove(by, a),
            1 | 2 => RoomAct::Promote(by, a),
            3 => RoomAct::Leave(a),
            _ => RoomAct::Invite(by, a),
        };
        self.acts.push((at(when), act));
        if rng.chance(0.5) {
            self.acts.push((at(when + 1 + rng.below(60)), RoomAct::Invite(0, a)));
        }
        self.acts.push((at(when + 61), RoomAct::Join(a)));
    }

    fn draw_room_trouble(&mut self, rng: &mut Rng) {
        let (start, long) = (rng.below(500), 1 + rng.below(90));
        let (gateway, member) = (rng.below(self.gateways as u64) as usize, rng.below(self.members as u64) as usize);
        let (begin, end) = match rng.below(9) {
            0 => (Fault::RadioOutage(true), Fault::RadioOutage(false)),
            1 => (Fault::RadioNoise(1e-4), Fault::RadioNoise(0.0)),
            2 => (Fault::UplinkCut(gateway, true), Fault::UplinkCut(gateway, false)),
            3 => (Fault::KillGateway(gateway), Fault::StartGateway(gateway)),
            4 => (Fault::PowerCut(gateway), Fault::StartGateway(gateway)),
            5 => (Fault::Move(member, gateway), Fault::Move(member, rng.below(3) as usize)),
            6 if member != 0 => {
                self.restores = true;
                (Fault::CopyMember(member), Fault::RestoreMember(member))
            }
            _ => (Fault::CutMember(member, rng.below(12), rng.chance(0.5)), Fault::RestartMember(member)),
        };
        self.faults.push((at(start), begin));
        self.faults.push((at(start + long), end));
    }

    /// The first member, who is always there, changes the room once more; then everybody says something under keys that
    /// all must have.
    fn finish_room(mut self) -> Self {
        let quiet = QUIET_AFTER.0 / 1_000_000;
        for member in 0..self.members {
            self.faults.push((at(quiet), Fault::RestartMember(member)));
            self = self.act(quiet + 2_400, RoomAct::Say(member, true, Precedence::Routine));
        }
        self.end = Instant::ZERO + Duration::from_secs(6 * 3600);
        self.act(quiet + 1_500, RoomAct::Promote(0, 0))
    }
}
