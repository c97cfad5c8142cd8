//! What testers broke once, each with its kind: streams that are full, labels beyond, names that act on a terminal, files that
//! never end, two processes in one folder.

use crate::pictures::bars;
use crate::{Ended, Place, digits, events, sha};
use flate2::{Compression, write::GzEncoder};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

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
fn rewrite(from: &Path, to: &Path, change: impl Fn(&mut Value), value: impl Fn(f32) -> f32) {
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

fn same(x: f32) -> f32 {
    x
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_no_success_and_a_closed_one_is_quiet() {
    let place = Place::new();
    let digits = digits();
    crate::pictures::bar(0, 1).save(place.path("bar.png")).unwrap();
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    for args in [
        &["eval", "pretrained", "--data", &digits, "--json"][..],
        &["predict", "pretrained", "bar.png"],
        &["train", "--data", &digits, "--epochs", "1", "--validation", "0", "--out", "run"],
        &["network"],
        &["plan"],
        &["data", "list"],
        &["data", "show", &digits],
        &["adapters"],
        &["--help"],
        &["train", "--help"],
        &["--version"],
    ] {
        let output = place.command(args).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
        assert!(err.contains("standard output cannot be written") && !err.contains("panicked"), "{args:?}: {err}");
    }
    assert!(place.path("run/model.safetensors").exists(), "what was trained is kept all the same");
    let output = place.command(&["network"]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "nothing was to be said there");
    let output = place.command(&["eval", "pretrained", "--data", &digits]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    // A reader that goes away has read what it wanted.
    let mut child = place.command(&["plan"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0));
}

#[test]
fn the_number_of_classes_is_decided_said_and_compared() {
    let place = Place::new();
    let run = |args: &[&str]| place.run(&[args, &["--validation", "0", "--steps", "1"]].concat());
    let three = labelled(&place, "three", |_, _, _| 3);
    place.fails(&["train", "--data", &three, "--out", "a"], &["three", "all of its labels are 3"]);
    let stray = labelled(&place, "stray", |part, at, old| if (part, at) == ("train", 100) { 255 } else { old });
    let ended = run(&["train", "--data", &stray, "--out", "b"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for words in ["256 classes", "245 of the 256 classes have no training images: 10 to 254", "--classes N"] {
        assert!(ended.err.contains(words), "{words}: {}", ended.err);
    }
    let asked = ["train", "--data", &stray, "--classes", "10", "--out", "c"];
    place.fails(&asked, &["label 255 at place 100", "10 classes"]);
    let test = labelled(&place, "test", |part, at, old| if (part, at) == ("t10k", 41) { 12 } else { old });
    place.fails(&["train", "--data", &test, "--out", "d"], &["test part", "label 12 at place 41", "10 classes"]);
    place.fails(&["finetune", "pretrained", "--data", &test, "--out", "e"], &["label 12 at place 41"]);
    place.fails(&["data", "info", &test], &["label 12 at place 41"]);

    let none = labelled(&place, "none", |_, _, old| if old == 9 { 8 } else { old });
    let tuned = run(&["finetune", "pretrained", "--data", &none, "--out", "f"]);
    for words in ["the data have 9 classes and the model 10", "fc2 starts anew", "--classes 10 keeps it"] {
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
    let words = ["label 199 at place 7", "only 26 classes"];
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
        said.contains("10 pictures are passed over") && said.contains("5 in ") && said.contains("bus: beside"),
        "{said}"
    );
    bars(&place.path("nested"), ["a", "b"], 4);
    bars(&place.path("nested/b/more"), ["deep", "er"], 3);
    std::fs::write(place.path("nested/a/picture"), "").unwrap();
    let (json, said) = info("nested");
    assert_eq!(json["passed_over"], 7, "{json}");
    assert!(said.contains("6 in ") && said.contains("inside the folder of a class"), "{said}");
    assert!(said.contains("1 in ") && said.contains("without an ending"), "{said}");
    let trained = place.json(&["train", "--data", "nested", "--epochs", "1", "--validation", "0", "--out", "run"]);
    assert_eq!(trained["data"]["passed_over"], 7, "{trained}");
    #[cfg(target_os = "linux")]
    {
        bars(&place.path("twice/train"), ["a", "b"], 2);
        bars(&place.path("twice/Train"), ["a", "b"], 3);
        bars(&place.path("twice/test"), ["a", "b"], 2);
        assert!(info("twice").0["passed_over"].as_u64().unwrap() >= 4);
    }
    assert_eq!(info(&digits()).0["passed_over"], Value::Null);
}

/// Names from models, files and folders, wherever they are printed.
#[cfg(unix)]
#[test]
fn nothing_foreign_acts_on_a_terminal() {
    const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{7f}\r\nBROKEN";
    let place = Place::new();
    let digits = digits();
    place.json(&["train", "--data", &digits, "--validation", "0", "--steps", "1", "--out", "run"]);
    let model = place.path("run/model.safetensors");
    let names = |m: &mut Value| m["class_names"] = (0..10).map(|n| Value::from(format!("{EVIL}{n}"))).collect();
    rewrite(&model, &place.path("names.safetensors"), names, same);
    rewrite(&model, &place.path("prepare.safetensors"), |m| m["prepare"] = EVIL.into(), same);
    let data = format!("data{EVIL}");
    place.digits(&data);
    bars(&place.path("pictures"), ["a", "b"], 3);
    let picture = format!("pictures/a/{}.png", EVIL.replace('/', ""));
    std::fs::write(place.path(&picture), "no picture").unwrap();
    std::fs::write(place.path("recipe.toml"), format!("lr = 0.1\nx{EVIL} = 1\n")).unwrap();
    std::fs::write(place.path("net.toml"), "layers = [\"\u{1b}[31m\"]\n").unwrap();
    let printed = |args: &[&str]| {
        let ended = place.run(args);
        for text in [&ended.out, &ended.err] {
            let acts = text.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(acts, None, "{args:?}: {text:?}");
            assert!(
                !text.lines().any(|line| line.starts_with("BROKEN")),
                "a name has broken a line: {args:?}: {text:?}"
            );
        }
        ended
    };
    for args in [
        &["eval", "names.safetensors", "--data", &digits][..],
        &["eval", "names.safetensors", "--data", &digits, "--json"],
        &["predict", "names.safetensors", "pictures/b/00.png"],
        &["finetune", "names.safetensors", "--data", &digits, "--epochs", "1", "--out", "x"],
        &["eval", "prepare.safetensors", "--data", &digits],
        &["train", "--data", &data, "--validation", "0", "--steps", "1", "--out", "y"],
        &["data", "info", &data],
        &["data", "info", "pictures"],
        &["train", "--data", "pictures", "--out", "z"],
        &["predict", "--skip-bad", "pretrained", "pictures"],
        &["train", "--recipe", "recipe.toml", "--data", &digits],
        &["train", "--network", "net.toml", "--data", &digits],
        &["eval", &format!("no{EVIL}where")],
        &["train", "--data", &format!("no{EVIL}where")],
        &["train", "--adapter", EVIL, "--data", &digits],
        &["bench", "--compare", EVIL],
        &[EVIL],
    ] {
        printed(args);
    }
    // JSON says them as they are.
    let predicted = place.json(&["predict", "names.safetensors", "pictures/b/00.png"]);
    assert!(predicted["predictions"][0]["class"].as_str().unwrap().starts_with(EVIL));
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
    fails(&normalise(0.13, 1e-45), same, &["bad.safetensors", "no finite number of a pixel"]);
    fails(&normalise(3e38, 1e-38), same, &["bad.safetensors", "no finite number of a pixel"]);
    fails(&|_| {}, |x| (x * 1e37).clamp(-3e38, 3e38), &["not a finite number", "none of its answers"]);
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
    forged(&|r| r["reports"][0]["validation_accuracy"] = 2.0.into(), &[told, "losses of epoch 1"]);
    std::fs::copy(place.path("good"), &record).unwrap();
    place.json(&["train", "--resume", "run"]);
}

/// Two processes in one run folder: one has it, the other is told who.
#[cfg(unix)]
#[test]
fn a_run_belongs_to_one_process() {
    let place = Place::new();
    let digits = digits();
    let args =
        ["train", "--data", &digits, "--validation", "0", "--epochs", "100000", "--log-every", "1000", "--out", "run"];
    let mut first = place.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let wait = |path: &str| {
        let began = std::time::Instant::now();
        while !place.path(path).exists() {
            assert!(began.elapsed().as_secs() < 60, "{path} never comes");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    wait("run/resume.safetensors");
    let holder = format!("in use by process {}", first.id());
    place.fails(&["train", "--resume", "run", "--epochs", "100001"], &["run", &holder]);
    place.fails(&["finetune", "pretrained", "--data", &digits, "--out", "run"], &["run", "not empty"]);
    assert!(Command::new("kill").args(["-TERM", &first.id().to_string()]).status().unwrap().success());
    assert_eq!(first.wait().unwrap().code(), Some(1), "it ends in good order");
    let last = events(&place.path("run")).pop().unwrap();
    assert_eq!((&last["event"], &last["reason"]), (&"stopped".into(), &"interrupted".into()));
    assert!(!place.path("run/run.lock").exists());
    // One that is killed leaves its lock and half a file, and nothing stands in the way of the next.
    std::fs::write(place.path("run/run.lock"), "1\n").unwrap();
    std::fs::write(place.path("run/.best.safetensors.abcdef.part"), "half").unwrap();
    let mut log = std::fs::File::options().append(true).open(place.path("run/events.jsonl")).unwrap();
    log.write_all(b"{\"event\":\"st").unwrap();
    let epochs = (last["epoch"].as_u64().unwrap() + 1).to_string();
    place.json(&["train", "--resume", "run", "--epochs", &epochs]);
    let names: Vec<_> = std::fs::read_dir(place.path("run")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let told: Vec<u64> = events(&place.path("run"))
        .iter()
        .filter_map(|e| e["epoch"].as_u64().filter(|_| e["event"] == "epoch"))
        .collect();
    assert_eq!(told, (1..=told.len() as u64).collect::<Vec<_>>(), "every epoch is told once");
}

/// Whatever lies where the log should be: a resumed run appends whole lines, or ends before it trains.
#[cfg(unix)]
#[test]
fn a_log_that_is_no_plain_file_is_refused() {
    let place = Place::new();
    let digits = digits();
    place.json(&["train", "--data", &digits, "--validation", "0", "--epochs", "2", "--steps", "3", "--out", "run"]);
    let log = place.path("run/events.jsonl");
    let before = sha(&place.path("run/model.safetensors"));
    let refused = || {
        place.fails(&["train", "--resume", "run"], &["events.jsonl", "no regular file"]);
        assert_eq!(sha(&place.path("run/model.safetensors")), before);
    };
    std::fs::remove_file(&log).unwrap();
    assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
    refused();
    std::fs::remove_file(&log).unwrap();
    std::fs::write(place.path("victim"), "precious\n").unwrap();
    std::os::unix::fs::symlink("../victim", &log).unwrap();
    refused();
    assert_eq!(std::fs::read_to_string(place.path("victim")).unwrap(), "precious\n");
    std::fs::remove_file(&log).unwrap();
    place.json(&["train", "--resume", "run"]);
    assert_eq!(events(&place.path("run")).last().unwrap()["event"], "end");
}

/// `docker stop`, `kill` and a terminal that is closed end a run as Ctrl-C does, and a second signal ends it at once.
#[cfg(unix)]
#[test]
fn every_signal_that_ends_a_process_keeps_what_was_learned() {
    use std::io::{BufRead, BufReader};
    let place = Place::new();
    let digits = digits();
    let start = |out: &str, ignored: bool| {
        let args = ["train", "--data", &digits, "--validation", "0", "--epochs", "100000", "--out", out];
        let mut command = place.command(&args);
        if ignored {
            let line = format!("trap '' HUP; exec {} \"$@\"", env!("CARGO_BIN_EXE_mnist-gpu"));
            let mut shell = Command::new("sh");
            shell.args(["-c", &line, "sh"]).args(command.get_args()).current_dir(place.path(""));
            command = shell;
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        lines.by_ref().map(|line| line.unwrap()).find(|line| line.starts_with("epoch  2")).unwrap();
        (child, lines)
    };
    let kill = |signal: &str, id: u32| {
        assert!(Command::new("kill").args([signal, &id.to_string()]).status().unwrap().success())
    };
    for signal in ["-TERM", "-HUP"] {
        let (mut child, lines) = start(&format!("run{signal}"), false);
        kill(signal, child.id());
        let rest: Vec<String> = lines.map(|line| line.unwrap()).collect();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{signal}");
        assert!(rest.last().unwrap().contains("its checkpoint is written"), "{signal}: {rest:?}");
    }
    // Under nohup a closed terminal is no reason to stop.
    let (mut child, mut lines) = start("nohup", true);
    kill("-HUP", child.id());
    assert!(lines.by_ref().take(40).map(|line| line.unwrap()).any(|line| line.starts_with("epoch ")));
    kill("-TERM", child.id());
    kill("-TERM", child.id());
    lines.for_each(drop);
    let code = child.wait().unwrap().code();
    assert!(code == Some(130) || code == Some(1), "{code:?}");
    let left: Vec<_> = std::fs::read_dir(place.path("nohup")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name == "run.lock" || name.to_string_lossy().ends_with(".part")), "{left:?}");
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
        ["--epochs", "4294967296"],
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

/// A path is what the system says, text or not.
#[cfg(target_os = "linux")]
#[test]
fn paths_that_are_no_text_work() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let root = Place::new();
    let here = root.0.path().join(OsStr::from_bytes(b"here\xff"));
    std::fs::create_dir(&here).unwrap();
    let name = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    let run = |args: &[&OsStr]| {
        let mut command = root.command(&[]);
        command.args(args).current_dir(&here);
        let ended = Ended::of(command.output().unwrap());
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.err);
    };
    let data = here.join(name(b"data\xfe"));
    std::fs::create_dir(&data).unwrap();
    for entry in std::fs::read_dir(digits()).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, data.join(from.file_name().unwrap())).unwrap();
    }
    let line = |text: &'static str| -> Vec<&OsStr> { text.split(' ').map(OsStr::new).collect() };
    let (set, out) = ([OsStr::new("--data"), name(b"data\xfe")], |out| [OsStr::new("--out"), name(out)]);
    run(&[&line("train --validation 0 --epochs 1")[..], &set, &out(b"run\xfd")].concat());
    run(&[&line("train --epochs 2 --resume")[..], &[name(b"run\xfd")]].concat());
    run(&[&[OsStr::new("eval"), name(b"run\xfd")][..], &set].concat());
    std::fs::rename(here.join(name(b"run\xfd/model.safetensors")), here.join(name(b"m\xfc.safetensors"))).unwrap();
    let model = name(b"m\xfc.safetensors");
    run(&[&line("train --validation 0 --epochs 1 --teacher")[..], &[model], &set, &out(b"taught")].concat());
    run(&[&line("train --validation 0 --epochs 1 --init")[..], &[model], &set, &out(b"from")].concat());
    run(&[&[OsStr::new("finetune"), model][..], &line("--epochs 1"), &set, &out(b"tuned")].concat());
    for (command, run_folder) in [("train", "taught"), ("train", "from"), ("finetune", "tuned")] {
        let recipe = format!("{run_folder}/recipe.toml");
        let again = format!("{run_folder}-again");
        run(&[command, "--recipe", &recipe, "--out", &again].map(OsStr::new));
        let model = |folder: &str| sha(&here.join(folder).join("model.safetensors"));
        assert_eq!(model(run_folder), model(&again), "{run_folder}");
    }
    std::fs::copy(root.path("bar.png"), here.join(name(b"p\xfb.png"))).unwrap_or_else(|_| {
        crate::pictures::bar(0, 1).save(root.path("bar.png")).unwrap();
        std::fs::copy(root.path("bar.png"), here.join(name(b"p\xfb.png"))).unwrap()
    });
    let mut child = root
        .command(&["predict", "-q", "pretrained", "-"])
        .current_dir(&here)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"\xef\xbb\xbfp\xfb.png\r\n").unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.out.lines().count()), (Some(0), 1), "{}", ended.err);
}

/// What has no end, or is no file, is refused at once.
#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let place = Place::new();
    let digits = digits();
    for name in ["pipe.png", "pipe.safetensors", "pipe.toml"] {
        assert!(Command::new("mkfifo").arg(place.path(name)).status().unwrap().success());
    }
    std::os::unix::fs::symlink("/dev/zero", place.path("zero.png")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", place.path("zero.safetensors")).unwrap();
    for (name, size) in [("sparse.safetensors", 3 << 30), ("sparse.toml", 3_u64 << 30)] {
        std::fs::File::create(place.path(name)).unwrap().set_len(size).unwrap();
    }
    place.fails(&["predict", "pretrained", "pipe.png", "zero.png"], &["2 of the pictures", "no regular file"]);
    for model in ["pipe.safetensors", "zero.safetensors"] {
        place.fails(&["eval", model, "--data", &digits], &[model, "no regular file"]);
    }
    place.fails(&["eval", "sparse.safetensors", "--data", &digits], &["no whole safetensors file"]);
    place.fails(&["network", "pipe.toml"], &["pipe.toml", "no regular file"]);
    place.fails(&["network", "/dev/zero"], &["no regular file"]);
    place.fails(&["train", "--recipe", "/dev/zero", "--data", &digits], &["no regular file"]);
    place.fails(&["train", "--network", "sparse.toml", "--data", &digits], &["sparse.toml", "at most"]);
    place.fails(&["bench", "--compare", "/dev/zero"], &["no regular file"]);
    place.fails(&["train", "--data", "/dev/zero"], &["no data set"]);
    let list = |bytes: &[u8], words: &[&str]| {
        let mut child = place
            .command(&["predict", "-q", "pretrained", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(bytes);
        Ended::of(child.wait_with_output().unwrap()).failed("predict a list", words);
    };
    list(b"a\0b.png\n", &["line 1", "NUL"]);
    list(&[b'x'; 1 << 17], &["line 1", "65536 bytes"]);
    list(&b"x.png\n".repeat(1_000_001), &["more than 1000000 pictures"]);
}

/// Memory that is not there, and a disk that is full, are told by what wants them.
#[cfg(target_os = "linux")]
#[test]
fn too_little_memory_or_disk_is_an_error() {
    let place = Place::new();
    let digits = digits();
    let limited = |limit: &str, args: &[&str]| {
        let line = format!("trap '' XFSZ; {limit}; exec {} \"$@\"", env!("CARGO_BIN_EXE_mnist-gpu"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &line, "sh"]).args(args).current_dir(place.path("")).env("MESA_SHADER_CACHE_DISABLE", "true");
        Ended::of(shell.output().unwrap())
    };
    let ended = limited("ulimit -v 1000000", &["data", "show", "synthetic:2000000", "--index", "3"]);
    ended.failed(
        "many digits in little memory",
        &["synthetic", "1568000000 bytes", "more than this machine has memory for"],
    );
    let ended = limited("ulimit -f 1", &["data", "show", &digits, "--out", "sheet.png"]);
    ended.failed("a sheet on a full disk", &["cannot write sheet.png"]);
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0, "nothing is half there");
    // A run that never began leaves nothing that blocks its name.
    let ended =
        limited("ulimit -f 0", &["train", "--data", &digits, "--validation", "0", "--epochs", "1", "--out", "run"]);
    ended.failed("a run on a full disk", &["run"]);
    assert!(!place.path("run/model.safetensors").exists());
    place.json(&["train", "--data", &digits, "--validation", "0", "--epochs", "1", "--out", "run"]);
}

#[cfg(unix)]
#[test]
fn files_have_the_permissions_that_the_umask_leaves() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let digits = digits();
    for (umask, mode) in [("077", 0o600), ("022", 0o644), ("002", 0o664)] {
        let line = format!("umask {umask}; exec {} \"$@\"", env!("CARGO_BIN_EXE_mnist-gpu"));
        let mut shell = Command::new("sh");
        let args = ["train", "--data", &digits, "--validation", "20", "--epochs", "1", "--out", umask];
        assert!(
            shell.args(["-c", &line, "sh"]).args(args).current_dir(place.path("")).output().unwrap().status.success()
        );
        for entry in std::fs::read_dir(place.path(umask)).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o777,
                mode,
                "{umask}: {:?}",
                entry.file_name()
            );
        }
    }
}

