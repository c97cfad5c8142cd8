//! `bench`: what it prints, what it compares, what it refuses. Times are not judged here.

use crate::{Place, digits, keys};
use serde_json::Value;

#[test]
fn kernels_and_step_are_measured_against_the_ceilings() {
    let place = Place::new();
    let report = place.json(&["bench", "--what", "kernels", "--runs", "2", "--batch", "8,20"]);
    assert_eq!(keys(&report), ["adapter", "ceilings", "command", "epoch", "setting", "startup", "steps", "version"]);
    assert!(report["adapter"]["name"].is_string() && report["epoch"].is_null() && report["startup"].is_null());
    assert!(["flops", "bytes"].iter().all(|key| report["ceilings"][key].as_f64().unwrap() > 1e6), "{report}");
    let batches: Vec<u64> = report["steps"].as_array().unwrap().iter().map(|s| s["batch"].as_u64().unwrap()).collect();
    assert_eq!(batches, [8, 20]);
    for step in report["steps"].as_array().unwrap() {
        let kernels = step["kernels"].as_array().unwrap();
        let dispatches: u64 = kernels.iter().map(|k| k["dispatches"].as_u64().unwrap()).sum();
        assert_eq!(step["dispatches"].as_u64(), Some(dispatches));
        let seconds = |value: &Value| value["median"].as_f64().unwrap();
        let sum: f64 = kernels.iter().map(|k| seconds(&k["seconds"])).sum();
        let between = step["between_kernels"].as_f64().unwrap();
        assert!((seconds(&step["step"]) - sum - between).abs() < 1e-9, "{step}");
        let conv2 = kernels.iter().find(|k| k["label"].as_str().unwrap().contains("conv2 backward input")).unwrap();
        // On a GPU, the gradient of its weights runs beside it and takes as many operations.
        let beside = 1 + conv2["label"].as_str().unwrap().matches(" + ").count() as u64;
        // A software device works in parts of eight images, the last of them filled up.
        let batch = step["batch"].as_u64().unwrap();
        let parts = report["adapter"]["type"] == "cpu" && batch > 8;
        assert_eq!(dispatches > 17, parts, "{dispatches} dispatches");
        let part = if parts { 8 } else { 1 };
        let flops = 640_000 * beside * batch.next_multiple_of(part);
        assert_eq!((conv2["flops"].as_u64(), conv2["sparse_flops"].as_u64()), (Some(flops), Some(flops / 4)));
        assert!(kernels.iter().all(|k| k["share"].as_f64().unwrap() > 0.0 && k["seconds"]["runs"] == 2));
    }
}

#[test]
fn a_saved_report_is_compared_with() {
    let place = Place::new();
    let args = ["bench", "--what", "step", "--runs", "1", "--network", "no-conv"];
    let saved = place.json(&args);
    std::fs::write(place.path("saved.json"), saved.to_string()).unwrap();
    let ended = place.run(&[&args[..], &["--compare", "saved.json"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for what in ["probe multiply-add", "probe copy", "no-conv, batch 64: step"] {
        let line =
            ended.out.lines().find(|line| line.ends_with(what)).unwrap_or_else(|| panic!("{what}: {}", ended.out));
        let ratio: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
        assert!(ratio > 0.0, "{line}");
    }
    // With --json the one object is a report like the first, and the ratios go elsewhere.
    let again = place.run(&[&args[..], &["--compare", "saved.json", "--json"]].concat());
    assert_eq!(keys(&serde_json::from_str(&again.out).unwrap()), keys(&saved));
    assert!(again.err.contains("batch 64: step"), "{}", again.err);

    place.fails(&["bench", "--compare", "missing.json"], &["cannot read missing.json"]);
    std::fs::write(place.path("other.json"), "{\"command\": \"eval\"}").unwrap();
    place.fails(&["bench", "--compare", "other.json"], &["other.json is not a report", "bench --json"]);
}

#[test]
fn epochs_and_starts_are_those_of_train() {
    let place = Place::new();
    let digits = digits();
    let args = ["bench", "--what", "epoch", "--data", &digits, "--runs", "2", "--batch", "32"];
    let epoch = &place.json(&args)["epoch"];
    assert_eq!((&epoch["data"], &epoch["images"]), (&Value::from("digits"), &Value::from(320)));
    assert_eq!((&epoch["batch"], &epoch["seconds"]["runs"]), (&Value::from(32), &Value::from(2)));
    assert!(epoch["images_per_second"].as_f64().unwrap() > 0.0);
    #[cfg(unix)]
    assert!(epoch["cpu_seconds"].as_f64().unwrap() > 0.0 && epoch["peak_memory"].as_u64().unwrap() > 1 << 20);

    let startup = &place.json(&["bench", "--what", "startup", "--data", &digits, "--runs", "2"])["startup"];
    let phases = ["data", "device", "pipelines", "first_step"];
    assert!(phases.iter().all(|phase| startup[phase]["median"].as_f64().unwrap() > 0.0), "{startup}");
    assert_eq!(startup["total"]["runs"], 2);
    // Nothing is left here of what was trained.
    assert!(!place.path("runs").exists());
    let words = ["failed", "it is empty"];
    place.fails(&["bench", "--what", "startup", "--data", "."], &words);
}

#[test]
fn a_sweep_tries_the_entries_that_are_asked_for() {
    let place = Place::new();
    let report = place.json(&["bench", "--sweep", "fc_o", "--runs", "1", "--network", "no-conv", "--batch", "4"]);
    let swept = report["sweep"].as_array().unwrap();
    assert_eq!((swept.len(), &swept[0]["entry"]), (1, &Value::from("fc_o")));
    assert!([1, 2, 5, 10].contains(&swept[0]["best"].as_u64().unwrap()), "{report}");
    let ended = place.run(&["bench", "--sweep", "fc_o", "--runs", "1", "--network", "no-conv", "--batch", "4"]);
    let tried: Vec<&str> = ended.err.lines().filter(|line| line.starts_with("fc_o")).collect();
    assert_eq!(
        (tried.len(), tried.iter().filter(|line| line.ends_with("the table's value")).count()),
        (4, 1),
        "{tried:?}"
    );
    place.fails(&["bench", "--sweep", "conv_q"], &["no entry with \"conv_q\"", "conv_o"]);
}
