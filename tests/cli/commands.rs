//! What each command prints: the JSON of the contract, and results alone on standard output.

use crate::{Place, digits, keys, shown};
use serde_json::Value;

const ADAPTER: [&str; 4] = ["backend", "driver", "name", "type"];

fn is_adapter(value: &Value) {
    assert!(ADAPTER.iter().all(|key| value[key].is_string()), "{value}");
    assert!(["vulkan", "metal", "dx12", "gl"].contains(&value["backend"].as_str().unwrap()));
    assert!(["discrete", "integrated", "virtual", "cpu", "other"].contains(&value["type"].as_str().unwrap()));
}

fn is_test(value: &Value, total: u64) {
    let correct = value["correct"].as_u64().unwrap();
    assert_eq!(value["total"], total);
    assert_eq!(value["accuracy"].as_f64().unwrap(), correct as f64 / total as f64);
    assert!(value["loss"].as_f64().unwrap() > 0.0);
}

#[test]
fn train_eval_and_finetune_print_what_the_contract_says() {
    let place = Place::new();
    let digits = digits();
    let train = place.json(&["train", "--data", &digits, "--epochs", "2", "--validation", "20", "--out", "first"]);
    let expected = [
        "adapter",
        "command",
        "data",
        "dispatches_per_step",
        "epochs",
        "model",
        "network",
        "run",
        "seconds",
        "steps",
        "test",
    ];
    assert_eq!(keys(&train), expected);
    is_adapter(&train["adapter"]);
    is_test(&train["test"], 100);
    assert_eq!(train["command"], "train");
    assert_eq!(train["data"], serde_json::json!({"name": "digits", "train": 300, "validation": 20, "test": 100}));
    let network = serde_json::json!({"parameters": 21_840, "trainable": 21_840, "frozen": []});
    assert_eq!(train["network"], network);
    // 300 images are four batches of 64 and a short one.
    assert_eq!((&train["steps"], train["epochs"].as_array().unwrap().len()), (&Value::from(10), 2));
    let keys_of_epoch =
        ["epoch", "images_per_second", "seconds", "train_loss", "validation_accuracy", "validation_loss"];
    assert_eq!(keys(&train["epochs"][1]), keys_of_epoch);
    assert!(train["epochs"][1]["train_loss"].as_f64() < train["epochs"][0]["train_loss"].as_f64());
    assert!(["setup", "train", "total"].iter().all(|key| train["seconds"][key].as_f64().unwrap() > 0.0));

    let eval = place.json(&["eval", "first", "--data", &digits]);
    is_test(&eval, 100);
    assert_eq!(eval["correct"], train["test"]["correct"], "eval and the end of train see the same");
    assert_eq!(eval["loss"], train["test"]["loss"]);
    let confusion: Vec<Vec<u64>> = serde_json::from_value(eval["confusion"].clone()).unwrap();
    assert_eq!(confusion.iter().flatten().sum::<u64>(), 100);
    let wrong = eval["wrong"].as_array().unwrap();
    assert_eq!(wrong.len() as u64, 100 - eval["correct"].as_u64().unwrap());
    let probabilities: Vec<f64> = wrong.iter().map(|w| w["probability"].as_f64().unwrap()).collect();
    assert!(probabilities.windows(2).all(|pair| pair[0] >= pair[1]), "the most confident mistake comes first");
    assert!(wrong.iter().all(|w| w["label"].is_u64() && w["label"] != w["predicted"]));
    assert_eq!(eval["per_class"].as_array().unwrap().len(), 10);
    assert_eq!(keys(&eval["per_class"][3]), ["class", "f1", "precision", "recall", "support"]);
    assert_eq!(place.json(&["eval", "first", "--data", &digits, "--split", "train"])["total"], 320);

    let tuned = place.json(&["finetune", "first", "--data", &digits, "--epochs", "1", "--out", "second"]);
    assert_eq!(tuned["command"], "finetune");
    assert_eq!(tuned["network"]["frozen"], serde_json::json!(["conv1", "conv2"]));
    assert_eq!(tuned["network"]["trainable"], 16_560);
    let tensors = |run: &str| std::fs::read(place.path(run).join("model.safetensors")).unwrap();
    let (before, after) = (tensors("first"), tensors("second"));
    let [before, after] = [&before, &after].map(|raw| safetensors::SafeTensors::deserialize(raw).unwrap());
    for (name, tensor) in before.tensors() {
        let same = tensor.data() == after.tensor(&name).unwrap().data();
        assert_eq!(same, name.starts_with("conv"), "{name}: frozen layers stay bit for bit, and only those");
    }
    assert!(tuned["dispatches_per_step"].as_u64() < train["dispatches_per_step"].as_u64());
    assert_eq!(tuned["epochs"][0]["validation_loss"], Value::Null);

    // Without a model the newest run under ./runs is taken.
    place.fails(&["eval", "--data", &digits], &["runs", "mnist-gpu train"]);
    std::fs::create_dir(place.path("runs")).unwrap();
    std::fs::rename(place.path("second"), place.path("runs/second")).unwrap();
    let newest = place.json(&["eval", "--data", &digits]);
    assert_eq!(newest["model"], shown("runs/second/model.safetensors"));

    // Results on standard output, the rest on standard error, and of that nothing when it is quiet.
    let text = place.run(&["eval", "first", "--data", &digits]);
    assert!(text.out.starts_with("accuracy ") && text.out.contains("95 % interval") && text.out.contains("confusion"));
    assert!(text.out.contains("most confident wrong predictions") && !text.out.contains("adapter"));
    assert!(text.err.contains("adapter ") && text.err.contains("data digits"), "{}", text.err);
    assert_eq!(place.run(&["eval", "first", "--data", &digits, "-q"]).err, "");
}

