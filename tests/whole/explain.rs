//! Explanations: the gradient of a logit against central differences and the twins, and what must hold of each method.

use crate::devices;
use mnist_gpu::data::{Prepare, synthetic};
use mnist_gpu::explain::{self, Buffers, Device, Differentiable, ExplainError, Method, Settings, Slope, explain, plan};
use mnist_gpu::kernels::{DeviceClass, Tiles};
use mnist_gpu::layers::Layer;
use mnist_gpu::model::{Model, Network, Normalisation, initialise, numbered_classes};
use mnist_gpu::plan::{Plan, names};
use mnist_gpu::random::{Purpose, Stream};
use mnist_gpu::reference::{Player, Tensor};
use mnist_gpu::verify::networks;

/// Step of central differences, and their errors: the step's square, and the logit's rounding over the step.
const EPS: f64 = 1e-5;
const ABSOLUTE: f64 = 2e-8;
const RELATIVE: f64 = 1e-5;

fn model(network: &Network, seed: u64) -> Model {
    Model {
        parameters: initialise(network, seed),
        network: network.clone(),
        normalisation: Normalisation::MNIST,
        class_names: numbered_classes(network.classes()),
        prepare: Prepare::Mnist,
        training: serde_json::Value::Null,
        novelty: None,
        notices: Vec::new(),
    }
}

/// A model on the CPU, in float64.
struct Twin {
    plan: Plan,
    parameters: Vec<f64>,
    buffers: Buffers,
}

impl Twin {
    fn of(model: &Model) -> Twin {
        let parameters = model.parameters.iter().map(|&x| x.into()).collect();
        let plan = plan(&model.network, 1, Tiles::of(DeviceClass::Integrated)).unwrap();
        Twin { plan, parameters, buffers: Buffers::of(&model.network) }
    }

    /// Logits, the gradient of one of them, and on which side of each kink they were computed.
    fn play(&self, image: &[f64], class: usize) -> (Vec<f64>, Vec<f64>, Vec<u32>, [Vec<f64>; 2]) {
        let mut player = Player::new(&self.plan);
        let set = |player: &mut Player, name: &str, values: &[f64]| {
            let Tensor::F(buffer) = player.buffer(name) else { unreachable!() };
            buffer[..values.len()].copy_from_slice(values);
        };
        let gradient = |name: &str| format!("{name}.grad");
        set(&mut player, names::PARAMETERS, &self.parameters);
        set(&mut player, "input", image);
        let mut seed = vec![0.0; class + 1];
        seed[class] = 1.0;
        set(&mut player, &gradient(&self.buffers.logits), &seed);
        if self.plan.buffer(names::CURSOR).is_some() {
            *player.buffer(names::CURSOR) = Tensor::U(vec![0, 0, 1, 0]);
        }
        player.step();
        let mut sides = Vec::new();
        for buffer in self.plan.buffers() {
            if buffer.name.ends_with(".winner") {
                sides.extend(player.buffer(&buffer.name).integers());
            } else if buffer.name.ends_with(".out") {
                sides.extend(player.buffer(&buffer.name).floats().iter().map(|y| u32::from(*y > 0.0)));
            }
        }
        let mut read = |name: &str| player.buffer(name).floats().to_vec();
        let (logits, input) = (read(&self.buffers.logits), read("input.grad"));
        let map = self.buffers.map.as_ref().map(|(name, _)| [read(name), read(&gradient(name))]);
        (logits, input[..image.len()].to_vec(), sides, map.unwrap_or_default())
    }
}

impl Differentiable for Twin {
    fn slopes(&mut self, images: &[Vec<f32>], classes: &[usize]) -> Result<Vec<Slope>, ExplainError> {
        let slope = |(image, &class): (&Vec<f32>, &usize)| {
            let (logits, input, _, map) = self.play(&image.iter().map(|&x| x.into()).collect::<Vec<_>>(), class);
            let [logits, input, map, map_gradient] = [logits, input, map[0].clone(), map[1].clone()]
                .map(|values| values.iter().map(|&x| x as f32).collect());
            Slope { logits, input, map, map_gradient }
        };
        Ok(images.iter().zip(classes).map(slope).collect())
    }

    fn map_shape(&self) -> Option<[usize; 3]> {
        self.buffers.map.as_ref().map(|(_, shape)| *shape)
    }
}

fn noise(network: &Network, stream: &mut Stream) -> Vec<f32> {
    (0..network.input().iter().product::<usize>()).map(|_| stream.uniform(-1.0, 2.0)).collect()
}

