//! Times each kernel of a training step, and the step: `cargo bench`. `cargo bench -- conv2` times the kernels whose label
//! or stem has that in it, and neither sum nor step. `MNIST_GPU_BENCH_ADAPTER` chooses the device; shaders are read from
//! `shaders/` when the benchmark runs, so that one can be tuned without a build.
//!
//! A kernel is repeated in one submission, so the figure includes the launch of a dispatch. The sum of the kernels against
//! the measured step shows what the order costs.

use mnist_gpu::gpu::{Device, Player, Selection};
use mnist_gpu::model::Network;
use mnist_gpu::plan::{Options, Tiles, Work, names, record};
use mnist_gpu::verify::STEMS;
use std::collections::HashMap;
use std::time::Instant;

const BATCH: usize = 64;
const SET: usize = 60_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let adapter = std::env::var("MNIST_GPU_BENCH_ADAPTER").ok();
    let device = Device::open(&Selection::from_flag_or_env(adapter.as_deref()), false)?;
    println!("{}", device.info);
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let sources: HashMap<&str, String> = STEMS
        .iter()
        .map(|stem| {
            let path = format!("{}/shaders/{stem}.wgsl", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(&path).map(|text| (*stem, text)).map_err(|e| format!("{path}: {e}"))
        })
        .collect::<Result<_, _>>()?;
    let net = Network::tutorial([1, 28, 28], 10)?;
    for (what, unfused) in [("fused", false)] {
        let options = Options {
            batch: BATCH,
            set: SET,
            rows: SET,
            frozen: Vec::new(),
            work: Work::Train,
            unfused,
            tiles: Tiles::of(device.info.class()),
        };
        let player = Player::with_sources(&device, record(&net, &options)?, &[], |spec| sources[spec.stem].as_str())?;
        device.write(player.buffer(names::ORDER), &(0..SET as u32).collect::<Vec<_>>());
        let parameters = player.buffer(names::PARAMETERS);
        let values: Vec<u32> =
            (0..net.arena_len()).map(|i| (((i * 37 % 101) as f32 - 50.0) / 500.0).to_bits()).collect();
        device.write(parameters, &values);
        device.write(player.buffer(names::TABLE), &(0..256).map(|i| (i as f32 / 255.0).to_bits()).collect::<Vec<_>>());

        let mut sum = 0.0;
        let mut rows = Vec::new();
        for (at, step) in player.plan().steps.iter().enumerate() {
            let wanted = |text: &String| step.label.contains(text) || step.kernel.stem().contains(text);
            if !filter.as_ref().is_none_or(wanted) {
                continue;
            }
            device.write(player.buffer(names::CURSOR), &[0, 0, SET as u32]);
            let ms = median(|| {
                let mut encoder = device.encoder();
                player.encode_one(&mut encoder, at, REPEAT);
                device.wait(device.submit(encoder, &[])).map(|_| ())
            })? / REPEAT as f64;
            sum += ms;
            match rows.iter_mut().find(|(label, ..): &&mut (&str, _, f64, u32)| *label == step.label) {
                Some(row) => {
                    row.2 += ms;
                    row.3 += 1;
                }
                None => rows.push((step.label.as_str(), step.kernel.stem(), ms, 1)),
            }
        }
        for (label, stem, ms, n) in rows {
            println!("{what:8} {label:32} {stem:28} {:>9.1} us ({n})", ms * 1e3);
        }
        if filter.is_some() {
            continue;
        }
        let step = median(|| {
            device.write(player.buffer(names::CURSOR), &[0, 0, SET as u32]);
            let mut encoder = device.encoder();
            player.encode(&mut encoder, REPEAT);
            device.wait(device.submit(encoder, &[])).map(|_| ())
        })? / REPEAT as f64;
        println!("{what:8} sum of the kernels {:.2} ms, step {step:.2} ms, epoch of 60,000 {:.2} s", sum, step * 0.938);
    }
    Ok(())
}

const REPEAT: usize = 10;

/// Median milliseconds over seven runs, after one that is not counted.
fn median<E>(mut run: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    run()?;
    let mut times = Vec::new();
    for _ in 0..7 {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
