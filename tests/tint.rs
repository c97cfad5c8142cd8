//! The kernels in a browser: Chromium's WebGPU, whose compiler Tint is not naga, on SwiftShader.
//!
//! Every case of every kernel is played by the page's own player and judged like any device, and a training is compared with the
//! same plan played by this program on the same driver. Without Node.js, Chromium or `npm ci --prefix tests/browser` there is
//! nothing to test, unless `MNIST_GPU_BROWSER=required` is set.

use mnist_gpu::data::synthetic;
use mnist_gpu::gpu::{Device, Player, Selection};
use mnist_gpu::kernels::{DeviceClass, STEMS, Tiles};
use mnist_gpu::model::{Network, Normalisation, initialise};
use mnist_gpu::optimizers::Optimizer;
use mnist_gpu::plan::{Plan, names};
use mnist_gpu::portable::{Portable, Shader, decoded, encoded};
use mnist_gpu::recorder::{Options, Work, record};
use mnist_gpu::verify::{Case, Trial, cases, networks};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// SwiftShader as a Vulkan driver, where Debian's Chromium has it.
const SWIFTSHADER: &str = "/usr/lib/chromium/vk_swiftshader_icd.json";

/// Maximum number of words in the buffers of cases that are sent together.
const MOST: usize = 4 << 20;

/// A browser that plays plans.
struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Browser {
    /// Starts one; `None` where there is none.
    fn start() -> Option<Browser> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
        let chromium = std::env::var("MNIST_GPU_CHROMIUM").unwrap_or("/usr/bin/chromium".into());
        let has = Path::new(&chromium).exists() && folder.join("node_modules/playwright-core").exists();
        let started = Command::new("node")
            .arg(folder.join("play.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()
            .filter(|_| has);
        let Some(mut child) = started else {
            let is_required = std::env::var("MNIST_GPU_BROWSER").is_ok_and(|wanted| wanted == "required");
            assert!(!is_required, "there is no Node.js, Chromium or playwright-core");
            eprintln!("skipped: there is no Node.js, Chromium or playwright-core");
            return None;
        };
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Browser { child, to, from })
    }

    /// Plays jobs, each a plan's name, batches, buffers to write, and parts to read. Returns what was read.
    fn play(&mut self, file: &Portable, jobs: &[Value]) -> Result<Vec<Vec<Vec<u32>>>, String> {
        writeln!(self.to, "{}", json!({"file": file, "jobs": jobs})).unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).map_err(|e| format!("{e}: {line}"))?;
        if let Some(error) = told["error"].as_str() {
            return Err(error.into());
        }
        let parts = |job: &Value| -> Vec<Vec<u32>> {
            job.as_array().unwrap().iter().map(|part| decoded(part.as_str().unwrap()).unwrap()).collect()
        };
        Ok(told.as_array().unwrap().iter().map(parts).collect())
    }
}