#[test]
fn the_gradient_of_a_logit_is_its_slope() {
    for (name, network) in networks() {
        let mut stream = Stream::new(21, Purpose::Verification, 3000);
        let twin = Twin::of(&model(&network, 3));
        let image: Vec<f64> = noise(&network, &mut stream).iter().map(|&x| x.into()).collect();
        let class = network.classes() - 1;
        let (_, gradient, sides, _) = twin.play(&image, class);
        assert!(gradient.iter().any(|g| *g != 0.0), "{name}");
        let (mut looked, mut kinks) = (0, 0);
        for _ in 0..20 {
            let at = stream.below(image.len() as u32) as usize;
            let moved = |by: f64| {
                let mut moved = image.clone();
                moved[at] += by;
                twin.play(&moved, class)
            };
            let ((above, _, sides_above, _), (below, _, sides_below, _)) = (moved(EPS), moved(-EPS));
            if sides_above != sides || sides_below != sides {
                kinks += 1;
                continue;
            }
            looked += 1;
            let slope = (above[class] - below[class]) / (2.0 * EPS);
            let error = (slope - gradient[at]).abs();
            assert!(error <= ABSOLUTE + RELATIVE * slope.abs(), "{name}, pixel {at}: {slope} and {}", gradient[at]);
        }
        assert!(looked > kinks, "{name}: {kinks} kinks, {looked} looked at");
    }
}

#[test]
fn every_device_agrees_with_the_twin() {
    for device in devices::every(&[false]) {
        for (name, network) in networks() {
            let mut stream = Stream::new(22, Purpose::Verification, 3000);
            let model = model(&network, 4);
            let images: Vec<Vec<f32>> = (0..3).map(|_| noise(&network, &mut stream)).collect();
            let classes = [0, network.classes() - 1, 1];
            let found = Device::new(&device, &model).unwrap().slopes(&images, &classes).unwrap();
            let expected = Twin::of(&model).slopes(&images, &classes).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                for (what, found, expected) in [
                    ("logits", &found.logits, &expected.logits),
                    ("gradient", &found.input, &expected.input),
                    ("map", &found.map, &expected.map),
                    ("gradient of the map", &found.map_gradient, &expected.map_gradient),
                ] {
                    let expected = &expected[..found.len()];
                    let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
                    let is_close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * largest;
                    assert!(found.iter().zip(expected).all(is_close), "{}, {name}: {what}", device.info);
                }
            }
        }
    }
}

/// Ten digits as the pretrained network sees them.
fn digits(model: &Model) -> Vec<Vec<f32>> {
    let set = synthetic::generate(5, 0, 10).unwrap();
    let values = model.normalisation.byte_values();
    set.images.bytes.chunks(784).map(|image| image.iter().map(|&byte| values[usize::from(byte)]).collect()).collect()
}

fn explained(method: Method, settings: &Settings, network: &mut dyn Differentiable, image: &[f32]) -> explain::Map {
    let blank = Model::pretrained().normalisation.byte_values()[0];
    explain(method, settings, network, image, [28, 28], blank, None).unwrap()
}

#[test]
fn integrated_gradients_add_up_to_the_difference_of_the_logits() {
    let (device, model) = (devices::every(&[false]).remove(0), Model::pretrained());
    let mut network = Device::new(&device, &model).unwrap();
    let settings = Settings { points: 256, ..Settings::default() };
    for image in digits(&model) {
        let map = explained(Method::IntegratedGradients, &settings, &mut network, &image);
        let blank = vec![model.normalisation.byte_values()[0]; 784];
        let rest = network.slopes(&[blank], &[map.class]).unwrap()[0].logits[map.class];
        let (sum, difference) = (map.values.iter().sum::<f32>(), map.logit - rest);
        assert!((sum - difference).abs() < 0.02 * difference.abs(), "{sum} and {difference}");
    }
}

#[test]
fn smoothgrad_without_noise_is_saliency() {
    let (device, model) = (devices::every(&[false]).remove(0), Model::pretrained());
    let mut network = Device::new(&device, &model).unwrap();
    let without = Settings { noise: 0.0, ..Settings::default() };
    for image in digits(&model) {
        let mut map = |method, settings: &Settings| explained(method, settings, &mut network, &image).values;
        let saliency = map(Method::Saliency, &without);
        assert_eq!(map(Method::Smoothgrad, &without), saliency);
        assert_ne!(map(Method::Smoothgrad, &Settings::default()), saliency);
    }
}

