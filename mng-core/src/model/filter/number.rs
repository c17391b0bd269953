//! Numbers: CEL's three kinds, which compare and calculate freely with each other.

use std::cmp::Ordering;

#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i64),
    UInt(u64),
    Double(f64),
}

impl Number {
    pub(super) fn from_json(number: &serde_json::Number) -> Self {
        if let Some(value) = number.as_i64() {
            Self::Int(value)
        } else if let Some(value) = number.as_u64() {
            Self::UInt(value)
        } else {
            Self::Double(number.as_f64().unwrap_or(f64::NAN))
        }
    }

    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Double(_) => "double",
        }
    }

    pub(super) fn is_zero(self) -> bool {
        self.as_f64() == 0.0
    }

    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::UInt(value) => value as f64,
            Self::Double(value) => value,
        }
    }

    /// The whole number, without loss; `None` for a double with a fraction.
    pub(super) fn as_whole(self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(value.into()),
            Self::UInt(value) => Some(value.into()),
            Self::Double(value) => (value.fract() == 0.0 && value.abs() < 1e18).then_some(value as i128),
        }
    }

    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self.as_whole(), other.as_whole()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => self.as_f64().partial_cmp(&other.as_f64()),
        }
    }

    pub(super) fn negate(self) -> Option<Self> {
        match self {
            Self::Int(value) => value.checked_neg().map(Self::Int),
            Self::UInt(value) => 0_i64.checked_sub_unsigned(value).map(Self::Int),
            Self::Double(value) => Some(Self::Double(-value)),
        }
    }

    /// `a OP b` for `+ - * / %`. Whole numbers stay whole.
    ///
    /// # Errors
    /// Overflow, division of a whole number by zero, the remainder of a fraction.
    pub(super) fn calculate(self, operator: char, other: Self) -> Result<Self, String> {
        let (Self::Int(_) | Self::UInt(_), Self::Int(_) | Self::UInt(_)) = (self, other) else {
            return self.calculate_doubles(operator, other);
        };
        let (Some(a), Some(b)) = (self.as_whole(), other.as_whole()) else {
            return self.calculate_doubles(operator, other);
        };
        let result = match operator {
            '+' => a.checked_add(b),
            '-' => a.checked_sub(b),
            '*' => a.checked_mul(b),
            '/' | '%' if b == 0 => return Err("division by zero".into()),
            '/' => a.checked_div(b),
            _ => a.checked_rem(b),
        };
        let whole = |result: i128| match (self, other) {
            (Self::UInt(_), Self::UInt(_)) => u64::try_from(result).ok().map(Self::UInt),
            _ => i64::try_from(result).ok().map(Self::Int),
        };
        result.and_then(whole).ok_or_else(|| "the number is too large".into())
    }

    fn calculate_doubles(self, operator: char, other: Self) -> Result<Self, String> {
        let (a, b) = (self.as_f64(), other.as_f64());
        Ok(Self::Double(match operator {
            '+' => a + b,
            '-' => a - b,
            '*' => a * b,
            '/' => a / b,
            _ => return Err("`%` is for whole numbers".into()),
        }))
    }
}
