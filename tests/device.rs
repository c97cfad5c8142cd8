//! Device failures during a run: refusal, lack of memory, loss. Each ends with a message, and saved data stays intact.

#[path = "common/devices.rs"]
mod devices;

use mnist_gpu::Config;
use mnist_gpu::data::{DataSet, Images, Locator};
use mnist_gpu::gpu::{GpuError, Player};
use mnist_gpu::kernels::{Activation, Tiles};
use mnist_gpu::layers::Layer;
use mnist_gpu::model::{Model, Network, Normalisation};
use mnist_gpu::plan::names;
use mnist_gpu::recorder::{Options, Work, record};
use mnist_gpu::train::{Evaluator, Event, GpuSet, Prepared, TrainError, Trainer};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

fn digits() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/digits").to_string_lossy().into_owned()
}

fn prepared(epochs: usize) -> Prepared {
    prepared_with(epochs, |_| {})
}

fn prepared_with(epochs: usize, change: impl FnOnce(&mut Config)) -> Prepared {
    let source = Locator { offline: true, ..Locator::default() }.locate(digits(), &|_, _, _| {}).unwrap();
    let mut config = Config::default().with(|c| {
        c.data = digits().into();
        c.epochs = epochs;
        c.validation = 0;
    });
    change(&mut config);
    Prepared::train(config, source).unwrap()
}

#[test]
fn a_lost_device_ends_the_run_and_leaves_the_last_checkpoint_whole() {
    for device in devices::every(&[false]) {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let stop = AtomicBool::new(false);
        let lose = |event: &Event| {
            if matches!(event, Event::Epoch(report) if report.epoch == 2) {
                device.destroy();
            }
        };
        let error = Trainer::new(&device, prepared(5), Some(&out), &stop, &lose).unwrap().train().err();
        let text = error.map(|e| e.to_string()).unwrap_or_else(|| panic!("{}: no error", device.info));
        assert!(text.contains("The checkpoint of step 10 in") && text.contains("is intact"), "{text}");
        let model = Model::load(&out).unwrap();
        assert_eq!(model.training["steps"], 10);
        // The run can be resumed on a device that works.
        let again = devices::every(&[false]).into_iter().find(|d| d.info == device.info).unwrap();
        let locator = Locator { offline: true, ..Locator::default() };
        let resumed = Prepared::resume(&out, &locator, |_| {}, &|_, _, _| {}).unwrap();
        let outcome = Trainer::new(&again, resumed, Some(&out), &stop, &|_| {}).unwrap().train().unwrap();
        assert_eq!((outcome.steps, outcome.reports.len()), (25, 5));
    }
}

#[test]
fn a_batch_that_does_not_fit_names_the_limit_and_one_that_does() {
    for device in devices::every(&[false]) {
        let (allowed, limit) = device.largest();
        // The first map of an image takes 64 MiB.
        let layers = [Layer::conv(64, 1), Activation::Relu.into(), Layer::max_pool(16), Layer::linear(2)];
        let net = Network::new([1, 512, 512], &layers).unwrap();
        let batch = (allowed / (64 << 20)) as usize + 1;
        let tiles = Tiles::of(device.info.class());
        let options = Options { work: Work::Infer, ..Options::new(batch, batch, batch, tiles) };
        let plan = match record(&net, &options) {
            Ok(plan) => plan,
            // More workgroups than WebGPU allows, 262,144 per image: reported before the device is used.
            Err(e) => {
                assert!(e.to_string().contains("not one image would fit"), "{e}");
                continue;
            }
        };
        let set = device.buffer(names::IMAGES, 4).unwrap();
        let text = Player::new(&device, plan, &[(names::IMAGES, &set)]).err().unwrap().to_string();
        let fits = format!("a `batch` of {} would fit", batch - 1);
        assert!(text.contains("\"conv1.out\"") && text.contains(limit) && text.contains(&fits), "{text}");
    }
}

/// The streaming window does not even hold one batch.
#[test]
fn a_batch_of_images_that_does_not_fit_names_the_limit_and_how_many_do() {
    for mut device in devices::every(&[false]) {
        device.device_memory = Some(10_000);
        let images = Images { height: 28, width: 28, bytes: vec![1; 20 * 784] };
        let mut set = DataSet { images, labels: vec![0; 20] };
        let text = GpuSet::new(&device, &mut set, 16, 10).err().unwrap().to_string();
        assert!(text.contains("`device_memory` is 10000") && text.contains("12 images would fit"), "{text}");
    }
}

