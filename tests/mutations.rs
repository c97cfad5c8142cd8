//! Mutation tests: small faults are put into each shader, one at a time, and its conformance cases must catch them.
//!
//! The faults are listed with each kernel in `src/kernels`. A fault replaces a piece of text that occurs exactly once
//! in the shader: a dropped term, a shifted index, a wrong bound. A fault that survives means that the kernel's cases
//! are incomplete; add a case.

#[path = "common/devices.rs"]
mod devices;

use mnist_gpu::kernels::{Activation, Kernel, STEMS, Text};
use mnist_gpu::reference::activation_faults;
use mnist_gpu::verify::{Case, cases, run};

/// A fault: its name, the cases of which at least one must catch it, and a text with its replacement.
type Fault = (String, Vec<Case>, &'static (&'static str, &'static str));

/// The cases of each shader of a kernel.
fn texts(stem: &'static str) -> impl Iterator<Item = (Text, Vec<Case>)> {
    let of_text = |wgsl| cases(stem).into_iter().filter(move |case| case.kernel().spec().wgsl == wgsl).collect();
    Kernel::texts(stem).into_iter().map(move |text| (text, of_text(text.wgsl)))
}

fn faults() -> Vec<Fault> {
    let of_kernel = |&stem: &&'static str| {
        texts(stem).flat_map(move |(text, cases)| {
            text.faults.iter().map(move |fault| (stem.to_string(), cases.clone(), fault))
        })
    };
    let of_activation = |&activation: &Activation| {
        let by_itself = ["activation_forward", "activation_backward"].into_iter().flat_map(cases);
        let own: Vec<Case> = by_itself.filter(|case| case.kernel().spec().activation == activation).collect();
        activation_faults(activation).iter().map(move |fault| (activation.to_string(), own.clone(), fault))
    };
    STEMS.iter().flat_map(of_kernel).chain(Activation::ALL.iter().flat_map(of_activation)).collect()
}

#[test]
fn every_fault_is_caught() {
    // Run-time checks keep a fault from reaching beyond its buffers.
    let devices = devices::every(&[true]);
    let (faults, mut survivors) = (faults(), Vec::new());
    for (device, (of, cases, (text, replacement))) in
        devices.iter().flat_map(|device| faults.iter().map(move |fault| (device, fault)))
    {
        let caught = cases.iter().find_map(|case| {
            let wgsl = case.kernel().spec().text();
            assert_eq!(wgsl.matches(text).count(), 1, "{of}: {text:?} must stand there exactly once");
            let judgement = run(device, case, Some(&wgsl.replace(text, replacement)));
            let failure = judgement.unwrap_or_else(|e| panic!("{of}: {text:?} to {replacement:?}: {e}")).failure;
            failure.map(|failure| (case.name(), failure))
        });
        match caught {
            Some((case, failure)) => println!("{of}: {text:?} to {replacement:?}: caught by {case}: {failure}"),
            None => survivors.push(format!("{}: {of}: {text:?} to {replacement:?}", device.info)),
        }
    }
    println!("{} faults on {} devices", faults.len(), devices.len());
    assert!(survivors.is_empty(), "{} survive:\n{}", survivors.len(), survivors.join("\n"));
}

/// Every barrier of every shader has a fault that removes it.
#[test]
fn every_barrier_has_a_fault() {
    for stem in STEMS {
        for (text, cases) in texts(stem) {
            let wgsl = cases[0].kernel().spec().text();
            for barrier in ["workgroupBarrier()", "workgroupUniformLoad("] {
                let faults = text.faults.iter().filter(|(text, to)| text.contains(barrier) && !to.contains(barrier));
                assert_eq!(faults.count(), wgsl.matches(barrier).count(), "{stem}: {barrier}");
            }
        }
    }
}

#[test]
fn every_shader_has_three_faults() {
    for stem in STEMS {
        for text in Kernel::texts(stem) {
            assert!(text.faults.len() >= 3, "{stem} has {}", text.faults.len());
        }
    }
}
