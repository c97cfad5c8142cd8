//! Weights of classes in the loss.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::str::FromStr;

/// Weights of classes in the loss, as in PyTorch's `cross_entropy`: written `none`, `balanced`, or as a list such as
/// `1,2.5,1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClassWeights {
    None,
    /// Inversely proportional to the number of training images of a class, so that every class counts the same.
    Balanced,
    /// One weight per class.
    List(Vec<f64>),
}

impl ClassWeights {
    /// The weight of each class, for training images with these labels; `None` without weights. Classes without images
    /// have a weight of 1.
    ///
    /// # Errors
    /// If a list does not have one weight per class.
    pub fn of(&self, labels: impl Iterator<Item = u8>, classes: usize) -> Result<Option<Vec<f32>>, String> {
        match self {
            ClassWeights::None => Ok(None),
            ClassWeights::Balanced => {
                let mut counts = vec![0_u32; classes];
                labels.for_each(|label| counts[usize::from(label)] += 1);
                let present = counts.iter().filter(|&&count| count > 0).count() as f64;
                let mean = f64::from(counts.iter().sum::<u32>()) / present;
                let weight = |&count: &u32| if count == 0 { 1.0 } else { (mean / f64::from(count)) as f32 };
                Ok(Some(counts.iter().map(weight).collect()))
            }
            ClassWeights::List(list) if list.len() != classes => {
                Err(format!("{} weights for {classes} classes; give one weight per class, or `balanced`", list.len()))
            }
            ClassWeights::List(list) => Ok(Some(list.iter().map(|&weight| weight as f32).collect())),
        }
    }
}

impl Display for ClassWeights {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ClassWeights::None => f.write_str("none"),
            ClassWeights::Balanced => f.write_str("balanced"),
            ClassWeights::List(list) => f.write_str(&list.iter().map(f64::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

impl FromStr for ClassWeights {
    type Err = String;

    fn from_str(text: &str) -> Result<ClassWeights, String> {
        match text {
            "none" => Ok(ClassWeights::None),
            "balanced" => Ok(ClassWeights::Balanced),
            list => {
                // Sums and products of these are normal float32 numbers.
                let weight = |text: &str| text.trim().parse().ok().filter(|weight| (1e-6..=1e6).contains(weight));
                let weights = list.split(',').map(weight).collect::<Option<_>>().map(ClassWeights::List);
                weights.ok_or_else(|| {
                    "it takes none, balanced, or a weight from 1e-6 to 1e6 per class, such as 1,2.5,1".into()
                })
            }
        }
    }
}

crate::text::serde_as_text!(ClassWeights);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balanced_class_counts_the_same_as_any_other() {
        let labels = [0, 0, 0, 0, 0, 0, 2, 2, 2];
        let weights = ClassWeights::Balanced.of(labels.into_iter(), 4).unwrap().unwrap();
        // Means over images: 4.5 images per class that occurs.
        assert_eq!(weights, [0.75, 1.0, 1.5, 1.0]);
    }

    #[test]
    fn a_list_has_a_weight_for_each_class() {
        let list: ClassWeights = "1, 2.5,1e-3".parse().unwrap();
        assert_eq!(list.to_string().parse(), Ok(list.clone()));
        assert_eq!(list.of([].into_iter(), 3), Ok(Some(vec![1.0, 2.5, 0.001])));
        assert_eq!(
            list.of([].into_iter(), 10),
            Err("3 weights for 10 classes; give one weight per class, or `balanced`".into())
        );
        for wrong in ["", "1,,2", "0,1", "-1,1", "nan,1", "1e-7,1", "1,2e6", "some"] {
            assert!(wrong.parse::<ClassWeights>().unwrap_err().contains("from 1e-6 to 1e6 per class"), "{wrong}");
        }
    }
}
