//! Times the kernels and the step of the tutorial's network, as `mnist-gpu bench --what kernels` does, with the shaders
//! read from `shaders/` at run time, so that one can be tuned without a rebuild: `cargo bench`, or
//! `cargo bench -- conv2` for the kernels whose label or stem contains that. `WGPU_BACKEND` and `WGPU_ADAPTER_NAME`
//! choose the device, `MNIST_GPU_BENCH_BATCH` the batch size.

use mnist_gpu::bench::{Setting, ceilings, step_with_sources};
use mnist_gpu::cli::step_lines;
use mnist_gpu::gpu::{Device, Selection};
use mnist_gpu::kernels::{Kernel, STEMS};
use mnist_gpu::verify::network;
use std::collections::HashMap;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::open_to_measure(&Selection::from_flag_or_env(None), false)?;
    println!("{}", device.info);
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let batch = std::env::var("MNIST_GPU_BENCH_BATCH").map_or(Ok(64), |text| text.parse())?;
    let files = STEMS.iter().flat_map(|stem| Kernel::texts(stem)).map(|text| text.file);
    let sources: HashMap<&str, String> = files
        .map(|file| {
            let path = format!("{}/shaders/{file}.wgsl", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(&path).map(|text| (file, text)).map_err(|e| format!("{path}: {e}"))
        })
        .collect::<Result<_, _>>()?;
    let network = network("tutorial").ok_or("no tutorial")?;
    let setting = Setting { network: &network, batch, tiles: device.tiles, unfused: false, runs: 7, kernels: true };
    let ceilings = ceilings(&device, setting.runs)?;
    // SAFETY: whoever tunes a shader keeps its guards, which `cargo test` proves.
    let mut times =
        unsafe { step_with_sources(&device, &setting, Some(&ceilings), |spec| sources[spec.file].as_str())? };
    times.kernels.retain(|k| k.label.contains(&filter) || k.kernel.contains(&filter));
    println!("ceilings: {:.1} GFLOP/s, {:.2} GB/s", ceilings.flops * 1e-9, ceilings.bytes * 1e-9);
    step_lines(&times).iter().for_each(|line| println!("{line}"));
    Ok(())
}
