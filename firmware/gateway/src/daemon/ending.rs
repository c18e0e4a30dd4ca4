//! What ends a gateway for good: a switch, a dead man's time, or its operator; and how it says how its keys are kept
//! (spec §75.5).

use super::{Daemon, StartError};
use crate::config::Config;
use crate::keys::{self, Keys, KeysError};
use picket_node::operator::KeysStatus;
use picket_safe::deadman::{DeadMan, Reading, Verdict};
use picket_safe::line::Steady;
use picket_shell::clock::{self, Clock};
use picket_shell::keep;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Interval, interval};

/// How often a switch is read: three readings make a fifth of a second.
const LINE_EVERY: Duration = Duration::from_millis(70);
/// How often the dead man's time is counted and written down.
const ALIVE_EVERY: Duration = Duration::from_secs(60);
/// Name of the count in the state folder.
const ALIVE: &str = "alive";

/// What may end the gateway.
pub(super) struct Ends {
    config: Config,
    kept: &'static str,
    line: Option<mpsc::Receiver<()>>,
    man: Option<DeadMan>,
    clock: Clock,
    tick: Interval,
    warned: bool,
}

/// Errors of the keys, where the mission's own say more.
pub(super) fn refused(e: KeysError) -> StartError {
    match e {
        KeysError::Mission(e) => StartError::Mission(e),
        other => StartError::Keys(other),
    }
}

impl Ends {
    /// Watches what the configuration names; says how the keys are kept.
    ///
    /// # Errors
    /// A switch that cannot be opened: a gateway must not run without it unnoticed. A time that is over already.
    pub(super) fn begin(config: &Config, keys: &Keys) -> Result<Self, StartError> {
        for warning in keys.warnings(config) {
            tracing::warn!(warning, "keys at rest");
        }
        let line = match &config.zeroize.line {
            Some(place) => {
                let line = place.open().map_err(StartError::Line)?;
                Some(watch(line).map_err(StartError::System)?)
            }
            None => None,
        };
        let clock = Clock::new(config.gateway.clock);
        let mut ends = Self {
            config: config.clone(),
            kept: keys.word(),
            line,
            man: None,
            clock,
            tick: interval(ALIVE_EVERY),
            warned: false,
        };
        ends.man = ends.load();
        match ends.count() {
            Some(why) => Err(ends.zeroize(why)),
            None => Ok(ends),
        }
    }

    /// Waits until something ends the gateway; why.
    pub(super) async fn due(&mut self) -> &'static str {
        loop {
            let line = async {
                match &mut self.line {
                    Some(line) => line.recv().await,
                    None => core::future::pending().await,
                }
            };
            let closed = tokio::select! {
                closed = line => closed.is_some(),
                _ = self.tick.tick() => false,
            };
            if closed {
                return "the switch is closed";
            }
            if let Some(why) = self.count() {
                return why;
            }
        }
    }

    /// The operator was here.
    pub(super) fn alive(&mut self) {
        let now = self.reading();
        self.warned = false;
        if let Some(man) = &mut self.man {
            man.alive(now);
        }
        self.store();
    }

    /// How keys are kept, for the operator.
    pub(super) fn status(&self) -> KeysStatus {
        let left = self.man.as_ref().map(|man| match man.verdict() {
            Verdict::Fine(left) | Verdict::Warning(left) => left,
            Verdict::Due => 0,
        });
        let mut warnings: Vec<String> = match self.kept {
            "clear" => vec!["keys_in_clear".to_owned()],
            "file" => vec!["wrapping_key_in_file".to_owned()],
            _ => Vec::new(),
        };
        if self.man.as_ref().is_some_and(|m| matches!(m.verdict(), Verdict::Warning(_))) {
            warnings.push("dead_man_near".to_owned());
        }
        KeysStatus { kept: self.kept.to_owned(), dead_man_left_ms: left, warnings }
    }

    /// Destroys the key, then everything else.
    fn zeroize(&self, why: &str) -> StartError {
        let outcome = keys::destroy(&self.config).and_then(|left| keys::finish(&self.config).map(|()| left));
        match outcome {
            Ok(left) if left.is_empty() => StartError::Zeroized(why.to_owned()),
            Ok(left) => StartError::Zeroized(format!("{why} ({})", left.join("; "))),
            Err(e) => StartError::Zeroized(format!("{why}; the rest goes at the next start ({e})")),
        }
    }

    fn file(&self) -> PathBuf {
        self.config.gateway.state.join(ALIVE)
    }

    fn reading(&self) -> Reading {
        let wall = self.clock.wall().map(|w| w.0);
        Reading { boot: clock::boot(), up: self.clock.now().0 / 1_000, wall }
    }

    /// What was counted before. A count that is gone or damaged begins anew, and that is said.
    fn load(&self) -> Option<DeadMan> {
        let limit = self.config.zeroize.dead_man?.as_millis();
        let kept = keep::read(&self.file());
        let mut man = match kept.map(|line| line.map(|l| DeadMan::from_line(&l))) {
            Ok(Some(Some(man))) => man,
            Ok(None) => DeadMan::begin(limit, self.reading()),
            Ok(Some(None)) | Err(_) => {
                tracing::warn!(file = %self.file().display(), "the dead man's count is damaged: it begins anew");
                DeadMan::begin(limit, self.reading())
            }
        };
        man.set_limit(limit);
        Some(man)
    }

    /// Counts on; why the gateway ends, if it does.
    fn count(&mut self) -> Option<&'static str> {
        let now = self.reading();
        let verdict = self.man.as_mut()?.count(now);
        self.store();
        match verdict {
            Verdict::Due => return Some("no sign of life from the operator in the dead man's time"),
            Verdict::Warning(left) if !self.warned => {
                let minutes = left / 60_000;
                tracing::warn!(
                    minutes,
                    "dead_man_near: this gateway zeroizes unless `picket gateway alive` comes first"
                );
                self.warned = true;
            }
            Verdict::Fine(_) | Verdict::Warning(_) => {}
        }
        None
    }

    fn store(&self) {
        let Some(man) = &self.man else { return };
        if let Err(e) = keep::write(&self.file(), man.to_line().as_bytes()) {
            tracing::error!(error = %e, "the dead man's count cannot be written down: a restart would count less");
        }
    }
}

impl Daemon {
    /// Nothing is sent any more: the loop has ended. The key goes first.
    pub(super) fn zeroize(mut self, ends: &Ends, why: &str) -> StartError {
        let ended = ends.zeroize(why);
        self.links.close();
        tracing::warn!(why, "zeroized");
        ended
    }
}

/// Reads a switch on a thread of its own: a driver may block.
fn watch(mut line: Box<dyn picket_safe::line::Line>) -> std::io::Result<mpsc::Receiver<()>> {
    let (closed, told) = mpsc::channel(1);
    std::thread::Builder::new().name("zeroize-line".into()).stack_size(64 * 1024).spawn(move || {
        let (mut steady, mut unreadable) = (Steady::default(), false);
        while !closed.is_closed() {
            let reading = line.is_closed();
            if reading.is_err() && !unreadable {
                unreadable = true;
                tracing::warn!("the zeroize switch cannot be read: it counts as open");
            }
            if steady.take(&reading) && closed.blocking_send(()).is_err() {
                return;
            }
            std::thread::park_timeout(LINE_EVERY);
        }
    })?;
    Ok(told)
}
