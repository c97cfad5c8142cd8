//! Two models on the same images.

/// Images that only one of two models gets right, and how probable a difference of this size or a larger one is if both
/// are equally good: the exact, two-sided test of Q. McNemar, 1947.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    pub only_first: usize,
    pub only_second: usize,
    pub p: f64,
}

/// Compares which predictions are right.
pub fn paired(first: impl IntoIterator<Item = bool>, second: impl IntoIterator<Item = bool>) -> Paired {
    let (mut only_first, mut only_second) = (0, 0);
    for (first, second) in first.into_iter().zip(second) {
        only_first += usize::from(first && !second);
        only_second += usize::from(second && !first);
    }
    Paired { only_first, only_second, p: two_sided(only_first, only_second) }
}

/// Twice the probability of at most the smaller number of heads in as many throws of a coin.
fn two_sided(a: usize, b: usize) -> f64 {
    let throws = (a + b) as f64;
    let mut logarithm = -throws * std::f64::consts::LN_2;
    let mut sum = 0.0;
    for heads in 0..=a.min(b) {
        sum += libm::exp(logarithm);
        let heads = heads as f64;
        logarithm += libm::log((throws - heads) / (heads + 1.0));
    }
    (2.0 * sum).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probability_is_that_of_the_binomial_distribution() {
        // 2 * (1 + 10 + 45) / 1024, worked by hand.
        assert!((two_sided(2, 8) - 112.0 / 1024.0).abs() < 1e-12);
        assert!((two_sided(0, 5) - 2.0 / 32.0).abs() < 1e-12);
        assert_eq!((two_sided(0, 0), two_sided(3, 3)), (1.0, 1.0));
        // By the logarithm of the gamma function.
        assert!((two_sided(4000, 4200) - 0.027_972_4).abs() < 1e-6, "{}", two_sided(4000, 4200));
    }

    #[test]
    fn only_images_that_differ_count() {
        let found = paired([true, true, false, true], [true, false, true, false]);
        assert_eq!((found.only_first, found.only_second), (2, 1));
    }
}
