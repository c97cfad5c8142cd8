//! The whole step against PyTorch in float64, on every device and on the reference.
//!
//! `tests/oracle` holds this project's own small oracle, so that a clone can verify the agreement by itself. Where
//! `MNIST_GPU_ORACLE` names a folder with `data/mnist` and `oracle`, a larger one of the real MNIST is available:
//! `cargo test --test whole -- --ignored on_mnist`.

use crate::{devices, play};
use mnist_gpu::Config;
use mnist_gpu::data::{DataSet, Locator, Part, synthetic};
use mnist_gpu::gpu::Player;
use mnist_gpu::kernels::{Activation, DeviceClass};
use mnist_gpu::layers::Layer;
use mnist_gpu::model::{Model, Network, load_parameters};
use mnist_gpu::optimizers::Optimizer;
use mnist_gpu::plan::names;
use mnist_gpu::recorder::{Options, record};
use mnist_gpu::{reference, train};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const STEPS: usize = 20;

type Tensors = BTreeMap<String, Vec<f64>>;

/// PyTorch's results, under the names of a plan.
struct Oracle {
    set: DataSet,
    batch: usize,
    init: Vec<f32>,
    /// Outputs of the stages on the first batch, and its gradients.
    first: Tensors,
    losses: Vec<f64>,
    /// Parameters and, if known, momentum after the last step.
    after: Tensors,
    momentum: Tensors,
}

/// Maximum difference from float64: activations, gradients, losses, parameters and momentum.
struct Bounds {
    out: f64,
    grad: f64,
    loss: f64,
    after: f64,
}

/// Measured on PyTorch's own float32, with a margin for a different order of summation.
const FLOAT32: Bounds = Bounds { out: 1e-5, grad: 1e-6, loss: 5e-6, after: 1e-5 };
/// Two runs in float64 differ by the rounding of values stored as float32: half a unit in the last place.
const FLOAT64: Bounds = Bounds { out: 1e-6, grad: 3e-8, loss: 2e-7, after: 3e-8 };

fn tensors(path: &Path) -> Tensors {
    let raw = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&raw).unwrap();
    let floats =
        |data: &[u8]| data.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect();
    let kept = file.iter().filter(|(_, t)| t.dtype() == Dtype::F32);
    kept.map(|(name, t)| (name.to_string(), floats(t.data()))).collect()
}

/// The tensors whose names start with `prefix`, with it removed.
fn under(tensors: &Tensors, prefix: &str) -> Tensors {
    tensors.iter().filter_map(|(name, t)| Some((name.strip_prefix(prefix)?.to_string(), t.clone()))).collect()
}

fn folder(path: &Path) -> mnist_gpu::data::Source {
    Locator { offline: true, ..Locator::default() }.locate(path, &|_, _, _| {}).unwrap()
}

fn network() -> Network {
    Network::tutorial([1, 28, 28], 10).unwrap()
}

/// The tutorial's optimizer.
fn tutorial(batch: usize) -> Config {
    Config::default().with(|c| c.batch = batch)
}

fn arena(net: &Network, of: &Tensors) -> Vec<f32> {
    let mut arena = vec![0.0; net.arena_len()];
    for p in net.parameters() {
        arena[p.start..][..p.len()].iter_mut().zip(&of[&p.name]).for_each(|(to, &from)| *to = from as f32);
    }
    arena
}

fn small() -> Oracle {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = tensors(&root.join("tests/oracle/oracle.safetensors"));
    let first = all.iter().filter(|(name, _)| name.ends_with(".out") || name.ends_with(".grad"));
    Oracle {
        set: folder(&root.join("assets/digits")).load(Part::Train).unwrap().set,
        batch: 16,
        init: arena(&network(), &under(&all, "init.")),
        first: first.map(|(name, t)| (name.clone(), t.clone())).collect(),
        losses: all["loss"].clone(),
        after: under(&all, "after."),
        momentum: under(&all, "momentum."),
    }
}

