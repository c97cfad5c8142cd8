//! Every kernel against its twin, on every adapter of this machine, with and without wgpu's run-time checks.

mod common;

mod activation_backward;
mod activation_forward;
mod adam_update;
mod advance;
mod augment_images;
mod batch_norm_backward_input;
mod batch_norm_backward_weight;
mod batch_norm_forward;
mod batch_norm_statistics;
mod conv_backward_input;
mod conv_backward_weight;
mod conv_forward;
mod conv_pool_backward_input;
mod conv_pool_backward_weight;
mod conv_pool_forward;
mod cross_entropy_backward;
mod cross_entropy_forward;
mod distillation_backward;
mod dropout;
mod fc_backward_input;
mod fc_backward_weight;
mod fc_forward;
mod gradient_clip;
mod gradient_norm;
mod load_features;
mod load_images;
mod max_pool_backward;
mod max_pool_forward;
mod rmsprop_update;
mod sgd_update;

/// A kernel without a test would go unnoticed.
#[test]
fn every_shader_has_a_twin_and_a_test() {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut stems: Vec<String> = std::fs::read_dir(format!("{root}/shaders"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // Probes are no part of a step: `bench` checks their results itself.
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    stems.sort();
    let mut known = mnist_gpu::verify::STEMS.to_vec();
    known.sort_unstable();
    assert_eq!(stems, known);
    for stem in stems {
        for place in ["src/reference", "tests/kernels"] {
            assert!(std::path::Path::new(&format!("{root}/{place}/{stem}.rs")).is_file(), "{place}/{stem}.rs");
        }
    }
}
