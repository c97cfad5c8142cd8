//! Bad input: exit code 1, a message that names the thing and the remedy, nothing half-written.

use crate::{Place, digits, sha};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::path::Path;

const IMAGES: &str = "train-images-idx3-ubyte.gz";
const LABELS: &str = "train-labels-idx1-ubyte.gz";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn header(magic: [u8; 4], dims: &[u32]) -> Vec<u8> {
    magic.into_iter().chain(dims.iter().flat_map(|d| d.to_be_bytes())).collect()
}

#[test]
fn damaged_data_is_told_by_its_file() {
    let place = Place::new();
    let data = place.digits("bad");
    let good = std::fs::read(Path::new(&data).join(IMAGES)).unwrap();
    let images = |bytes: &[u8]| std::fs::write(Path::new(&data).join(IMAGES), bytes).unwrap();
    let labels = |bytes: &[u8]| std::fs::write(Path::new(&data).join(LABELS), bytes).unwrap();
    let train = ["train", "--data", &data, "--validation", "0", "--epochs", "1", "--out", "run"];
    let fails = |words: &[&str]| place.fails(&train, words);

    images(&good[..2000]);
    fails(&[IMAGES, "truncated or damaged"]);
    images(&gzip(&header([0, 0, 8, 1], &[320, 28, 28])));
    fails(&[IMAGES, "1 dimensions, not 3"]);
    images(&gzip(b"\x89PNG and so on, as far as a header goes"));
    fails(&[IMAGES, "not a valid IDX file"]);
    images(&gzip(&header([0, 0, 13, 3], &[320, 28, 28])));
    fails(&[IMAGES, "32-bit floats"]);
    images(&gzip(&header([0, 0, 8, 3], &[4_000_000_000, 28, 28])));
    fails(&[IMAGES, "3136000000000 bytes that its header declares"]);
    images(&gzip(&header([0, 0, 8, 3], &[u32::MAX; 3])));
    fails(&[IMAGES, "overflow"]);
    images(&gzip(&header([0, 0, 8, 3], &[0, 28, 28])));
    fails(&[IMAGES, "contains no images"]);
    images(&gzip(&[header([0, 0, 8, 3], &[3, 28, 28]), vec![7; 3 * 784]].concat()));
    fails(&[IMAGES, LABELS, "3 images", "320 labels"]);
    images(&gzip(&[header([0, 0, 8, 3], &[320, 10, 10]), vec![7; 32_000]].concat()));
    fails(&["(10, 10)", "(28, 28)"]);
    images(&good);
    labels(&gzip(&header([0, 0, 8, 1], &[0])));
    fails(&[LABELS, "no images"]);
    std::fs::remove_file(Path::new(&data).join(LABELS)).unwrap();
    fails(&["train-labels-idx1-ubyte", "neither", "bad"]);
    assert!(!place.path("run").exists(), "nothing is left of a run that never began");

    place.fails(&["train", "--data", "no-such-folder"], &["no-such-folder", "synthetic"]);
    for count in ["", "1", "many", "99999999"] {
        place.fails(&["train", "--data", &format!("synthetic:{count}")], &["synthetic:N takes", "10000000"]);
    }
    let digits = digits();
    place.fails(&["train", "--data", &digits, "--validation", "320"], &["--validation 320", "320 training images"]);
}

#[test]
fn labels_outside_the_classes_are_told_by_their_place() {
    let place = Place::new();
    let data = place.digits("many");
    let digits = digits();
    place.json(&["train", "--data", &digits, "--validation", "0", "--steps", "1", "--out", "run"]);
    let path = Path::new(&data).join("t10k-labels-idx1-ubyte.gz");
    let mut labels = mnist_gpu::data::read_labels(&path).unwrap();
    labels[41] = 200;
    std::fs::write(&path, gzip(&[header([0, 0, 8, 1], &[100]), labels].concat())).unwrap();
    place.fails(&["eval", "run", "--data", &data], &["label 200 at index 41", "10 classes"]);
}

