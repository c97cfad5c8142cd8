//! Random numbers: one seeded stream per purpose, so that a new use never changes the others.
//!
//! The generator is ChaCha8 with the seed as its key and the purpose as its nonce. Everything derived from its bits is
//! implemented here, so that no update of a crate changes a trained network.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Purpose of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    Initialisation = 1,
    Split = 2,
    /// One stream per epoch.
    Shuffle = 3,
    /// One stream per image.
    Synthetic = 4,
    Verification = 5,
    /// Split of a folder of pictures; one stream per class.
    Folder = 8,
    /// One word, which seeds the hash on the device.
    Augmentation = 6,
    /// One word, which seeds the hash on the device.
    Dropout = 7,
    /// Rows of a last layer for classes that a model does not know; one stream per class and tensor.
    Classes = 9,
    /// Split of folders of pictures by writers.
    Writers = 10,
    /// Which images of an older set are replayed.
    Replay = 11,
    /// Start of the iteration that finds where training images lie.
    Novelty = 12,
    /// Noise of SmoothGrad; one stream per copy.
    Explanation = 13,
}

/// A stream of random numbers.
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of a seed for a purpose; `part` distinguishes its epochs or images.
    pub fn new(seed: u64, purpose: Purpose, part: u32) -> Stream {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream((purpose as u64) << 32 | u64::from(part));
        Stream(generator)
    }

    /// A uniform number below `bound`: 32 bits are drawn again while they are in the incomplete last range.
    pub fn below(&mut self, bound: u32) -> u32 {
        let ragged = (u64::from(u32::MAX) + 1) % u64::from(bound);
        loop {
            let drawn = self.0.next_u32();
            if u64::from(drawn) < u64::from(u32::MAX) + 1 - ragged {
                return drawn % bound;
            }
        }
    }

    /// A uniform 32-bit word.
    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A uniform number in [0, 1) with 24 bits.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// A uniform number in [low, high).
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Shuffles in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_never_change() {
        let mut stream = Stream::new(0, Purpose::Initialisation, 0);
        let drawn: Vec<u32> = (0..4).map(|_| stream.below(1000)).collect();
        let mut items: Vec<u32> = (0..8).collect();
        Stream::new(7, Purpose::Shuffle, 3).shuffle(&mut items);
        assert_eq!((drawn, items), (vec![766, 297, 726, 619], vec![7, 1, 4, 2, 0, 5, 6, 3]));
    }

    #[test]
    fn streams_differ_by_seed_purpose_and_part() {
        let draw = |seed, purpose, part| Stream::new(seed, purpose, part).below(u32::MAX);
        let all = [
            draw(0, Purpose::Split, 0),
            draw(1, Purpose::Split, 0),
            draw(0, Purpose::Shuffle, 0),
            draw(0, Purpose::Shuffle, 1),
        ];
        for i in 0..all.len() {
            assert!(!all[i + 1..].contains(&all[i]));
        }
    }

    #[test]
    fn uniform_numbers_fill_their_interval() {
        let mut stream = Stream::new(3, Purpose::Verification, 0);
        let drawn: Vec<f32> = (0..10_000).map(|_| stream.uniform(-2.0, 1.0)).collect();
        assert!(drawn.iter().all(|x| (-2.0..1.0).contains(x)));
        let mean = drawn.iter().sum::<f32>() / 10_000.0;
        assert!((mean + 0.5).abs() < 0.05, "{mean}");
    }
}
