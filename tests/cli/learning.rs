//! What a training can be told beside its optimizer: when to stop, which layers learn and how fast, and from whom.

use crate::{Place, digits, events, sha};
use safetensors::SafeTensors;
use std::path::Path;

/// The bytes of a tensor of a model.
fn tensor(model: &Path, name: &str) -> Vec<u8> {
    let raw = std::fs::read(model).unwrap();
    SafeTensors::deserialize(&raw).unwrap().tensor(name).unwrap().data().to_vec()
}

fn distance(a: &[u8], b: &[u8]) -> f64 {
    let floats = |bytes: &[u8]| bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>();
    let squares = floats(a).iter().zip(floats(b)).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    squares.sqrt()
}

#[test]
fn a_run_without_progress_stops_and_keeps_its_best_epoch() {
    let place = Place::new();
    let digits = digits();
    // So high a rate soon makes nothing better.
    let args = ["train", "--data", &digits, "--validation", "100", "--lr", "0.3", "--epochs", "40", "--patience", "2"];
    let ended = place.run(&[&args[..], &["--out", "run"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let epochs: Vec<_> = events(&place.path("run")).into_iter().filter(|e| e["event"] == "epoch").collect();
    let done = epochs.len();
    assert!(done < 40 && ended.err.contains(&format!("stopped after epoch {done}")), "{done}: {}", ended.err);
    let score = |at: usize| {
        let number = |key: &str| epochs[at][key].as_f64().unwrap();
        (number("validation_accuracy"), -number("validation_loss"))
    };
    let best = (0..done).fold(0, |best, at| if score(at) > score(best) { at } else { best });
    assert_eq!(best, done - 3, "the two epochs after the best brought nothing better");
    // The best model is that of its epoch, to the bit.
    let to_best = (best + 1).to_string();
    let short =
        ["train", "--data", &digits, "--validation", "100", "--lr", "0.3", "--epochs", &to_best, "--out", "short"];
    place.json(&short);
    let weights = |file: &str| tensor(&place.path(file), "fc1.weight");
    assert_eq!(weights("run/best.safetensors"), weights("short/model.safetensors"));
    assert_ne!(weights("run/best.safetensors"), weights("run/model.safetensors"));
    place.json(&["eval", "run/best.safetensors", "--data", &digits]);
    place.fails(&["train", "--resume", "run"], &["2 epochs brought no improvement", "--patience"]);
    let more = (done + 1).to_string();
    place.json(&["train", "--resume", "run", "--patience", "30", "--epochs", &more]);
}

#[test]
fn frozen_layers_learn_after_their_time_and_slower() {
    let place = Place::new();
    let digits = digits();
    place.json(&["train", "--data", &digits, "--epochs", "1", "--out", "base"]);
    let tune = |out: &str, more: &[&str]| {
        let args = ["finetune", "base", "--data", &digits, "--lr", "0.05", "--out", out];
        place.json(&[&args, more].concat())
    };
    let weights = |run: &str, name: &str| tensor(&place.path(run).join("model.safetensors"), name);
    tune("frozen", &["--epochs", "2"]);
    assert_eq!(weights("frozen", "conv2.weight"), weights("base", "conv2.weight"));
    tune("thawed", &["--epochs", "3", "--unfreeze-after", "2"]);
    tune("faster", &["--epochs", "3", "--unfreeze-after", "2", "--unfreeze-rate", "1"]);
    let moved = |run: &str| distance(&weights(run, "conv2.weight"), &weights("base", "conv2.weight"));
    assert!(
        moved("thawed") > 0.0 && moved("faster") > 4.0 * moved("thawed"),
        "{} {}",
        moved("thawed"),
        moved("faster")
    );
    // What would be ignored is refused.
    let idle = |args: &[&str], words: &[&str]| {
        place.fails(&[&["finetune", "base", "--data", &digits, "--epochs", "3", "--out", "x"], args].concat(), words);
    };
    idle(&["--unfreeze-after", "3"], &["--unfreeze-after 3", "never reached in 3 epochs"]);
    idle(&["--unfreeze-after", "1", "--freeze", "none"], &["no effect"]);
    idle(&["--patience", "1"], &["--patience", "--validation"]);
    let resumed = ["finetune", "--resume", "frozen", "--epochs", "3", "--patience", "1"];
    place.fails(&resumed, &["--patience", "--validation"]);
    // Resumed across the epoch in which they thaw, and within it.
    for steps in ["8", "13"] {
        let out = format!("parts{steps}");
        tune(&out, &["--epochs", "3", "--unfreeze-after", "2", "--steps", steps]);
        place.json(&["finetune", "--resume", &out]);
        assert_eq!(weights(&out, "conv2.weight"), weights("thawed", "conv2.weight"), "stopped at step {steps}");
        assert_eq!(weights(&out, "fc1.weight"), weights("thawed", "fc1.weight"), "stopped at step {steps}");
    }
}

#[test]
fn layers_learn_at_rates_of_their_own() {
    let place = Place::new();
    let digits = digits();
    let train = |out: &str, more: &[&str]| {
        let args = ["train", "--data", &digits, "--steps", "1", "--momentum", "0", "--validation", "0", "--out", out];
        place.json(&[&args, more].concat());
        ["conv1.weight", "fc2.weight"].map(|name| tensor(&place.path(out).join("model.safetensors"), name))
    };
    // One step from the same start: a parameter moves in proportion to its rate.
    let start = train("start", &["--lr", "1e-30"]);
    let (plain, rates) = (train("plain", &[]), train("rates", &["--rates", "conv1=0.5,fc2=3"]));
    for (at, factor) in [0.5, 3.0].into_iter().enumerate() {
        let ratio = distance(&rates[at], &start[at]) / distance(&plain[at], &start[at]);
        assert!((ratio - factor).abs() < 0.01, "{ratio} {factor}");
    }
    place
        .fails(&["train", "--data", &digits, "--rates", "conv9=2", "--out", "x"], &["conv9", "conv1, conv2, fc1, fc2"]);
    assert_eq!(place.run(&["train", "--rates", "conv1"]).code, Some(2));
    assert_eq!(place.run(&["train", "--rates", "fc1=0.5,fc1=2"]).code, Some(2));
}

#[test]
fn a_teacher_teaches_and_must_fit() {
    let place = Place::new();
    let digits = digits();
    place.json(&[
        "train",
        "--data",
        &digits,
        "--network",
        "lenet5",
        "--epochs",
        "2",
        "--lr",
        "0.1",
        "--out",
        "teacher",
    ]);
    let train = |out: &str, more: &[&str]| {
        place.json(&[&["train", "--data", &digits, "--epochs", "2", "--out", out], more].concat());
        sha(&place.path(out).join("model.safetensors"))
    };
    let taught = ["--teacher", "teacher", "--temperature", "3", "--alpha", "0.9"];
    let model = train("taught", &taught);
    assert_ne!(model, train("alone", &[]));
    train("parts", &[&taught[..], &["--steps", "4"]].concat());
    place.json(&["train", "--resume", "parts"]);
    assert_eq!(model, sha(&place.path("parts/model.safetensors")), "resumed");
    place.json(&["train", "--recipe", "taught/recipe.toml", "--out", "again"]);
    assert_eq!(model, sha(&place.path("again/model.safetensors")));
    // The whole loss from the teacher: the labels are not looked at, which the training loss shows.
    train("blind", &["--teacher", "pretrained", "--alpha", "1", "--lr", "0.1"]);

    let three = place.digits("three");
    for part in ["train", "t10k"] {
        let path = place.path("three").join(format!("{part}-labels-idx1-ubyte.gz"));
        let labels = mnist_gpu::data::read_labels(&path).unwrap();
        let header = [&[0, 0, 8, 1][..], &(labels.len() as u32).to_be_bytes()].concat();
        std::fs::write(&path, [header, labels.iter().map(|label| label % 3).collect()].concat()).unwrap();
    }
    let other = ["train", "--data", &three, "--teacher", "teacher", "--out", "x"];
    place.fails(&other, &["teacher", "does not fit", "0, 1, 2, 3", "the data have 0, 1, 2"]);
    place.fails(&["train", "--data", &digits, "--teacher", "nobody", "--out", "x"], &["nobody"]);
    assert_eq!(place.run(&["train", "--alpha", "0.5"]).code, Some(2));
    assert!(!place.path("x").exists());
}

#[test]
fn a_normalised_network_trains_resumes_freezes_and_teaches() {
    let place = Place::new();
    let digits = digits();
    let layers = "{ conv = { channels = 4, kernel = 5 } }, { max_pool = { size = 2 } }, \"batch_norm\", \"relu\", \
                  { conv = { channels = 6, kernel = 3 } }, \"batch_norm\", \"relu\", { linear = { units = 12 } }, \
                  \"batch_norm\", \"relu\"";
    std::fs::write(place.path("net.toml"), format!("layers = [{layers}]")).unwrap();
    let train = |out: &str, more: &[&str]| {
        let args = ["train", "--data", &digits, "--network", "net.toml", "--epochs", "3", "--lr", "0.05", "--out", out];
        place.json(&[&args, more].concat());
        sha(&place.path(out).join("model.safetensors"))
    };
    let model = train("run", &[]);
    train("parts", &["--steps", "7"]);
    place.json(&["train", "--resume", "parts"]);
    assert_eq!(model, sha(&place.path("parts/model.safetensors")), "resumed within an epoch");

    // By the running statistics.
    let found = place.json(&["eval", "run", "--data", &digits]);
    assert!(found["accuracy"].as_f64().unwrap() > 0.3, "{found}");

    let weights = |run: &str, name: &str| tensor(&place.path(run).join("model.safetensors"), name);
    let tuned = place.json(&["finetune", "run", "--data", &digits, "--epochs", "2", "--out", "tuned"]);
    assert_eq!(tuned["network"]["frozen"], serde_json::json!(["conv1", "bn1", "conv2", "bn2"]));
    for name in ["conv1.weight", "bn1.weight", "bn2.bias", "bn1.running_mean", "bn2.running_var"] {
        assert_eq!(weights("tuned", name), weights("run", name), "{name}");
    }
    for name in ["bn3.weight", "bn3.running_mean", "fc1.weight"] {
        assert_ne!(weights("tuned", name), weights("run", name), "{name}");
    }
    place.json(&["train", "--data", &digits, "--epochs", "1", "--teacher", "run", "--out", "taught"]);
}

#[test]
fn networks_are_printed_trained_and_checked() {
    let place = Place::new();
    let digits = digits();
    let net = place.json(&["network"]);
    assert_eq!(crate::keys(&net), ["command", "layers", "memory", "multiply_adds", "parameters"]);
    assert_eq!((&net["parameters"], &net["multiply_adds"]), (&21_840.into(), &480_500.into()));
    assert_eq!(crate::keys(&net["layers"][0]), ["kind", "multiply_adds", "name", "output", "parameters"]);
    assert_eq!(net["layers"][0]["output"], serde_json::json!([10, 24, 24]));
    assert_eq!(place.json(&["network", "deep"])["parameters"], 43_697);
    let text = place.run(&["network", "deep"]);
    assert!(text.out.contains("multiply-adds") && text.out.contains("device memory"), "{}", text.out);
    let write = |text: &str| std::fs::write(place.path("net.toml"), text).unwrap();
    write("layers = [\n  { conv = { channels = 4, kernel = 5 } },\n  { max_pool = { size = 4 } },\n  \"relu\",\n]\n");
    let trained = place.json(&["train", "--data", &digits, "--network", "net.toml", "--epochs", "1", "--out", "run"]);
    assert_eq!(trained["network"]["parameters"], 4 * 26 + 10 * (4 * 36 + 1));
    // The run has the network itself, whatever becomes of the file.
    std::fs::remove_file(place.path("net.toml")).unwrap();
    place.json(&["train", "--recipe", "run/recipe.toml", "--out", "again"]);
    assert_eq!(sha(&place.path("run/model.safetensors")), sha(&place.path("again/model.safetensors")));
    assert_eq!(place.json(&["network", "again"])["parameters"], trained["network"]["parameters"]);
    let sigmoid = ["train", "--data", &digits, "--activation", "sigmoid", "--epochs", "1", "--out", "sigmoid"];
    place.json(&sigmoid);
    assert!(place.json(&["network", "sigmoid"])["layers"].to_string().contains("sigmoid3"));

    write(
        "layers = [\n  { conv = { channels = 4, kernel = 20 } },\n  \"relu\",\n  { conv = { channels = 4, kernel = 20 } },\n]\n",
    );
    let words = ["net.toml", "line 4", "conv2", "20x20 kernel", "9x9 input"];
    place.fails(&["network", "net.toml"], &words);
    place.fails(&["train", "--data", &digits, "--network", "net.toml", "--out", "x"], &words);
    write(
        "layers = [\n  { linear = { units = 60000 } },\n  \"relu\",\n  { linear = { units = 60000 } },\n  \"relu\",\n]\n",
    );
    place.fails(&["network", "net.toml"], &["line 4", "fc2", "2^30 parameters"]);
    // More than a device can bind, if not more than can be addressed.
    write("layers = [\n  { linear = { units = 65000 } },\n  \"relu\",\n  { linear = { units = 15000 } },\n]\n");
    let ended = place.run(&["train", "--data", &digits, "--network", "net.toml", "--epochs", "1", "--out", "x"]);
    let text = ended.failed("a network too large", &[]);
    assert!(text.contains("bytes") || text.contains("memory"), "{text}");
    assert!(!place.path("x").exists());
    assert!(text.contains("would fit"), "{text}");
    assert_eq!(place.run(&["train", "--network", "vgg"]).code, Some(2));
    write("layers = [\n  \"rely\",\n]\n");
    place.fails(&["train", "--data", &digits, "--network", "net.toml", "--out", "x"], &["net.toml", "line 2", "rely"]);
    assert_eq!(place.run(&["train", "--dropout", "0.125"]).code, Some(2));
}

#[test]
fn a_class_of_more_weight_is_predicted_more_often() {
    let place = Place::new();
    let digits = digits();
    let predicted_3 = |weights: &str| {
        let args = ["train", "--data", &digits, "--validation", "0", "--epochs", "6", "--lr", "0.05", "--out", weights];
        place.json(&[&args[..], &["--class-weights", weights]].concat());
        let confusion = place.json(&["eval", weights, "--data", &digits])["confusion"].clone();
        confusion.as_array().unwrap().iter().map(|row| row[3].as_u64().unwrap()).sum::<u64>()
    };
    let [few, usual, many] = ["1,1,1,0.01,1,1,1,1,1,1", "none", "1,1,1,20,1,1,1,1,1,1"].map(predicted_3);
    assert!(few < usual && usual < many, "{few} {usual} {many}");
    let args = ["train", "--data", &digits, "--class-weights", "1,2", "--out", "run"];
    place.fails(&args, &["--class-weights: 2 weights for 10 classes"]);
    assert!(!place.path("run").exists());
}
