//! Folders of pictures: trained on, shown, evaluated and predicted, and everything that can be wrong with them.

#[path = "../common/handwriting.rs"]
mod handwriting;

use crate::{Place, sha, shown};
use image::{GrayImage, Luma, RgbImage};
use std::path::Path;

/// A picture with a bar at a place that its class decides.
pub fn bar(class: u8, number: u32) -> GrayImage {
    GrayImage::from_fn(40, 40, |x, y| {
        let (along, across) = if class == 0 { (x, y) } else { (y, x) };
        let inside = (8..32).contains(&along) && (10 + number % 7..14 + number % 7).contains(&across);
        Luma([if inside { 30 } else { 220 }])
    })
}

/// Pictures of two classes.
pub fn bars(folder: &Path, classes: [&str; 2], count: u32) {
    for (class, name) in classes.iter().enumerate() {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        for number in 0..count {
            bar(class as u8, number).save(folder.join(name).join(format!("{number:02}.png"))).unwrap();
        }
    }
}

#[test]
fn a_folder_of_pictures_is_trained_on_evaluated_and_predicted() {
    let place = Place::new();
    bars(&place.path("bars"), ["flat", "upright"], 20);
    let train = |out: &str, more: &[&str]| {
        let args = ["train", "--data", "bars", "--epochs", "12", "--lr", "0.1", "--batch", "8", "--out", out];
        place.json(&[&args, more].concat())
    };
    let trained = train("run", &[]);
    // A fifth of each class is kept for the test; half of the others for validation.
    assert_eq!(trained["data"], serde_json::json!({"name": "bars", "train": 16, "validation": 16, "test": 8}));
    assert_eq!(trained["test"]["correct"], 8, "{trained}");
    assert_eq!(train("again", &["--recipe", "run/recipe.toml"])["test"], trained["test"]);
    assert_eq!(sha(&place.path("run/model.safetensors")), sha(&place.path("again/model.safetensors")));
    let eval = place.json(&["eval", "run", "--data", "bars"]);
    assert_eq!((&eval["correct"], &eval["total"]), (&8.into(), &8.into()));
    assert_eq!(eval["per_class"][1]["class"], "upright");

    // What is taken for something else can be found: one file under the wrong class.
    bars(&place.path("wrong/train"), ["flat", "upright"], 2);
    bars(&place.path("wrong/test"), ["flat", "upright"], 2);
    bar(1, 3).save(place.path("wrong/test/flat/odd.png")).unwrap();
    let eval = place.json(&["eval", "run", "--data", "wrong"]);
    assert_eq!(eval["wrong"].as_array().unwrap().len(), 1, "{eval}");
    assert!(eval["wrong"][0]["file"].as_str().unwrap().ends_with(&shown("test/flat/odd.png")), "{eval}");
    let text = place.run(&["eval", "run", "--data", "wrong"]).out;
    assert!(text.contains(&(shown("test/flat/odd.png") + ": flat predicted as upright")), "{text}");
    let seen = place.json(&["predict", "run", "bars/upright/03.png", "bars/flat"]);
    let predictions = seen["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 21);
    assert_eq!((&predictions[0]["file"], &predictions[0]["class"]), (&"bars/upright/03.png".into(), &"upright".into()));
    assert!(predictions[1..].iter().all(|said| said["class"] == "flat" && said["top"].as_array().unwrap().len() == 2));

    // The same classes, in a folder with parts, in which the order of names is another.
    bars(&place.path("parts/train"), ["flat", "upright"], 9);
    bars(&place.path("parts/test"), ["flat", "upright"], 4);
    bars(&place.path("parts/val"), ["flat", "upright"], 3);
    let tuned =
        place.json(&["finetune", "run", "--data", "parts", "--validation", "1", "--epochs", "1", "--out", "tuned"]);
    assert_eq!(tuned["data"], serde_json::json!({"name": "parts", "train": 18, "validation": 6, "test": 8}));
    place.fails(&["eval", "run", "--data", "bars", "--prepare", "resize"], &["--prepare resize", "prepared by mnist"]);
    place.fails(&["predict", "run", "--prepare", "none", "bars"], &["--prepare none", "prepared by mnist"]);
    place.fails(&["finetune", "run", "--prepare", "none", "--data", "bars"], &["--prepare none", "prepared by mnist"]);
    train("resized", &["--prepare", "resize"]);
    assert_eq!(place.json(&["eval", "resized", "--data", "bars"])["correct"], 8);
    bars(&place.path("others"), ["flat", "slanted"], 5);
    place.fails(&["eval", "run", "--data", "others"], &["slanted", "flat, upright"]);
    // Another class is learned anew.
    let other = place.json(&["finetune", "run", "--data", "others", "--epochs", "1", "--out", "other"]);
    assert_eq!(other["data"]["name"], "others");
    assert_eq!(place.json(&["eval", "other", "--data", "others"])["per_class"][1]["class"], "slanted");
}

#[test]
fn numbers_are_sorted_as_numbers() {
    let place = Place::new();
    for class in ["2", "10", "1"] {
        std::fs::create_dir_all(place.path("set").join(class)).unwrap();
        for number in 0..3 {
            bar(0, number).save(place.path("set").join(class).join(format!("{number}.bmp"))).unwrap();
        }
    }
    let shown = place.json(&["data", "show", "set"]);
    let images = shown["images"].as_array().unwrap();
    let classes: Vec<&str> = images.iter().map(|image| image["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["1", "1", "2", "2", "10", "10"]);
}

#[test]
fn what_is_shown_is_what_the_network_is_fed() {
    let place = Place::new();
    let digits = crate::digits();
    let shown = place.json(&["data", "show", &digits, "--index", "3"]);
    let image = &shown["images"][0];
    assert_eq!((image["pixels"].as_array().unwrap().len(), &shown["size"]), (784, &serde_json::json!([28, 28])));
    let changed = place.json(&["data", "show", &digits, "--index", "3", "--augment", "shift=2"]);
    let changed = changed["images"].as_array().unwrap();
    assert_eq!(changed.len(), 10);
    assert!(changed.iter().all(|other| other["pixels"] != image["pixels"]));
    let text = place.run(&["data", "show", &digits, "--class", "7", "--augment", "--out", "sheet.png"]);
    assert_eq!(text.code, Some(0), "{}", text.err);
    assert!(text.out.contains(": 7") && text.out.contains('▓'), "{}", text.out);
    let sheet = image::open(place.path("sheet.png")).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (302, 32));
    place.fails(&["data", "show", &digits, "--out", "sheet.png"], &["sheet.png exists"]);
    place.fails(&["data", "show", &digits, "--class", "A"], &["\"A\"", "0, 1, 2"]);
    place.fails(&["data", "show", &digits, "--index", "999"], &["no image 999", "320"]);
}

/// Fifty pictures of every kind of paper, pen and size, by a program that knows nothing of the training set.
#[test]
fn the_pretrained_network_reads_other_hands() {
    let place = Place::new();
    std::fs::create_dir(place.path("drawn")).unwrap();
    let (mut smallest, mut largest) = (u32::MAX, 0);
    for number in 0..50 {
        let drawn = handwriting::draw(0, number);
        let (width, height) = drawn.picture.dimensions();
        (smallest, largest) = (smallest.min(width.min(height)), largest.max(width.max(height)));
        drawn.picture.save(place.path(&format!("drawn/{number:02}-{}.png", drawn.digit))).unwrap();
    }
    assert!(smallest < 300 && largest > 1500, "{smallest} to {largest} pixels");
    let seen = place.json(&["predict", "pretrained", "drawn"]);
    let right = seen["predictions"].as_array().unwrap().iter().filter(|said| {
        let file = said["file"].as_str().unwrap();
        file.ends_with(&format!("-{}.png", said["class"].as_str().unwrap()))
    });
    let right = right.count();
    println!("{right} of 50 are read right");
    assert!(right >= 45, "{right} of 50");
}

#[test]
fn predict_takes_lists_and_warns() {
    let place = Place::new();
    let drawn = handwriting::draw(3, 4);
    drawn.picture.save(place.path("four.png")).unwrap();
    RgbImage::from_pixel(90, 60, image::Rgb([200, 190, 170])).save(place.path("blank.jpg")).unwrap();
    let list = |words: &[&str]| {
        let mut child = place
            .command(words)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"four.png\n\nblank.jpg\n").unwrap();
        crate::Ended::of(child.wait_with_output().unwrap())
    };
    // Without a run the network inside the program is taken.
    let ended = list(&["predict", "-", "--show"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert!(lines[0].starts_with("four.png: 4 ") && lines[0].matches('%').count() == 3, "{}", ended.out);
    assert!(ended.out.contains('▓') && ended.out.contains("blank.jpg: "), "{}", ended.out);
    assert!(ended.out.contains("no ink was found") && ended.err.contains("pretrained"), "{} {}", ended.out, ended.err);
    let json = place.json(&["predict", "pretrained", "four.png", "blank.jpg"]);
    assert_eq!(crate::keys(&json), ["adapter", "command", "model", "predictions"]);
    let said = &json["predictions"];
    assert_eq!(crate::keys(&said[0]), ["class", "file", "probability", "top"]);
    assert!(said[1]["warning"].as_str().unwrap().contains("no ink"));

    std::fs::write(place.path("bad.png"), "no picture").unwrap();
    place.fails(
        &["predict", "pretrained", "bad.png", "gone.png"],
        &["2 of the pictures", "bad.png", "gone.png", "--skip-bad"],
    );
    let skipped = place.run(&["predict", "pretrained", "bad.png", "four.png", "--skip-bad"]);
    assert_eq!((skipped.code, skipped.out.lines().count()), (Some(0), 1), "{}", skipped.err);
    assert!(skipped.err.contains("pictures skipped: 1") && skipped.err.contains("bad.png"));
    #[cfg(unix)]
    {
        std::fs::copy(place.path("four.png"), place.path("\u{1b}[2J.png")).unwrap();
        let ended = place.run(&["predict", "pretrained", "\u{1b}[2J.png"]);
        assert!(ended.out.starts_with("\u{fffd}[2J.png: 4 "), "{}", ended.out);
    }
    std::fs::create_dir(place.path("empty")).unwrap();
    place.fails(&["predict", "pretrained", "empty"], &["no picture"]);
    place.fails(&["predict", "four.png", "pretrained"], &["pretrained is a model", "must come first"]);
    assert_eq!(place.run(&["predict"]).code, Some(2));
}

/// The network inside the program is evaluated and tuned like any other.
#[test]
fn pretrained_is_a_model_like_any_other() {
    let place = Place::new();
    let digits = crate::digits();
    assert!(place.json(&["eval", "pretrained", "--data", &digits])["accuracy"].as_f64().unwrap() > 0.7);
    place.json(&["finetune", "pretrained", "--data", &digits, "--epochs", "1", "--out", "tuned"]);
    // Its recipe says what it starts from.
    place.json(&["finetune", "--recipe", "tuned/recipe.toml", "--out", "again"]);
    for file in ["model.safetensors", "recipe.toml"] {
        assert_eq!(sha(&place.path("tuned").join(file)), sha(&place.path("again").join(file)), "{file}");
    }
    let words = ["fine-tuned pretrained", "mnist-gpu finetune --recipe tuned/recipe.toml"];
    place.fails(&["train", "--recipe", "tuned/recipe.toml", "--out", "x"], &words);
    place.fails(
        &["finetune", "pretrained", "--network", "deep", "--out", "x"],
        &["--network does not apply to finetune", "--network"],
    );
    assert!(!place.path("x").exists());
    assert_eq!(place.json(&["network", "pretrained"])["parameters"], 21_840);
}

#[test]
fn bad_folders_are_told_and_nothing_is_written() {
    let place = Place::new();
    let train = |data: &str, words: &[&str]| {
        place.fails(&["train", "--data", data, "--epochs", "1", "--out", "run"], words);
        assert!(!place.path("run").exists(), "{data}");
    };
    let picture = |path: &str| {
        let path = place.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        bar(0, 1).save(path).unwrap();
    };
    std::fs::create_dir_all(place.path("none/a")).unwrap();
    train("none", &["none", "neither"]);
    std::fs::create_dir(place.path("nothing")).unwrap();
    train("nothing", &["it is empty", "nothing/A/1.png"]);
    picture("loose/1.png");
    train("loose", &["loose", "not in class folders"]);
    ["hole/a/1.png", "hole/a/2.png", "hole/b/1.png", "hole/b/2.png"].into_iter().for_each(picture);
    std::fs::create_dir(place.path("hole/c")).unwrap();
    train("hole", &["class folder", "c has no pictures"]);
    // Pictures of a kind that is not read are not passed over.
    std::fs::write(place.path("hole/c/1.tiff"), b"II*\0").unwrap();
    std::fs::write(place.path("hole/c/2.heic"), b"no picture").unwrap();
    train("hole", &["2 of the pictures", "1.tiff", "2.heic", "not a PNG, JPEG"]);
    ["new/train/a/1.png", "new/train/b/1.png", "new/test/a/1.png", "new/test/c/1.png"].into_iter().for_each(picture);
    train("new", &["class \"c\"", "no training pictures"]);
    picture("one/only/1.png");
    picture("one/only/2.png");
    train("one", &["one", "only one class", "only"]);
    ["few/a/1.png", "few/a/2.png", "few/b/1.png"].into_iter().for_each(picture);
    train("few", &["class \"b\"", "only one picture"]);
    ["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png"]
        .iter()
        .for_each(|p| picture(&format!("mixed/{p}")));
    // What is wrong is listed at once, in both parts.
    let write = |name: &str, bytes: &[u8]| std::fs::write(place.path(&format!("mixed/{name}")), bytes).unwrap();
    write("train/a/3.png", b"");
    write("train/a/4.jpg", b"no picture");
    GrayImage::new(1, 1).save(place.path("mixed/train/b/5.png")).unwrap();
    write("test/b/6.png", &huge());
    write("test/b/7.png", &bomb());
    let words =
        ["5 of the pictures cannot be used", "--skip-bad", "3.png", "empty", "4.jpg", "not a PNG, JPEG", "1x1 pixels"];
    train("mixed", &[&words[..], &["6.png", "30000x30000 pixels", "7.png", "800000000 bytes"]].concat());
    let skipped =
        place.run(&["train", "--data", "mixed", "--skip-bad", "--epochs", "1", "--validation", "0", "--out", "ok"]);
    assert_eq!(skipped.code, Some(0), "{}", skipped.err);
    assert!(skipped.err.contains("pictures skipped: 5") && skipped.err.contains(": 2 training, "));
    assert!(std::fs::read_to_string(place.path("ok/recipe.toml")).unwrap().contains("skip-bad = true"));
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt;
        let bad = std::ffi::OsStr::from_bytes(b"caf\xe9");
        picture("names/a/1.png");
        std::fs::create_dir(place.path("names").join(bad)).unwrap();
        train("names", &["class name", "UTF-8"]);
    }
    #[cfg(unix)]
    {
        picture("tricks/a/1.png");
        picture("tricks/..\\..\\b/1.png");
        train("tricks", &["class name", "backslashes"]);
        picture("escapes/a\u{1b}[31m/1.png");
        picture("escapes/b/1.png");
        train("escapes", &["class name", "control"]);
    }
    ["sizes/a/1.png", "sizes/a/2.png", "sizes/b/1.png", "sizes/b/2.png"].into_iter().for_each(picture);
    GrayImage::new(41, 40).save(place.path("sizes/b/3.png")).unwrap();
    let none = ["train", "--data", "sizes", "--prepare", "none", "--epochs", "1", "--out", "run"];
    place.fails(&none, &["3.png", "40x41", "40x40", "--prepare mnist or resize"]);
}

/// The header of a picture of 30,000 x 30,000 pixels, and nothing behind it.
fn huge() -> Vec<u8> {
    png(30_000, 30_000, &[])
}

/// 10,000 x 10,000 black pixels in some hundred kilobytes, 16 bits to each of four channels: 800 MB when decoded.
fn bomb() -> Vec<u8> {
    let row = vec![0; 8 * 10_000 + 1];
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..10_000 {
        std::io::Write::write_all(&mut encoder, &row).unwrap();
    }
    png(10_000, 10_000, &encoder.finish().unwrap())
}

fn png(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(content);
        [&(content.len() as u32).to_be_bytes(), &kind[..], content, &crc.sum().to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[16, 6, 0, 0, 0]].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header), &chunk(b"IDAT", data), &chunk(b"IEND", &[])].concat()
}

