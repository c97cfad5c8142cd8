//! What testers broke once, each with its kind: streams that are full, labels beyond, names that act on a terminal, files that
//! never end, two processes in one folder.

use crate::pictures::bars;
use crate::{Place, digits, sha};
use flate2::{Compression, write::GzEncoder};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The digits with other labels, which a function of part and place decides.
fn labelled(place: &Place, name: &str, label: impl Fn(&str, usize, u8) -> u8) -> String {
    let data = place.digits(name);
    for part in ["train", "t10k"] {
        let path = Path::new(&data).join(format!("{part}-labels-idx1-ubyte.gz"));
        let before = mnist_gpu::data::read_labels(&path).unwrap();
        let labels: Vec<u8> = before.iter().enumerate().map(|(at, &old)| label(part, at, old)).collect();
        let header = [&[0, 0, 8, 1][..], &(labels.len() as u32).to_be_bytes()].concat();
        std::fs::write(&path, gzip(&[header, labels].concat())).unwrap();
    }
    data
}

/// Writes a model or a record again, with other metadata or other values.
pub fn rewrite(from: &Path, to: &Path, change: impl Fn(&mut Value), value: impl Fn(f32) -> f32) {
    let raw = std::fs::read(from).unwrap();
    let tensors = SafeTensors::deserialize(&raw).unwrap();
    let (_, header) = SafeTensors::read_metadata(&raw).unwrap();
    let mut metadata: Value = serde_json::from_str(&header.metadata().as_ref().unwrap()["mnist-gpu"]).unwrap();
    change(&mut metadata);
    let of = |t: &TensorView| -> Vec<u8> {
        let values = t.data().chunks(4).map(|b| value(f32::from_le_bytes(b.try_into().unwrap())));
        values.flat_map(f32::to_le_bytes).collect()
    };
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> =
        tensors.tensors().iter().map(|(name, t)| (name.clone(), t.shape().to_vec(), of(t))).collect();
    let views = bytes
        .iter()
        .map(|(name, shape, data)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    let header = Some(HashMap::from([("mnist-gpu".to_string(), metadata.to_string())]));
    std::fs::write(to, safetensors::serialize(views, header).unwrap()).unwrap();
}

pub fn same(x: f32) -> f32 {
    x
}

#[test]
fn the_number_of_classes_is_decided_said_and_compared() {
    let place = Place::new();
    let run = |args: &[&str]| place.run(&[args, &["--validation", "0", "--steps", "1"]].concat());
    let three = labelled(&place, "three", |_, _, _| 3);
    place.fails(&["train", "--data", &three, "--out", "a"], &["three", "all labels are 3"]);
    let stray = labelled(&place, "stray", |part, at, old| if (part, at) == ("train", 100) { 255 } else { old });
    let ended = run(&["train", "--data", &stray, "--out", "b"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for words in ["256 classes", "245 of the 256 classes have no training images: 10 to 254", "--classes N"] {
        assert!(ended.err.contains(words), "{words}: {}", ended.err);
    }
    let asked = ["train", "--data", &stray, "--classes", "10", "--out", "c"];
    place.fails(&asked, &["label 255 at index 100", "10 classes"]);
    let test = labelled(&place, "test", |part, at, old| if (part, at) == ("t10k", 41) { 12 } else { old });
    place.fails(&["train", "--data", &test, "--out", "d"], &["test part", "label 12 at index 41", "10 classes"]);
    place.fails(&["finetune", "pretrained", "--data", &test, "--out", "e"], &["label 12 at index 41"]);
    place.fails(&["data", "info", &test], &["label 12 at index 41"]);

    let none = labelled(&place, "none", |_, _, old| if old == 9 { 8 } else { old });
    let tuned = run(&["finetune", "pretrained", "--data", &none, "--out", "f"]);
    for words in ["fc2 keeps the classes 0, 1, 2, 3, 4, 5, 6, 7, 8;", "--classes 10 keeps them"] {
        assert!(tuned.err.contains(words), "{words}: {}", tuned.err);
    }
    let kept = run(&["finetune", "pretrained", "--data", &none, "--classes", "10", "--lr", "1e-6", "--out", "g"]);
    assert!(kept.err.contains("1 of the 10 classes has no training images: 9"), "{}", kept.err);
    let accuracy = |run: &str| place.json(&["eval", run, "--data", &digits()])["accuracy"].as_f64().unwrap();
    assert!(accuracy("g") > 0.7, "the head is the model's");
    // What is asked for is part of the recipe.
    let recipe = std::fs::read_to_string(place.path("g/recipe.toml")).unwrap();
    assert!(recipe.contains("classes = 10"), "{recipe}");
    for left in ["a", "c", "d", "e"] {
        assert!(!place.path(left).exists(), "{left}");
    }
}

#[test]
fn labels_beyond_a_known_sets_classes_are_refused_by_every_command() {
    let place = Place::new();
    let write = |name: &str, bytes: &[u8]| {
        let path = place.path("cache/emnist").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, gzip(bytes)).unwrap();
    };
    for (part, count) in [("train", 40_u32), ("test", 20)] {
        let side = 28_u32.to_be_bytes();
        let header = [&[0, 0, 8, 3][..], &count.to_be_bytes(), &side, &side].concat();
        let pixels = (0..count * 784).map(|at| (at * 31 % 251) as u8).collect();
        write(&format!("emnist-letters-{part}-images-idx3-ubyte.gz"), &[header, pixels].concat());
        let header = [&[0, 0, 8, 1][..], &count.to_be_bytes()].concat();
        let labels = (0..count).map(|at| if at == 7 { 200 } else { 1 + (at % 26) as u8 }).collect();
        write(&format!("emnist-letters-{part}-labels-idx1-ubyte.gz"), &[header, labels].concat());
    }
    let set = ["--data", "emnist-letters", "--offline"];
    let words = ["label 199 at index 7", "only 26 classes"];
    place.fails(&[&["train"][..], &set, &["--out", "x"]].concat(), &words);
    place.fails(&[&["finetune", "pretrained"][..], &set, &["--out", "x"]].concat(), &words);
    place.fails(&[&["eval", "pretrained"][..], &set].concat(), &words);
    // A file that is cut off is damaged, not here.
    let path = place.path("cache/emnist/emnist-letters-train-images-idx3-ubyte.gz");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let words = ["train-images", "is damaged", "data fetch emnist-letters"];
    place.fails(&[&["train"][..], &set, &["--out", "x"]].concat(), &words);
    let list = place.run(&["data", "list"]).out;
    assert!(list.lines().any(|line| line.starts_with("emnist-letters") && line.ends_with("damaged")), "{list}");
}

#[test]
fn pictures_that_are_passed_over_are_counted() {
    let place = Place::new();
    bars(&place.path("vehicles"), ["bus", "car"], 5);
    bars(&place.path("vehicles/train"), ["steam", "diesel"], 5);
    let info = |data: &str| (place.json(&["data", "info", data]), place.run(&["data", "info", data]).err);
    let (json, said) = info("vehicles");
    assert_eq!(json["passed_over"], 10, "{json}");
    assert!(
        said.contains("pictures not used: 10") && said.contains("5 in ") && said.contains("bus: next to"),
        "{said}"
    );
    bars(&place.path("nested"), ["a", "b"], 4);
    bars(&place.path("nested/b/more"), ["deep", "er"], 3);
    std::fs::write(place.path("nested/a/picture"), "").unwrap();
    crate::pictures::bar(0, 1).save(place.path("nested/loose.png")).unwrap();
    let (json, said) = info("nested");
    assert_eq!(json["passed_over"], 8, "{json}");
    assert!(said.contains("6 in ") && said.contains("inside a class folder"), "{said}");
    assert!(said.contains("1 in ") && said.contains("without a file extension"), "{said}");
    assert!(said.contains("not in a class folder"), "{said}");
    let trained = place.json(&["train", "--data", "nested", "--epochs", "1", "--validation", "0", "--out", "run"]);
    assert_eq!(trained["data"]["passed_over"], 8, "{trained}");
    #[cfg(target_os = "linux")]
    {
        bars(&place.path("twice/train"), ["a", "b"], 2);
        bars(&place.path("twice/Train"), ["a", "b"], 3);
        bars(&place.path("twice/test"), ["a", "b"], 2);
        assert!(info("twice").0["passed_over"].as_u64().unwrap() >= 4);
    }
    assert_eq!(info(&digits()).0["passed_over"], Value::Null);
}

#[test]
fn an_answer_that_is_not_finite_is_none() {
    let place = Place::new();
    let digits = digits();
    place.json(&["train", "--data", &digits, "--validation", "0", "--steps", "1", "--out", "run"]);
    crate::pictures::bar(0, 1).save(place.path("bar.png")).unwrap();
    let model = place.path("run/model.safetensors");
    let fails = |change: &dyn Fn(&mut Value), value: fn(f32) -> f32, words: &[&str]| {
        rewrite(&model, &place.path("bad.safetensors"), change, value);
        place.fails(&["predict", "bad.safetensors", "bar.png"], words);
        place.fails(&["predict", "bad.safetensors", "bar.png", "--json"], words);
        place.fails(&["eval", "bad.safetensors", "--data", &digits], words);
    };
    let normalise = |mean: f64, deviation: f64| {
        move |m: &mut Value| m["normalisation"] = serde_json::json!({"mean": mean, "deviation": deviation})
    };
    fails(&normalise(0.13, 1e-45), same, &["bad.safetensors", "finite pixel values"]);
    fails(&normalise(3e38, 1e-38), same, &["bad.safetensors", "finite pixel values"]);
    fails(&|_| {}, |x| (x * 1e37).clamp(-3e38, 3e38), &["is not finite", "none of its outputs"]);
    fails(&|m| m["class_names"][1] = "0".into(), same, &["two classes are called \"0\""]);
    fails(&|m| m["layers"] = vec![Value::from("relu"); 200_000].into(), same, &["200000 layers is too deep"]);
}

#[test]
fn a_record_that_contradicts_itself_is_not_believed() {
    let place = Place::new();
    let digits = digits();
    let train = ["train", "--data", &digits, "--validation", "20", "--epochs", "4", "--steps", "7", "--out", "run"];
    place.json(&train);
    let (record, model) = (place.path("run/resume.safetensors"), place.path("run/model.safetensors"));
    std::fs::copy(&record, place.path("good")).unwrap();
    let before = sha(&model);
    let forged = |change: &dyn Fn(&mut Value), words: &[&str]| {
        rewrite(&place.path("good"), &record, change, same);
        place.fails(&["train", "--resume", "run"], words);
        assert_eq!(sha(&model), before);
    };
    let told = "contradicts itself";
    forged(&|r| r["config"]["momentum"] = 3.0.into(), &[told, "momentum"]);
    forged(&|r| r["config"]["batch"] = (1_u64 << 31).into(), &[told, "batch"]);
    forged(&|r| r["config"]["lr"] = 1e300.into(), &[told, "lr"]);
    forged(&|r| r["config"]["freeze"] = "conv9".into(), &[told, "conv9"]);
    forged(&|r| r["epoch"] = 0.into(), &[told, "epoch 0"]);
    forged(&|r| r["epoch"] = 3.into(), &[told, "epoch 3"]);
    forged(&|r| r["rows"] = 2.into(), &[told, "2 images"]);
    forged(&|r| r["step"] = 9.into(), &[told, "step 9"]);
    forged(&|r| r["command"] = "verify".into(), &[told, "verify"]);
    forged(&|r| r["reports"][0]["epoch"] = 2.into(), &[told]);
    forged(&|r| r["reports"][0]["validation_accuracy"] = 2.0.into(), &[told, "epoch 1 has an impossible loss"]);
    std::fs::copy(place.path("good"), &record).unwrap();
    place.json(&["train", "--resume", "run"]);
}

#[test]
fn every_setting_that_is_taken_can_be_written_and_read() {
    let place = Place::new();
    let digits = digits();
    for (at, seed) in ["18446744073709551615", "9223372036854775808", "9223372036854775807"].iter().enumerate() {
        let (out, again) = (format!("run{at}"), format!("again{at}"));
        place.json(&["train", "--data", &digits, "--validation", "0", "--epochs", "1", "--seed", seed, "--out", &out]);
        place.json(&["train", "--recipe", &format!("{out}/recipe.toml"), "--out", &again]);
        assert_eq!(
            sha(&place.path(&out).join("model.safetensors")),
            sha(&place.path(&again).join("model.safetensors"))
        );
        place.json(&["train", "--resume", &out, "--epochs", "2"]);
    }
    for args in [
        ["--rates", "conv1=1e-320"],
        ["--rates", "conv1=1e300"],
        ["--momentum", "0.99999999999"],
        ["--label-smoothing", "0.99999999999"],
        ["--weight-decay", "1e-60"],
        ["--epochs", "1000000001"],
        ["--limit", "0"],
        ["--steps", "18446744073709551615"],
        ["--augment", "shift=1e-9"],
        ["--classes", "257"],
    ] {
        let ended = place.run(&[&["train"][..], &args].concat());
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.err);
    }
    let tiny = ["--warmup=-0", "--lr", "1e-10", "--weight-decay", "3e-39", "--rates", "conv1=1e-40"];
    let args = ["train", "--data", &digits, "--validation", "0", "--epochs", "1", "--out", "tiny"];
    place.json(&[&args[..], &tiny].concat());
    place.json(&["train", "--recipe", "tiny/recipe.toml", "--out", "tiny-again"]);
    assert_eq!(sha(&place.path("tiny/model.safetensors")), sha(&place.path("tiny-again/model.safetensors")));
    let product = ["--freeze", "conv1", "--unfreeze-after", "1", "--unfreeze-rate", "1e38", "--rates", "conv1=1e38"];
    place.fails(
        &[&["train", "--data", &digits, "--epochs", "2", "--out", "x"][..], &product].concat(),
        &["rate of conv1", "inf"],
    );
}

/// The kernels of another class of devices come to the same network, up to the order of sums, and to the same bits again.
#[test]
fn the_tiles_of_any_class_train_on_any_device() {
    let place = Place::new();
    let digits = digits();
    let model = |run: &str| sha(&place.path(run).join("model.safetensors"));
    let mut losses = Vec::new();
    for class in ["software", "integrated", "discrete"] {
        let train = |out: &str| {
            let args =
                ["train", "--data", &digits, "--validation", "20", "--epochs", "2", "--lr", "0.1", "--tiles", class];
            place.json(&[&args[..], &["--out", out]].concat())["test"]["loss"].as_f64().unwrap()
        };
        let again = format!("{class}-again");
        losses.push(train(class));
        train(&again);
        assert_eq!(model(class), model(&again), "{class}");
        place.json(&["eval", class, "--data", &digits, "--tiles", class]);
    }
    assert!(losses.iter().all(|loss| (loss - losses[0]).abs() < 1e-3), "{losses:?}");
    assert_ne!(model("software"), model("discrete"), "other tiles sum in another order");
    let said = place.run(&["eval", "software", "--data", &digits, "--tiles", "discrete"]).err;
    assert!(said.contains("tile sizes discrete"), "{said}");
    assert_eq!(place.run(&["verify", "--tiles", "huge"]).code, Some(2));
}