/// The folder named by `MNIST_GPU_ORACLE`, which these tests require.
fn large_root() -> PathBuf {
    let root = std::env::var_os("MNIST_GPU_ORACLE").map(PathBuf::from);
    root.expect("MNIST_GPU_ORACLE names the folder with the oracle of the real MNIST")
}

fn large(root: &Path) -> Oracle {
    let oracle = root.join("oracle");
    let mut set = folder(&root.join("data/mnist")).load(Part::Train).unwrap().set;
    set.limit(64 * STEPS, 0);
    let stages = tensors(&oracle.join("step1_activations.safetensors"));
    let named = [("pool1", "conv1.out"), ("pool2", "conv2.out"), ("fc1", "fc1.out"), ("logits", "fc2.out")];
    let mut first: Tensors = named.iter().map(|(of, name)| (name.to_string(), stages[*of].clone())).collect();
    let grads = tensors(&oracle.join("step1_grads.safetensors"));
    first.extend(grads.into_iter().map(|(name, t)| (format!("{name}.grad"), t)));
    let curve: serde_json::Value =
        serde_json::from_slice(&std::fs::read(oracle.join("trajectory.json")).unwrap()).unwrap();
    let after = tensors(&oracle.join("after20.safetensors"));
    Oracle {
        set,
        batch: 64,
        init: load_parameters(&oracle.join("init.safetensors"), &network()).unwrap().0,
        first,
        losses: curve["loss_f64"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect(),
        momentum: under(&after, "momentum."),
        after: after.into_iter().filter(|(name, _)| !name.starts_with("momentum.")).collect(),
    }
}

/// Accepts only finite values within the bound; returns the largest difference.
fn close(what: &str, found: &[f64], expected: &[f64], bound: f64) -> f64 {
    assert_eq!(found.len(), expected.len(), "{what}");
    assert!(expected.iter().any(|x| *x != 0.0), "{what}: an oracle of zeros proves nothing");
    let mut worst = 0.0_f64;
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let difference = (a - b).abs();
        assert!(a.is_finite() && difference <= bound, "{what} at {i}: {a:e}, PyTorch {b:e}, allowed {bound:e}");
        worst = worst.max(difference);
    }
    worst
}

/// A player under test.
trait Played {
    fn step(&mut self);
    /// The first `len` elements of a buffer of floats.
    fn floats(&mut self, buffer: &str, len: usize) -> Vec<f64>;
}

/// Plays the steps and compares everything with the oracle.
fn check(who: &str, oracle: &Oracle, plan: &mnist_gpu::plan::Plan, played: &mut impl Played, bounds: &Bounds) {
    let net = network();
    played.step();
    let [mut out, mut grad] = [0.0_f64; 2];
    for (name, expected) in &oracle.first {
        if let Some(of) = name.strip_suffix(".grad") {
            let slices = played.floats(names::GRADIENTS, plan.buffers()[plan.buffer(names::GRADIENTS).unwrap()].len);
            let found = play::gradient(plan, &net, of, &slices);
            grad = grad.max(close(&format!("{who}: {name}"), &found, expected, bounds.grad));
        } else if plan.buffer(name).is_none() {
            // The kernel that computes the last layer with its loss keeps the logits to itself.
            assert_eq!((name.as_str(), plan.buffer("predicted")), ("fc2.out", None), "{who}");
        } else {
            let found = played.floats(name, expected.len());
            out = out.max(close(&format!("{who}: {name}"), &found, expected, bounds.out));
        }
    }
    (1..STEPS).for_each(|_| played.step());
    let losses = played.floats(names::LOSS, oracle.batch * STEPS);
    let losses: Vec<f64> = losses.chunks(oracle.batch).map(|b| b.iter().sum::<f64>() / b.len() as f64).collect();
    let loss = close(&format!("{who}: losses"), &losses, &oracle.losses, bounds.loss);
    let mut after = 0.0_f64;
    for (buffer, expected) in [(names::PARAMETERS, &oracle.after), (names::MOMENTUM, &oracle.momentum)] {
        let found = played.floats(buffer, net.arena_len());
        for (name, expected) in expected {
            let p = net.parameters().iter().find(|p| p.name == *name).unwrap();
            let what = format!("{who}: {buffer} {name} after {STEPS} steps");
            after = after.max(close(&what, &found[p.start..][..p.len()], expected, bounds.after));
        }
    }
    println!(
        "{who}: largest differences: outputs {out:.1e}, gradients {grad:.1e}, losses {loss:.1e}, after {after:.1e}"
    );
}

