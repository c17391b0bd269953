//! Points in time and durations in expressions.

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::eval::Failure;
use super::value::Val;

/// RFC 3339 with any offset, seconds since 1970, or a date, which is midnight UTC.
pub(super) fn timestamp(value: Val<'_>) -> Result<Timestamp, Failure> {
    let time = match &value {
        Val::Time(time) => Some(*time),
        Val::Str(text) => {
            text.parse().ok().or_else(|| text.parse::<jiff::civil::Date>().ok().and_then(midnight))
        }
        Val::Number(number) => number
            .as_whole()
            .and_then(|seconds| i64::try_from(seconds).ok())
            .and_then(|seconds| Timestamp::from_second(seconds).ok()),
        _ => None,
    };
    time.ok_or_else(|| match value {
        Val::Str(text) => {
            format!(
                "`{}` is no time such as `2026-01-01T00:00:00Z`",
                text.chars().take(40).collect::<String>()
            )
        }
        other => format!("a {} is no time", other.type_name()),
    })
}

fn midnight(date: jiff::civil::Date) -> Option<Timestamp> {
    // A date and time of day may also stand there without an offset: refused, its zone is unknown.
    format!("{date}T00:00:00Z").parse().ok()
}

const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// `1h30m`, `1.5h`, `300s`, `10ms`, `-1m`; days too, which CEL does not have.
pub(super) fn duration(value: Val<'_>) -> Result<SignedDuration, Failure> {
    match value {
        Val::Span(span) => Ok(span),
        Val::Str(text) => parse_duration(&text).ok_or_else(|| {
            format!("`{}` is no duration such as `1h30m`", text.chars().take(40).collect::<String>())
        }),
        other => Err(format!("a {} is no duration", other.type_name())),
    }
}

fn parse_duration(text: &str) -> Option<SignedDuration> {
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() && rest != "0" {
        let end = rest.find(|ch: char| !ch.is_ascii_digit() && ch != '.')?;
        let (number, tail) = rest.split_at(end);
        let unit_len = tail.find(|ch: char| ch.is_ascii_digit() || ch == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        if !whole.is_empty() {
            total = total.checked_add(whole.parse::<i128>().ok()?.checked_mul(*size)?)?;
        }
        if !fraction.is_empty() {
            let part: f64 = format!("0.{fraction}").parse().ok()?;
            total = total.checked_add((part * *size as f64).round() as i128)?;
        }
        rest = tail;
    }
    let nanos = if is_negative { -total } else { total };
    i64::try_from(nanos).ok().map(SignedDuration::from_nanos)
}

/// `90s`, `1.5s`: how CEL writes a duration.
pub(super) fn seconds_text(span: SignedDuration) -> String {
    format!("{}s", span.as_secs_f64())
}

pub(super) fn shift(time: Timestamp, by: SignedDuration) -> Result<Timestamp, Failure> {
    time.checked_add(by).map_err(|_| "the time is out of range".into())
}

/// `time.getHours()`, `time.getHours("+02:00")`, `span.getHours()`. Months, days of the month by
/// `getDayOfMonth`, of the year and of the week count from 0, as in CEL.
pub(super) fn accessor(name: &str, value: &Val<'_>, zone: Option<&Val<'_>>) -> Result<i64, Failure> {
    match value {
        Val::Time(time) => of_time(name, *time, zone),
        Val::Span(span) if zone.is_none() => of_span(name, *span),
        Val::Str(_) => Err(format!("`{name}` applies to a time: `timestamp(create_time).{name}()`")),
        other => Err(format!("`{name}` does not apply to a {}", other.type_name())),
    }
}

fn of_time(name: &str, time: Timestamp, zone: Option<&Val<'_>>) -> Result<i64, Failure> {
    let zone = match zone {
        None => TimeZone::UTC,
        Some(Val::Str(text)) => time_zone(text).ok_or_else(|| format!("`{text}` is no time zone"))?,
        Some(other) => return Err(format!("a {} is no time zone", other.type_name())),
    };
    let time = time.to_zoned_datetime(zone);
    Ok(match name {
        "getFullYear" => time.year().into(),
        "getMonth" => i64::from(time.month()) - 1,
        "getDate" => time.day().into(),
        "getDayOfMonth" => i64::from(time.day()) - 1,
        "getDayOfWeek" => time.weekday().to_sunday_zero_offset().into(),
        "getDayOfYear" => i64::from(time.day_of_year()) - 1,
        "getHours" => time.hour().into(),
        "getMinutes" => time.minute().into(),
        "getSeconds" => time.second().into(),
        _ => time.millisecond().into(),
    })
}

fn of_span(name: &str, span: SignedDuration) -> Result<i64, Failure> {
    Ok(match name {
        "getHours" => span.as_secs() / 3_600,
        "getMinutes" => span.as_secs() / 60,
        "getSeconds" => span.as_secs(),
        "getMilliseconds" => span.subsec_millis().into(),
        _ => return Err(format!("`{name}` does not apply to a duration")),
    })
}

/// `UTC`, `+02:00`, `-05:30`, or a name of the system's time zone database.
fn time_zone(text: &str) -> Option<TimeZone> {
    let (sign, digits) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return TimeZone::get(text).ok(),
    };
    let (hours, minutes) = digits.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok().map(TimeZone::fixed)
}
