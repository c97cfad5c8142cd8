//! Runs: repeated, resumed, interrupted, and what lies in their folder.

use crate::{Place, digits, events, sha, shown};
use serde_json::Value;

/// The same bits twice, and in one go or in two.
#[test]
fn a_run_repeats_and_resumes_to_the_same_bits() {
    let place = Place::new();
    let digits = digits();
    let train = |out: &str, more: &[&str]| {
        let args = ["train", "--data", &digits, "--validation", "20", "--seed", "3", "--out", out];
        place.json(&[&args, more].concat())
    };
    let model = |run: &str| sha(&place.path(run).join("model.safetensors"));
    train("a", &["--epochs", "3"]);
    train("b", &["--epochs", "3"]);
    assert_eq!(model("a"), model("b"), "the same command twice");
    train("c", &["--epochs", "1"]);
    assert_ne!(model("a"), model("c"));
    let resumed = place.json(&["train", "--resume", "c", "--epochs", "3"]);
    assert_eq!(model("a"), model("c"), "resumed after an epoch");
    assert_eq!((&resumed["steps"], resumed["epochs"].as_array().unwrap().len()), (&Value::from(15), 3));
    // Stopped in the middle of the second epoch.
    train("d", &["--epochs", "3", "--steps", "7"]);
    assert_ne!(model("a"), model("d"));
    place.json(&["train", "--resume", "d"]);
    assert_eq!(model("a"), model("d"), "resumed within an epoch");
    assert_eq!(sha(&place.path("a/resume.safetensors")).len(), 64);
    train("e", &["--epochs", "3", "--momentum", "0.4"]);
    assert_ne!(model("a"), model("e"));
    place.fails(&["train", "--resume", "a"], &["has finished its 3 epochs", "--epochs"]);
}

/// Streamed through a window, evaluated through one, and fine-tuned with and without keeping what frozen layers make.
#[test]
fn little_device_memory_comes_to_the_same_bits() {
    let place = Place::new();
    let digits = digits();
    let train = |out: &str, memory: &[&str]| {
        let args = ["train", "--data", &digits, "--validation", "20", "--epochs", "2", "--batch", "24", "--out", out];
        place.json(&[&args, memory].concat())["test"].clone()
    };
    let little = ["--device-memory", "60K"];
    assert_eq!(train("whole", &[]), train("streamed", &little));
    let model = |run: &str| sha(&place.path(run).join("model.safetensors"));
    assert_eq!(model("whole"), model("streamed"));
    let eval =
        |memory: &[&str]| place.json(&[&["eval", "whole", "--data", &digits][..], memory].concat())["wrong"].clone();
    assert_eq!(eval(&[]), eval(&little));

    let tune = |out: &str, memory: &[&str]| {
        let tune = ["finetune", "whole", "--data", &digits, "--epochs", "2", "--augment", "none", "--out", out];
        let ended = place.run(&[&tune[..], memory].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.err.contains("conv1 and conv2 computed once for 320 images")
    };
    assert!(tune("kept", &[]) && !tune("computed", &["--device-memory", "300K"]));
    assert_eq!(model("kept"), model("computed"));

    let wrong = place.run(&["eval", "whole", "--device-memory", "1.5X"]);
    assert_eq!(wrong.code, Some(2));
    place.fails(
        &["eval", "whole", "--data", &digits, "--device-memory", "500"],
        &["--device-memory is 500", "not one image would fit"],
    );
}

#[test]
fn a_run_folder_tells_its_story() {
    let place = Place::new();
    let digits = digits();
    let args = ["train", "--data", &digits, "--epochs", "2", "--validation", "20", "--log-every", "2", "--out", "run"];
    let ended = place.run(&args);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.starts_with("test accuracy ") && ended.out.contains(&shown("model run/model.safetensors")));
    // No terminal, no bar: a line an epoch.
    assert_eq!(ended.err.lines().filter(|line| line.starts_with("epoch ")).count(), 2, "{}", ended.err);
    assert!(!ended.err.contains('\u{1b}') && !ended.err.contains('\r'), "{:?}", ended.err);
    for word in ["adapter ", "data digits", "seed 0", "run run"] {
        assert!(ended.err.contains(word), "{word}: {}", ended.err);
    }
    let mut names: Vec<_> = std::fs::read_dir(place.path("run")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["best.safetensors", "events.jsonl", "model.safetensors", "recipe.toml", "resume.safetensors"]);

    let events = events(&place.path("run"));
    let kinds: Vec<&str> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], *kinds.last().unwrap()), ("start", "end"));
    let steps: Vec<&Value> = events.iter().filter(|e| e["event"] == "step").map(|e| &e["step"]).collect();
    assert_eq!(steps, [2, 4, 6, 8, 10]);
    assert!(events.iter().filter(|e| e["event"] == "step").all(|e| e["loss"].as_f64().unwrap() > 0.0));
    assert_eq!(kinds.iter().filter(|kind| **kind == "epoch").count(), 2);

    let model = safetensors_metadata(&place.path("run/model.safetensors"));
    assert_eq!(model["input"], serde_json::json!([1, 28, 28]));
    assert!(model["normalisation"]["mean"].as_f64().unwrap() > 0.0);
    assert_eq!(model["training"]["steps"], 10);
}

fn safetensors_metadata(path: &std::path::Path) -> Value {
    let raw = std::fs::read(path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&raw).unwrap();
    serde_json::from_str(&header.metadata().as_ref().unwrap()["mnist-gpu"]).unwrap()
}

#[test]
fn a_set_smaller_than_a_batch_trains_on_one_short_batch() {
    let place = Place::new();
    let args = ["train", "--data", &digits(), "--limit", "9", "--validation", "0", "--epochs", "3", "--out", "run"];
    assert_eq!(place.json(&args)["steps"], 3);
}

#[test]
fn another_number_of_classes_gets_a_new_last_layer() {
    let place = Place::new();
    let digits = digits();
    place.json(&["train", "--data", &digits, "--validation", "0", "--steps", "2", "--out", "ten"]);
    // The same digits with 3 classes: 0-3, 4-7, 8-9.
    let three = place.digits("three");
    for (name, count) in [("train", 320_u32), ("t10k", 100)] {
        let path = std::path::Path::new(&three).join(format!("{name}-labels-idx1-ubyte.gz"));
        let labels = mnist_gpu::data::read_labels(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let classes = labels.iter().map(|label| label / 4);
        let bytes: Vec<u8> = [0, 0, 8, 1].into_iter().chain(count.to_be_bytes()).chain(classes).collect();
        std::fs::write(path.with_extension(""), bytes).unwrap();
    }
    let tuned = place.json(&["finetune", "ten", "--data", &three, "--epochs", "2", "--out", "tuned"]);
    assert_eq!(tuned["network"]["parameters"], 21_840 - 7 * 51);
    assert_eq!(place.json(&["eval", "tuned", "--data", &three])["confusion"].as_array().unwrap().len(), 3);
    let words = ["fc2", "knows the classes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9", "the data have 0, 1, 2,", "--freeze"];
    place.fails(&["finetune", "ten", "--data", &three, "--freeze", "fc2", "--out", "x"], &words);
    // Ten classes of labels on three classes of answers.
    place.fails(&["eval", "tuned", "--data", &digits], &["label", "only 3 classes"]);
}