struct OnDevice<'a>(&'a mnist_gpu::gpu::Device, Player);

impl Played for OnDevice<'_> {
    fn step(&mut self) {
        let mut encoder = self.0.encoder();
        self.1.encode(&mut encoder, 1);
        self.0.wait(self.0.submit(encoder, &[])).unwrap();
    }
    fn floats(&mut self, buffer: &str, len: usize) -> Vec<f64> {
        let bits = self.0.read(self.1.buffer(buffer), 0, len).unwrap();
        bits.into_iter().map(|b| f64::from(f32::from_bits(b))).collect()
    }
}

struct OnReference<'a>(reference::Player<'a>);

impl Played for OnReference<'_> {
    fn step(&mut self) {
        self.0.step();
    }
    fn floats(&mut self, buffer: &str, len: usize) -> Vec<f64> {
        self.0.buffer(buffer).floats()[..len].to_vec()
    }
}

fn on_reference(oracle: &Oracle) {
    for class in [DeviceClass::Software, DeviceClass::Discrete] {
        let plan = record(&network(), &play::options(&oracle.set, oracle.batch, class)).unwrap();
        let mut player = reference::Player::new(&plan);
        play::fill_reference(&mut player, &plan, &play::content(&oracle.set, &oracle.init, &tutorial(oracle.batch)));
        check(&format!("reference, {class:?}"), oracle, &plan, &mut OnReference(player), &FLOAT64);
    }
}

fn on_devices(oracle: &Oracle) {
    for device in devices::every(&[false]) {
        for class in DeviceClass::ALL {
            let plan = record(&network(), &play::options(&oracle.set, oracle.batch, class)).unwrap();
            let player = Player::new(&device, plan.clone(), &[]).unwrap();
            play::fill_device(&device, &player, &play::content(&oracle.set, &oracle.init, &tutorial(oracle.batch)));
            check(&format!("{}, {class:?}", device.info), oracle, &plan, &mut OnDevice(&device, player), &FLOAT32);
        }
    }
}

#[test]
fn the_reference_is_pytorch_in_float64() {
    on_reference(&small());
}

#[test]
fn every_device_trains_as_pytorch_does() {
    on_devices(&small());
}

#[test]
#[ignore = "wants the oracle of the real MNIST, by MNIST_GPU_ORACLE"]
fn on_mnist_every_device_trains_as_pytorch_does() {
    on_devices(&large(&large_root()));
}

#[test]
#[ignore = "wants the oracle of the real MNIST, by MNIST_GPU_ORACLE"]
fn on_mnist_the_reference_is_pytorch_too() {
    on_reference(&large(&large_root()));
}

#[test]
#[ignore = "wants the oracle of the real MNIST, by MNIST_GPU_ORACLE"]
fn on_mnist_frozen_layers_stay_bit_for_bit_and_the_others_train_as_pytorch_does() {
    let root = large_root();
    let (net, oracle) = (network(), large(&root));
    let expected = tensors(&root.join("oracle/frozen20.safetensors"));
    for device in devices::every(&[false]) {
        let mut options = play::options(&oracle.set, oracle.batch, device.info.class());
        options.frozen = net.convolutions();
        let player = Player::new(&device, record(&net, &options).unwrap(), &[]).unwrap();
        play::fill_device(&device, &player, &play::content(&oracle.set, &oracle.init, &tutorial(oracle.batch)));
        let mut played = OnDevice(&device, player);
        (0..STEPS).for_each(|_| played.step());
        let found = device.read(played.1.buffer(names::PARAMETERS), 0, net.arena_len()).unwrap();
        for p in net.parameters() {
            let (found, init) = (&found[p.start..][..p.len()], &oracle.init[p.start..][..p.len()]);
            if p.layer.starts_with("conv") {
                assert!(found.iter().zip(init).all(|(a, b)| *a == b.to_bits()), "{}: {} moved", device.info, p.name);
            } else {
                let found: Vec<f64> = found.iter().map(|&b| f64::from(f32::from_bits(b))).collect();
                close(&format!("{}: {}", device.info, p.name), &found, &expected[&p.name], FLOAT32.after);
            }
        }
    }
}

