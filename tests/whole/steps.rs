//! Whole steps on every device: kernel by kernel on the output of the kernels before it, and whole epochs against the
//! reference played separately.

use crate::{devices, play};
use mnist_gpu::Config;
use mnist_gpu::gpu::{Device, Player};
use mnist_gpu::kernels::{DeviceClass, Tiles};
use mnist_gpu::model::initialise;
use mnist_gpu::plan::names;
use mnist_gpu::random::{Purpose, Stream};
use mnist_gpu::recorder::{Options, record};
use mnist_gpu::{reference, verify};

#[test]
fn every_step_of_every_network_agrees_with_its_twin() {
    for device in devices::every(&[false, true]) {
        let report = verify::steps(&device, &Tiles::ALL).unwrap();
        println!("{} of {} epochs on {}", report.passed, report.cases, device.info);
        assert!(report.cases >= 36 && report.failures.is_empty(), "{}: {:#?}", device.info, report.failures);
        assert_eq!(report.passed, report.cases);
    }
}

/// Fills the buffers of a plan and plays some batches.
fn train(device: &Device, player: &Player, content: &[(&str, Vec<u32>)], batches: usize) {
    play::fill_device(device, player, content);
    let mut encoder = device.encoder();
    player.encode(&mut encoder, batches);
    device.wait(device.submit(encoder, &[])).unwrap();
}

/// A dispatch of several steps leaves the bits that they leave one by one.
#[test]
fn steps_side_by_side_and_one_by_one_are_the_same_to_the_bit() {
    for device in devices::every(&[false]) {
        for (name, net) in verify::networks() {
            let mut stream = Stream::new(6, Purpose::Verification, 3000);
            let set = play::noise(&net, 40, &mut stream);
            let config = Config::default().with(|c| c.batch = 12);
            let content = play::content(&set, &initialise(&net, 9), &config);
            for class in [DeviceClass::Integrated, DeviceClass::Discrete] {
                let plan = record(&net, &play::options(&set, 12, class)).unwrap();
                assert!(plan.dispatches().len() < plan.steps().len());
                let [together, alone] = [plan.clone(), plan.clone().one_by_one()].map(|plan| {
                    let player = Player::new(&device, plan, &[]).unwrap();
                    train(&device, &player, &content, 4);
                    player
                });
                for (at, buffer) in plan.buffers().iter().enumerate() {
                    let read = |player: &Player| device.read(player.buffer_at(at), 0, buffer.len).unwrap();
                    assert!(read(&together) == read(&alone), "{}: {name}, {class:?}: {}", device.info, buffer.name);
                }
            }
        }
    }
}

/// Unrolling the marked loops leaves the bits that the driver's own unrolling leaves.
#[test]
fn unrolled_loops_are_the_same_to_the_bit() {
    for mut device in devices::every(&[false]) {
        for net in ["tutorial", "three-convs", "batch-norm"] {
            let net = verify::network(net).unwrap();
            let mut stream = Stream::new(7, Purpose::Verification, 3000);
            let set = play::noise(&net, 40, &mut stream);
            let config = Config::default().with(|c| c.batch = 12);
            let content = play::content(&set, &initialise(&net, 9), &config);
            for class in DeviceClass::ALL {
                let plan = record(&net, &play::options(&set, 12, class)).unwrap();
                let [driver, text] = [false, true].map(|unrolls| {
                    device.unrolls = unrolls;
                    // SAFETY: these are the crate's own shaders, and the content is valid.
                    let player = unsafe { Player::unchecked(&device, plan.clone(), &[], |spec| spec.wgsl) }.unwrap();
                    train(&device, &player, &content, 4);
                    device.read(player.buffer(names::PARAMETERS), 0, net.arena_len()).unwrap()
                });
                assert!(driver == text, "{}: {class:?}", device.info);
            }
        }
    }
}

/// Six steps of seven images, the last one short: parameters and momentum against the reference, which is all in
/// float64.
///
/// A step moves a parameter by at most lr * |gradient|, and float32 gradients are off by about 1e-6, so rounding
/// explains 2e-6; a missing term, slice or layer is off by a thousand times as much.
#[test]
fn an_epoch_ends_where_the_reference_ends() {
    const BOUND: f64 = 2e-6;
    for device in devices::every(&[false]) {
        for (name, net) in verify::networks() {
            let mut stream = Stream::new(5, Purpose::Verification, 3000);
            let set = play::noise(&net, 40, &mut stream);
            let config = Config::default().with(|c| {
                c.batch = 7;
                c.lr = 0.02;
                c.momentum = 0.9;
            });
            let each = DeviceClass::ALL.into_iter().flat_map(|class| [(class, false), (class, true)]);
            for (class, unfused) in each {
                let options = Options { unfused, ..play::options(&set, 7, class) };
                let plan = record(&net, &options).unwrap();
                let content = play::content(&set, &initialise(&net, 9), &config);
                let player = Player::new(&device, plan.clone(), &[]).unwrap();
                let mut twin = reference::Player::new(&plan);
                play::fill_reference(&mut twin, &plan, &content);
                let start = twin.buffer(names::PARAMETERS).floats().to_vec();

                train(&device, &player, &content, 6);
                (0..6).for_each(|_| twin.step());

                let cursor = device.read(player.buffer(names::CURSOR), 0, 3).unwrap();
                assert_eq!(cursor, twin.buffer(names::CURSOR).integers());
                for buffer in [names::PARAMETERS, names::MOMENTUM] {
                    let expected = twin.buffer(buffer).floats();
                    let found = device.read(player.buffer(buffer), 0, expected.len()).unwrap();
                    for (i, (&bits, &expected)) in found.iter().zip(expected).enumerate() {
                        let found = f64::from(f32::from_bits(bits));
                        assert!(
                            found.is_finite() && (found - expected).abs() <= BOUND,
                            "{}: {name}, {class:?}, unfused {unfused}: {buffer} at {i}: {found:e}, reference {expected:e}",
                            device.info
                        );
                    }
                }
                let moved =
                    twin.buffer(names::PARAMETERS).floats().iter().zip(&start).any(|(a, b)| (a - b).abs() > 1e-3);
                assert!(moved, "{name}: nothing was learned, so nothing is proven");
            }
        }
    }
}
