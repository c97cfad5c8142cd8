//! What the images of a network's training look like to it, so that an image that is like none of them can be told.
//!
//! The outputs of the layers below the first fully connected one, scaled to length 1, lie near a plane of few dimensions around
//! the mean of their class. The novelty of an image is how much further from that plane it lies than training images do that the
//! plane was not fitted to. This is the reconstruction error of a principal component analysis, as in H. Hoffmann, Kernel
//! PCA for novelty detection, 2007, here with linear components and a mean per class.

use crate::random::{Purpose, Stream};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Dimensions of the plane.
const DIMENSIONS: usize = 20;
/// Minimum number of images that a plane is fitted to.
const LEAST: usize = 50;
/// Rounds of the orthogonal iteration: directions that it has not separated by then have similar variances.
const ROUNDS: usize = 6;

/// Where the training images of each class lie, and how far from there others of them do.
#[derive(Clone, Debug, PartialEq)]
pub struct Novelty {
    /// Elements of each row.
    features: usize,
    classes: usize,
    /// The means of the classes, and then an orthonormal basis of the plane.
    rows: Vec<Row>,
    /// Mean and standard deviation of the distances of training images that the plane was not fitted to.
    mean: f64,
    deviation: f64,
}

/// A vector whose elements are multiples of `scale` from -31 to 31, so that each takes one character in a file.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    scale: f32,
    values: Vec<i8>,
}

impl Row {
    fn of(vector: &[f32]) -> Row {
        let largest = vector.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        // Four digits are enough, and short.
        let scale: f32 = format!("{:.3e}", largest / 31.0).parse().unwrap_or(0.0);
        let value = |x: &f32| if scale > 0.0 { (x / scale).round().clamp(-31.0, 31.0) as i8 } else { 0 };
        Row { scale, values: vector.iter().map(value).collect() }
    }

    fn vector(&self) -> impl Iterator<Item = f32> + '_ {
        self.values.iter().map(|&value| f32::from(value) * self.scale)
    }
}

impl Novelty {
    /// Fits a plane to the outputs of a layer for some training images, `features` for each. `None` if there are too few images to
    /// tell what is usual.
    pub fn fit(outputs: &[f32], features: usize, labels: &[u8], classes: usize) -> Option<Novelty> {
        let images = labels.len();
        if images < LEAST || features == 0 {
            return None;
        }
        let unit: Vec<Vec<f32>> = outputs.chunks(features).map(unit).collect();
        let mut all: Vec<usize> = (0..images).collect();
        let plane = Plane::of(&unit, labels, classes, &all);
        // Each half is measured against the plane of the other half. Classes may alternate, so the halves are at random.
        Stream::new(0, Purpose::Novelty, 1).shuffle(&mut all);
        let (first, second) = all.split_at(images / 2);
        let distances = [(first, second), (second, first)].map(|(fitted, measured)| {
            // As it would be stored.
            let plane = Plane::from_rows(&Plane::of(&unit, labels, classes, fitted).rows(), classes);
            measured.iter().map(|&at| plane.distance(&unit[at], labels[at].into())).collect::<Vec<f64>>()
        });
        let distances = distances.concat();
        let mean = distances.iter().sum::<f64>() / images as f64;
        let variance = distances.iter().map(|far| (far - mean).powi(2)).sum::<f64>() / images as f64;
        Some(Novelty { features, classes, rows: plane.rows(), mean, deviation: variance.sqrt().max(1e-6) })
    }

    /// Number of outputs of the layer.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The novelty of images, from their outputs and their classes: by how many standard deviations their distance exceeds
    /// the mean of training images.
    pub fn of(&self, outputs: &[f32], classes: &[usize]) -> Vec<f64> {
        let plane = Plane::from_rows(&self.rows, self.classes);
        let images = outputs.chunks(self.features).zip(classes);
        images.map(|(outputs, &class)| (plane.distance(&unit(outputs), class) - self.mean) / self.deviation).collect()
    }
}

/// A vector scaled to length 1.
fn unit(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter().map(|x| if length > 0.0 { x / length } else { 0.0 }).collect()
}

/// A plane through the mean of each class.
struct Plane {
    means: Vec<Vec<f32>>,
    basis: Vec<Vec<f32>>,
}