/// An optimizer with its oracle, and the maximum difference of float32 from it.
struct Trained {
    name: &'static str,
    config: Config,
    sigmoid: bool,
    /// Absolute, for the parameters after 10 and after 20 steps.
    bounds: [Option<f64>; 2],
}

fn optimizers() -> Vec<Trained> {
    let sgd = tutorial(64);
    let of = |name, config, bounds| Trained { name, config, sigmoid: name == "sgd_sigmoid", bounds };
    let adam = |optimizer, weight_decay| {
        sgd.clone().with(|c| {
            c.optimizer = optimizer;
            c.lr = 0.001;
            c.weight_decay = weight_decay;
        })
    };
    let nesterov = sgd.clone().with(|c| {
        c.nesterov = true;
        c.momentum = 0.9;
    });
    vec![
        of("adam", adam(Optimizer::Adam, 0.0), [Some(2e-6); 2]),
        of("adamw", adam(Optimizer::Adamw, 0.01), [Some(2e-6); 2]),
        of("sgd_weight_decay", sgd.clone().with(|c| c.weight_decay = 5e-4), [Some(2e-6); 2]),
        of("sgd_sigmoid", sgd.clone(), [Some(2e-6); 2]),
        // At step 12, rounding changes the sign of a relu's input.
        of("sgd_nesterov", nesterov, [Some(1e-6), None]),
        // Its first step is 10 lr sign(g): a gradient that rounds to the other side moves the parameter by 0.02.
        of(
            "rmsprop",
            sgd.clone().with(|c| {
                c.optimizer = Optimizer::Rmsprop;
                c.beta2 = 0.99;
                c.momentum = 0.0;
                c.lr = 0.001;
            }),
            [None; 2],
        ),
    ]
}

