//! Times as people and programs read them: RFC 3339, UTC.

use picket_wire::time::Wall;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// RFC 3339 with milliseconds, `None` when the time is not known.
#[must_use]
pub fn rfc3339(at: Option<Wall>) -> Option<String> {
    let nanos = i128::from(at?.0).checked_mul(1_000_000)?;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?.format(&Rfc3339).ok()
}

/// For tables: date and time to the second, `?` when not known.
#[must_use]
pub fn human(rfc3339: Option<&str>) -> String {
    match rfc3339 {
        Some(t) => t.get(..19).unwrap_or(t).replace('T', " "),
        None => "?".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(rfc3339(Some(Wall(1_795_463_409_123))).as_deref(), Some("2026-11-23T19:50:09.123Z"));
        assert_eq!(rfc3339(None), None);
        assert_eq!(human(Some("2026-11-23T19:50:09.123Z")), "2026-11-23 19:50:09");
        assert_eq!(human(None), "?");
    }
}
