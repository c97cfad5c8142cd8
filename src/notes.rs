//! Notes on an answer: why the most probable class may be wrong.

use crate::data::{Doubt, Image};
use crate::train::{Answer, most_probable};

/// Probability below which the network is reported as unsure: of MNIST's test images, 27 of the 48 that are read wrong and
/// 47 of the others.
const SURE: f64 = 0.85;
/// Probability below which what was found in the picture is reported.
const CERTAIN: f64 = 0.99;

/// An image is reported as unlike the training images from the first novelty on, which grows by the second for every factor of
/// ten by which the probability is closer to 1, up to the third. Of MNIST's test images that notes 0.5 % besides those that the
/// network is unsure of, and of scribbles three in four.
const UNLIKE: [f64; 3] = [2.2, 0.15, 6.0];

/// Returns true if an image is unlike those that the model was trained on; `probability` is that of its class.
pub fn is_unlike(answer: &Answer, probability: f64) -> bool {
    let [least, step, most] = UNLIKE;
    let sure = -libm::log10((1.0 - probability).max(1e-9));
    answer.novelty.is_some_and(|novelty| novelty > least + step * sure.min(most))
}

/// Returns true if the network is unsure of a class with this probability.
pub fn is_unsure(probability: f64) -> bool {
    probability < SURE
}

pub const NO_INK: &str = "no ink was found in the picture";

/// Why the most probable class of an image may be wrong: what was found in the picture, or how probable it is. `remedy` is
/// what to do about several characters.
pub fn note(image: &Image, answer: &Answer, remedy: &str) -> Option<String> {
    let (_, probability) = most_probable(&answer.probabilities);
    match image.doubt {
        _ if !image.ink => Some(NO_INK.into()),
        Some(Doubt::Several(count)) => Some(format!("{count} characters are in view{remedy}")),
        _ if is_unlike(answer, probability) => {
            Some("this is unlike what the model was trained on, and may be none of its classes".into())
        }
        _ if probability < SURE => Some("the network is unsure".into()),
        Some(Doubt::Cut) if probability < CERTAIN => {
            Some("the ink reaches a side of the picture, so a part may be missing".into())
        }
        Some(Doubt::Lined) if probability < CERTAIN => Some("there are lines on the paper".into()),
        _ => None,
    }
}