/// The optimizers of `tests/oracle/make_optimizers.py`, with constants that are all different.
fn small_optimizers() -> [(&'static str, Config); 5] {
    let of = |optimizer, lr, weight_decay| {
        Config::default().with(|c| {
            c.batch = 16;
            c.optimizer = optimizer;
            c.lr = lr;
            c.weight_decay = weight_decay;
        })
    };
    let sgd = |lr, momentum, weight_decay, nesterov| {
        of(Optimizer::Sgd, lr, weight_decay).with(|c| {
            c.momentum = momentum;
            c.nesterov = nesterov;
        })
    };
    let adam = |method, [lr, beta1, beta2, eps, weight_decay]: [f64; 5]| {
        of(method, lr, weight_decay).with(|c| {
            c.beta1 = beta1;
            c.beta2 = beta2;
            c.eps = eps;
        })
    };
    [
        ("sgd", sgd(1.0 / 16.0, 7.0 / 8.0, 1.0 / 128.0, false)),
        ("nesterov", sgd(1.0 / 32.0, 3.0 / 4.0, 1.0 / 64.0, true)),
        ("adam", adam(Optimizer::Adam, [1.0 / 256.0, 13.0 / 16.0, 31.0 / 32.0, 1.0 / 1024.0, 3.0 / 128.0])),
        ("adamw", adam(Optimizer::Adamw, [5.0 / 1024.0, 27.0 / 32.0, 15.0 / 16.0, 1.0 / 512.0, 3.0 / 64.0])),
        (
            "rmsprop",
            of(Optimizer::Rmsprop, 3.0 / 1024.0, 3.0 / 256.0).with(|c| {
                c.momentum = 5.0 / 8.0;
                c.beta2 = 29.0 / 32.0;
                c.eps = 1.0 / 128.0;
            }),
        ),
    ]
}

#[test]
fn every_optimizer_trains_as_pytorchs_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = tensors(&root.join("tests/oracle/optimizers.safetensors"));
    let set = small().set;
    let layers = [Layer::conv(2, 5), Layer::max_pool(4), Activation::Sigmoid.into(), Layer::linear(10)];
    let net = Network::new([1, 28, 28], &layers).unwrap();
    let init = arena(&net, &under(&all, "init."));
    for (name, config) in small_optimizers() {
        let expected = under(&all, &format!("{name}."));
        let content = play::content(&set, &init, &config);
        let of = |class| {
            let options = play::options(&set, config.batch, class);
            record(&net, &Options { optimizer: config.optimizer, hyper: config.optimizer_settings(), ..options })
                .unwrap()
        };
        let check = |who: &str, played: &mut dyn Played, bound: f64| {
            (0..STEPS).for_each(|_| played.step());
            let found = played.floats(names::PARAMETERS, net.arena_len());
            let of = |p: &mnist_gpu::plan::Parameter| {
                close(&format!("{name} on {who}: {}", p.name), &found[p.start..][..p.len()], &expected[&p.name], bound)
            };
            let worst = net.parameters().iter().map(of).fold(0.0, f64::max);
            println!("{name} on {who}: the largest difference is {worst:.1e}");
        };
        let plan = of(DeviceClass::Integrated);
        let mut player = reference::Player::new(&plan);
        play::fill_reference(&mut player, &plan, &content);
        check("the reference", &mut OnReference(player), FLOAT64.after);
        for device in devices::every(&[false]) {
            let player = Player::new(&device, of(device.info.class()), &[]).unwrap();
            play::fill_device(&device, &player, &content);
            check(&device.info.to_string(), &mut OnDevice(&device, player), 2e-6);
        }
    }
}

