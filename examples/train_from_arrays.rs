//! Trains the tutorial's network on images in memory and prints its progress. No file is read or written.
//!
//! `cargo run --release --example train_from_arrays`

use mnist_gpu::data::synthetic;
use mnist_gpu::{Config, DataSet, Device, Event, Fit, Network, Selection};
use std::error::Error;
use std::ops::ControlFlow;

/// Drawn digits stand in for your own images: one byte per pixel, in row-major order, consecutive images.
fn digits(first: u32, count: u32) -> Result<DataSet, Box<dyn Error>> {
    let drawn = synthetic::generate(1, first, count)?;
    Ok(DataSet::new([28, 28], drawn.images.bytes, drawn.labels)?)
}

pub fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::open(&Selection::Auto, false)?;
    println!("{}", device.info);
    let network = Network::tutorial([1, 28, 28], 10)?;
    let config = Config::default().with(|c| (c.epochs, c.lr, c.momentum, c.validation) = (3, 0.05, 0.9, 500));
    let fit = Fit::new(&device, &network, config).watch(|event| {
        if let Event::Epoch(report) = event {
            println!("epoch {}: loss {:.4}, {:.0} images/s", report.epoch, report.train_loss, report.images_per_second);
            // Stop once the accuracy is high enough.
            if report.validation_accuracy > Some(0.999) {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    let fitted = fit.run(digits(0, 4500)?, Some(digits(4500, 1000)?))?;
    println!("{} of {} correct", fitted.correct, fitted.test.predicted.len());
    assert!(fitted.correct > 900);
    Ok(())
}
