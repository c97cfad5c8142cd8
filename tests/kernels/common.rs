//! Shared by the kernel tests.

use mnist_gpu::kernels::{Activation, ConvShape, Kernel, NormShape, Range, UpdateShape};
use mnist_gpu::reference::{Expected, Tensor, play};
use mnist_gpu::verify;

#[path = "../common/devices.rs"]
mod devices;

/// Runs a kernel's cases on every device, with and without run-time checks; reports every failure, then panics.
pub fn conformance(stem: &'static str) {
    let mut failures = Vec::new();
    for device in devices::every(&[false, true]) {
        let report = verify::kernel(&device, stem).unwrap_or_else(|e| panic!("{}: {e}", device.info));
        println!(
            "{stem} on {}{}: {} of {}, worst {:.3} of the bound in {}",
            device.info,
            if device.checked { ", checked" } else { "" },
            report.passed,
            report.cases,
            report.worst.1,
            report.worst.0
        );
        assert!(report.cases > 0);
        failures.extend(report.failures.into_iter().map(|text| format!("{}: {text}", device.info)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs the twin on explicit inputs.
pub fn twin<K: Clone + Into<Kernel>>(kernel: &K, inputs: &[(&str, Tensor)]) -> Vec<Expected> {
    let kernel: Kernel = kernel.clone().into();
    for port in kernel.spec().ports {
        if let Some((_, tensor)) = inputs.iter().find(|(name, _)| *name == port.name) {
            assert_eq!(tensor.to_bits().len(), port.len, "{}", port.name);
        }
    }
    play(&kernel, |name| &inputs.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no {name}")).1)
}

pub fn f<'a>(name: &'a str, values: &[f64]) -> (&'a str, Tensor) {
    (name, Tensor::F(values.to_vec()))
}

pub fn u<'a>(name: &'a str, values: &[u32]) -> (&'a str, Tensor) {
    (name, Tensor::U(values.to_vec()))
}

pub fn floats(expected: &Expected) -> Vec<f64> {
    expected.tensor().floats().to_vec()
}

/// The update of one weight, with frozen neighbours, from two gradient slices, clipped by a factor of a half.
/// The inputs are those common to all optimizers.
pub fn update() -> (UpdateShape, Vec<(&'static str, Tensor)>) {
    let ranges = vec![Range { start: 1, len: 1, grad: 0, slices: 2, rate: 0.5 }];
    let shape = UpdateShape { ranges, parameters: 3, gradients: 2, at_once: 1 };
    let inputs = vec![f("grad", &[2.0, 4.0]), u("table", &shape.table()), f("clip", &[0.5]), f("w", &[1.0, 10.0, 1.0])];
    (shape, inputs)
}

/// One image of 3x3 pixels, one output channel, a 2x2 kernel.
pub fn conv(activation: Activation, activation_in: Activation) -> ConvShape {
    ConvShape { batch: 1, c_in: 1, h_in: 3, w_in: 3, c_out: 1, k: 2, stride: 1, padding: 0, activation, activation_in }
}

/// Two images of two channels of two values, in a batch with one row of padding.
pub const NORM: NormShape = NormShape {
    batch: 2,
    padded: 3,
    channels: 2,
    pixels: 2,
    activation: Activation::Identity,
    activation_in: Activation::Identity,
};

/// Inputs of batch normalisation for [`NORM`]; its results are those of PyTorch 2.6's BatchNorm1d in float64.
pub fn norm() -> Vec<(&'static str, Tensor)> {
    vec![
        f("x", &[1.0, 2.0, 5.0, -1.0, 3.0, 6.0, 0.0, 2.0, 9.0, 9.0, 9.0, 9.0]),
        f("dy", &[1.0, 0.0, 2.0, -1.0, -3.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]),
        u("cursor", &[0, 2, 4]),
        f("running_mean", &[1.0, 2.0]),
        f("running_var", &[3.0, 4.0]),
        f("mean", &[3.0, 1.5]),
        f("variance", &[3.5, 5.25]),
        f("w", &[2.0, -1.0]),
        f("b", &[0.5, 1.0]),
        f("dw", &[0.534_521_720_222_936_8, 3.818_809_442_170_225]),
        f("db", &[-1.0, 1.5]),
    ]
}

/// Compares results of 32-bit constants with those of PyTorch.
pub fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-7 * expected.abs().max(1.0), "{found} for {expected}");
    }
}