#[test]
fn plan_needs_no_device_and_leaves_out_what_is_frozen() {
    let place = Place::new();
    let plan = |args: &[&str]| {
        let mut command = place.command(&[&["plan", "--json"], args].concat());
        let output = command.env("VK_DRIVER_FILES", "/nowhere").env("LIBGL_DRIVERS_PATH", "/nowhere").output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let full = plan(&[]);
    assert_eq!((&full["batch"], full["steps"].as_array().unwrap().len()), (&Value::from(64), 13));
    assert_eq!(full["dispatches"], serde_json::json!([2, 1, 1, 1, 1, 2, 2, 1, 2]));
    assert_eq!(keys(&full["steps"][0]), ["kernel", "label", "reads", "workgroups", "writes"]);
    let frozen = plan(&["--freeze", "conv1,conv2", "--batch", "7"]);
    assert_eq!((&frozen["batch"], frozen["steps"].as_array().unwrap().len()), (&Value::from(7), 9));
    assert_eq!(plan(&["--inference"])["steps"].as_array().unwrap().len(), 7);
    assert!(plan(&["--unfused"])["steps"].as_array().unwrap().len() > 20);
    let deep = place.run(&["plan", "--network", "deep", "--freeze", "conv1,bn1"]);
    assert!(deep.out.contains("bn2 statistics") && !deep.out.contains("bn1 statistics"), "{}", deep.out);
    place.fails(&["plan", "--network", "vgg"], &["no network \"vgg\"", "deep"]);
    let text = place.run(&["plan"]);
    assert!(text.out.contains("conv1.weight.grad") && text.err.is_empty());
    assert!(text.out.contains(" +  conv2 backward input"), "{}", text.out);
    let alone = place.run(&["plan", "--class", "integrated,per_dispatch=1"]);
    assert!(alone.out.contains("17  advance") && !alone.out.contains(" +  "), "{}", alone.out);
}

#[test]
fn adapters_marks_one_default() {
    let listed = Place::new().json(&["adapters"]);
    let adapters = listed["adapters"].as_array().unwrap();
    adapters.iter().for_each(is_adapter);
    assert_eq!(adapters.iter().filter(|a| a["default"] == true).count(), 1);
    assert!(adapters.iter().enumerate().all(|(at, a)| a["index"] == at));
}

#[test]
fn every_way_of_choosing_an_adapter_works() {
    let place = Place::new();
    let listed = place.json(&["adapters"]);
    let digits = digits();
    place.json(&["train", "--data", &digits, "--validation", "0", "--steps", "1", "--out", "run"]);
    for adapter in listed["adapters"].as_array().unwrap() {
        let index = adapter["index"].to_string();
        let chosen =
            |given: &str| place.json(&["eval", "run", "--data", &digits, "--adapter", given])["adapter"].clone();
        for given in [index.as_str(), adapter["backend"].as_str().unwrap()] {
            assert_eq!(chosen(given)["backend"], adapter["backend"], "{given}");
        }
        let part = adapter["name"].as_str().unwrap().split(' ').next().unwrap().to_uppercase();
        assert!(chosen(&part)["name"].as_str().unwrap().to_uppercase().contains(&part));
        let mut command = place.command(&["eval", "run", "--data", &digits, "--json"]);
        let output = command.env("WGPU_BACKEND", adapter["backend"].as_str().unwrap()).output().unwrap();
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["adapter"]["backend"], adapter["backend"], "WGPU_BACKEND counts");
    }
}

