//! The reference's gradients against central differences of its own loss, in float64.
//!
//! A parameter is moved by ±EPS and the loss of a batch recomputed; the slope is the gradient up to EPS^2 (the idea of
//! PyTorch's gradcheck). If a step crosses a kink of relu or changes the winner of a pooling cell, there is no such
//! slope: these few are skipped and counted.

use crate::play;
use mnist_gpu::Config;
use mnist_gpu::kernels::DeviceClass;
use mnist_gpu::layers::Layer;
use mnist_gpu::model::{Network, initialise};
use mnist_gpu::plan::{Plan, names};
use mnist_gpu::random::{Purpose, Stream};
use mnist_gpu::recorder::{Options, Work, record};
use mnist_gpu::reference::{Player, Tensor};
use mnist_gpu::verify::networks;

const EPS: f64 = 1e-5;
/// Error of central differences: EPS^2, and the loss's rounding over EPS.
const ABSOLUTE: f64 = 2e-9;
const RELATIVE: f64 = 1e-5;
/// Elements checked per tensor.
const LOOKED_AT: usize = 12;
const BATCH: usize = 3;

/// Mean loss of the batch, and the side of each kink it was computed on.
fn loss(plan: &Plan, content: &[(&str, Vec<u32>)], parameters: &[f64]) -> (f64, Vec<u32>) {
    let mut player = Player::new(plan);
    play::fill_reference(&mut player, plan, content);
    *player.buffer(names::PARAMETERS) = Tensor::F(parameters.to_vec());
    player.step();
    let mean = player.buffer(names::LOSS).floats().iter().sum::<f64>() / BATCH as f64;
    let mut sides = Vec::new();
    for buffer in plan.buffers() {
        if buffer.name.ends_with(".winner") {
            sides.extend(player.buffer(&buffer.name).integers());
        } else if buffer.name.ends_with(".out") {
            sides.extend(player.buffer(&buffer.name).floats().iter().map(|y| u32::from(*y > 0.0)));
        }
    }
    (mean, sides)
}

fn check(name: &str, net: &Network, unfused: bool, weighted: bool) {
    let mut stream = Stream::new(11, Purpose::Verification, 2000);
    let set = play::noise(net, BATCH, &mut stream);
    let options = Options { unfused, weighted, ..play::options(&set, BATCH, DeviceClass::Integrated) };
    let plan = record(net, &options).unwrap();
    // Evaluation has no dropout and no weights, and uses the running statistics: these use the loss of training.
    let differs = weighted || net.layers().iter().any(|layer| matches!(layer, Layer::Dropout(_) | Layer::BatchNorm(_)));
    let work = if differs { Work::Train } else { Work::Infer };
    let forward = record(net, &Options { work, ..options }).unwrap();
    let config = Config::default().with(|c| {
        c.batch = BATCH;
        c.lr = 0.0;
        c.label_smoothing = 0.1;
    });
    let mut content = play::content(&set, &initialise(net, 3), &config);
    if weighted {
        let weights = (0..net.classes()).map(|class| (0.5 + class as f32).to_bits());
        content.push((names::CLASS_WEIGHTS, weights.collect()));
    }

    let mut player = Player::new(&plan);
    play::fill_reference(&mut player, &plan, &content);
    let parameters = player.buffer(names::PARAMETERS).floats().to_vec();
    player.step();
    let slices = player.buffer(names::GRADIENTS).floats().to_vec();

    let (mut looked, mut kinks) = (0, 0);
    for p in net.parameters().iter().filter(|p| p.learns) {
        let gradient = play::gradient(&plan, net, &p.name, &slices);
        assert!(gradient.iter().any(|g| *g != 0.0), "{name}: {} has no gradient at all", p.name);
        for _ in 0..LOOKED_AT.min(p.len()) {
            let at = stream.below(p.len() as u32) as usize;
            let moved = |by: f64| {
                let mut moved = parameters.clone();
                moved[p.start + at] += by;
                loss(&forward, &content, &moved)
            };
            let (up, down) = (moved(EPS), moved(-EPS));
            looked += 1;
            if up.1 != down.1 {
                kinks += 1;
                continue;
            }
            let slope = (up.0 - down.0) / (2.0 * EPS);
            let difference = (slope - gradient[at]).abs();
            assert!(
                difference <= ABSOLUTE + RELATIVE * slope.abs(),
                "{name}, unfused {unfused}: {} at {at}: slope {slope:e}, gradient {:e}",
                p.name,
                gradient[at]
            );
        }
    }
    println!("{name}, unfused {unfused}: {looked} slopes agree, {kinks} left out at kinks");
    assert!(kinks * 10 <= looked, "{name}: {kinks} of {looked} lie at kinks");
}

#[test]
fn gradients_are_slopes_in_every_network_fused_and_unfused() {
    for (name, net) in networks() {
        check(&name, &net, false, false);
        check(&name, &net, true, false);
    }
}

/// Weights of classes, with smoothed labels.
#[test]
fn gradients_are_slopes_of_the_weighted_loss() {
    for (name, net) in networks().into_iter().take(1) {
        check(&name, &net, false, true);
    }
}
