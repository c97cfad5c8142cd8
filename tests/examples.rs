//! Every example runs.

#[path = "../examples/finetune_frozen.rs"]
mod finetune_frozen;
#[path = "../examples/play_a_plan.rs"]
mod play_a_plan;
#[path = "../examples/predict.rs"]
mod predict;
#[path = "../examples/train_from_arrays.rs"]
mod train_from_arrays;

#[test]
fn train_from_arrays_runs() {
    train_from_arrays::main().unwrap();
}

#[test]
fn predict_runs() {
    predict::main().unwrap();
}

#[test]
fn finetune_frozen_runs() {
    finetune_frozen::main().unwrap();
}

#[test]
fn play_a_plan_runs() {
    play_a_plan::main().unwrap();
}

/// Examples stay short enough to read in one go.
#[test]
fn examples_are_short() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 60, "{}: {lines} lines", path.display());
    }
}