#[test]
#[ignore = "wants the oracle of the real MNIST, by MNIST_GPU_ORACLE"]
fn on_mnist_every_optimizer_trains_as_pytorchs_does() {
    let root = large_root();
    let oracle = large(&root);
    let curves: serde_json::Value =
        serde_json::from_slice(&std::fs::read(root.join("oracle/optim/losses.json")).unwrap()).unwrap();
    for trained in optimizers() {
        let after = tensors(&root.join(format!("oracle/optim/{}.safetensors", trained.name)));
        let losses: Vec<f64> =
            curves[trained.name]["loss_f64"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let layers = network().layers().into_iter();
        let layers: Vec<Layer> = layers
            .map(|l| if trained.sigmoid && l == Activation::Relu.into() { Activation::Sigmoid.into() } else { l })
            .collect();
        let net = Network::new([1, 28, 28], &layers).unwrap();
        for device in devices::every(&[false]) {
            let options = play::options(&oracle.set, oracle.batch, device.info.class());
            let options =
                Options { optimizer: trained.config.optimizer, hyper: trained.config.optimizer_settings(), ..options };
            let player = Player::new(&device, record(&net, &options).unwrap(), &[]).unwrap();
            play::fill_device(&device, &player, &play::content(&oracle.set, &oracle.init, &trained.config));
            let mut played = OnDevice(&device, player);
            let who = format!("{} on {}", trained.name, device.info);
            let mut worst = 0.0_f64;
            for (half, (prefix, bound)) in ["step10.", ""].into_iter().zip(trained.bounds).enumerate() {
                (0..STEPS / 2).for_each(|_| played.step());
                let found = played.floats(names::PARAMETERS, net.arena_len());
                let (mut far, mut all) = (0, 0);
                for p in net.parameters() {
                    let expected = &after[&format!("{prefix}{}", p.name)];
                    let found = &found[p.start..][..p.len()];
                    match bound {
                        Some(bound) => worst = worst.max(close(&format!("{who}: {}", p.name), found, expected, bound)),
                        None => {
                            let near = |(a, b): (&f64, &f64)| a.is_finite() && (a - b).abs() <= 1e-5;
                            far += p.len() - found.iter().zip(expected).filter(|pair| near(*pair)).count();
                            all += p.len();
                        }
                    }
                }
                if trained.name == "rmsprop" {
                    assert!(all > 0 && far * 100 <= all, "{who}: {far} of {all} parameters differ in half {half}");
                }
            }
            let found = played.floats(names::LOSS, oracle.batch * STEPS);
            let found: Vec<f64> = found.chunks(oracle.batch).map(|b| b.iter().sum::<f64>() / b.len() as f64).collect();
            let loss = close(&format!("{who}: losses"), &found, &losses, FLOAT32.loss);
            println!("{who}: largest differences: losses {loss:.1e}, parameters {worst:.1e}");
        }
    }
}

#[test]
#[ignore = "wants the oracle of the real MNIST, by MNIST_GPU_ORACLE"]
fn on_mnist_pytorchs_network_gets_pytorchs_images_wrong() {
    let root = large_root();
    let facts: serde_json::Value =
        serde_json::from_slice(&std::fs::read(root.join("oracle/trained.json")).unwrap()).unwrap();
    let list = |key: &str| -> Vec<u64> { facts[key].as_array().unwrap().iter().map(|x| x.as_u64().unwrap()).collect() };
    let mut expected: Vec<(u64, u64)> = list("wrong_indices").into_iter().zip(list("wrong_predicted")).collect();
    expected.sort_unstable();
    let model = Model::load(&root.join("oracle/trained.safetensors")).unwrap();
    let set = folder(&root.join("data/mnist")).load(Part::Test).unwrap().set;
    for device in devices::every(&[false]) {
        let seen = train::evaluate_model(&device, &model, &mut set.clone()).unwrap();
        let wrong = (0..set.labels.len()).filter(|&at| seen.predicted[at] != u32::from(set.labels[at]));
        let wrong: Vec<(u64, u64)> = wrong.map(|at| (at as u64, seen.predicted[at].into())).collect();
        assert_eq!(wrong, expected, "{}", device.info);
    }
}

/// Regenerates the oracle's images: `cargo test --test whole -- --ignored make_digits`. They are kept as files for the
/// script that makes the oracle.
#[test]
#[ignore = "writes into assets/digits"]
fn make_digits() {
    use std::io::Write;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/digits");
    std::fs::create_dir_all(&folder).unwrap();
    for (part, first, count) in [("train", 0, 16 * STEPS as u32), ("t10k", 10_000, 100)] {
        let set = synthetic::generate(1, first, count).unwrap();
        let (side, count) = (28_u32.to_be_bytes(), count.to_be_bytes());
        let images = [&[0, 0, 8, 3], &count[..], &side[..], &side[..], &set.images.bytes].concat();
        let labels = [&[0, 0, 8, 1], &count[..], &set.labels].concat();
        for (name, bytes) in [("images-idx3", images), ("labels-idx1", labels)] {
            let file = std::fs::File::create(folder.join(format!("{part}-{name}-ubyte.gz"))).unwrap();
            let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::best());
            encoder.write_all(&bytes).unwrap();
            encoder.finish().unwrap();
        }
    }
}

#[test]
fn the_assets_are_what_their_readme_says() {
    use sha2::{Digest, Sha256};
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let mut files = 0;
    let digits = std::fs::read_dir(root.join("digits")).unwrap().map(|entry| entry.unwrap().path());
    for path in digits.chain([root.join("pretrained.safetensors")]) {
        let hash: String = Sha256::digest(std::fs::read(&path).unwrap()).iter().map(|b| format!("{b:02x}")).collect();
        let row = format!(
            "| `{}` | `{hash}` |",
            path.strip_prefix(&root).unwrap().to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
        );
        assert!(readme.contains(&row), "{row}");
        files += 1;
    }
    assert_eq!(files, 5);
}
