//! What a configuration means in frames, windows and time-outs (spec §50.3, §50.6).

use crate::api::{Config, Duplex, Framing};
use crate::limits::{
    FRAGMENT_OVERHEAD, FRAME_CEILING, FRAME_FLOOR, PACED_BYTES_MIN, PACED_PARCELS, PACED_WINDOW_S, PACKET_MAX,
    REPORT_BYTES, SLOT, STREAM_BYTES, STREAM_PARCELS, SYMBOL_MIN, SYMBOLS_PER_FRAME, TURN_MARGIN, UNREPORTED_AIR,
    UNREPORTED_MAX, UNREPORTED_MIN,
};
use crate::rate::fitting;
use crate::rtt::Bounds;
use picket_codes::shield::{self, Level};
use picket_wire::limits::FRAME_MAX;
use picket_wire::time::Duration;

/// Derived once from a [`Config`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// How bytes become frames.
    pub(crate) framing: Framing,
    /// Whether the stations take turns.
    pub(crate) half: bool,
    /// Longest frame in bytes, framing excluded.
    pub(crate) frame_max: usize,
    /// Longest coded frame in bytes (`fec`), sync word and header included.
    pub(crate) coded_max: usize,
    /// Bytes of a symbol.
    pub(crate) symbol: u8,
    /// Window per neighbour, parcels.
    pub(crate) parcels: usize,
    /// Window per neighbour, bytes.
    pub(crate) bytes: usize,
    /// How long to wait for an answer.
    pub(crate) bounds: Bounds,
    /// Half duplex: until the neighbour has used the turn it was given, or not: then the next slot is ours.
    pub(crate) reply: Duration,
    /// How long a station may be on air before it is heard: a packet is heard at its end.
    pub(crate) blind: Duration,
    /// Whether several frames may be given to the medium at once.
    pub(crate) batch: bool,
    /// Whether a loss is likely to be noise that shorter frames escape.
    pub(crate) noisy: bool,
    /// Whether parcels wait for the answers of more urgent ones: the medium may lose those.
    pub(crate) in_order: bool,
    /// Whether an overdue answer is asked for before the parcel is sent again: the medium itself does not lose bytes.
    pub(crate) ask_first: bool,
    air_bps: Option<u32>,
}

impl Shape {
    pub(crate) fn of(config: &Config) -> Self {
        let half = config.duplex == Duplex::Half;
        let paced = config.air_bps.filter(|&bps| bps > 0);
        let frame_max = frame_max(config);
        let (parcels, bytes) = match paced {
            None => (STREAM_PARCELS, STREAM_BYTES),
            Some(bps) => (PACED_PARCELS, (bps as usize / 8).saturating_mul(PACED_WINDOW_S).max(PACED_BYTES_MIN)),
        };
        let stream = config.framing == Framing::Cobs;
        Self {
            framing: config.framing,
            half,
            frame_max,
            coded_max: coded_max(config),
            symbol: symbol(config, frame_max),
            parcels,
            bytes,
            bounds: bounds(config, frame_max),
            reply: config.turn_round + SLOT + blind(config, frame_max),
            blind: blind(config, frame_max),
            batch: stream && paced.is_none(),
            noisy: stream && paced.is_some(),
            in_order: paced.is_some(),
            ask_first: stream && paced.is_none(),
            air_bps: paced,
        }
    }

    /// How many frames of `frame` bytes may be on their way before a report must be heard: so many as an outage may
    /// cost. In half duplex the burst is the limit.
    pub(crate) fn frames_on_air(&self, frame: usize) -> u32 {
        match self.air_bps {
            Some(bps) if !self.half => {
                let air = Duration::of_air(frame, bps).as_micros().max(1);
                let frames = UNREPORTED_AIR.as_micros() / air;
                u32::try_from(frames).unwrap_or(UNREPORTED_MAX).clamp(UNREPORTED_MIN, UNREPORTED_MAX)
            }
            Some(_) | None => UNREPORTED_MAX,
        }
    }
}

/// On packet media a frame is filled by as few symbols as possible; on byte pipes it follows the noise in steps, and
/// the longest one with the least parity is filled.
fn symbol(config: &Config, frame_max: usize) -> u8 {
    let data = |frame: usize| frame.saturating_sub(FRAGMENT_OVERHEAD).max(1);
    let bytes = match config.framing {
        Framing::Packet => data(frame_max) / data(frame_max).div_ceil(255),
        Framing::Fec => (data(fitting(coded_max(config), Level::ALL[1])) / SYMBOLS_PER_FRAME).clamp(SYMBOL_MIN, 255),
        Framing::Cobs => SYMBOL_MIN.min(data(frame_max)),
    };
    u8::try_from(bytes).unwrap_or(u8::MAX)
}

