//! The devices of this machine, for tests.

use mnist_gpu::gpu::{Device, adapters};

/// Opens every adapter, with each of these settings of wgpu's run-time checks.
///
/// # Panics
/// If there is none, since a test that proves nothing must not pass, unless `MNIST_GPU_TESTS=off`.
pub fn every(checked: &[bool]) -> Vec<Device> {
    if std::env::var("MNIST_GPU_TESTS").is_ok_and(|v| v == "off") {
        println!("MNIST_GPU_TESTS=off: nothing is run on a device");
        return Vec::new();
    }
    let found = adapters();
    assert!(
        !found.is_empty(),
        "this machine has no adapter, so nothing can be proven; install a driver (Debian: mesa-vulkan-drivers) or say \
         MNIST_GPU_TESTS=off"
    );
    let open = |(adapter, info): &(_, mnist_gpu::gpu::AdapterInfo)| {
        let each = checked.iter().map(|&checked| Device::of(adapter, info.clone(), checked));
        each.map(|device| device.unwrap_or_else(|e| panic!("{e}"))).collect::<Vec<_>>()
    };
    found.iter().flat_map(open).collect()
}