#[test]
fn data_lists_and_describes() {
    let place = Place::new();
    let list = place.json(&["data", "list"]);
    let names: Vec<&str> = list["sets"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names[..5], ["mnist", "fashion", "kmnist", "qmnist", "emnist-letters"]);
    assert_eq!((names.len(), names[10]), (11, "synthetic"));
    let info = place.json(&["data", "info", "mnist"]);
    let mnist = &info["sets"][0];
    assert!(mnist["mirrors"].as_array().unwrap().len() >= 2);
    assert_eq!((&mnist["licence"], &mnist["here"]), (&Value::from("CC BY-SA 3.0"), &Value::from(false)));
    assert!(mnist["files"].as_array().unwrap().iter().all(|f| f["sha256"].as_str().unwrap().len() == 64));
    let info = place.json(&["data", "info", &digits()]);
    assert_eq!((&info["train"], &info["test"], &info["classes"]), (&320.into(), &100.into(), &10.into()));
    place.fails(&["data", "fetch", "cifar"], &["cifar", "mnist", "fashion", "kmnist"]);
    place.fails(&["data", "fetch", "mnist", "--offline"], &["--offline"]);
}

#[test]
fn without_mnist_the_synthetic_digits_are_taken_aloud() {
    let place = Place::new();
    let args = ["train", "--offline", "--limit", "64", "--validation", "0", "--steps", "1", "--out", "run"];
    let ended = place.run(&args);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("MNIST is unavailable, so the built-in synthetic digits are used"), "{}", ended.err);
    assert!(ended.err.contains("data synthetic"));
    place.fails(&["train", "--data", "mnist", "--offline"], &["mnist", "--offline", "data fetch mnist"]);
}

#[test]
fn verify_passes_here() {
    let verify = Place::new().json(&["verify"]);
    is_adapter(&verify["adapter"]);
    assert_eq!(verify["passed"], true);
    let kernels = verify["kernels"].as_array().unwrap();
    assert_eq!(kernels.len(), mnist_gpu::verify::STEMS.len());
    for kernel in kernels {
        assert_eq!(keys(kernel), ["cases", "kernel", "passed", "worst"]);
        assert!(kernel["cases"] == kernel["passed"] && kernel["worst"]["ratio"].as_f64().unwrap() <= 1.0, "{kernel}");
    }
    assert_eq!(verify["step"]["cases"], verify["step"]["passed"]);
}

#[test]
fn wrong_command_lines_exit_with_2() {
    let place = Place::new();
    for args in [
        &["train", "--epochs", "many"][..],
        &["train", "--epochs", "0"],
        &["train", "--lr", "0"],
        &["train", "--lr", "nan"],
        &["train", "--momentum", "1"],
        &["train", "--batch", "0"],
        &["train", "--resume", "x", "--lr", "0.1"],
        &["train", "--optimizer", "adagrad"],
        &["train", "--schedule", "linear"],
        &["train", "--warmup", "-1"],
        &["train", "--clip", "0"],
        &["train", "--lr", "1e-60"],
        &["eval", "--split", "both"],
        &["no-such-command"],
        &[],
    ] {
        let ended = place.run(args);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(!ended.err.is_empty());
    }
    let help = place.run(&["train", "--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.out.contains("--adapter") && help.out.contains("v = momentum * v + gradient"));
}