/// Streaming a set through a window of a few images gives the same bits as a set that is on the device as a whole: in
/// training, with validation, and in the test.
#[test]
fn a_streamed_set_trains_to_the_same_bits() {
    for mut device in devices::every(&[false]) {
        let mut train = |memory: Option<u64>| {
            device.device_memory = memory;
            let folder = tempfile::tempdir().unwrap();
            let mut run = prepared_with(2, |config| config.validation = 50);
            assert!(run.held_out.len() == 50 && run.config.shuffle);
            let whole = GpuSet::new(&device, &mut run.train.clone(), 1, 10).unwrap();
            assert_eq!(whole.is_streamed(), memory.is_some());
            run.config.batch = 16;
            let stop = AtomicBool::new(false);
            let outcome =
                Trainer::new(&device, run, Some(&folder.path().join("run")), &stop, &|_| {}).unwrap().train().unwrap();
            let bits = outcome.model.parameters.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            (bits, outcome.test.predicted, outcome.reports.iter().map(|r| r.validation_loss).collect::<Vec<_>>())
        };
        let whole = train(None);
        // 40 images of 784 bytes, out of hundreds.
        assert_eq!(train(Some(40 * 784)), whole, "{}", device.info);
    }
}

/// Features of frozen layers, kept or recomputed in each epoch, give the same bits; an event says which.
#[test]
fn features_that_are_kept_train_to_the_same_bits_as_computed_ones() {
    for mut device in devices::every(&[false]) {
        let mut train = |memory: Option<u64>| {
            device.device_memory = memory;
            let folder = tempfile::tempdir().unwrap();
            // A short last batch, and held-out images.
            let run = prepared_with(2, |config| {
                config.freeze = vec!["conv1".into(), "conv2".into()];
                (config.batch, config.validation) = (48, 50);
            });
            let (stop, kept) = (AtomicBool::new(false), AtomicBool::new(false));
            let tell = |event: &Event| {
                if let Event::Features { images, layers, .. } = event {
                    assert_eq!((*images, layers.concat()), (320, "conv1conv2".into()));
                    kept.store(true, Ordering::Relaxed);
                }
            };
            let out = folder.path().join("run");
            let outcome = Trainer::new(&device, run, Some(&out), &stop, &tell).unwrap().train().unwrap();
            let bits = outcome.model.parameters.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            (bits, outcome.dispatches_per_step, kept.into_inner())
        };
        let (kept, computed) = (train(None), train(Some(320 * 784)));
        assert!(kept.2 && !computed.2 && kept.1 < computed.1, "{} {}", kept.1, computed.1);
        assert_eq!(kept.0, computed.0, "{}", device.info);
    }
}

#[test]
fn large_images_are_evaluated_in_smaller_batches() {
    for device in devices::every(&[false]) {
        let layers = [Layer::conv(8, 3), Activation::Relu.into(), Layer::linear(3)];
        let net = Network::new([1, 128, 128], &layers).unwrap();
        let images = Images { height: 128, width: 128, bytes: (0..300 << 14).map(|i| (i * 7 % 251) as u8).collect() };
        let set = GpuSet::new(&device, &mut DataSet { images, labels: vec![1; 300] }, 1, 3).unwrap();
        let parameters = mnist_gpu::model::initialise(&net, 1).iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let parameters = device.upload(names::PARAMETERS, &parameters).unwrap();
        let normalisation = Normalisation { mean: 0.5, std: 0.25 };
        let evaluator = Evaluator::new(&device, &net, normalisation, &parameters, &set, 300).unwrap();
        let seen = evaluator.run(&device, &set, &(0..300).collect::<Vec<_>>()).unwrap();
        assert!(seen.loss.iter().all(|loss| loss.is_finite() && *loss > 0.0));
        // The pattern of pixels repeats, so an image's result must not depend on its batch.
        let one = Evaluator::new(&device, &net, normalisation, &parameters, &set, 1).unwrap();
        assert_eq!(one.run(&device, &set, &[299]).unwrap().loss[0].to_bits(), seen.loss[299].to_bits());
    }
}

#[test]
fn what_the_driver_refuses_is_an_error_with_a_name() {
    for device in devices::every(&[false]) {
        // A buffer from the caller that is too short for its binding.
        let net = Network::tutorial([1, 28, 28], 10).unwrap();
        let mut set = DataSet { images: Images { height: 28, width: 28, bytes: vec![3; 784] }, labels: vec![1] };
        let set = GpuSet::new(&device, &mut set, 1, 10).unwrap();
        let short = device.buffer(names::PARAMETERS, 64).unwrap();
        let normalisation = Normalisation { mean: 0.5, std: 0.25 };
        match Evaluator::new(&device, &net, normalisation, &short, &set, 1).err() {
            Some(TrainError::Gpu(GpuError::Rejected { what, .. })) if what == "conv1 forward" => {}
            other => panic!("{}: {:?}", device.info, other.map(|e| e.to_string())),
        }

        let plan = record(
            &Network::tutorial([1, 28, 28], 10).unwrap(),
            &Options { work: Work::Infer, ..Options::new(2, 2, 2, Tiles::of(device.info.class())) },
        )
        .unwrap();
        let wrong = |spec: &mnist_gpu::kernels::Spec| {
            if spec.stem == "advance" { "// The plan sets:\nconst batch = 1u;" } else { spec.wgsl }
        };
        let error = Player::with_sources(&device, plan, &[], wrong).err().unwrap();
        assert!(matches!(&error, GpuError::Bindings { kernel, .. } if kernel == "advance"), "{error}");
    }
}