/// Small files laid out as EMNIST's letters and QMNIST's digits are: on their side, from 1, in columns.
#[test]
fn known_sets_of_other_layouts_are_read_upright_and_from_0() {
    let place = Place::new();
    let images = |count: u32| {
        // Three rows of two pixels, on their side.
        let header = [&[0, 0, 8, 3][..], &count.to_be_bytes(), &2_u32.to_be_bytes(), &3_u32.to_be_bytes()].concat();
        [header, (0..count).flat_map(|n| [10, 30, 50, 20, 40, 60].map(|p| p + n as u8)).collect()].concat()
    };
    let write = |name: &str, bytes: &[u8]| {
        let path = place.path("cache").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, bytes).unwrap();
        std::fs::write(path, gzip.finish().unwrap()).unwrap();
    };
    for part in ["train", "test"] {
        write(&format!("emnist/emnist-letters-{part}-images-idx3-ubyte.gz"), &images(2));
        write(&format!("emnist/emnist-letters-{part}-labels-idx1-ubyte.gz"), &[0, 0, 8, 1, 0, 0, 0, 2, 1, 26]);
    }
    let shown = place.json(&["data", "show", "emnist-letters", "--offline"]);
    assert_eq!(shown["size"], serde_json::json!([3, 2]));
    let images = shown["images"].as_array().unwrap();
    assert_eq!((&images[0]["class"], &images[1]["class"]), (&"A".into(), &"Z".into()));
    assert_eq!(images[1]["pixels"], serde_json::json!([11, 21, 31, 41, 51, 61]));
    write("emnist/emnist-letters-train-labels-idx1-ubyte.gz", &[0, 0, 8, 1, 0, 0, 0, 2, 0, 26]);
    place.fails(&["data", "show", "emnist-letters", "--offline"], &["letters-train-labels", "label 0", "from 1"]);

    // A model that knows classes by number takes the labels for what they are.
    let side = 28_u32.to_be_bytes();
    let header = [&[0, 0, 8, 3][..], &2_u32.to_be_bytes(), &side, &side].concat();
    write("emnist/emnist-letters-test-images-idx3-ubyte.gz", &[header, vec![9; 2 * 784]].concat());
    write("emnist/emnist-letters-test-labels-idx1-ubyte.gz", &[0, 0, 8, 1, 0, 0, 0, 2, 1, 5]);
    assert_eq!(place.json(&["eval", "pretrained", "--data", "emnist-letters", "--offline"])["total"], 2);

    let path = place.path("labels");
    let rows = |code: u8| {
        [
            &[0, 0, code, 2, 0, 0, 0, 2, 0, 0, 0, 3][..],
            &[0, 0, 0, 7, 0, 0, 1, 9, 9, 9, 9, 9, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1],
        ]
        .concat()
    };
    std::fs::write(&path, rows(0x0c)).unwrap();
    assert_eq!(mnist_gpu::data::read_first_column(&path).unwrap(), [7, 4]);
    std::fs::write(&path, rows(0x0d)).unwrap();
    assert!(mnist_gpu::data::read_first_column(&path).unwrap_err().to_string().contains("32-bit floats"));
}

