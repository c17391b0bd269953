//! Points in time as the files and the JSON output spell them.

use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A UTC time with microseconds. JSON: `2026-11-22T13:58:02.372790Z`, the fraction left out when zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Timestamp);

impl Time {
    #[must_use]
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// How long ago this was; zero for a time in the future.
    #[must_use]
    pub fn age(self, now: Self) -> Duration {
        Duration::try_from(now.0.duration_since(self.0)).unwrap_or(Duration::ZERO)
    }

    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.0
    }

    /// Seconds since 1970, with fraction.
    #[must_use]
    pub fn as_unix_seconds(self) -> f64 {
        self.0.as_microsecond() as f64 / 1e6
    }

    /// The label and record spelling: `2026-11-22T13:31:00.712323+00:00`.
    #[must_use]
    pub fn with_offset(self) -> String {
        let text = self.to_string();
        format!("{}+00:00", text.trim_end_matches('Z'))
    }

    /// The event-stream spelling: UTC with nine fractional digits.
    #[must_use]
    pub fn with_nanoseconds(self) -> String {
        format!("{:.9}", self.0)
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
        Self(Timestamp::from_microsecond(timestamp.as_microsecond()).unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_nanosecond() == 0 { write!(f, "{:.0}", self.0) } else { write!(f, "{:.6}", self.0) }
    }
}

impl std::str::FromStr for Time {
    type Err = jiff::Error;

    /// RFC 3339 with any offset.
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.trim().parse().map(Self)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let time: Time = "2026-11-22T13:58:02.372790+00:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-22T13:58:02.372790Z");
        assert_eq!(time.with_offset(), "2026-11-22T13:58:02.372790+00:00");
        assert_eq!(time.with_nanoseconds(), "2026-11-22T13:58:02.372790000Z");
        let whole: Time = "2026-11-22T13:58:02Z".parse().unwrap();
        assert_eq!(whole.to_string(), "2026-11-22T13:58:02Z");
    }
}
