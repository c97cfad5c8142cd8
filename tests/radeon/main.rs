//! What AMD's compiler makes of the shaders for GPUs: ACO, the one in Mesa's RADV driver, for Radeons that are not there.
//!
//! With `RADV_FORCE_FAMILY` the driver compiles for any Radeon without one. The shaders of the networks' training steps
//! must not spill registers or use scratch memory, must leave room for enough waves and fit the instruction cache, and
//! must not wait for their loads one by one in an innermost loop, which is what makes a shader slow that looks fine.
//!
//! Needs Mesa's Vulkan drivers on Linux; skipped without them, unless `MNIST_GPU_RADEON=required`.

#![cfg(target_os = "linux")]

mod assembly;
mod compiler;

use assembly::Assembly;
use compiler::{Compiled, Radeon, Text};
use mnist_gpu::kernels::{DeviceClass, Tiles};
use mnist_gpu::model::{Architecture, Network};
use mnist_gpu::optimizers::Optimizer;
use mnist_gpu::plan::Dispatch;
use mnist_gpu::recorder::{Options, record};
use std::collections::BTreeMap;
use std::process::Command;

/// Chip, subgroup size (0 is the driver's choice), and the least number of subgroups per SIMD. RDNA runs subgroups of 32
/// or 64, and the driver counts one of 64 twice; Vega has 64 only.
const CHIPS: [(&str, u32, u64); 4] = [("navi21", 0, 8), ("navi21", 32, 5), ("navi10", 0, 8), ("vega10", 0, 2)];

/// Instruction cache of two compute units in bytes.
const INSTRUCTIONS: u64 = 32 << 10;

/// Fewest loads per full wait in an innermost loop that loads.
const LOADS_PER_WAIT: usize = 2;

/// Every distinct shader of the steps of three networks.
fn texts() -> Vec<Text> {
    let mut texts = BTreeMap::new();
    for (name, batch) in [("tutorial", 64), ("tutorial", 1024), ("lenet5", 64), ("deep", 128)] {
        let network: Network = Architecture::find(name).unwrap().network([1, 28, 28], 10).unwrap();
        for (class, optimizer) in [
            (DeviceClass::Integrated, Optimizer::Sgd),
            (DeviceClass::Discrete, Optimizer::Sgd),
            (DeviceClass::Discrete, Optimizer::Adam),
            (DeviceClass::Discrete, Optimizer::Rmsprop),
        ] {
            let options = Options {
                optimizer,
                hyper: optimizer.definition().defaults,
                clip: optimizer == Optimizer::Adam,
                weighted: optimizer == Optimizer::Rmsprop,
                augment: optimizer == Optimizer::Rmsprop,
                ..Options::new(batch, 60_000, 60_000, Tiles::of(class))
            };
            for steps in record(&network, &options).unwrap().dispatches() {
                let Dispatch { label, wgsl, slots, .. } = Dispatch::new(steps, |spec| spec.wgsl).unwrap();
                let label = format!("{label} of {name}, batch {batch}, {class:?}");
                texts.entry(wgsl).or_insert((label, slots));
            }
        }
    }
    texts.into_iter().map(|(wgsl, (label, slots))| Text { label, slots, wgsl }).collect()
}

/// What is wrong with a shader, if anything.
fn problems_of(compiled: &Compiled, subgroups: u64) -> Vec<String> {
    let mut problems = Vec::new();
    for name in ["Spilled VGPRs", "Spilled SGPRs", "Scratch size"] {
        if compiled.statistic(name) > 0 {
            problems.push(format!("{name} {}", compiled.statistic(name)));
        }
    }
    if compiled.statistic("Subgroups per SIMD") < subgroups {
        let (count, registers) = (compiled.statistic("Subgroups per SIMD"), compiled.statistic("VGPRs"));
        problems.push(format!("{count} of {subgroups} subgroups per SIMD with {registers} vector registers"));
    }
    if compiled.statistic("Code size") > INSTRUCTIONS {
        problems.push(format!("{} bytes of code", compiled.statistic("Code size")));
    }
    for (header, loads, waits) in loading_loops(&Assembly::of(&compiled.assembly)) {
        if waits > 0 && loads < LOADS_PER_WAIT * waits {
            problems.push(format!("the loop at {header} waits {waits} times for {loads} loads"));
        }
    }
    problems
}