type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Writes a checkpoint as PyTorch would, after a change.
fn checkpoint(path: &Path, change: impl Fn(&mut Tensors)) {
    let net = mnist_gpu::model::Network::tutorial([1, 28, 28], 10).unwrap();
    let arena = mnist_gpu::model::initialise(&net, 0);
    let of = |p: &mnist_gpu::plan::Parameter| arena[p.start..][..p.len()].to_vec();
    let mut tensors: Tensors = net.parameters().iter().map(|p| (p.name.clone(), p.shape.clone(), of(p))).collect();
    change(&mut tensors);
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, v)| v.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), data)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), data).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn damaged_checkpoints_are_told_by_file_and_tensor() {
    let place = Place::new();
    let digits = digits();
    let path = place.path("net.safetensors");
    let fails = |words: &[&str]| {
        place.fails(&["eval", "net.safetensors", "--data", &digits], &[&["net.safetensors"], words].concat());
        place.fails(&["train", "--data", &digits, "--init", "net.safetensors", "--out", "run"], words);
    };
    checkpoint(&path, |_| {});
    place.json(&["eval", "net.safetensors", "--data", &digits]);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    fails(&["not a valid safetensors file"]);
    std::fs::write(&path, [0xff; 64]).unwrap();
    fails(&["not a valid safetensors file"]);
    checkpoint(&path, |tensors| tensors[2].2[17] = f32::NAN);
    fails(&["conv2.weight has NaN at index 17"]);
    checkpoint(&path, |tensors| tensors[4].1 = vec![320, 50]);
    fails(&["fc1.weight", "[320, 50]", "[50, 320]"]);
    checkpoint(&path, |tensors| drop(tensors.remove(3)));
    fails(&["no tensor conv2.bias"]);
    checkpoint(&path, |tensors| tensors.push(("fc3.bias".into(), vec![1], vec![0.0])));
    fails(&["fc3.bias"]);
    // Metadata that promise more than there is.
    let lying = |input: &str, units: &str| {
        let json = format!(
            "{{\"format\":1,\"input\":{input},\"layers\":[{{\"linear\":{{\"units\":{units}}}}}],\
             \"class_names\":[],\"normalisation\":{{\"mean\":0.1,\"deviation\":0.3}}}}"
        );
        let views: Vec<(String, safetensors::tensor::TensorView)> = Vec::new();
        let header = Some(std::collections::HashMap::from([("mnist-gpu".to_string(), json)]));
        std::fs::write(&path, safetensors::serialize(views, header).unwrap()).unwrap();
    };
    for (input, units) in [("[1000000000000,28,28]", "10"), ("[0,28,28]", "10"), ("[4096,4096,4096]", "65536")] {
        lying(input, units);
        place.fails(&["eval", "net.safetensors", "--data", &digits], &["net.safetensors"]);
    }
    place.fails(&["eval", "nowhere.safetensors", "--data", &digits], &["nowhere.safetensors"]);
    assert!(!place.path("run").exists());
    // Images of another size than the network's are prepared for it.
    checkpoint(&path, |_| {});
    let data = place.digits("small");
    for (part, count) in [("train", 320), ("t10k", 100_u32)] {
        let bytes = [header([0, 0, 8, 3], &[count, 20, 20]), vec![9; 400 * count as usize]].concat();
        std::fs::write(Path::new(&data).join(format!("{part}-images-idx3-ubyte.gz")), gzip(&bytes)).unwrap();
    }
    let ended = place.run(&["eval", "net.safetensors", "--data", &data]);
    assert!(ended.code == Some(0) && ended.err.contains("the images have 20x20 pixels"), "{}", ended.err);
}