#[test]
fn a_run_that_diverges_stops_at_that_step() {
    for device in devices::every(&[false]) {
        let folder = tempfile::tempdir().unwrap();
        let mut run = prepared(1);
        run.config.lr = 1e30;
        let stop = AtomicBool::new(false);
        let error = Trainer::new(&device, run, Some(&folder.path().join("run")), &stop, &|_| {}).unwrap().train().err();
        match error {
            Some(TrainError::Diverged { step: 2 | 3, .. }) => {}
            other => panic!("{}: {:?}", device.info, other.map(|e| e.to_string())),
        }
    }
}

/// Shader bodies are bounded for every network that can be recorded. An unbounded one takes minutes to compile, or
/// never ends.
#[test]
fn the_largest_cells_and_kernels_are_compiled() {
    for device in devices::every(&[false]) {
        // The last value says whether one kernel convolves and pools.
        for (channels, kernel, pool, side, fused) in [
            (10, 5, 6, 28, true),
            (4, 3, 13, 28, false),
            (2, 1, 7, 28, true),
            (10, 5, 24, 28, false),
            (4, 28, 2, 40, false),
        ] {
            let conv = |kernel| Layer::conv(channels, kernel);
            // The first convolution makes the second one propagate its gradient.
            let layers = [conv(1), conv(kernel), Layer::max_pool(pool), Activation::Relu.into(), Layer::linear(2)];
            let net = Network::new([1, side, side], &layers).unwrap();
            let plan = record(&net, &Options::new(2, 2, 2, device.tiles)).unwrap();
            let pools = plan.steps().iter().any(|step| step.kernel.stem() == "max_pool_forward");
            assert_eq!(pools, !fused, "kernel {kernel}, pool {pool}");
            let player = Player::new(&device, plan, &[]).unwrap();
            device.write(player.buffer(names::CURSOR), &[0, 0, 2]);
            let mut encoder = device.encoder();
            player.encode(&mut encoder, 1);
            let cursor = device.wait(device.submit(encoder, &[(player.buffer(names::CURSOR), 0, 1)])).unwrap();
            assert_eq!(cursor, [[1]], "{}: {channels} channels, kernel {kernel}, pool {pool}", device.info);
        }
    }
}

/// A device that stops responding is given up in time, and nothing waits for it afterwards.
#[test]
fn a_silent_device_is_given_up_and_left_alone() {
    let (mut given_up, devices) = (0, devices::every(&[false]));
    let any = !devices.is_empty();
    for mut device in devices {
        let net = Network::tutorial([1, 28, 28], 10).unwrap();
        let plan = record(&net, &Options::new(1024, 1024, 1024, device.tiles)).unwrap();
        let player = Player::new(&device, plan, &[]).unwrap();
        device.write(player.buffer(names::CURSOR), &[0, 0, 1024]);
        // Compiled before the clock starts.
        let submit = |device: &mnist_gpu::gpu::Device, batches| {
            let mut encoder = device.encoder();
            player.encode(&mut encoder, batches);
            device.submit(encoder, &[(player.buffer(names::CURSOR), 0, 1)])
        };
        device.wait(submit(&device, 1)).unwrap();
        device.patience = std::time::Duration::ZERO;
        let began = std::time::Instant::now();
        // Far more work than can be done in no time.
        let pending = submit(&device, 10);
        let submitted = began.elapsed();
        match device.wait(pending) {
            Err(GpuError::Silent(0)) => given_up += 1,
            Err(error) => panic!("{}: {error}", device.info),
            // Some drivers do the work during submission.
            Ok(_) => println!("{}: done when it was submitted, after {submitted:?}", device.info),
        }
        // Here the driver would be waited for if it responds.
        device.patience = std::time::Duration::from_secs(120);
        device.read(player.buffer(names::CURSOR), 0, 1).unwrap();
    }
    assert!(given_up > 0 || !any, "no device was still at work");
}

/// Labels beyond the classes and indices beyond the set never reach a kernel.
#[test]
fn what_kernels_believe_is_checked_on_its_way_to_the_device() {
    for device in devices::every(&[false]) {
        let set = |labels: Vec<u8>| DataSet { images: Images { height: 2, width: 2, bytes: vec![0; 12] }, labels };
        let error = |labels: Vec<u8>| GpuSet::new(&device, &mut set(labels), 1, 3).err().map(|e| e.to_string());
        assert_eq!(error(vec![0, 1, 2]), None);
        assert!(error(vec![0, 3, 2]).unwrap().contains("label 3 at index 1"));
        assert!(error(vec![0, 1]).unwrap().contains("3 images and 2 labels"));
        let held = GpuSet::new(&device, &mut set(vec![0, 1, 2]), 1, 3).unwrap();
        let buffer = device.buffer(names::ORDER, 3).unwrap();
        let beyond = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| held.begin(&device, &buffer, &[0, 3])));
        assert!(beyond.is_err());
    }
}