impl Plane {
    /// The means of some vectors by class, and the directions in which they differ most from those.
    fn of(vectors: &[Vec<f32>], labels: &[u8], classes: usize, chosen: &[usize]) -> Plane {
        let features = vectors[0].len();
        let mut means = vec![vec![0.0; features]; classes];
        let mut counts = vec![0.0_f32; classes];
        for &at in chosen {
            let class = usize::from(labels[at]);
            counts[class] += 1.0;
            means[class].iter_mut().zip(&vectors[at]).for_each(|(mean, x)| *mean += x);
        }
        for (mean, count) in means.iter_mut().zip(counts) {
            mean.iter_mut().for_each(|x| *x /= count.max(1.0));
        }
        let difference = |&at: &usize| {
            let mean: &Vec<f32> = &means[usize::from(labels[at])];
            vectors[at].iter().zip(mean).map(|(x, mean)| x - mean).collect()
        };
        let differences: Vec<Vec<f32>> = chosen.iter().map(difference).collect();
        let dimensions = DIMENSIONS.min(features / 4).min(chosen.len() / 10);
        Plane { basis: directions(&differences, features, dimensions, ROUNDS), means }
    }

    fn rows(&self) -> Vec<Row> {
        self.means.iter().chain(&self.basis).map(|vector| Row::of(vector)).collect()
    }

    fn from_rows(rows: &[Row], classes: usize) -> Plane {
        let mut means: Vec<Vec<f32>> = rows.iter().map(|row| row.vector().collect()).collect();
        let basis = means.split_off(classes);
        Plane { means, basis }
    }

    /// Distance of a vector from the plane through the mean of a class.
    fn distance(&self, vector: &[f32], class: usize) -> f64 {
        let away: Vec<f32> = vector.iter().zip(&self.means[class]).map(|(x, mean)| x - mean).collect();
        let square = |vector: &[f32]| vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
        let along: Vec<f32> = self.basis.iter().map(|axis| axis.iter().zip(&away).map(|(a, b)| a * b).sum()).collect();
        (square(&away) - square(&along)).max(0.0).sqrt()
    }
}

/// The directions in which vectors are largest, by orthogonal iteration: in each round a product with their covariance, and
/// orthonormalisation.
pub fn directions(vectors: &[Vec<f32>], features: usize, dimensions: usize, rounds: usize) -> Vec<Vec<f32>> {
    let mut stream = Stream::new(0, Purpose::Novelty, 0);
    // One row per feature, so that the inner loops are over dimensions.
    let mut basis: Vec<f32> = (0..features * dimensions).map(|_| stream.uniform(-1.0, 1.0)).collect();
    let mut along = vec![0.0_f32; dimensions];
    for _ in 0..rounds {
        let mut next = vec![0.0_f32; basis.len()];
        if dimensions > 0 {
            for vector in vectors {
                along.fill(0.0);
                for (x, row) in vector.iter().zip(basis.chunks_exact(dimensions)) {
                    along.iter_mut().zip(row).for_each(|(sum, axis)| *sum += x * axis);
                }
                for (x, row) in vector.iter().zip(next.chunks_exact_mut(dimensions)) {
                    row.iter_mut().zip(&along).for_each(|(sum, part)| *sum += x * part);
                }
            }
        }
        let columns = (0..dimensions).map(|at| next.iter().skip(at).step_by(dimensions).copied().collect()).collect();
        for (at, axis) in orthonormal(columns).iter().enumerate() {
            basis.iter_mut().skip(at).step_by(dimensions).zip(axis).for_each(|(to, x)| *to = *x);
        }
    }
    (0..dimensions).map(|at| basis.iter().skip(at).step_by(dimensions).copied().collect()).collect()
}

/// Makes vectors orthogonal and of length 1, or zero if they depend on those before them (modified Gram-Schmidt).
fn orthonormal(mut vectors: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    for at in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(at);
        let own = &mut rest[0];
        let length = product(own, own).sqrt();
        for other in before {
            let part = product(own, other) as f32;
            own.iter_mut().zip(other).for_each(|(x, other)| *x -= part * *other);
        }
        let left = product(own, own).sqrt();
        let scale = if left > 1e-5 * length { 1.0 / left } else { 0.0 };
        own.iter_mut().for_each(|x| *x = (f64::from(*x) * scale) as f32);
    }
    vectors
}

/// The characters of the elements of a row, for -31 and on.
const CHARACTERS: &[u8; 63] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+";

/// How it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    classes: usize,
    mean: f64,
    deviation: f64,
    scales: Vec<f32>,
    values: String,
}