#[test]
fn unknown_layers_taken_folders_and_missing_runs_are_told() {
    let place = Place::new();
    let digits = digits();
    place.json(&["train", "--data", &digits, "--validation", "0", "--steps", "1", "--out", "run"]);
    let known = ["conv9", "conv1, conv2, fc1, fc2"];
    place.fails(&["finetune", "run", "--data", &digits, "--freeze", "conv9"], &known);
    place.fails(&["train", "--data", &digits, "--freeze", "conv9"], &known);
    place.fails(&["plan", "--freeze", "conv9"], &known);
    place.fails(&["plan", "--freeze", "conv1,conv2,fc1,fc2"], &["nothing to train"]);
    let before = sha(&place.path("run/model.safetensors"));
    place.fails(&["train", "--data", &digits, "--out", "run"], &["run", "not empty", "--resume"]);
    assert_eq!(sha(&place.path("run/model.safetensors")), before);
    std::fs::write(place.path("file"), b"mine").unwrap();
    place.fails(&["train", "--data", &digits, "--out", "file"], &["file"]);
    place.fails(&["train", "--resume", "no-run"], &["no-run"]);
    // A run whose data has changed since.
    let data = place.digits("data");
    place.json(&["train", "--data", &data, "--validation", "0", "--steps", "1", "--out", "other"]);
    let images = Path::new(&data).join(IMAGES);
    std::fs::write(&images, gzip(&[header([0, 0, 8, 3], &[320, 28, 28]), vec![7; 320 * 784]].concat())).unwrap();
    place.fails(&["train", "--resume", "other"], &["has changed"]);
    place.fails(&["train", "--resume", "run", "--steps", "1"], &["already at step 1"]);
    // The default folder cannot be made.
    std::fs::write(place.path("runs"), b"mine").unwrap();
    place.fails(&["train", "--data", &digits, "--steps", "1"], &["runs"]);
}

#[test]
fn no_adapter_and_no_match_are_told_with_the_list() {
    let place = Place::new();
    let digits = digits();
    let train = ["train", "--data", &digits, "--validation", "0", "--steps", "1", "--out", "run"];
    let listed = place.json(&["adapters"]);
    let name = listed["adapters"][0]["name"].as_str().unwrap();
    place.fails(&[&train[..], &["--adapter", "no-such-adapter"]].concat(), &["no-such-adapter", name]);
    place.fails(&[&train[..], &["--adapter", "99"]].concat(), &["99", name]);
    assert!(!place.path("run").exists());
}

/// Drivers are found through files and libraries; without them there is no adapter.
#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_a_driver_is_told_what_to_install() {
    let place = Place::new();
    let digits = digits();
    for args in [&["adapters"][..], &["train", "--data", &digits], &["verify"]] {
        let mut command = place.command(args);
        command.env("VK_DRIVER_FILES", "/nowhere").env("VK_ICD_FILENAMES", "/nowhere");
        command.env("__EGL_VENDOR_LIBRARY_FILENAMES", "/nowhere").env("LIBGL_DRIVERS_PATH", "/nowhere");
        let ended = crate::Ended::of(command.output().unwrap());
        ended.failed(&args.join(" "), &["mesa-vulkan-drivers"]);
    }
}

#[test]
fn a_learning_rate_that_explodes_stops_there() {
    let place = Place::new();
    let digits = digits();
    let train = ["train", "--data", &digits, "--validation", "0", "--epochs", "2"];
    let text = place.fails(&[&train[..], &["--lr", "1e30", "--out", "boom"]].concat(), &["not finite", "--lr"]);
    assert!(text.contains("step 2 ") || text.contains("step 3 "), "{text}");
    assert!(!place.path("boom/model.safetensors").exists(), "there is no good checkpoint to keep");
    let last = crate::events(&place.path("boom")).pop().unwrap();
    assert!(last["event"] == "stopped" && last["reason"].as_str().unwrap().contains("not finite"), "{last}");
    // One step: its loss was finite, but that of what it made is not.
    for more in [&["--limit", "64", "--out", "b"][..], &["--steps", "1", "--out", "c"]] {
        place.fails(&[&train[..], &["--lr", "1e30"], more].concat(), &["not finite", "no checkpoint"]);
    }
    assert!(!place.path("b/model.safetensors").exists() && !place.path("c/model.safetensors").exists());
}
