//! Every kernel against its twin, on every adapter of this machine, with and without wgpu's run-time checks.

mod common;

/// The examples of each twin, in a file named after its stem, and all cases of its kernel on every device.
macro_rules! tests {
    ($($family:ident: $($stem:ident $kernel:ident),+;)+) => {
        $($(mod $stem;)+)+

        mod every_device_agrees_with_the_twin_of {
            $($(
                #[test]
                fn $stem() {
                    crate::common::conformance(stringify!($stem));
                }
            )+)+
        }
    };
}
mnist_gpu::each_kernel!(tests);

/// Every shader file belongs to a kernel.
#[test]
fn every_shader_is_a_kernels() {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut stems: Vec<String> = std::fs::read_dir(format!("{root}/shaders"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // Probes are not part of a step; `bench` checks their results itself.
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    stems.sort();
    let mut known = mnist_gpu::kernels::STEMS.to_vec();
    known.sort_unstable();
    assert_eq!(stems, known);
}
