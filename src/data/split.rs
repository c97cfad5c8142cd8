//! Which images are trained on, and in which order.

use super::DataError;
use crate::random::{Purpose, Stream};
use crate::words::words;

/// Folder names of the parts, case-insensitive.
pub(super) const PARTS: [[&str; 2]; 3] = [["train", "training"], ["val", "validation"], ["test", "testing"]];

/// Returns true for a name that a folder of a part may have.
pub fn means_part(name: &str) -> bool {
    PARTS.iter().flatten().any(|part| *part == name.to_lowercase())
}

words! {
    /// How the test part of a set with folders of writers is chosen.
    pub enum SplitBy {
        /// A fifth of the writers, so that all hands of the test part are new
        writer Writer,
        /// A fifth of the pictures of each class
        picture Picture,
    }
}

#[expect(clippy::derivable_impls, reason = "the macro defines the enum")]
impl Default for SplitBy {
    fn default() -> SplitBy {
        SplitBy::Writer
    }
}

/// One of this many images of each class, or writers, is kept for the test part of a set that has none.
pub(super) const TEST: usize = 5;

/// Takes the test images of a class out of its images, by seed. Both are in random order.
pub(super) fn take_test<T>(images: &mut Vec<T>, seed: u64, class: usize) -> Vec<T> {
    Stream::new(seed, Purpose::Folder, class as u32).shuffle(images);
    let rest = images.split_off(images.len().div_ceil(TEST));
    std::mem::replace(images, rest)
}

/// Splits the first `images` indices of a file into those to train on and those held out for validation, by seed. Both
/// are in file order.
///
/// # Errors
/// If so many are held out that none are left.
pub fn hold_out(images: usize, validation: usize, seed: u64) -> Result<(Vec<u32>, Vec<u32>), DataError> {
    if validation >= images {
        return Err(DataError::Validation { validation, images });
    }
    let mut indices: Vec<u32> = (0..images as u32).collect();
    if validation > 0 {
        Stream::new(seed, Purpose::Split, 0).shuffle(&mut indices);
    }
    let mut held = indices.split_off(images - validation);
    held.sort_unstable();
    indices.sort_unstable();
    Ok((indices, held))
}

/// Indices in the order of an epoch, which counts from 1: shuffled by seed and epoch, or unchanged.
pub fn epoch_order(indices: &[u32], seed: u64, epoch: usize, shuffle: bool) -> Vec<u32> {
    let mut order = indices.to_vec();
    if shuffle {
        Stream::new(seed, Purpose::Shuffle, epoch as u32).shuffle(&mut order);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_on_one_side() {
        let (train, held) = hold_out(100, 30, 7).unwrap();
        assert_eq!((train.len(), held.len()), (70, 30));
        let mut all = [train.clone(), held.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(hold_out(100, 30, 7).unwrap(), (train.clone(), held));
        assert_ne!(hold_out(100, 30, 8).unwrap().0, train);
        assert_eq!(hold_out(3, 0, 7).unwrap(), (vec![0, 1, 2], vec![]));
        assert!(hold_out(100, 100, 7).is_err());
    }

    #[test]
    fn epochs_differ_and_repeat() {
        let indices: Vec<u32> = (10..60).collect();
        let first = epoch_order(&indices, 1, 1, true);
        assert_ne!(first, epoch_order(&indices, 1, 2, true));
        assert_eq!(first, epoch_order(&indices, 1, 1, true));
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, indices);
        assert_eq!(epoch_order(&indices, 1, 1, false), indices);
    }
}
