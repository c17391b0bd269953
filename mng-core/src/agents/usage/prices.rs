//! What tokens cost.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::Tokens;

/// US dollars per million tokens of one model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Input that was in no cache.
    pub input: f64,
    pub output: f64,
    /// Input written to a cache; unset: as other input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// Input read from a cache; unset: as other input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<f64>,
    /// Factor of the fast mode; unset: that mode has no known price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fast: Option<f64>,
}

impl Price {
    fn of(&self, tokens: Tokens) -> f64 {
        let part = |count: u64, price: f64| count as f64 * price / 1e6;
        part(tokens.input, self.input)
            + part(tokens.output, self.output)
            + part(tokens.cache_read, self.cache_read.unwrap_or(self.input))
            + part(tokens.cache_creation, self.cache_write.unwrap_or(self.input))
    }
}

/// The table of prices by `provider/model`.
#[derive(Clone, Debug)]
pub struct Prices {
    models: BTreeMap<String, Price>,
}

/// What a model in fast mode is called in records: its name and this.
pub const FAST: &str = ":fast";

impl Prices {
    /// The table that mng brings, under a person's own entries.
    #[must_use]
    pub fn with(own: &BTreeMap<String, Price>) -> Self {
        let table: BTreeMap<String, BTreeMap<String, Price>> =
            toml_edit::de::from_str(include_str!("prices.toml")).expect("a test reads the table");
        let mut models = BTreeMap::new();
        for (provider, prices) in table {
            models.extend(prices.into_iter().map(|(model, price)| (format!("{provider}/{model}"), price)));
        }
        models.extend(own.iter().map(|(model, price)| (model.clone(), *price)));
        Self { models }
    }

    /// US dollars for so many tokens; `None` if the model has no known price.
    ///
    /// The model may be named with or without its provider, and may carry a date or a variant:
    /// `claude-haiku-4-5-20251001`, `anthropic/claude-opus-5[1m]`, `claude-opus-5:fast`.
    #[must_use]
    pub fn cost(&self, model: &str, tokens: Tokens) -> Option<f64> {
        let (model, is_fast) = match model.strip_suffix(FAST) {
            Some(model) => (model, true),
            None => (model, false),
        };
        let price = self.find(model)?;
        let factor = if is_fast { price.fast? } else { 1.0 };
        Some(price.of(tokens) * factor)
    }

    fn find(&self, model: &str) -> Option<&Price> {
        if let Some(price) = self.models.get(model) {
            return Some(price);
        }
        let plain = plain(model);
        if let Some(price) = self.models.get(plain) {
            return Some(price);
        }
        // Another provider may sell the same model under the same name, at a price of its own.
        let name = plain.rsplit('/').next().unwrap_or(plain);
        if plain.contains('/') {
            return None;
        }
        let mut found = self.models.iter().filter(|(key, _)| key.rsplit('/').next() == Some(name));
        match (found.next(), found.next()) {
            (Some((_, price)), None) => Some(price),
            _ => None,
        }
    }
}

/// The name without `[1m]` and without the date of a release.
fn plain(model: &str) -> &str {
    let model = model.split('[').next().unwrap_or(model);
    for separator in ['-', '@'] {
        if let Some((name, date)) = model.rsplit_once(separator)
            && date.len() == 8
            && date.bytes().all(|byte| byte.is_ascii_digit())
        {
            return name;
        }
    }
    // `gpt-5-2025-08-07`
    let parts: Vec<&str> = model.rsplitn(4, '-').collect();
    if let [day, month, year, name] = parts[..] {
        let is_number = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if is_number(day, 2) && is_number(month, 2) && is_number(year, 4) {
            return name;
        }
    }
    model
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: u64, output: u64, cache_read: u64, cache_creation: u64) -> Tokens {
        Tokens { input, output, cache_read, cache_creation }
    }

    const MILLION: u64 = 1_000_000;

    #[test]
    fn models_are_found_by_every_spelling() {
        let prices = Prices::with(&BTreeMap::new());
        let cost = |model: &str| prices.cost(model, tokens(MILLION, MILLION, MILLION, MILLION));
        let haiku = Some(1.0 + 5.0 + 0.1 + 1.25);
        for model in [
            "claude-haiku-4-5",
            "anthropic/claude-haiku-4-5",
            "claude-haiku-4-5-20251001",
            "claude-haiku-4-5@20251001",
            "anthropic/claude-haiku-4-5[1m]",
        ] {
            assert_eq!(cost(model), haiku, "{model}");
        }
        assert_eq!(cost("claude-opus-5-5"), Some(4.0 + 20.0 + 0.2 + 5.0));
        // Without a price of their own, cache writes are input.
        assert_eq!(cost("gpt-5-2025-08-07"), Some(1.25 + 10.0 + 0.125 + 1.25));
        assert_eq!(cost("openai/gpt-6.1-sol"), Some(2.0 + 10.0 + 0.1 + 2.5));
        assert_eq!(cost("claude-opus-5:fast"), Some(2.0 * (5.0 + 25.0 + 0.5 + 6.25)));
        for unknown in ["claude-opus-4-5:fast", "gpt-99", "<synthetic>", "", "elsewhere/gpt-5"] {
            assert_eq!(cost(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_persons_own_price_wins() {
        let own = Price { input: 1.0, output: 2.0, cache_write: None, cache_read: None, fast: None };
        let prices =
            Prices::with(&[("openai/gpt-5".to_owned(), own), ("local/llama".to_owned(), own)].into());
        assert_eq!(prices.cost("gpt-5", tokens(MILLION, MILLION, 0, 0)), Some(3.0));
        assert_eq!(prices.cost("llama", tokens(0, MILLION, 0, 0)), Some(2.0));
    }
}
