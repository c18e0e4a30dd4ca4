//! `[zeroize]`: what destroys the keys by itself.

use super::table::Values;
use picket_safe::line::Place;
use picket_wire::time::Duration;

/// `[zeroize]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zeroize {
    /// The switch.
    pub line: Option<Place>,
    /// The dead man's time.
    pub dead_man: Option<Duration>,
}

impl Zeroize {
    pub(super) fn from(values: &Values) -> Self {
        Self {
            line: values.maybe_text("line").and_then(|text| text.parse().ok()),
            dead_man: values.maybe_span("dead_man"),
        }
    }
}
