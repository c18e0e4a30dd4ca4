//! Any process is killed at any moment: nothing acknowledged is lost, nothing is shown twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hil_tests::{Broker, Duplex, Follow, Gateway, Line, Member, Rig, Rng, wait};

use crate::world::{ByBroker, ByRadio, FAST, by_both, half_duplex};

const ROUNDS: usize = 50;
const PER_ROUND: usize = 2;
/// After the last round everything arrives within this.
const SETTLED: Duration = Duration::from_secs(120);

#[test]
fn kill_9_of_anything_at_any_moment() {
    let (world, radio) = by_both("kill_9_of_anything_at_any_moment", FAST, Duplex::Full);
    let ByBroker { rig, broker, gw1, gw2 } = world;
    War::new(rig, gw1, gw2, Some(broker)).fight(&radio);
}

#[test]
fn kill_9_with_nothing_but_a_fast_radio() {
    let world = ByRadio::new("kill_9_with_nothing_but_a_fast_radio", half_duplex(FAST));
    let ByRadio { rig, radio, gw1, gw2 } = world;
    War::new(rig, gw1, gw2, None).fight(&radio);
}

/// One of the processes that a round kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Gw1,
    Gw2,
    Broker,
    Alpha,
    Bravo,
    /// A `send` in the middle of its work.
    Sender,
}

const VICTIMS: [Victim; 6] = [Victim::Gw1, Victim::Gw2, Victim::Alpha, Victim::Bravo, Victim::Sender, Victim::Broker];

struct War {
    rig: Rig,
    gw1: Gateway,
    gw2: Gateway,
    broker: Option<Broker>,
    rng: Rng,
    members: [Member; 2],
    readers: [Follow; 2],
    /// Acknowledged to the sender: text to recipient's number.
    accepted: BTreeMap<String, usize>,
    /// Offered by a `send` that was killed before it said anything: may arrive, once.
    open: BTreeMap<String, usize>,
    kills: BTreeMap<Victim, usize>,
}

impl War {
    fn new(mut rig: Rig, gw1: Gateway, gw2: Gateway, broker: Option<Broker>) -> Self {
        let rng = rig.rng().clone();
        let members = [rig.member("alpha", "gw1"), rig.member("bravo", "gw2")];
        let readers = [members[0].follow(), members[1].follow()];
        let (accepted, open, kills) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { rig, gw1, gw2, broker, rng, members, readers, accepted, open, kills }
    }

    fn fight(mut self, radio: &Line) {
        let start = Instant::now();
        for round in 0..ROUNDS {
            self.round(round);
        }
        self.settle();
        eprintln!(
            "{ROUNDS} rounds in {:.0} s: {} acknowledged, kills: {:?}, {} bytes on air",
            start.elapsed().as_secs_f64(),
            self.accepted.len(),
            self.kills,
            radio.on_air()
        );
    }

    /// Messages go both ways; one or two processes die at moments drawn from the seed, and come back.
    fn round(&mut self, round: usize) {
        let victims = self.draw();
        let texts: Vec<(String, usize)> =
            (0..PER_ROUND * 2).map(|n| (format!("round {round} {n} to {}", n % 2), n % 2)).collect();
        let senders: Vec<_> = texts.iter().map(|(text, to)| self.start_send(text, *to)).collect();
        for (victim, moment) in &victims {
            self.rig.note(&format!("round {round}: {victim:?} after {moment:?}"));
            std::thread::sleep(*moment);
            self.strike(*victim);
        }
        let doomed = usize::from(victims.iter().any(|(v, _)| *v == Victim::Sender));
        for (n, (mut sender, (text, to))) in senders.into_iter().zip(texts).enumerate() {
            if n < doomed {
                sender.kill9();
            }
            self.account(&mut sender, text, to);
        }
        victims.iter().for_each(|(victim, _)| self.revive(*victim));
        self.readers.iter_mut().for_each(Follow::drain);
    }

    fn draw(&mut self) -> Vec<(Victim, Duration)> {
        let kinds = if self.broker.is_some() { VICTIMS.len() } else { VICTIMS.len() - 1 };
        let mut drawn: Vec<(Victim, Duration)> = Vec::new();
        for _ in 0..=self.rng.below(2) {
            let victim = VICTIMS[usize::try_from(self.rng.below(kinds as u64)).unwrap()];
            let moment = Duration::from_millis(self.rng.below(300));
            if drawn.iter().all(|(v, _)| *v != victim) {
                *self.kills.entry(victim).or_insert(0) += 1;
                drawn.push((victim, moment));
            }
        }
        drawn
    }

    fn start_send(&self, text: &str, to: usize) -> hil_tests::process::Process {
        self.members[1 - to].start(&["send", "--to", self.members[to].name(), text])
    }

    /// A message counts as acknowledged once its sender printed it.
    fn account(&mut self, sender: &mut hil_tests::process::Process, text: String, to: usize) {
        let mut acknowledged = false;
        while let Some(line) = sender.line(wait::PROMPT) {
            acknowledged |= line.contains("\"state\"") && !line.contains("refused");
        }
        if acknowledged {
            self.accepted.insert(text, to);
        } else {
            self.open.insert(text, to);
        }
    }

    fn strike(&mut self, victim: Victim) {
        match victim {
            Victim::Gw1 => self.gw1.kill9(),
            Victim::Gw2 => self.gw2.kill9(),
            Victim::Broker => self.broker.iter_mut().for_each(Broker::kill9),
            Victim::Alpha => self.readers[0].kill9(),
            Victim::Bravo => self.readers[1].kill9(),
            Victim::Sender => {}
        }
    }

    fn revive(&mut self, victim: Victim) {
        match victim {
            Victim::Gw1 => self.gw1.start(),
            Victim::Gw2 => self.gw2.start(),
            Victim::Broker => self.broker.iter_mut().for_each(Broker::restart),
            Victim::Alpha => self.readers[0] = self.members[0].follow(),
            Victim::Bravo => self.readers[1] = self.members[1].follow(),
            Victim::Sender => {}
        }
    }

    /// Everything acknowledged arrives; nothing is in a mailbox twice.
    fn settle(&mut self) {
        let end = Instant::now() + SETTLED;
        for (text, to) in &self.accepted {
            self.readers[*to].text(text, end.saturating_duration_since(Instant::now()));
        }
        for to in 0..2 {
            let inbox = self.members[to].inbox().expect(0);
            let mut times: BTreeMap<&str, usize> = BTreeMap::new();
            for text in inbox.lines.iter().filter_map(|m| m["text"].as_str()) {
                *times.entry(text).or_insert(0) += 1;
            }
            let twice: Vec<_> = times.iter().filter(|(_, n)| **n > 1).collect();
            assert!(twice.is_empty(), "in the mailbox more than once: {twice:?}");
            let wanted = self.accepted.iter().filter(|(_, t)| **t == to).map(|(text, _)| text.as_str());
            let lost: Vec<_> = wanted.filter(|text| !times.contains_key(text)).collect();
            assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
            let strangers: Vec<_> =
                times.keys().filter(|t| !self.accepted.contains_key(**t) && !self.open.contains_key(**t)).collect();
            assert!(strangers.is_empty(), "nobody sent: {strangers:?}");
        }
    }
}
