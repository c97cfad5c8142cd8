//! Fine-tunes a trained network for other classes, with its convolutions frozen: their gradients are not computed.
//!
//! `cargo run --release --example finetune_frozen`

use mnist_gpu::data::synthetic;
use mnist_gpu::{Config, DataSet, Device, Fit, Model, Selection, evaluate};
use std::error::Error;

/// Digits whose class is their parity: 0 for even, 1 for odd.
fn parity(first: u32, count: u32) -> Result<DataSet, Box<dyn Error>> {
    let drawn = synthetic::generate(3, first, count)?;
    let labels = drawn.labels.iter().map(|label| label % 2).collect();
    Ok(DataSet::new([28, 28], drawn.images.bytes, labels)?)
}

pub fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::open(&Selection::Auto, false)?;
    let model = Model::pretrained();
    let before = model.clone();
    let frozen = model.network.convolutions();
    println!("{} of {} parameters learn", model.network.trainable_count(&frozen), model.network.parameter_count());

    let config = Config::default()
        .with(|c| (c.classes, c.freeze, c.epochs, c.lr, c.validation) = (Some(2), frozen, 10, 0.05, 0));
    let fitted = Fit::from_model(&device, model, config).run(parity(0, 500)?, None)?;

    let conv1 = &fitted.model.network.parameters()[0];
    let values = conv1.start..conv1.start + conv1.len();
    assert_eq!(fitted.model.parameters[values.clone()], before.parameters[values]);
    let mut test = parity(500, 500)?;
    let labels = test.labels.clone();
    let correct = evaluate(&device, &fitted.model, &mut test)?.correct(labels);
    println!("{correct} of 500 correct");
    assert!(correct > 450);
    Ok(())
}