#[test]
fn explain_shows_what_speaks_for_an_answer() {
    let place = Place::new();
    bar(1, 0).save(place.path("upright.png")).unwrap();
    for method in ["saliency", "smoothgrad", "integrated-gradients", "grad-cam", "occlusion"] {
        let told = place.json(&["explain", "pretrained", "upright.png", "--method", method]);
        assert_eq!((&told["command"], &told["method"]), (&"explain".into(), &method.into()));
        let map = &told["maps"][0];
        assert_eq!((&map["class"], &map["file"]), (&"1".into(), &"upright.png".into()));
        let rows: Vec<Vec<f64>> = serde_json::from_value(map["map"].clone()).unwrap();
        assert!(rows.len() == 28 && rows.iter().all(|row| row.len() == 28));
        let sum = |rows: &[Vec<f64>]| rows.iter().flatten().sum::<f64>();
        // Only grad-cam has no sign; along the bar, integrated gradients are nearly the whole logit.
        assert_eq!(method == "grad-cam", rows.iter().flatten().all(|&value| value >= 0.0), "{method}");
        if method == "integrated-gradients" {
            let bar: Vec<Vec<f64>> = rows.iter().map(|row| row[10..18].to_vec()).collect();
            assert!((sum(&bar) - sum(&rows)).abs() < 0.05 * sum(&rows).abs(), "{rows:?}");
        }
    }
    let other = place.json(&["explain", "pretrained", "upright.png", "--class", "7"])["maps"][0].clone();
    assert_eq!(other["class"], "7");
    let drawn = place.run(&["explain", "pretrained", "upright.png", "--out", "why.png"]);
    assert!(drawn.code == Some(0) && drawn.out.contains("for 1") && drawn.out.contains("against"), "{}", drawn.err);
    // An image and a map, of 28 times 4 pixels each and with 6 around them.
    assert_eq!(image::image_dimensions(place.path("why.png")).unwrap(), (242, 124));
    place.fails(&["explain", "pretrained", "upright.png", "--out", "why.png"], &["why.png exists"]);
    place.fails(&["explain", "pretrained", "upright.png", "--class", "A"], &["no class \"A\"", "0, 1, 2"]);
    std::fs::write(place.path("bad.png"), "no picture").unwrap();
    place.fails(&["explain", "pretrained", "bad.png"], &["bad.png", "is not a PNG"]);
}
