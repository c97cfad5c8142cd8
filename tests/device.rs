//! What a device can do to a run: refuse, run out, get lost. Each ends with a message, and what was saved stays whole.

#[path = "common/devices.rs"]
mod devices;

use mnist_gpu::data::{DataSet, Images, Locator};
use mnist_gpu::gpu::{GpuError, Player};
use mnist_gpu::model::{Layer, Model, Network, Normalisation};
use mnist_gpu::plan::{Options, Tiles, names, record};
use mnist_gpu::train::{Config, Evaluator, Event, GpuSet, Prepared, TrainError, Trainer};
use std::path::Path;
use std::sync::atomic::AtomicBool;

fn digits() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/digits").to_string_lossy().into_owned()
}

fn prepared(epochs: usize) -> Prepared {
    let source = Locator { cache: None, offline: true }.locate(&digits(), &|_, _, _| {}).unwrap();
    let config = Config {
        data: digits(),
        epochs,
        batch: 64,
        lr: 0.01,
        momentum: 0.5,
        seed: 0,
        validation: 0,
        limit: None,
        shuffle: true,
        steps: None,
        frozen: Vec::new(),
        log_every: 100,
    };
    Prepared::train(config, source, None).unwrap()
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
        let error = Trainer::new(&device, prepared(5), &out, &stop, &lose).unwrap().train().err();
        let text = error.map(|e| e.to_string()).unwrap_or_else(|| panic!("{}: no error", device.info));
        assert!(text.contains("The checkpoint of step 10 in") && text.contains("is intact"), "{text}");
        let model = Model::load(&out).unwrap();
        assert_eq!(model.training["steps"], 10);
        // It can go on, on a device that is there.
        let again = devices::every(&[false]).into_iter().find(|d| d.info == device.info).unwrap();
        let locator = Locator { cache: None, offline: true };
        let resumed = Prepared::resume(&out, &locator, |_| {}, &|_, _, _| {}).unwrap();
        let outcome = Trainer::new(&again, resumed, &out, &stop, &|_| {}).unwrap().train().unwrap();
        assert_eq!((outcome.steps, outcome.reports.len()), (25, 5));
    }
}

#[test]
fn a_batch_that_does_not_fit_names_the_limit_and_one_that_does() {
    for device in devices::every(&[false]) {
        let (allowed, limit) = device.largest();
        // The first map of an image takes 64 MiB.
        let layers = [
            Layer::Conv { channels: 64, kernel: 1 },
            Layer::Relu,
            Layer::MaxPool { size: 16 },
            Layer::Linear { units: 2 },
        ];
        let net = Network::new([1, 512, 512], &layers).unwrap();
        let batch = (allowed / (64 << 20)) as usize + 1;
        let options = Options {
            batch,
            set: batch,
            rows: batch,
            frozen: vec![],
            inference: true,
            unfused: false,
            tiles: Tiles::of(device.info.class()),
        };
        let plan = match record(&net, &options) {
            Ok(plan) => plan,
            // More workgroups than WebGPU allows: said before the device is asked.
            Err(e) => {
                assert!(e.to_string().contains("smaller --batch"), "{e}");
                continue;
            }
        };
        let set = device.buffer(names::IMAGES, 4).unwrap();
        let text = Player::new(&device, plan, &[(names::IMAGES, &set)]).err().unwrap().to_string();
        let fits = format!("a --batch of {} would fit", batch - 1);
        assert!(text.contains("\"conv1.out\"") && text.contains(limit) && text.contains(&fits), "{text}");
    }
}

#[test]
fn a_set_that_does_not_fit_names_the_limit_and_how_many_do() {
    for device in devices::every(&[false]) {
        let (allowed, limit) = device.largest();
        if allowed > 1 << 30 {
            println!("{}: {allowed} bytes fit; not tried", device.info);
            continue;
        }
        let count = (allowed as usize).div_ceil(1 << 20) + 1;
        let images = Images { height: 1024, width: 1024, bytes: vec![0; count << 20] };
        let set = DataSet { images, labels: vec![0; count] };
        let text = GpuSet::new(&device, &set, |fits| format!(": --limit {fits}")).err().unwrap().to_string();
        let fits = format!("{0} of the {count} images would fit: --limit {0}", allowed >> 20);
        assert!(text.contains(limit) && text.contains(&fits), "{text}");
    }
}

#[test]
fn large_images_are_evaluated_in_smaller_batches() {
    for device in devices::every(&[false]) {
        let layers = [Layer::Conv { channels: 8, kernel: 3 }, Layer::Relu, Layer::Linear { units: 3 }];
        let net = Network::new([1, 128, 128], &layers).unwrap();
        let images = Images { height: 128, width: 128, bytes: (0..300 << 14).map(|i| (i * 7 % 251) as u8).collect() };
        let set = GpuSet::new(&device, &DataSet { images, labels: vec![1; 300] }, |_| String::new()).unwrap();
        let parameters = mnist_gpu::model::initialise(&net, 1).iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let parameters = device.upload(names::PARAMETERS, &parameters).unwrap();
        let normalisation = Normalisation { mean: 0.5, deviation: 0.25 };
        let evaluator = Evaluator::new(&device, &net, normalisation, &parameters, &set, 300).unwrap();
        let seen = evaluator.run(&device, &(0..300).collect::<Vec<_>>()).unwrap();
        assert!(seen.loss.iter().all(|loss| loss.is_finite() && *loss > 0.0));
        // The pattern of pixels repeats, so an image's answer must not depend on its batch.
        let one = Evaluator::new(&device, &net, normalisation, &parameters, &set, 1).unwrap();
        assert_eq!(one.run(&device, &[299]).unwrap().loss[0].to_bits(), seen.loss[299].to_bits());
    }
}

#[test]
fn what_the_driver_refuses_is_an_error_with_a_name() {
    for device in devices::every(&[false]) {
        // A buffer of the caller's that is too short for its binding.
        let net = Network::tutorial([1, 28, 28], 10).unwrap();
        let set = DataSet { images: Images { height: 28, width: 28, bytes: vec![3; 784] }, labels: vec![1] };
        let set = GpuSet::new(&device, &set, |_| String::new()).unwrap();
        let short = device.buffer(names::PARAMETERS, 64).unwrap();
        let normalisation = Normalisation { mean: 0.5, deviation: 0.25 };
        match Evaluator::new(&device, &net, normalisation, &short, &set, 1).err() {
            Some(TrainError::Gpu(GpuError::Rejected { what, .. })) if what == "conv1 forward" => {}
            other => panic!("{}: {:?}", device.info, other.map(|e| e.to_string())),
        }

        let plan = record(
            &Network::tutorial([1, 28, 28], 10).unwrap(),
            &Options {
                batch: 2,
                set: 2,
                rows: 2,
                frozen: vec![],
                inference: true,
                unfused: false,
                tiles: Tiles::of(device.info.class()),
            },
        )
        .unwrap();
        let wrong = |spec: &mnist_gpu::plan::Spec| if spec.stem == "advance" { "const batch = 1u;" } else { spec.wgsl };
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
        let error = Trainer::new(&device, run, &folder.path().join("run"), &stop, &|_| {}).unwrap().train().err();
        match error {
            Some(TrainError::Diverged { step: 2 | 3, .. }) => {}
            other => panic!("{}: {:?}", device.info, other.map(|e| e.to_string())),
        }
    }
}