impl Serialize for Novelty {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let values =
            self.rows.iter().flat_map(|row| &row.values).map(|&value| CHARACTERS[(value + 31) as usize] as char);
        let scales = self.rows.iter().map(|row| row.scale).collect();
        Stored { classes: self.classes, mean: self.mean, deviation: self.deviation, scales, values: values.collect() }
            .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Novelty {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Novelty, D::Error> {
        let Stored { classes, mean, deviation, scales, values } = Stored::deserialize(from)?;
        let value = |byte: u8| CHARACTERS.iter().position(|&known| known == byte).map(|at| at as i8 - 31);
        let values: Option<Vec<i8>> = values.bytes().map(value).collect();
        let values = values.ok_or_else(|| D::Error::custom("novelty: a character is not that of a number"))?;
        let features = values.len().checked_div(scales.len()).unwrap_or(0);
        let is_whole = features > 0 && features * scales.len() == values.len() && (1..=scales.len()).contains(&classes);
        let is_distance = mean.is_finite() && deviation.is_finite() && deviation > 0.0;
        if !(is_whole && is_distance && scales.iter().all(|scale| scale.is_finite())) {
            return Err(D::Error::custom("novelty: its numbers do not fit each other"));
        }
        let row = |(values, scale): (&[i8], f32)| Row { scale, values: values.to_vec() };
        Ok(Novelty { features, classes, rows: values.chunks(features).zip(scales).map(row).collect(), mean, deviation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of two classes near planes of three dimensions in 40, and some that are near neither.
    fn vectors(count: usize, seed: u64) -> (Vec<f32>, Vec<u8>, Vec<f32>) {
        let mut frame = Stream::new(7, Purpose::Verification, 0);
        let axes: Vec<Vec<f32>> = (0..5).map(|_| (0..40).map(|_| frame.uniform(-1.0, 1.0)).collect()).collect();
        let mut stream = Stream::new(seed, Purpose::Verification, 1);
        let (mut near, mut labels, mut far) = (Vec::new(), Vec::new(), Vec::new());
        for image in 0..count {
            let class = image % 2;
            let parts: Vec<f32> = (0..3).map(|_| stream.uniform(-0.5, 0.5)).collect();
            for feature in 0..40 {
                let plane: f32 = parts.iter().zip(&axes[2..]).map(|(part, axis)| part * axis[feature]).sum();
                near.push(2.0 * axes[class][feature] + plane + stream.uniform(-0.1, 0.1));
                far.push(2.0 * axes[class][feature] + plane + stream.uniform(-1.5, 1.5));
            }
            labels.push(class as u8);
        }
        (near, labels, far)
    }

    #[test]
    fn what_is_far_from_the_training_images_is_unlike_them() {
        let (near, labels, _) = vectors(400, 1);
        let novelty = Novelty::fit(&near, 40, &labels, 2).unwrap();
        let (near, labels, far) = vectors(1000, 2);
        let classes: Vec<usize> = labels.iter().map(|&label| label.into()).collect();
        let unlike = |vectors: &[f32]| novelty.of(vectors, &classes).iter().filter(|&&novelty| novelty > 3.0).count();
        assert!(unlike(&near) <= 20, "{} of 1000 others of the same kind", unlike(&near));
        assert_eq!(unlike(&far), 1000);
        // The brightness of an image changes nothing, and an image of nothing is unlike any.
        assert_eq!(unlike(&near.iter().map(|x| 3.0 * x).collect::<Vec<_>>()), unlike(&near));
        assert!(novelty.of(&[0.0; 40], &[0])[0] > 3.0);
        assert!(novelty.of(&near[..40], &[1])[0] > 3.0, "the second class is not the first");
    }

    #[test]
    fn it_is_stored_to_the_bit_and_checked_when_read() {
        let (near, labels, _) = vectors(100, 3);
        let novelty = Novelty::fit(&near, 40, &labels, 2).unwrap();
        let text = serde_json::to_string(&novelty).unwrap();
        assert_eq!(serde_json::from_str::<Novelty>(&text).unwrap(), novelty);
        for (from, to) in [
            ("\"classes\":2", "\"classes\":99"),
            ("\"values\":\"", "\"values\":\"A"),
            ("\"deviation\":", "\"deviation\":-"),
        ] {
            assert!(serde_json::from_str::<Novelty>(&text.replace(from, to)).is_err(), "{to}");
        }
        // Another character in place of one, so that only it is wrong.
        let at = text.find("\"values\":\"").unwrap() + 10;
        let damaged = format!("{}!{}", &text[..at], &text[at + 1..]);
        assert!(serde_json::from_str::<Novelty>(&damaged).is_err());
        assert!(Novelty::fit(&near[..400], 40, &labels[..10], 2).is_none(), "ten images say too little");
    }

    #[test]
    fn directions_are_those_of_the_largest_variance() {
        // Variances of 9, 4 and 1 along the first three axes.
        let mut stream = Stream::new(5, Purpose::Verification, 2);
        let vectors: Vec<Vec<f32>> = (0..500)
            .map(|_| {
                let mut vector = vec![0.0; 8];
                (0..3).for_each(|at| vector[at] = (3 - at) as f32 * stream.uniform(-1.7, 1.7));
                vector
            })
            .collect();
        let found = directions(&vectors, 8, 2, ROUNDS);
        assert!(found[0][0].abs() > 0.99 && found[1][1].abs() > 0.97, "{found:?}");
    }
}
