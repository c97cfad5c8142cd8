//! Images whose label is probably wrong.

use serde::Serialize;

/// An image whose label the network doubts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    pub image: usize,
    pub label: usize,
    /// The class that it more probably belongs to.
    pub other: usize,
    /// Probabilities of the two.
    pub of_label: f64,
    pub of_other: f64,
}

/// The suspects among images that the network was not trained on, the least probable label first.
///
/// An image is suspect if another class is at least as probable as that class usually is for the images labelled with it
/// (C. Northcutt et al., Confident Learning, 2021).
pub fn suspects(probabilities: &[Vec<f64>], labels: &[u8], classes: usize) -> Vec<Suspect> {
    let mut usual = vec![0.0; classes];
    let mut images = vec![0_usize; classes];
    for (probabilities, &label) in probabilities.iter().zip(labels) {
        usual[usize::from(label)] += probabilities[usize::from(label)];
        images[usize::from(label)] += 1;
    }
    usual.iter_mut().zip(&images).for_each(|(sum, &images)| *sum /= images as f64);
    let suspect = |(image, (probabilities, &label)): (usize, (&Vec<f64>, &u8))| {
        let label = usize::from(label);
        // A class without images has no usual probability; NaN is never reached.
        let others = (0..classes).filter(|&class| class != label && probabilities[class] >= usual[class]);
        let other = others.max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]))?;
        let (of_label, of_other) = (probabilities[label], probabilities[other]);
        (of_other > of_label).then_some(Suspect { image, label, other, of_label, of_other })
    };
    let mut found: Vec<Suspect> = probabilities.iter().zip(labels).enumerate().filter_map(suspect).collect();
    found.sort_by(|a, b| a.of_label.total_cmp(&b.of_label));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    #[test]
    fn labels_that_were_swapped_are_suspect() {
        let mut stream = Stream::new(1, Purpose::Verification, 0);
        let (mut probabilities, mut labels, mut swapped) = (Vec::new(), Vec::new(), Vec::new());
        for image in 0..1000_usize {
            let class = image % 4;
            let mut row = [0.02; 4];
            row[class] = 0.94 - f64::from(stream.uniform(0.0, 0.4));
            row[(class + 1) % 4] += 0.94 - row[class];
            probabilities.push(row.to_vec());
            // The label of one image in a hundred is another.
            let is_swapped = image % 100 == 7;
            labels.push(if is_swapped { (class + 2) % 4 } else { class } as u8);
            if is_swapped {
                swapped.push(image);
            }
        }
        let found = suspects(&probabilities, &labels, 4);
        assert!(found.len() <= 10);
        let hit = found.iter().filter(|one| swapped.contains(&one.image)).count();
        // Those with an unusually uncertain class are not.
        assert!(hit == found.len() && hit >= 3, "{found:?}");
        assert!(found.is_sorted_by(|a, b| a.of_label <= b.of_label));
    }

    #[test]
    fn a_class_without_images_and_a_number_that_is_none_raise_no_suspicion() {
        let rows = [vec![0.1, 0.1, 0.8], vec![f64::NAN; 3], vec![0.2, 0.7, 0.1], vec![0.1, 0.9, 0.0]];
        let found = suspects(&rows[..1], &[0], 3);
        assert!(found.is_empty(), "{found:?}");
        assert!(suspects(&rows[..2], &[0, 1], 3).is_empty());
        // Class 1 is usually 0.7 to 0.9.
        let found = suspects(&rows[2..], &[1, 0], 3);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].image, found[0].label, found[0].other), (1, 0, 1));
    }
}
