//! The two ceilings of a device: how fast it multiplies and adds, and how fast it moves memory.

use super::{Stat, repetitions};
use crate::gpu::{Device, GpuError, Standalone, Timer};
use crate::kernels::{Activation, Spec};
use serde::{Deserialize, Serialize};

/// What a device reaches in shaders that do nothing else.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ceilings {
    /// Floating-point operations in a second; a multiplication and an addition are two.
    pub flops: f64,
    /// Bytes in a second, read and written together.
    pub bytes: f64,
    pub multiply_add: Stat,
    pub copy: Stat,
}

/// As in `shaders/probes/multiply_add.wgsl`.
const CHAINS: u32 = 12;
const UNROLL: u32 = 16;
/// Vectors that are copied: 64 MiB, more than caches hold, and no more than WebGPU's smallest buffers.
const LEN: u32 = 1 << 22;
/// Of the first invocation: what its sums come to tells how often it added. Those of its neighbours are a little larger.
const SEED: f32 = 1.0;
const STEP: f32 = 1e-6;

/// A probe with its sizes, for the loader that puts the kernels' sizes in.
fn probe(stem: &'static str, wgsl: &'static str, constants: Vec<(&'static str, u32)>, workgroups: u32) -> Spec {
    Spec {
        stem,
        file: stem,
        wgsl,
        activation: Activation::Identity,
        constants,
        ports: Vec::new(),
        workgroups: [workgroups, 1, 1],
    }
}

/// Measures both.
///
/// # Errors
/// What the driver says, or a device that does not do the work that it is timed at.
pub fn ceilings(device: &Device, runs: usize) -> Result<Ceilings, GpuError> {
    let software = device.info.is_software();
    // A workgroup of a software device is a loop over its invocations: small ones keep sums in registers.
    let (wg, groups, rounds) = if software { (8, 256, 16) } else { (256, 2048, 64) };
    let (invocations, tile) = (wg * groups, if software { 16 } else { 4 });

    let seed = device.upload("seed", &[SEED.to_bits()])?;
    let sums = device.buffer("y", invocations as usize)?;
    let wgsl = include_str!("../../shaders/probes/multiply_add.wgsl");
    let spec = probe("multiply_add", wgsl, vec![("rounds", rounds), ("wg", wg)], groups);
    let multiply_add = Standalone::new(device, &spec, &[("seed", &seed), ("y", &sums)])?;

    let ones: Vec<u32> = (0..4 * LEN).collect();
    let (from, to) = (device.upload("x", &ones)?, device.buffer("copied", ones.len())?);
    let wgsl = include_str!("../../shaders/probes/copy.wgsl");
    let spec = probe("copy", wgsl, vec![("len", LEN), ("tile", tile), ("wg", wg)], LEN / tile / wg);
    let copy = Standalone::new(device, &spec, &[("x", &from), ("y", &to)])?;

    let timer = Timer::new(device);
    let timed = |probe: &Standalone, times: usize| {
        let pass = |pass: &mut wgpu::ComputePass| (0..times).for_each(|_| probe.encode(pass));
        timer.pass(pass).map(|seconds| seconds / times as f64)
    };
    let mut rounds_of = [0; 2];
    for (rounds, probe) in rounds_of.iter_mut().zip([&multiply_add, &copy]) {
        timed(probe, 1)?;
        *rounds = repetitions(timed(probe, 1)?);
    }
    let (mut arithmetic, mut traffic) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        arithmetic.push(timed(&multiply_add, rounds_of[0])?);
        traffic.push(timed(&copy, rounds_of[1])?);
    }
    check(device, &sums, invocations, rounds)?;
    let last = device.read(&to, ones.len() - 4, 4)?;
    if last != ones[ones.len() - 4..] {
        return Err(idle("copy"));
    }
    let (multiply_add, copy) = (Stat::of(&arithmetic), Stat::of(&traffic));
    let operations = 2.0 * [invocations, CHAINS, UNROLL, rounds].map(f64::from).iter().product::<f64>();
    Ok(Ceilings {
        flops: operations / multiply_add.median,
        bytes: 2.0 * 16.0 * f64::from(LEN) / copy.median,
        multiply_add,
        copy,
    })
}

/// The sums of the first and the last invocation, worked out here: a driver that leaves work out is not to be believed.
fn check(device: &Device, sums: &wgpu::Buffer, invocations: u32, rounds: u32) -> Result<(), GpuError> {
    for at in [0, invocations - 1] {
        let found = f64::from(f32::from_bits(device.read(sums, at as usize, 1)?[0]));
        let factor = f64::from(SEED + (at % 8) as f32 * STEP);
        let mut sum: Vec<f64> = (0..CHAINS).map(f64::from).collect();
        for _ in 0..rounds * UNROLL {
            sum.iter_mut().for_each(|s| *s = *s * factor + 0.5);
        }
        let expected: f64 = sum.iter().sum();
        // Rounding is some 1e-5 of it after a thousand additions; one addition less is 1e-3 or more.
        let close = (found - expected).abs() <= 1e-4 * expected;
        if !close {
            return Err(idle("multiply_add"));
        }
    }
    Ok(())
}

fn idle(probe: &str) -> GpuError {
    GpuError::Rejected {
        what: format!("probe {probe}"),
        reason: "its result is wrong, so its time means nothing".into(),
    }
}