/// Innermost loops that load from memory: first block, loads, and waits for all of them. A wait that finds no load
/// of the loop under way costs only the first iteration.
fn loading_loops(assembly: &Assembly) -> Vec<(String, usize, usize)> {
    let is_innermost = |&(first, last): &(usize, usize)| {
        !assembly.loops.iter().any(|&(a, b)| (a, b) != (first, last) && first <= a && b <= last)
    };
    let counted = assembly.loops.iter().filter(|range| is_innermost(range)).map(|&(first, last)| {
        let lines = || assembly.blocks[first..=last].iter().flat_map(|(_, lines)| lines);
        let is_load = |line: &&&str| line.starts_with("buffer_load") || line.starts_with("global_load");
        let is_wait = |line: &&&str| line.starts_with("s_waitcnt") && line.contains("vmcnt(0)");
        // The second iteration finds the loads that the first one left under way.
        let (mut under_way, mut waits) = (false, 0);
        for line in lines().chain(lines()) {
            waits += usize::from(under_way && is_wait(&line));
            under_way = is_load(&line) || under_way && !is_wait(&line);
        }
        (assembly.blocks[first].0.to_string(), lines().filter(is_load).count(), waits.div_ceil(2))
    });
    counted.filter(|(_, loads, _)| *loads > 0).collect()
}

#[test]
fn radeons_run_every_shader_well() {
    let Some(driver) = compiler::driver() else {
        let required = std::env::var("MNIST_GPU_RADEON").is_ok_and(|value| value == "required");
        assert!(!required, "there is no RADV driver; install mesa-vulkan-drivers");
        println!("skipped: there is no RADV driver; on Debian it is in mesa-vulkan-drivers");
        return;
    };
    // The driver reads its environment when it is loaded, so each chip has a process of its own.
    let mut failed = String::new();
    for (chip, subgroup, subgroups) in CHIPS {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "on_one_chip", "--nocapture"])
            .env("VK_DRIVER_FILES", &driver)
            .env("RADV_FORCE_FAMILY", chip)
            .env("MESA_SHADER_CACHE_DISABLE", "1")
            .env("MNIST_GPU_SUBGROUPS", format!("{subgroup} {subgroups}"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().filter(|line| line.starts_with(chip));
        lines.for_each(|line| println!("{line}"));
        if !output.status.success() {
            failed += &format!("{text}\n{}\n", String::from_utf8_lossy(&output.stderr));
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

#[test]
#[ignore = "run by the test above, once for each chip"]
fn on_one_chip() {
    let chip = std::env::var("RADV_FORCE_FAMILY").expect("the name of a chip");
    let subgroups = std::env::var("MNIST_GPU_SUBGROUPS").expect("size and number of subgroups");
    let (size, number) = subgroups.split_once(' ').unwrap();
    let (size, number) = (size.parse().unwrap(), number.parse().unwrap());
    let (radeon, texts) = (Radeon::open(), texts());
    let mut problems = 0;
    for text in &texts {
        let compiled = radeon.compile(text, size);
        for problem in problems_of(&compiled, number) {
            println!("{chip}, subgroups of {size}: {}: {problem}", text.label);
            problems += 1;
        }
    }
    println!("{chip}, subgroups of {size}: {} shaders, {problems} problems", texts.len());
    assert_eq!(problems, 0);
}

/// The check of loops finds a loop that waits for each load.
#[test]
fn a_loop_that_waits_for_each_load_is_seen() {
    let assembly = "BB0:\n s_branch BB1\nBB1:\n buffer_load_dword v1\n s_waitcnt vmcnt(0)\n s_cbranch_scc0 BB1\nBB2:\n \
                    buffer_load_dword v1\n buffer_load_dword v2\n buffer_load_dword v3\n s_waitcnt vmcnt(0)\n \
                    s_cbranch_scc0 BB2\nBB3:\n s_waitcnt vmcnt(0)\n buffer_load_dword v1\n buffer_load_dword v2\n \
                    s_waitcnt vmcnt(0)\n s_cbranch_scc0 BB3\nBB4:\n s_endpgm";
    assert_eq!(
        loading_loops(&Assembly::of(assembly)),
        [("BB1".into(), 1, 1), ("BB2".into(), 3, 1), ("BB3".into(), 2, 1)]
    );
}
