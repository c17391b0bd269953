//! Lengths of time as people write and read them.

use std::time::Duration;

use super::error::{ErrorClass, Explain};

/// A text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}`: expected a time such as `90`, `5m` or `1h30m`")]
pub struct DurationError {
    text: String,
}

impl Explain for DurationError {
    fn class(&self) -> ErrorClass {
        ErrorClass::ParseSpec
    }

    fn hint(&self) -> Option<String> {
        Some("digits alone are seconds; else days, hours, minutes and seconds in that order: `1d12h`".into())
    }
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads `300` (seconds), `30s`, `5m`, `1h30m`, `1d12h` or `7d`: each unit at most once, in the order
/// `d h m s`, in any case.
///
/// # Errors
/// Anything else, zero, and what does not fit in 64 bits of seconds.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError { text: text.chars().take(80).collect() };
    let seconds = parse_seconds(text.trim()).filter(|seconds| *seconds > 0).ok_or_else(error)?;
    Ok(Duration::from_secs(seconds))
}

fn parse_seconds(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let mut total: u64 = 0;
    let mut rest = text;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        // Going on from the last unit found is what holds the order.
        let (_, seconds) = units.find(|(name, _)| *name == unit.to_ascii_lowercase())?;
        total = total.checked_add(count.checked_mul(*seconds)?)?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    Some(total)
}

/// The two largest units, for people: `3d4h`, `5m12s`, `42s`, `0s`. Fractions of a second are cut.
#[must_use]
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let Some(largest) = UNITS.iter().position(|(_, size)| seconds >= *size) else {
        return "0s".to_owned();
    };
    let (unit, size) = UNITS[largest];
    let mut text = format!("{}{unit}", seconds / size);
    if let Some((next, next_size)) = UNITS.get(largest + 1) {
        let count = seconds % size / next_size;
        if count > 0 {
            text.push_str(&format!("{count}{next}"));
        }
    }
    text
}

/// As [`human`], for a number of seconds from a file or a field; negative and impossible ones are `0s`.
#[must_use]
pub fn human_seconds(seconds: f64) -> String {
    human(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_spellings_of_the_options() {
        for (text, seconds) in [
            ("300", 300),
            ("30s", 30),
            ("5m", 300),
            ("1h30m", 5_400),
            ("1D12H", 129_600),
            ("7d", 604_800),
            (" 1d2h3m4s ", 93_784),
        ] {
            assert_eq!(parse(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let too_big = format!("{}d", u64::MAX);
        for text in ["", " ", "0", "0s", "-1", "5x", "m5", "1m1h", "5m5m", "1.5h", "5 m", "é", "5é", &too_big]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_bad_time_says_what_a_good_one_looks_like() {
        insta::assert_snapshot!(parse("5x").unwrap_err(), @"`5x`: expected a time such as `90`, `5m` or `1h30m`");
    }

    #[test]
    fn people_see_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (312, "5m12s"),
            (3_600, "1h"),
            (3_601, "1h"),
            (273_900, "3d4h"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
        assert_eq!(human_seconds(1.9), "1s");
        assert_eq!(human_seconds(f64::NAN), "0s");
        assert_eq!(human_seconds(-5.0), "0s");
    }

    proptest! {
        #[test]
        fn below_an_hour_nothing_is_lost(seconds in 1_u64..3_600) {
            prop_assert_eq!(parse(&human(Duration::from_secs(seconds))).unwrap().as_secs(), seconds);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,12}") {
            let _ = parse(&text);
        }
    }
}
