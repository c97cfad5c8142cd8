//! Broken kernels are caught: each shader is given small faults, one at a time, and its conformance cases must notice.
//!
//! The faults stand with each kernel in `src/kernels`. A fault is a piece of text that stands in the shader exactly once, and what takes its place: a dropped term, a shifted
//! index, a wrong bound. One that survives means that the cases of that kernel lack something; add a case, not an excuse.

#[path = "common/devices.rs"]
mod devices;

use mnist_gpu::kernels::{Kernel, STEMS};
use mnist_gpu::verify::{cases, run};

#[test]
fn every_fault_is_caught() {
    // Run-time checks keep a fault from reaching beyond its buffers.
    let devices = devices::every(&[true]);
    let mut survivors = Vec::new();
    let faults = || STEMS.iter().flat_map(|stem| Kernel::faults(stem).iter().map(move |fault| (stem, fault)));
    for (device, (stem, (text, replacement))) in
        devices.iter().flat_map(|device| faults().map(move |fault| (device, fault)))
    {
        let caught = cases(stem).into_iter().find_map(|case| {
            // With its pieces, of which the activation is the case's.
            let wgsl = case.kernel().spec().text();
            let count = wgsl.matches(text).count();
            assert!(count <= 1, "{stem}: {text:?} must stand there exactly once");
            if count == 0 {
                return None;
            }
            let judgement = run(device, &case, Some(&wgsl.replace(text, replacement)));
            let failure = judgement.unwrap_or_else(|e| panic!("{stem}: {text:?} to {replacement:?}: {e}")).failure;
            failure.map(|failure| (case.name().to_string(), failure))
        });
        match caught {
            Some((case, failure)) => println!("{stem}: {text:?} to {replacement:?}: caught by {case}: {failure}"),
            None => survivors.push(format!("{}: {stem}: {text:?} to {replacement:?}", device.info)),
        }
    }
    assert!(survivors.is_empty(), "{} survive:\n{}", survivors.len(), survivors.join("\n"));
}

/// Each barrier of each shader is missed where it is missing.
#[test]
fn every_barrier_has_a_fault() {
    for stem in STEMS {
        let wgsl = cases(stem)[0].kernel().spec().text();
        for barrier in ["workgroupBarrier()", "workgroupUniformLoad("] {
            let faults =
                Kernel::faults(stem).iter().filter(|(text, to)| text.contains(barrier) && !to.contains(barrier));
            assert_eq!(faults.count(), wgsl.matches(barrier).count(), "{stem}: {barrier}");
        }
    }
}

#[test]
fn every_shader_has_three_faults() {
    for stem in STEMS {
        let faults = Kernel::faults(stem).len();
        assert!(faults >= 3, "{stem} has {faults}");
    }
}
