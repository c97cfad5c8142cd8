//! Loads a model from bytes and classifies images.
//!
//! `cargo run --release --example predict`

use mnist_gpu::data::synthetic;
use mnist_gpu::{Device, Model, Predictor, Selection};
use std::error::Error;

pub fn main() -> Result<(), Box<dyn Error>> {
    // Any model saved by this program, or the built-in one.
    let bytes = Model::pretrained().to_bytes()?;
    let model = Model::from_bytes(&bytes)?;
    let images = synthetic::generate(7, 0, 10)?;

    let device = Device::open(&Selection::Auto, false)?;
    let predictor = Predictor::new(&device, &model, images.labels.len())?;
    let answers = predictor.run(&device, &images.images.bytes)?;
    let mut correct = 0;
    for (answer, &label) in answers.iter().zip(&images.labels) {
        let (class, probability) = answer.probabilities.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        println!("{label}: {} with probability {probability:.3}", model.class_names[class]);
        correct += usize::from(class == usize::from(label));
    }
    assert!(correct >= 8, "{correct} of 10");
    Ok(())
}
