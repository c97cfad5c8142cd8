//! Prints the steps of a forward pass, plays them on the device and on the CPU, and compares the losses.
//!
//! `cargo run --release --example play_a_plan`

use mnist_gpu::data::synthetic;
use mnist_gpu::low_level::gpu::Player;
use mnist_gpu::low_level::plan::names;
use mnist_gpu::low_level::recorder::{Options, Work, record};
use mnist_gpu::low_level::reference::{self, Tensor};
use mnist_gpu::{Device, Model, Selection};
use std::error::Error;

const BATCH: usize = 8;

pub fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::open(&Selection::Auto, false)?;
    let (model, images) = (Model::pretrained(), synthetic::generate(1, 0, BATCH as u32)?);
    let options = Options { work: Work::Infer, ..Options::new(BATCH, BATCH, BATCH, device.tiles) };
    let plan = record(&model.network, &options)?;
    for step in plan.steps() {
        println!("{:<16} {:<22} {:?}", step.label, step.kernel.stem(), step.kernel.spec().workgroups);
    }

    let on_gpu = Player::new(&device, plan.clone(), &[])?;
    let mut on_cpu = reference::Player::new(&plan);
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for (name, words) in [
        (names::IMAGES, images.images.bytes.chunks(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        (names::LABELS, images.labels.iter().map(|&label| label.into()).collect()),
        (names::ORDER, (0..BATCH as u32).collect()),
        (names::CURSOR, vec![0, 0, BATCH as u32]),
        (names::BYTE_VALUES, bits(&model.normalisation.byte_values())),
        (names::PARAMETERS, bits(&model.parameters)),
    ] {
        device.write(on_gpu.buffer(name), &words);
        let element = plan.buffers()[plan.buffer(name).ok_or("a plan without one of its inputs")?].element;
        *on_cpu.buffer(name) = Tensor::from_bits(element, &words);
    }

    let mut encoder = device.encoder();
    on_gpu.encode(&mut encoder, 1);
    device.wait(device.submit(encoder, &[]))?;
    on_cpu.step();
    let losses = device.read(on_gpu.buffer(names::LOSS), 0, BATCH)?;
    let Tensor::F(expected) = on_cpu.buffer(names::LOSS) else { return Err("a loss is a float".into()) };
    for (found, expected) in losses.iter().map(|&bits| f64::from(f32::from_bits(bits))).zip(expected) {
        println!("loss {found:.7} on the device, {expected:.7} on the CPU");
        assert!((found - *expected).abs() < 1e-4);
    }
    Ok(())
}