#[test]
fn grad_cam_shows_where_the_live_channel_is() {
    let network = Network::new([1, 8, 8], &[Layer::conv(2, 3), Layer::linear(2)]).unwrap();
    let mut model = model(&network, 1);
    model.parameters.fill(0.0);
    let mut set = |name: &str, at: usize, value: f32| {
        let tensor = network.parameters().iter().find(|p| p.name == name).unwrap();
        model.parameters[tensor.start + at] = value;
    };
    // The first channel copies the image, and the first class adds it up; the second channel speaks against it.
    set("conv1.weight", 4, 1.0);
    set("conv1.weight", 9 + 4, 0.5);
    (0..36).for_each(|cell| set("fc1.weight", cell, 1.0));
    (36..72).for_each(|cell| set("fc1.weight", cell, -1.0));
    // It speaks against the second class.
    (72..108).for_each(|cell| set("fc1.weight", cell, -1.0));
    let mut image = vec![0.0_f32; 64];
    image[3 * 8 + 5] = 1.0;
    let mut twin = Twin::of(&model);
    let settings = Settings::default();
    let map = explain(Method::GradCam, &settings, &mut twin, &image, [8, 8], 0.0, Some(0)).unwrap().values;
    let brightest = map.iter().copied().fold(0.0, f32::max);
    let at = map.iter().position(|&value| value == brightest).unwrap();
    // The map has 6x6 cells for 8x8 pixels.
    assert!((at / 8).abs_diff(3) <= 1 && (at % 8).abs_diff(5) <= 1 && brightest > 0.2, "{at}: {map:?}");
    assert!(map.iter().filter(|&&value| value > 0.0).count() <= 12, "{map:?}");
    assert!(map.iter().all(|&value| value >= 0.0));
    // For the other class nothing speaks.
    let other = explain(Method::GradCam, &settings, &mut twin, &image, [8, 8], 0.0, Some(1)).unwrap();
    assert!(other.values.iter().all(|&value| value == 0.0));
    let flat = Network::new([1, 4, 4], &[Layer::linear(2)]).unwrap();
    let error =
        explain(Method::GradCam, &settings, &mut Twin::of(&self::model(&flat, 1)), &[0.0; 16], [4, 4], 0.0, None);
    assert!(error.unwrap_err().to_string().contains("grad-cam needs a convolution"));
}

#[test]
fn every_method_is_exact_for_a_linear_network() {
    let network = Network::new([1, 5, 6], &[Layer::linear(3)]).unwrap();
    let model = model(&network, 2);
    let weights = &model.parameters[network.parameters()[0].start..][30..60];
    let mut stream = Stream::new(23, Purpose::Verification, 3000);
    let image = noise(&network, &mut stream);
    let blank = -0.4;
    let one = Settings { square: 1, stride: 1, ..Settings::default() };
    let mut twin = Twin::of(&model);
    let mut map = |method| explain(method, &one, &mut twin, &image, [5, 6], blank, Some(1)).unwrap().values;
    let is_close = |a: &[f32], b: Vec<f32>| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(is_close(weights, map(Method::Saliency)));
    assert!(is_close(weights, map(Method::Smoothgrad)));
    let parts: Vec<f32> = weights.iter().zip(&image).map(|(w, x)| w * (x - blank)).collect();
    assert!(is_close(&parts, map(Method::IntegratedGradients)));
    assert!(is_close(&parts, map(Method::Occlusion)));
}

/// The sanity check of J. Adebayo et al., Sanity Checks for Saliency Maps, 2018.
#[test]
fn random_parameters_give_another_map() {
    let (device, trained) = (devices::every(&[false]).remove(0), Model::pretrained());
    let network = &trained.network;
    let drawn = initialise(network, 9);
    let randomised = |layers: &[&str]| {
        let mut parameters = trained.parameters.clone();
        for p in network.parameters().iter().filter(|p| layers.contains(&p.layer.as_str())) {
            parameters[p.start..][..p.len()].copy_from_slice(&drawn[p.start..][..p.len()]);
        }
        Model { parameters, ..trained.clone() }
    };
    let correlation = |a: &[f32], b: &[f32]| {
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a.abs() * b.abs())).sum::<f64>();
        product(a, b) / (product(a, a) * product(b, b)).sqrt()
    };
    let maps = |model: &Model| {
        let mut on_device = Device::new(&device, model).unwrap();
        let blank = model.normalisation.byte_values()[0];
        let mut of = |method| {
            let map = |(class, image): (usize, &Vec<f32>)| {
                explain(method, &Settings::default(), &mut on_device, image, [28, 28], blank, Some(class))
                    .unwrap()
                    .values
            };
            digits(model).iter().take(4).enumerate().map(map).collect::<Vec<_>>().concat()
        };
        Method::ALL.map(&mut of)
    };
    let own = maps(&trained);
    for layers in [&["fc2"][..], &["fc1", "fc2"], &["conv1", "conv2", "fc1", "fc2"]] {
        for ((method, own), other) in Method::ALL.iter().zip(&own).zip(maps(&randomised(layers))) {
            let alike = correlation(own, &other);
            assert!(alike < 0.9, "{}, {layers:?}: {alike}", method.name());
        }
    }
}
