//! A small seeded generator: every run with the same seed does the same.

use std::{ops::Range, time::Duration};

/// `SplitMix64`.
#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator of its own for each (seed, stream), however close the numbers are.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let stream = Rng(stream).bits();
        Rng(Rng(seed ^ stream).bits())
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Evenly below `bound`, by multiplication, which is cheaper than a division.
    #[allow(clippy::cast_possible_truncation)] // the high half of a 128-bit product fits 64 bits
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A frame's mask, never the one that masks nothing.
    #[allow(clippy::cast_possible_truncation)] // any 32 bits will do
    pub fn mask_key(&mut self) -> u32 {
        (self.bits() as u32).max(1)
    }

    /// A time of so many milliseconds.
    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.below(range.end - range.start))
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap_or_default()]
    }

    /// Text of `length` characters out of `alphabet`.
    pub fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(self.pick(alphabet))).collect()
    }
}