fn blind(config: &Config, frame_max: usize) -> Duration {
    match (config.framing, config.air_bps.filter(|&bps| bps > 0)) {
        (Framing::Packet, Some(bps)) => Duration::of_air(frame_max, bps),
        (Framing::Packet | Framing::Cobs | Framing::Fec, _) => Duration::ZERO,
    }
}

/// One second of air on paced byte pipes, within [`FRAME_FLOOR`] and [`FRAME_CEILING`]. Where stations take turns what
/// is urgent may have to wait for a turn and its report besides, which comes off.
fn pipe_bytes(config: &Config) -> usize {
    let Some(bps) = config.air_bps.filter(|&bps| bps > 0) else { return FRAME_CEILING };
    let second = (bps as usize / 8).clamp(FRAME_FLOOR, FRAME_CEILING);
    let pause = match config.duplex {
        Duplex::Full => Duration::ZERO,
        Duplex::Half => config.turn_round.times(2) + TURN_MARGIN,
    };
    let pause = usize::try_from(pause.as_micros() * u64::from(bps) / 8_000_000).unwrap_or(second);
    second.saturating_sub(pause + REPORT_BYTES * usize::from(config.duplex == Duplex::Half)).max(second / 2)
}

fn coded_max(config: &Config) -> usize {
    let mtu = config.mtu.map_or(usize::MAX, usize::from);
    pipe_bytes(config).min(mtu).max(crate::limits::SHRUNK_MIN + shield::OVERHEAD)
}

/// On paced byte pipes a frame takes, COBS included, one second of air, but at least [`FRAME_FLOOR`] and at most
/// [`FRAME_CEILING`] bytes.
fn frame_max(config: &Config) -> usize {
    let pipe = match (config.framing, config.air_bps) {
        (Framing::Packet, _) => PACKET_MAX,
        (Framing::Cobs, None | Some(0)) => FRAME_MAX,
        (Framing::Cobs, Some(_)) => (pipe_bytes(config) - 2) * 254 / 255,
        (Framing::Fec, _) => fitting(coded_max(config), Level::ALL[0]),
    };
    config.mtu.map_or(pipe, |mtu| pipe.min(usize::from(mtu))).clamp(crate::limits::SHRUNK_MIN, FRAME_MAX)
}

fn bounds(config: &Config, frame_max: usize) -> Bounds {
    let Some(bps) = config.air_bps.filter(|&bps| bps > 0) else {
        return Bounds { initial: Duration::from_secs(2), min: Duration::from_secs(1), max: Duration::from_secs(4) };
    };
    // The answer may wait behind one frame of the other side's own.
    let frame = Duration::of_air(frame_max, bps);
    let min = match config.duplex {
        Duplex::Full => Duration::from_millis(400) + frame,
        Duplex::Half => {
            let slot = SLOT + blind(config, frame_max);
            slot.times(5) + config.turn_round.times(2) + Duration::of_air(FRAME_FLOOR, bps)
        }
    };
    let initial = Duration::from_secs(2) + frame;
    Bounds { initial: initial.max(min), min, max: Duration::from_secs(4).max(min) + frame.times(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(framing: Framing, mtu: Option<u16>, air_bps: Option<u32>) -> Config {
        Config { framing, mtu, air_bps, duplex: Duplex::Full, turn_round: Duration::ZERO }
    }

    #[test]
    fn frames_fit_a_second_of_air_or_255_bytes() {
        for bps in [300, 1_200, 9_600, 57_600, 1_000_000] {
            let shape = Shape::of(&config(Framing::Cobs, None, Some(bps)));
            let on_air = cobs::max_encoding_length(shape.frame_max) + 1;
            assert!(on_air <= (bps as usize / 8).clamp(255, 1_200), "{bps}: {on_air}");
        }
        let coded = Shape::of(&config(Framing::Fec, None, Some(9_600)));
        assert_eq!((coded.coded_max, coded.frame_max), (1_200, 1_191));
        let radio = Shape::of(&config(Framing::Packet, Some(255), None));
        assert_eq!((radio.frame_max, radio.symbol), (255, 239));
        assert_eq!(Shape::of(&config(Framing::Packet, Some(1_200), None)).frame_max, 1_200);
        assert_eq!(Shape::of(&config(Framing::Cobs, None, None)).frame_max, FRAME_MAX);
    }
}
