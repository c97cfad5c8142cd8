//! The program as a library: images in memory, models as bytes, and no folders.

#[path = "common/devices.rs"]
mod devices;

use mnist_gpu::data::synthetic;
use mnist_gpu::settings::Schedule;
use mnist_gpu::train::{Prepared, Trainer};
use mnist_gpu::{Config, DataSet, Event, Fit, Model, Network, Optimizer, Predictor, evaluate};
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

fn digits(first: u32, count: u32) -> DataSet {
    synthetic::generate(5, first, count).unwrap()
}

fn network() -> Network {
    Network::tutorial([1, 28, 28], 10).unwrap()
}

fn config() -> Config {
    Config::default().with(|c| (c.epochs, c.batch, c.validation, c.lr) = (3, 32, 50, 0.05))
}

/// A run in memory gives the same bits as one in a folder, and the same models as in that folder.
#[test]
fn a_run_in_memory_comes_to_the_bits_of_one_in_a_folder() {
    for device in devices::every(&[false]) {
        let fitted = Fit::new(&device, &network(), config()).run(digits(0, 300), Some(digits(300, 60))).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let (stop, fewer) = (AtomicBool::new(false), config().with(|c| c.classes = Some(10)));
        let prepared = Prepared::in_memory(fewer, None, digits(0, 300), Some(digits(300, 60))).unwrap();
        let outcome = Trainer::new(&device, prepared, Some(&out), &stop, &|_| {}).unwrap().train().unwrap();
        assert_eq!(fitted.model.parameters, outcome.model.parameters);
        assert_eq!((fitted.correct, fitted.test.predicted.len(), fitted.stopped), (outcome.correct, 60, false));
        let [last, best] = ["model", "best"].map(|name| Model::load(&out.join(format!("{name}.safetensors"))).unwrap());
        assert_eq!(last.parameters, fitted.model.parameters);
        assert_eq!(best.parameters, fitted.best.unwrap().parameters);
    }
}

#[test]
fn a_watcher_hears_of_each_epoch_and_breaks_off() {
    for device in devices::every(&[false]) {
        let mut heard = Vec::new();
        let watch = |event: &Event| {
            if let Event::Epoch(report) = event {
                heard.push(report.epoch);
            }
            if heard.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let many = config().with(|c| c.epochs = 50);
        let fitted = Fit::new(&device, &network(), many).watch(watch).run(digits(0, 200), None).unwrap();
        assert!(fitted.stopped && fitted.reports.len() == 2 && fitted.test.predicted.is_empty());
        assert_eq!(heard, [1, 2]);
    }
}

#[test]
fn frozen_layers_of_a_model_stay_as_they_are_and_new_classes_get_a_new_head() {
    for device in devices::every(&[false]) {
        let model = Model::pretrained();
        let frozen = model.network.convolutions();
        let mut few = digits(0, 100);
        few.labels.iter_mut().for_each(|label| *label %= 3);
        let config = config().with(|c| (c.validation, c.classes, c.freeze) = (0, Some(3), frozen.clone()));
        let fitted = Fit::from_model(&device, model.clone(), config).run(few, None).unwrap();
        assert_eq!(fitted.model.network.classes(), 3);
        assert!(fitted.best.is_none());
        for (new, old) in fitted.model.network.parameters().iter().zip(model.network.parameters()) {
            let [after, before] =
                [(&fitted.model, new), (&model, old)].map(|(m, p)| &m.parameters[p.start..][..p.len()]);
            let expected = frozen.contains(&new.layer);
            assert_eq!(after == before, expected, "{}", new.name);
        }
    }
}

#[test]
fn a_model_is_the_same_from_its_bytes() {
    let model = Model::pretrained();
    let bytes = model.to_bytes().unwrap();
    let back = Model::from_bytes(&bytes).unwrap();
    assert_eq!(back, model);
    let file = tempfile::NamedTempFile::new().unwrap();
    model.save(file.path()).unwrap();
    assert_eq!(std::fs::read(file.path()).unwrap(), bytes);
    assert!(Model::from_bytes(&bytes[..bytes.len() - 1]).is_err() && Model::from_bytes(&[]).is_err());
    for device in devices::every(&[false]) {
        let mut test = digits(0, 40);
        let answers = Predictor::new(&device, &back, 40).unwrap().run(&device, &test.images.bytes).unwrap();
        let summary = evaluate(&device, &model, &mut test).unwrap();
        for (answer, (&class, &probability)) in answers.iter().zip(summary.predicted.iter().zip(&summary.probability)) {
            let largest = answer.probabilities.iter().copied().fold(0.0, f64::max);
            assert_eq!(answer.probabilities[class as usize], largest);
            assert!((largest - f64::from(probability)).abs() < 1e-5);
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    assert!(DataSet::new([28, 28], vec![0; 784 * 2], vec![0]).is_err());
    assert!(DataSet::new([28, 28], vec![0; 783], vec![0]).is_err());
    assert!(DataSet::new([0, 28], vec![], vec![0]).is_err());
    let Some(device) = devices::every(&[false]).pop() else { return };
    let run = |network: &Network, config: Config, train: DataSet, test: Option<DataSet>| {
        Fit::new(&device, network, config).run(train, test).err().map(|e| e.to_string()).unwrap_or_default()
    };
    let small = Network::tutorial([1, 20, 20], 10).unwrap();
    assert!(run(&small, config(), digits(0, 100), None).contains("28"), "images of another size");
    let two = Network::tutorial([1, 28, 28], 2).unwrap();
    assert!(run(&two, config(), digits(0, 100), None).contains("label"), "labels beyond the classes");
    let mut other = digits(0, 10);
    (other.images.height, other.images.width) = (14, 56);
    assert!(run(&network(), config(), digits(0, 100), Some(other)).contains("14"), "a test of another size");
    let none = DataSet::new([28, 28], vec![], vec![]).unwrap();
    assert!(!run(&network(), config(), none, None).is_empty(), "no images");
    for (wrong, said) in [
        (config().with(|c| c.label_smoothing = 2.0), "label_smoothing"),
        (config().with(|c| c.epochs = 0), "epochs"),
        (config().with(|c| c.schedule = Schedule::Step { every: 0, factor: 0.1 }), "step"),
        (config().with(|c| c.limit = Some(10)), "limit"),
        (config().with(|c| c.init = Some("model.safetensors".into())), "init"),
        (config().with(|c| c.optimizer = Optimizer::Adam), "momentum"),
        (Config::of(Optimizer::Rmsprop).with(|c| c.nesterov = true), "nesterov"),
    ] {
        let error = run(&network(), wrong, digits(0, 100), None);
        assert!(error.contains(said), "{said}: {error}");
    }
    let mut stray = digits(0, 10);
    stray.labels[3] = 255;
    let model = Model::pretrained();
    let error = Fit::from_model(&device, model.clone(), config()).run(digits(0, 100), Some(stray)).err().unwrap();
    assert!(error.to_string().contains("label 255"), "{error}");
    let mut one = digits(0, 100);
    one.labels.fill(3);
    assert!(run(&network(), config(), one, None).contains("one class"), "labels that are all the same");
    let predictor = Predictor::new(&device, &model, 2).unwrap();
    assert!(predictor.run(&device, &[0; 784 + 392]).is_err());
    let much = config().with(|c| c.lr = 1e30);
    assert!(run(&network(), much, digits(0, 100), None).contains("not finite"), "a training that diverges");
}
