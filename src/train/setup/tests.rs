//! Everything that a run stores is read back to the bit.

use super::*;
use crate::model::Architecture;
use crate::optimizers::Optimizer;
use crate::random::{Purpose, Stream};
use crate::train::settings::Range;
use crate::train::{Augment, Rates, Schedule};

/// Any valid number of a range, from the smallest to the largest, with all of its bits.
fn any(stream: &mut Stream, range: Range) -> f64 {
    loop {
        let value = f64::from_bits(u64::from(stream.bits()) << 32 | u64::from(stream.bits()));
        let value = if range == Range::Percent { libm::floor(f64::from(stream.unit()) * 100.0) / 100.0 } else { value };
        if let Ok(value) = range.check(value) {
            return value;
        }
    }
}

fn any_config(stream: &mut Stream) -> Config {
    let is = |stream: &mut Stream| stream.below(2) == 1;
    let seed = u64::from(stream.bits()) << 32 | u64::from(stream.bits());
    let schedule = [
        Schedule::Constant,
        Schedule::Cosine,
        Schedule::OneCycle,
        Schedule::Step { every: 1 + stream.below(9), factor: any(stream, Range::Fraction).max(1e-30) },
    ];
    let augment = Augment {
        shift: 1.0 + any(stream, Range::Fraction),
        rotate: 1.0 + any(stream, Range::Fraction),
        ..Augment::default()
    };
    Config {
        optimizer: Optimizer::ALL[stream.below(4) as usize],
        lr: any(stream, Range::AboveZero),
        momentum: any(stream, Range::Fraction),
        weight_decay: any(stream, Range::FromZero),
        beta1: any(stream, Range::Fraction),
        beta2: any(stream, Range::Fraction),
        eps: any(stream, Range::AboveZero),
        clip: is(stream).then(|| any(stream, Range::AboveZero)),
        schedule: schedule[stream.below(4) as usize],
        dropout: is(stream).then(|| any(stream, Range::Percent)),
        temperature: any(stream, Range::AboveZero),
        alpha: any(stream, Range::Share),
        unfreeze_rate: any(stream, Range::AboveZero),
        rates: Rates(vec![
            ("conv1".into(), any(stream, Range::AboveZero)),
            ("fc2".into(), any(stream, Range::AboveZero)),
        ]),
        label_smoothing: any(stream, Range::Fraction),
        augment,
        warmup: any(stream, Range::FromZero),
        seed: if is(stream) { seed } else { seed >> stream.below(64) },
        frozen: if is(stream) { vec!["conv1".into(), "conv2".into()] } else { Vec::new() },
        patience: is(stream).then(|| 1 + stream.below(9) as usize),
        ..Config::default()
    }
}

/// Losses and rates decide which epoch is the best and what the next step does, so no bit may be lost.
#[test]
fn whatever_a_run_stores_is_read_back_to_the_bit() {
    let network = Architecture::default().network([1, 28, 28], 10).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(RESUME);
    for case in 0..300 {
        let mut stream = Stream::new(11, Purpose::Verification, case);
        let config = any_config(&mut stream);
        let recipe = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&recipe).unwrap(), config, "{recipe}");

        let told = |stream: &mut Stream, epoch| EpochReport {
            epoch,
            train_loss: any(stream, Range::FromZero),
            validation_loss: Some(any(stream, Range::FromZero)),
            validation_accuracy: Some(any(stream, Range::Share)),
            seconds: any(stream, Range::FromZero),
            images_per_second: any(stream, Range::FromZero),
        };
        let record = Record {
            command: "train".into(),
            fingerprint: "0".repeat(64),
            step: stream.bits().into(),
            epoch: 4,
            rows: 50,
            reports: (1..4).map(|epoch| told(&mut stream, epoch)).collect(),
            config,
        };
        let mut values = |count| Vec::from_iter((0..count).map(|_| any(&mut stream, Range::FromZero) as f32));
        let states = record.config.optimizer.definition().states;
        let stored = Resume {
            parameters: initialise(&network, case.into()),
            states: vec![initialise(&network, case.into()); states.len()],
            losses: values(50),
            record,
        };
        stored.save(&path, &network, states).unwrap();
        let names = |record: &Record| record.config.optimizer.definition().states;
        let read = Resume::<Record>::load(&path, &network, names).unwrap();
        assert_eq!(read.record, stored.record);
        assert!(read == stored, "{recipe}");
        assert_eq!(stored.record.check(&network, 50), Ok(()), "{recipe}");
    }
}
