//! Everything that a run stores is read back to the bit.

use super::super::OldRecord;
use super::*;
use crate::data::SplitBy;
use crate::kernels::{Activation, Tiles};
use crate::model::Architecture;
use crate::optimizers::Optimizer;
use crate::random::{Purpose, Stream};
use crate::settings::{Augment, ClassWeights, Count, Range, Rates, Recipe, Schedule, Setting, TileSizes, Value, Visit};
use crate::train::folder::RESUME;
use std::any::Any;
use std::convert::Infallible;

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

/// Sets every number and switch to any valid value; optional ones in half of the cases.
struct Randomise<'a>(&'a mut Stream);

impl Visit for Randomise<'_> {
    type Error = Infallible;

    fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), Infallible> {
        let (stream, check): (_, &dyn Any) = (&mut *self.0, &setting.options.check);
        if setting.default.is_none() && stream.below(2) == 0 {
            return Ok(());
        }
        let bits = u64::from(stream.bits()) << 32 | u64::from(stream.bits());
        let count = check.downcast_ref().map(|Count(least, most)| least + (bits >> stream.below(64)) % (most - least));
        let value: &mut dyn Any = value;
        if let Some(value) = value.downcast_mut::<Option<f64>>() {
            *value = check.downcast_ref().map(|&range| any(stream, range));
        } else if let Some(value) = value.downcast_mut::<Option<usize>>() {
            *value = count.map(|count| count as usize);
        } else if let Some(value) = value.downcast_mut::<Option<u64>>() {
            *value = count;
        } else if let Some(value) = value.downcast_mut::<Option<bool>>() {
            *value = Some(stream.below(2) == 1);
        }
        Ok(())
    }
}

fn any_config(stream: &mut Stream) -> Config {
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
    let rates = ["conv1", "fc2"].map(|layer| (layer.to_string(), any(stream, Range::AboveZero)));
    let mut recipe = Recipe::default();
    let Ok(()) = recipe.visit(&mut Randomise(stream));
    let mut config = Config {
        optimizer: Optimizer::ALL[stream.below(4) as usize],
        activation: Some(Activation::ALL[stream.below(5) as usize]).filter(|_| stream.below(2) == 1),
        schedule: schedule[stream.below(4) as usize],
        rates: Rates(rates.to_vec()),
        class_weights: [None, Some(ClassWeights::Balanced), Some(ClassWeights::List(vec![0.1, 1.0 / 3.0, 2e5]))]
            [stream.below(3) as usize]
            .clone(),
        tiles: Some(TileSizes::Table(Tiles::ALL[1].with("conv_o", 1 + stream.below(9))))
            .filter(|_| stream.below(2) == 1),
        augment,
        freeze: if stream.below(2) == 1 { vec!["conv1".into(), "conv2".into()] } else { Vec::new() },
        ..Config::default()
    };
    recipe.apply(&mut config);
    config
}

/// Losses and rates decide which epoch is the best and what the next step does, so no bit may be lost.
#[test]
fn whatever_a_run_stores_is_read_back_to_the_bit() {
    let network = Architecture::default().network([1, 28, 28], 10).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(RESUME);
    for case in 0..300 {
        let mut stream = Stream::new(11, Purpose::Verification, case);
        let config = Config { epochs: 9, ..any_config(&mut stream) };
        let recipe = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&recipe).unwrap(), config, "{recipe}");

        let told = |stream: &mut Stream, epoch| EpochReport {
            epoch,
            train_loss: any(stream, Range::FromZero),
            validation_loss: Some(any(stream, Range::FromZero)),
            old_accuracy: Some(any(stream, Range::Share)),
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
            old: Some(OldRecord {
                fingerprint: "1".repeat(64),
                before: Some(any(&mut stream, Range::Share)),
                seed: u64::from(stream.bits()) << 32,
                split_by: SplitBy::Picture,
            }),
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
