//! Which account pays which, and how much. The n-th payment depends on the seed and on n alone, whoever asks for it and
//! when.

use std::sync::Arc;

use anyhow::{Result, ensure};

/// How payments spread over the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mix {
    /// Every account as often as any other.
    Uniform,
    /// Everybody pays account 0.
    HotPayee,
    /// Account 0 pays everybody.
    HotPayer,
    /// Payer and payee by Zipf's law with exponent 1: account 0 most often.
    Zipf,
}

impl Mix {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::HotPayee => "hot-payee",
            Self::HotPayer => "hot-payer",
            Self::Zipf => "zipf",
        }
    }
}

/// One payment to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The account that pays, by number.
    pub payer: u32,
    /// The account that is paid: another one.
    pub payee: u32,
    /// In the currency's minor unit, 1 to 100.
    pub cents: i64,
}

impl Choice {
    /// How much, as decimal text in the major unit of a currency with two decimals.
    #[must_use]
    pub fn amount(&self) -> String {
        format!("{}.{:02}", self.cents / 100, self.cents % 100)
    }
}

/// Chooses payments.
#[derive(Clone, Debug)]
pub struct Chooser {
    mix: Mix,
    accounts: u32,
    seed: u64,
    /// Of Zipf's law: how many of all payments the first n + 1 accounts have, each.
    shares: Arc<[f64]>,
}

impl Chooser {
    /// Over accounts `0` to `accounts - 1`.
    ///
    /// # Errors
    /// With fewer than two accounts.
    pub fn new(mix: Mix, accounts: u32, seed: u64) -> Result<Self> {
        ensure!(accounts >= 2, "{accounts} accounts cannot pay each other: 2 are needed");
        let shares = if mix == Mix::Zipf { shares(accounts) } else { Arc::default() };
        Ok(Self { mix, accounts, seed, shares })
    }

    /// The n-th payment.
    #[must_use]
    pub fn choose(&self, n: u64) -> Choice {
        let mut random = Random::of(self.seed, n);
        let cents = 1 + i64::from(random.below(100));
        let (payer, payee) = match self.mix {
            Mix::Uniform => {
                let payer = random.below(self.accounts);
                (payer, self.other(payer, random.below(self.accounts - 1)))
            }
            Mix::HotPayee => (1 + random.below(self.accounts - 1), 0),
            Mix::HotPayer => (0, 1 + random.below(self.accounts - 1)),
            Mix::Zipf => {
                let payer = self.ranked(&mut random);
                let payee = self.ranked(&mut random);
                (payer, if payee == payer { self.other(payer, random.below(self.accounts - 1)) } else { payee })
            }
        };
        Choice { payer, payee, cents }
    }

    /// One of all accounts but this one.
    fn other(&self, not: u32, among: u32) -> u32 {
        (not + 1 + among) % self.accounts
    }

    fn ranked(&self, random: &mut Random) -> u32 {
        let part = random.fraction();
        let rank = self.shares.partition_point(|share| *share <= part);
        u32::try_from(rank).unwrap_or(u32::MAX).min(self.accounts - 1)
    }
}

fn shares(accounts: u32) -> Arc<[f64]> {
    let weight = |n| 1.0 / f64::from(n);
    let all: f64 = (1..=accounts).map(weight).sum();
    let mut share = 0.0;
    let running = (1..=accounts).map(|n| {
        share += weight(n) / all;
        share
    });
    running.collect()
}

/// SplitMix64: every number of it is a function of the state, so that the n-th payment needs none of those before it.
struct Random(u64);

impl Random {
    fn of(seed: u64, n: u64) -> Self {
        Self(Self(seed).next() ^ Self(n).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to `n - 1`.
    fn below(&mut self, n: u32) -> u32 {
        u32::try_from(((self.next() >> 32) * u64::from(n)) >> 32).unwrap_or_default()
    }

    /// From 0 to below 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u64 = 100_000;

    fn counts(mix: Mix, of: impl Fn(Choice) -> u32) -> Vec<u64> {
        let chooser = Chooser::new(mix, 100, 7).unwrap();
        let mut counts = vec![0; 100];
        for n in 0..DRAWS {
            let choice = chooser.choose(n);
            assert_ne!(choice.payer, choice.payee);
            assert!((1..=100).contains(&choice.cents));
            counts[of(choice) as usize] += 1;
        }
        counts
    }

    #[test]
    fn the_same_seed_makes_the_same_payments() {
        let list = |seed| (0..1000).map(|n| Chooser::new(Mix::Zipf, 50, seed).unwrap().choose(n)).collect::<Vec<_>>();
        assert_eq!(list(1), list(1));
        assert_ne!(list(1), list(2));
    }

    #[test]
    fn uniform_takes_every_account_about_as_often() {
        for counts in [counts(Mix::Uniform, |choice| choice.payer), counts(Mix::Uniform, |choice| choice.payee)] {
            assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn the_hot_account_takes_part_in_everything() {
        assert_eq!(counts(Mix::HotPayee, |choice| choice.payee)[0], DRAWS);
        assert_eq!(counts(Mix::HotPayer, |choice| choice.payer)[0], DRAWS);
        assert!(counts(Mix::HotPayer, |choice| choice.payee)[1..].iter().all(|count| *count > 800));
    }

    #[test]
    fn zipf_falls_with_the_rank() {
        let counts = counts(Mix::Zipf, |choice| choice.payer);
        // With exponent 1 over 100 accounts the n-th gets 1/n of 19.3 %.
        assert!((18_500..20_000).contains(&counts[0]), "{}", counts[0]);
        assert!((9_000..10_300).contains(&counts[1]), "{}", counts[1]);
        assert!((1_600..2_250).contains(&counts[9]), "{}", counts[9]);
    }

    #[test]
    fn one_account_cannot_pay() {
        assert!(Chooser::new(Mix::Uniform, 1, 0).is_err());
    }
}
