//! The last hidden layer in two dimensions.

use crate::model::directions;
use serde::Serialize;

/// Outputs of a layer along the two directions in which they vary most (principal component analysis).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Projection {
    /// The layer that reads these outputs.
    pub layer: String,
    /// Share of the variance along each direction.
    pub shares: [f64; 2],
    pub points: Vec<[f32; 2]>,
}

/// Rounds of the iteration.
const ROUNDS: usize = 60;

/// Projects rows of `features` elements. `None` without rows, or if they are all the same.
pub fn project(layer: &str, outputs: &[f32], features: usize) -> Option<Projection> {
    let rows = outputs.len() / features.max(1);
    let mean: Vec<f64> = (0..features)
        .map(|at| outputs.iter().skip(at).step_by(features).map(|&x| f64::from(x)).sum::<f64>() / rows as f64)
        .collect();
    let centre = |row: &[f32]| row.iter().zip(&mean).map(|(&x, mean)| (f64::from(x) - mean) as f32).collect();
    let centred: Vec<Vec<f32>> = outputs.chunks_exact(features.max(1)).map(centre).collect();
    let axes = directions(&centred, features, 2.min(features), ROUNDS);
    let along = |row: &Vec<f32>, axis: usize| {
        let axis = axes.get(axis).map_or(&[][..], Vec::as_slice);
        row.iter().zip(axis).map(|(&x, &a)| f64::from(x) * f64::from(a)).sum::<f64>()
    };
    let points: Vec<[f64; 2]> = centred.iter().map(|row| [along(row, 0), along(row, 1)]).collect();
    let total: f64 = centred.iter().flatten().map(|&x| f64::from(x) * f64::from(x)).sum();
    // The signs of directions are arbitrary: the point furthest along each is on its positive side.
    let furthest = |axis: usize| points.iter().map(|p| p[axis]).max_by(|a, b| a.abs().total_cmp(&b.abs()));
    let signs = [0, 1].map(|axis| if furthest(axis).unwrap_or(0.0) < 0.0 { -1.0 } else { 1.0 });
    let shares = [0, 1].map(|axis| points.iter().map(|p| p[axis] * p[axis]).sum::<f64>() / total);
    let points = points.iter().map(|p| [0, 1].map(|axis| (signs[axis] * p[axis]) as f32)).collect();
    (total > 0.0 && total.is_finite()).then(|| Projection { layer: layer.into(), shares, points })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    #[test]
    fn the_shares_and_distances_are_those_of_the_principal_components() {
        // Two directions of 30 with variances 9 and 4, and noise of variance 0.01 in all.
        let mut stream = Stream::new(2, Purpose::Verification, 0);
        let axis = |place: usize| (0..30).map(|at| f32::from(u8::from(at % 2 == place)) / 15_f32.sqrt()).collect();
        let axes: [Vec<f32>; 2] = [axis(0), axis(1)];
        let uniform = |stream: &mut Stream, deviation: f32| deviation * 3_f32.sqrt() * stream.uniform(-1.0, 1.0);
        let mut outputs = Vec::new();
        let mut parts = Vec::new();
        for _ in 0..2000 {
            let part = [uniform(&mut stream, 3.0), uniform(&mut stream, 2.0)];
            outputs.extend(
                (0..30).map(|at| 5.0 + part[0] * axes[0][at] + part[1] * axes[1][at] + uniform(&mut stream, 0.1)),
            );
            parts.push(part);
        }
        let found = project("fc2", &outputs, 30).unwrap();
        for (share, expected) in found.shares.iter().zip([9.0 / 13.3, 4.0 / 13.3]) {
            assert!((share - expected).abs() < 0.02, "{share} in place of {expected}");
        }
        // Up to signs, the points are the parts that the vectors were made of.
        for axis in [0, 1] {
            let product: f32 = found.points.iter().zip(&parts).map(|(p, part)| p[axis] * part[axis]).sum();
            let worst = found.points.iter().zip(&parts).map(|(p, part)| (p[axis].abs() - part[axis].abs()).abs());
            assert!(worst.fold(0.0, f32::max) < 0.7, "direction {axis}: {product}");
        }
        assert_eq!(project("fc2", &[1.0; 60], 30), None);
        assert_eq!(project("fc2", &[], 30), None);
    }
}
