//! The two ceilings of a device: multiply-add throughput and memory bandwidth.

use super::{Stat, repetitions};
use crate::gpu::{Device, GpuError, Standalone, Timer};
use crate::kernels::{Activation, Spec};
use serde::{Deserialize, Serialize};

/// Rates that a device reaches in shaders that do nothing else.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ceilings {
    /// Floating-point operations per second; a multiply-add counts as two.
    pub flops: f64,
    /// Bytes per second, reads and writes together.
    pub bytes: f64,
    pub multiply_add: Stat,
    pub copy: Stat,
}

/// Same as in `shaders/probes/multiply_add.wgsl`.
const CHAINS: u32 = 12;
const UNROLL: u32 = 16;
/// Vectors copied: 64 MiB, more than caches hold and no more than WebGPU's minimum buffer limit.
const LEN: u32 = 1 << 22;
/// Factor of the first invocation, whose sums show how often it added. Its neighbours' factors are slightly larger.
const SEED: f32 = 1.0;
const STEP: f32 = 1e-6;

/// Spec of a probe, for the loader that substitutes the kernels' sizes.
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

/// Measures both ceilings.
///
/// # Errors
/// If the driver reports an error, or the device does not do the work being timed.
pub fn ceilings(device: &Device, runs: usize) -> Result<Ceilings, GpuError> {
    let software = device.info.is_software();
    // A software rasteriser runs a workgroup as a loop over its invocations: small ones keep sums in registers.
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

/// Recomputes the sums of the first and last invocation on the CPU, to detect a driver that skips work.
fn check(device: &Device, sums: &wgpu::Buffer, invocations: u32, rounds: u32) -> Result<(), GpuError> {
    for at in [0, invocations - 1] {
        let found = f64::from(f32::from_bits(device.read(sums, at as usize, 1)?[0]));
        let factor = f64::from(SEED + (at % 8) as f32 * STEP);
        let mut sum: Vec<f64> = (0..CHAINS).map(f64::from).collect();
        for _ in 0..rounds * UNROLL {
            sum.iter_mut().for_each(|s| *s = *s * factor + 0.5);
        }
        let expected: f64 = sum.iter().sum();
        // Rounding is about 1e-5 of the sum after a thousand additions; one addition less is 1e-3 or more.
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