/// A small picture whose colour profile unpacks to hundreds of megabytes is read without unpacking it, or refused.
#[test]
fn a_colour_profile_is_no_bomb() {
    let place = Place::new();
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(content);
        [&(content.len() as u32).to_be_bytes(), &kind[..], content, &crc.sum().to_be_bytes()].concat()
    };
    let deflated = |bytes: &mut dyn Iterator<Item = Vec<u8>>| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
        bytes.for_each(|part| encoder.write_all(&part).unwrap());
        encoder.finish().unwrap()
    };
    let header = [&30_u32.to_be_bytes()[..], &30_u32.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    let profile = [b"p\0\0", &deflated(&mut (0..400).map(|_| vec![0; 1 << 20]))[..]].concat();
    let pixels = deflated(&mut (0..30).map(|row| [&[0][..], &[if row == 15 { 20 } else { 230 }; 30]].concat()));
    let parts = [chunk(b"IHDR", &header), chunk(b"iCCP", &profile), chunk(b"IDAT", &pixels), chunk(b"IEND", &[])];
    std::fs::write(place.path("bomb.png"), [&b"\x89PNG\r\n\x1a\n"[..], &parts.concat()].concat()).unwrap();
    let ended = place.run(&["predict", "-q", "--skip-bad", "pretrained", "bomb.png"]);
    assert!(ended.code == Some(0) || ended.code == Some(1), "{}", ended.err);
}

/// The kernels of another class of devices come to the same network, up to the order of sums, and to the same bits again.
#[test]
fn the_tiles_of_any_class_train_on_any_device() {
    let place = Place::new();
    let digits = digits();
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
        let model = |run: &str| sha(&place.path(run).join("model.safetensors"));
        assert_eq!(model(class), model(&again), "{class}");
        place.json(&["eval", class, "--data", &digits, "--tiles", class]);
    }
    assert!(losses.iter().all(|loss| (loss - losses[0]).abs() < 1e-3), "{losses:?}");
    let said = place.run(&["eval", "software", "--data", &digits, "--tiles", "discrete"]).err;
    assert!(said.contains("tile sizes of discrete devices"), "{said}");
    assert_eq!(place.run(&["verify", "--tiles", "huge"]).code, Some(2));
}