impl Browser {
    /// Plays cases, and returns what each has written.
    fn play_trials<'t>(&mut self, trials: impl Iterator<Item = &'t Trial>) -> Result<Vec<Vec<Vec<u32>>>, String> {
        let trials: Vec<&Trial> = trials.collect();
        let names: Vec<String> = (0..trials.len()).map(|at| at.to_string()).collect();
        let plans: Vec<(&str, &Plan)> = names.iter().map(String::as_str).zip(trials.iter().map(|t| &t.plan)).collect();
        let job = |(trial, name): (&&Trial, &String)| {
            let read = |at: usize| {
                let buffer = &trial.plan.buffers()[at];
                json!([buffer.name, 0, buffer.len])
            };
            let read: Vec<Value> = trial.written().into_iter().map(read).collect();
            json!({"plan": name, "batches": 1, "write": [], "read": read})
        };
        let jobs: Vec<Value> = trials.iter().zip(&names).map(job).collect();
        self.play(&Portable::of(&plans).map_err(|error| error.to_string())?, &jobs)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_case_of_every_kernel_agrees_with_its_twin() {
    let Some(mut browser) = Browser::start() else { return };
    let (mut wrong, mut count) = (Vec::new(), 0);
    for stem in STEMS {
        let all: Vec<(Case, Trial)> = cases(stem).into_iter().map(|case| (case.clone(), Trial::of(&case))).collect();
        let words = |trial: &Trial| trial.plan.buffers().iter().map(|buffer| buffer.len).sum::<usize>();
        let mut sum = 0;
        // A message holds few million words.
        let portions = all.chunk_by(|(_, trial), (_, next)| {
            sum += words(trial);
            let fits = sum + words(next) <= MOST;
            sum = if fits { sum } else { 0 };
            fits
        });
        for portion in portions {
            let played = browser.play_trials(portion.iter().map(|(_, trial)| trial));
            let played = played.unwrap_or_else(|error| panic!("{stem}: {error}"));
            for ((case, trial), read) in portion.iter().zip(&played) {
                count += 1;
                wrong.extend(trial.judge(read).failure.map(|text| format!("{stem} {}: {text}", case.name())));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 1000, "{count}");
}

/// Shaders that are compiled together.
const TOGETHER: usize = 100;

#[test]
fn every_shader_of_every_network_and_option_is_compiled() {
    let Some(mut browser) = Browser::start() else { return };
    let mut seen = HashSet::new();
    let mut waiting = Portable::of(&[]).unwrap();
    let compile = |browser: &mut Browser, shaders: Vec<Shader>| {
        let portable = Portable { shaders, ..Portable::of(&[]).unwrap() };
        browser.play(&portable, &[]).unwrap_or_else(|error| panic!("{error}"));
    };
    for (name, network) in networks() {
        for class in [DeviceClass::Software, DeviceClass::Integrated, DeviceClass::Discrete] {
            for options in options(&network, class) {
                let plan = record(&network, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
                for shader in Portable::of(&[("plan", &plan)]).unwrap().shaders {
                    if seen.insert(shader.clone()) {
                        waiting.shaders.push(shader);
                    }
                }
                if waiting.shaders.len() >= TOGETHER {
                    compile(&mut browser, std::mem::take(&mut waiting.shaders));
                }
            }
        }
    }
    compile(&mut browser, waiting.shaders);
    assert!(seen.len() > 500, "{}", seen.len());
}

/// Everything that a plan of a network can be recorded for.
fn options(network: &Network, class: DeviceClass) -> Vec<Options> {
    let base = |batch: usize| Options::new(batch, 60_000, 55_000, Tiles::of(class));
    let first = vec![network.learning_layers()[0].clone()];
    let mut all = vec![base(64), base(1024), Options { unfused: true, ..base(64) }];
    all.extend([Work::Infer, Work::Explain].map(|work| Options { work, unfused: work == Work::Explain, ..base(64) }));
    all.push(Options { frozen: first.clone(), work: Work::TrainOnFeatures, ..base(64) });
    all.push(Options { augment: true, clip: true, weighted: true, ..base(64) });
    all.push(Options { teacher: Some(network.clone()), ..base(64) });
    all.extend(Optimizer::ALL.iter().map(|&optimizer| Options {
        optimizer,
        hyper: optimizer.definition().defaults,
        ..base(64)
    }));
    all
}

/// Images of a batch, and batches.
const BATCH: usize = 16;
const STEPS: usize = 5;

#[test]
fn a_training_gives_the_bits_of_the_same_driver() {
    let Some(mut browser) = Browser::start() else { return };
    if Path::new(SWIFTSHADER).exists() {
        // SAFETY: nothing else of this process reads the environment meanwhile: the other test starts no Vulkan.
        unsafe { std::env::set_var("VK_DRIVER_FILES", SWIFTSHADER) };
    }
    let device = Device::open(&Selection::parse("swiftshader"), false).expect("Chromium has SwiftShader");
    let network = Network::tutorial([1, 28, 28], 10).unwrap();
    let set = synthetic::generate(0, 0, (BATCH * STEPS - 3) as u32).unwrap();
    let rows = set.labels.len();
    for class in [DeviceClass::Software, DeviceClass::Integrated, DeviceClass::Discrete] {
        let plan = record(&network, &Options::new(BATCH, rows, rows, Tiles::of(class))).unwrap();
        let words = |bytes: &[u8]| -> Vec<u32> {
            bytes.chunks(4).map(|four| four.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))).collect()
        };
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
        let hyper = plan.buffer(names::HYPER).map_or(0, |at| plan.buffers()[at].len);
        let rates: Vec<f32> = (0..STEPS).flat_map(|_| [0.05, 0.0, 0.0, 0.0]).collect();
        let writes: Vec<(&str, Vec<u32>)> = vec![
            (names::IMAGES, words(&set.images.bytes)),
            (names::LABELS, set.labels.iter().map(|&label| label.into()).collect()),
            (names::ORDER, (0..rows as u32).rev().collect()),
            (names::CURSOR, vec![0, 0, rows as u32]),
            (names::PARAMETERS, bits(&initialise(&network, 1))),
            (names::BYTE_VALUES, bits(&Normalisation::MNIST.byte_values())),
            (names::RATES, bits(&rates)),
            (names::HYPER, bits(&[0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0][..hyper])),
        ];
        let parameters = network.arena_len();
        let parts = [
            (names::CURSOR, 0, 3),
            (names::PARAMETERS, 0, parameters),
            (names::MOMENTUM, 0, parameters),
            (names::LOSS, 0, rows),
        ];

        let player = Player::new(&device, plan.clone(), &[]).unwrap();
        writes.iter().for_each(|(name, words)| device.write(player.buffer(name), words));
        let mut encoder = device.encoder();
        player.encode(&mut encoder, STEPS);
        let reads: Vec<_> = parts.iter().map(|&(name, start, len)| (player.buffer(name), start, len)).collect();
        let native = device.wait(device.submit(encoder, &reads)).unwrap();

        let file = Portable::from_json(&Portable::of(&[("train", &plan)]).unwrap().to_json().unwrap()).unwrap();
        let write: Vec<Value> = writes.iter().map(|(name, words)| json!([name, encoded(words)])).collect();
        let job = json!({"plan": "train", "batches": STEPS, "write": write, "read": parts});
        let played = browser.play(&file, &[job]).unwrap().remove(0);
        assert_eq!(played[0][0], STEPS as u32, "{class:?}");
        let losses: Vec<f32> = native[3].iter().map(|&bits| f32::from_bits(bits)).collect();
        let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
        assert!(mean(&losses[rows - 8..]) < mean(&losses[..8]), "{class:?} learns nothing: {losses:?}");
        assert!(native[2].iter().any(|&bits| bits != 0));
        for (at, (name, ..)) in parts.iter().enumerate() {
            let same = played[at].iter().zip(&native[at]).filter(|(a, b)| a == b).count();
            assert_eq!(same, native[at].len(), "{class:?}: {name}");
        }
    }
}
