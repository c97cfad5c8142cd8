//! The two ceilings of a device: how fast it multiplies and adds, and how fast it moves memory.

use super::Stat;
use crate::gpu::{Device, GpuError, Lone, Timer};
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
const CHAINS: u64 = 12;
const UNROLL: u64 = 16;
/// Vectors that are copied: 16 MiB, more than the caches of most GPUs of laptops hold.
const LEN: u64 = 1 << 20;
const SEED: f32 = 0.9;

/// The lower-case constants of a probe, set.
fn with(wgsl: &str, constants: &[(&str, u64)]) -> String {
    let line = |line: &str| {
        let set = constants.iter().find(|(name, _)| line.starts_with(&format!("const {name} = ")));
        set.map_or(line.to_string(), |(name, value)| format!("const {name} = {value}u;"))
    };
    wgsl.lines().map(|text| line(text) + "\n").collect()
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
    let text = with(include_str!("../../shaders/probes/multiply_add.wgsl"), &[("rounds", rounds), ("wg", wg)]);
    let multiply_add = Lone::new(device, "multiply_add", &text, &[("seed", &seed), ("y", &sums)], groups as u32)?;

    let ones: Vec<u32> = (0..4 * LEN as u32).collect();
    let (from, to) = (device.upload("x", &ones)?, device.buffer("copied", ones.len())?);
    let text = with(include_str!("../../shaders/probes/copy.wgsl"), &[("len", LEN), ("tile", tile), ("wg", wg)]);
    let copy = Lone::new(device, "copy", &text, &[("x", &from), ("y", &to)], (LEN / tile / wg) as u32)?;

    let timer = Timer::new(device);
    let (mut arithmetic, mut traffic) = (Vec::new(), Vec::new());
    for run in 0..=runs {
        let times = [timer.pass(|pass| multiply_add.encode(pass))?, timer.pass(|pass| copy.encode(pass))?];
        if run > 0 {
            arithmetic.push(times[0]);
            traffic.push(times[1]);
        }
    }
    check(device, &sums, rounds)?;
    let last = device.read(&to, ones.len() - 4, 4)?;
    if last != ones[ones.len() - 4..] {
        return Err(idle("copy"));
    }
    let (multiply_add, copy) = (Stat::of(&arithmetic), Stat::of(&traffic));
    let operations = 2 * invocations * CHAINS * UNROLL * rounds;
    Ok(Ceilings {
        flops: operations as f64 / multiply_add.median,
        bytes: (2 * 16 * LEN) as f64 / copy.median,
        multiply_add,
        copy,
    })
}

/// The first invocation's sum, worked out here: a driver that leaves the work out is not to be believed.
fn check(device: &Device, sums: &wgpu::Buffer, rounds: u64) -> Result<(), GpuError> {
    let found = f32::from_bits(device.read(sums, 0, 1)?[0]);
    let mut sum: Vec<f64> = (0..CHAINS).map(|chain| chain as f64).collect();
    for _ in 0..rounds * UNROLL {
        sum.iter_mut().for_each(|s| *s = *s * f64::from(SEED) + 0.5);
    }
    let expected: f64 = sum.iter().sum();
    let close = (f64::from(found) - expected).abs() <= 1e-3 * expected;
    if close { Ok(()) } else { Err(idle("multiply_add")) }
}

fn idle(probe: &str) -> GpuError {
    GpuError::Rejected {
        what: format!("probe {probe}"),
        reason: "its result is wrong, so its time means nothing".into(),
    }
}
