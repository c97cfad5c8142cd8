//! What people bring: data sets under other names and in other forms, models with other names, damaged and foreign
//! pictures, several characters in one.

use crate::pictures::{bar, bars};
use crate::{Place, digits, events, sha};
use image::{GrayImage, Luma};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::json;
use std::io::Read;
use std::path::Path;

const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// Content of one of the digits' files, without its compression.
fn content(name: &str) -> Vec<u8> {
    let file = std::fs::File::open(Path::new(&digits()).join(format!("{name}.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn idx_files_are_found_under_the_names_that_programs_give_them() {
    let place = Place::new();
    let correct = |data: &str| place.json(&["eval", "pretrained", "--data", data])["correct"].clone();
    let expected = correct(&digits());
    let write = |folder: &str, rename: &dyn Fn(&str) -> String| {
        std::fs::create_dir_all(place.path(folder)).unwrap();
        for name in NAMES {
            std::fs::write(place.path(folder).join(rename(name)), content(name)).unwrap();
        }
    };
    write("dot", &|name| name.replace("-idx", ".idx"));
    write("prefix", &|name| format!("emnist-digits-{}", name.replace("t10k", "test")));
    write("root/MNIST/raw", &|name| name.into());
    for folder in ["dot", "prefix", "root", "root/MNIST"] {
        assert_eq!(correct(folder), expected, "{folder}");
    }
    // Two sets in one folder, neither of which is meant more than the other; gzipped files count once.
    write("two", &|name| format!("emnist-digits-{name}"));
    std::fs::write(place.path("two/emnist-digits-train-labels-idx1-ubyte.gz"), "").unwrap();
    assert_eq!(correct("two"), expected);
    write("two", &|name| format!("emnist-letters-{name}"));
    place.fails(&["eval", "pretrained", "--data", "two"], &["several data sets", "emnist-letters-", "of its own"]);
    // One part alone.
    write("train-only", &|name| name.replace("t10k", "other"));
    std::fs::remove_file(place.path("train-only/other-images-idx3-ubyte")).unwrap();
    std::fs::remove_file(place.path("train-only/other-labels-idx1-ubyte")).unwrap();
    let train = ["train", "--data", "train-only", "--validation", "0", "--epochs", "1", "--out", "run"];
    let ended = place.run(&train);
    assert!(ended.code == Some(0) && ended.err.contains("a fifth of each class is kept for testing"), "{}", ended.err);
    // Of the 320 images a fifth of each class, rounded up, and none twice.
    let [of_model, of_others] = ["run", "pretrained"].map(|model| place.json(&["eval", model, "--data", "train-only"]));
    assert_eq!(of_others["total"], 320);
    let tested = of_model["total"].as_u64().unwrap();
    assert!((64..75).contains(&tested), "{tested}");
    let trained = place.json(&["eval", "run", "--data", "train-only", "--split", "train"])["total"].as_u64().unwrap();
    assert_eq!(trained + tested, 320);
    std::fs::create_dir(place.path("test-only")).unwrap();
    for name in &NAMES[2..] {
        std::fs::write(place.path("test-only").join(name), content(name)).unwrap();
    }
    assert_eq!(correct("test-only"), expected);
    place.fails(&["train", "--data", "test-only", "--out", "no"], &["only a test part"]);
}

#[test]
fn tables_are_data_sets() {
    let place = Place::new();
    let (images, labels) = (content(NAMES[0]), content(NAMES[1]));
    let mut text = String::from("label");
    (0..784).for_each(|pixel| text.push_str(&format!(",pixel{pixel}")));
    for (image, label) in images[16..].chunks(784).zip(&labels[8..]) {
        text.push_str(&format!("\n{label}"));
        image.iter().for_each(|byte| text.push_str(&format!(",{byte}")));
    }
    std::fs::write(place.path("digits.csv"), &text).unwrap();
    let eval = place.json(&["eval", "pretrained", "--data", "digits.csv"]);
    assert_eq!((&eval["total"], &eval["data"]["name"]), (&320.into(), &"digits".into()));
    assert!(eval["accuracy"].as_f64().unwrap() > 0.9, "{eval}");
    std::fs::write(place.path("digits.csv"), text.replace("\n3,", "\nthree,")).unwrap();
    place.fails(&["train", "--data", "digits.csv", "--out", "run"], &["digits.csv, row", "\"three\" in column 1"]);
}

#[test]
fn images_without_labels_are_answered_in_a_table() {
    let place = Place::new();
    let (images, labels) = (content(NAMES[2]), content(NAMES[3]));
    let mut text = (0..784).map(|pixel| format!("pixel{pixel}")).collect::<Vec<_>>().join(",");
    for image in images[16..].chunks(784) {
        text.push('\n');
        text.push_str(&image.iter().map(u8::to_string).collect::<Vec<_>>().join(","));
    }
    std::fs::write(place.path("test.csv"), text).unwrap();
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({}, 28, 28), }}\n", labels.len() - 8);
    let length = (header.len() as u16).to_le_bytes();
    let array = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &images[16..]].concat();
    std::fs::write(place.path("x.npy"), array).unwrap();
    std::fs::write(place.path("digits.idx"), &images).unwrap();
    let answers = |input: &str| {
        let ended = place.run(&["predict", "pretrained", input, "--csv", &format!("{input}.answers")]);
        assert!(ended.code == Some(0) && ended.out.is_empty(), "{input}: {}", ended.err);
        std::fs::read_to_string(place.path(&format!("{input}.answers"))).unwrap()
    };
    let table = answers("test.csv");
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!((rows[0], rows.len()), ("ImageId,Label", labels.len() - 7));
    let is_right = |(at, row): (usize, &&str)| *row == format!("{},{}", at + 1, labels[8 + at]);
    assert!(rows[1..].iter().enumerate().filter(|&row| is_right(row)).count() * 10 > 9 * (rows.len() - 1), "{table}");
    assert_eq!(answers("x.npy"), table);
    assert_eq!(answers("digits.idx"), table);
    // Several files, and pictures.
    bar(0, 0).save(place.path("a, b.png")).unwrap();
    let ended = place.run(&["predict", "pretrained", "x.npy", "a, b.png", "--csv", "all.csv"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let all = std::fs::read_to_string(place.path("all.csv")).unwrap();
    assert!(all.starts_with("file,class,probability,note\n\"x.npy, image 0\","), "{all}");
    assert!(all.lines().last().unwrap().starts_with("\"a, b.png\","), "{all}");
    place.fails(&["predict", "pretrained", "x.npy", "--csv", "all.csv"], &["all.csv exists", "another --csv"]);
    let first = place.json(&["predict", "pretrained", "x.npy"])["predictions"][0].clone();
    assert_eq!((&first["file"], &first["index"]), (&"x.npy".into(), &0.into()));
    place.fails(&["predict", "pretrained", "x.npy", "--each"], &["--each is for pictures"]);
    place.fails(&["train", "--data", "test.csv", "--out", "run"], &["without a label", "mnist-gpu predict"]);
    place.fails(&["train", "--data", "x.npy", "--out", "run"], &["one array is not a data set", "y_train.npy"]);
}

#[test]
fn folders_of_writers_are_split_by_writer() {
    let place = Place::new();
    for writer in ["ann", "bob", "cid"] {
        bars(&place.path("packed/hands").join(writer), ["flat", "upright"], 4);
    }
    let train = |how: &[&str], out: &str| {
        let train = ["train", "--data", "packed", "--validation", "0", "--epochs", "1", "--out", out];
        place.run(&[&train[..], how].concat())
    };
    let ended = train(&[], "by-writer");
    assert!(ended.code == Some(0) && ended.err.contains("3 writers, 1 of whom are kept for testing"), "{}", ended.err);
    assert_eq!(place.json(&["eval", "by-writer", "--data", "packed"])["total"], 8);
    assert_eq!(train(&["--split-by", "picture"], "by-picture").code, Some(0));
    // A fifth of twelve of each class, rounded up; the model knows how it was split.
    assert_eq!(place.json(&["eval", "by-picture", "--data", "packed"])["total"], 6);
}

#[test]
fn images_of_another_size_are_prepared_or_the_remedy_is_told() {
    let place = Place::new();
    std::fs::create_dir(place.path("small")).unwrap();
    for (name, count) in [(NAMES[0], 320_u32), (NAMES[2], 100)] {
        let sizes = [count, 8, 8].map(u32::to_be_bytes).concat();
        let bytes = [vec![0, 0, 8, 3], sizes, vec![7; 64 * count as usize]].concat();
        std::fs::write(place.path("small").join(name), bytes).unwrap();
    }
    for name in [NAMES[1], NAMES[3]] {
        std::fs::write(place.path("small").join(name), content(name)).unwrap();
    }
    let words = ["only 8x8 pixels", "--prepare resize", "--network FILE"];
    place.fails(&["train", "--data", "small", "--out", "a"], &words);
    place.json(&["train", "--data", "small", "--prepare", "resize", "--epochs", "1", "--out", "b"]);
    let tuned = place.run(&["finetune", "pretrained", "--data", "small", "--epochs", "1", "--out", "c"]);
    assert!(tuned.code == Some(0) && tuned.err.contains("the images have 8x8 pixels"), "{}", tuned.err);
}

#[test]
fn folders_of_pictures_are_taken_as_they_are_meant() {
    let place = Place::new();
    bars(&place.path("beside"), ["flat", "upright"], 6);
    bars(&place.path("beside/test"), ["flat", "upright"], 3);
    let trained = place.json(&["train", "--data", "beside", "--validation", "0", "--epochs", "1", "--out", "run"]);
    assert_eq!(trained["data"], json!({"name": "beside", "train": 12, "validation": 0, "test": 6}));
    // A model that has not seen them is evaluated on all, even if there is one of each class.
    bars(&place.path("few"), ["flat", "upright"], 1);
    assert_eq!(place.json(&["eval", "run", "--data", "few"])["total"], 2);
    bars(&place.path("more"), ["flat", "upright"], 5);
    assert_eq!(place.json(&["eval", "run", "--data", "more"])["total"], 10);
    place.json(&["finetune", "run", "--data", "more", "--epochs", "1", "--out", "tuned"]);
    assert_eq!(place.json(&["eval", "tuned", "--data", "more"])["total"], 2);
    // Pictures in one folder, with a table of their classes.
    std::fs::create_dir(place.path("flat")).unwrap();
    let mut table = String::from("id,filename,label\n");
    for number in 0..10 {
        bar(number % 2, number.into()).save(place.path(&format!("flat/{number}.png"))).unwrap();
        table.push_str(&format!("{number},{number}.png,{}\n", ["flat", "upright"][usize::from(number % 2)]));
    }
    std::fs::write(place.path("flat/labels.csv"), &table).unwrap();
    for data in ["flat", "flat/labels.csv"] {
        let eval = place.json(&["eval", "run", "--data", data]);
        assert_eq!((&eval["total"], &eval["data"]["name"]), (&10.into(), &"flat".into()), "{data}");
    }
    std::fs::write(place.path("flat/labels.csv"), table + "10,10.png,flat\n").unwrap();
    place.fails(&["train", "--data", "flat", "--out", "no"], &["labels.csv, row 12", "there is no file", "10.png"]);
    // Data that moved.
    std::fs::rename(place.path("more"), place.path("moved")).unwrap();
    let resume = ["finetune", "--resume", "tuned", "--epochs", "2"];
    place.fails(&resume, &["the data of tuned is not at", "more any more", "--data FOLDER"]);
    place.json(&[&resume[..], &["--data", "moved"]].concat());
}

#[test]
fn known_classes_keep_what_the_model_knows_of_them() {
    let place = Place::new();
    let tuned =
        place.run(&["finetune", "pretrained", "--data", &digits(), "--lr", "1e-9", "--epochs", "1", "--out", "same"]);
    assert!(!tuned.err.contains("last layer"), "{}", tuned.err);
    for (class, name) in ["1", "new"].into_iter().enumerate() {
        std::fs::create_dir_all(place.path("set").join(name)).unwrap();
        (0..5).for_each(|number| {
            bar(1 - class as u8, number).save(place.path("set").join(format!("{name}/{number}.png"))).unwrap()
        });
    }
    let tuned =
        place.run(&["finetune", "pretrained", "--data", "set", "--lr", "1e-9", "--epochs", "1", "--out", "mixed"]);
    assert!(tuned.err.contains("keeps the classes 1, and starts anew for new"), "{}", tuned.err);
    let row = |path: &Path, row: usize| {
        let bytes = std::fs::read(path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        tensors.tensor("fc2.weight").unwrap().data()[row * 200..][..200].to_vec()
    };
    let (mixed, pretrained) = (
        place.path("mixed/model.safetensors"),
        Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pretrained.safetensors"),
    );
    let close = |a: &[u8], b: &[u8]| {
        a.chunks(4).zip(b.chunks(4)).all(|(a, b)| {
            let value = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
            (value(a) - value(b)).abs() < 1e-4
        })
    };
    assert!(close(&row(&mixed, 0), &row(&pretrained, 1)), "the class 1 keeps its weights");
    assert!((0..10).all(|old| !close(&row(&mixed, 1), &row(&pretrained, old))), "a new class has none of the old");
}

#[test]
fn few_images_get_settings_that_fit_and_bad_results_are_told() {
    let place = Place::new();
    let tuned = place.run(&["finetune", "pretrained", "--data", &digits(), "--out", "few"]);
    assert!(tuned.err.contains("320 training images are few, so adam is used"), "{}", tuned.err);
    assert!(tuned.err.contains("160 epochs, batch 64, adam, lr 0.0001"), "{}", tuned.err);
    assert!(tuned.err.contains("training images already, so --lr is 0.0001"), "{}", tuned.err);
    assert!(tuned.err.contains("augment shift=2,rotate=10"), "{}", tuned.err);
    for (out, args) in [("tutorial", ["--recipe", "tutorial"]), ("rate", ["--lr", "0.02"])] {
        let tuned = place.run(
            &[&["finetune", "pretrained", "--data", &digits(), "--epochs", "1", "--out", out][..], &args].concat(),
        );
        assert!(tuned.err.contains("sgd") && !tuned.err.contains("are few"), "{}", tuned.err);
    }
    let trained = place.run(&["train", "--data", &digits(), "--epochs", "1", "--lr", "1e-6", "--out", "bad"]);
    for words in ["not clearly better than always guessing one class", "mnist-gpu finetune pretrained --data"] {
        assert!(trained.err.contains(words), "{words}: {}", trained.err);
    }
    for (name, count) in [("flat", 60), ("upright", 4)] {
        std::fs::create_dir_all(place.path("uneven").join(name)).unwrap();
        (0..count).for_each(|n| {
            bar(u8::from(count < 60), n).save(place.path("uneven").join(format!("{name}/{n}.png"))).unwrap()
        });
    }
    let uneven = |out: &str, more: &[&str]| {
        place.run(&[&["finetune", "pretrained", "--data", "uneven", "--epochs", "1", "--out", out], more].concat()).err
    };
    let said = uneven("a", &[]);
    assert!(said.contains("from 3 to 48 training images; --class-weights balanced"), "{said}");
    assert!(said.contains("adam, lr 0.001,"), "the model does not know these classes: {said}");
    assert!(!uneven("b", &["--class-weights", "balanced"]).contains("training images;"));
}

#[test]
fn a_model_is_known_by_its_content_and_prefixes_are_taken_off() {
    let place = Place::new();
    bar(0, 0).save(place.path("flat.png")).unwrap();
    let pretrained =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pretrained.safetensors")).unwrap();
    std::fs::write(place.path("weights.st"), &pretrained).unwrap();
    let predicted = place.json(&["predict", "weights.st", "flat.png"]);
    assert_eq!((&predicted["model"], predicted["predictions"].as_array().unwrap().len()), (&"weights.st".into(), 1));
    for start in [&b"PK\x03\x04 and more of it"[..], b"\x80\x02}q\x00(X\x05\x00"] {
        std::fs::write(place.path("state.pt"), start).unwrap();
        for more in [&[][..], &["--skip-bad"]] {
            place.fails(
                &[&["predict", "state.pt", "flat.png"], more].concat(),
                &["state.pt is a PyTorch pickle", "safetensors.torch.save_file"],
            );
        }
    }
    let tensors = SafeTensors::deserialize(&pretrained).unwrap();
    for prefix in ["module.", "_orig_mod.", "module.model."] {
        let views: Vec<(String, TensorView)> = tensors
            .iter()
            .map(|(name, view)| {
                (format!("{prefix}{name}"), TensorView::new(Dtype::F32, view.shape().to_vec(), view.data()).unwrap())
            })
            .collect();
        std::fs::write(place.path("wrapped.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
        let ended = place.run(&["predict", "wrapped.safetensors", "flat.png"]);
        assert!(ended.code == Some(0) && ended.err.contains(&format!("start with {prefix}, which")), "{}", ended.err);
        // Without metadata the normalisation is the usual one, which differs a little.
        let class = |out: &str| out.split(' ').take(2).collect::<String>();
        assert_eq!(class(&ended.out), class(&place.run(&["predict", "weights.st", "flat.png"]).out));
    }
}

#[test]
fn half_a_jpeg_and_other_formats_are_named() {
    let place = Place::new();
    let large = GrayImage::from_fn(200, 200, |x, y| Luma([(x * y % 256) as u8]));
    large.save(place.path("whole.jpg")).unwrap();
    let whole = std::fs::read(place.path("whole.jpg")).unwrap();
    std::fs::write(place.path("half.jpg"), &whole[..whole.len() / 2]).unwrap();
    place.fails(&["predict", "pretrained", "half.jpg"], &["half.jpg", "ends before the picture does"]);
    // What a camera appends after the picture does no harm, whatever the file is called.
    std::fs::write(place.path("PHOTO.JFIF"), [&whole[..], b"\xff\xda more"].concat()).unwrap();
    place.json(&["predict", "pretrained", "PHOTO.JFIF"]);
    for (name, bytes, said) in [
        ("a.heic", &b"\0\0\0\x18ftypheic\0\0\0\0"[..], "a HEIC file"),
        ("a.png", b"\0\0\0\x18ftypavif\0\0\0\0", "an AVIF file"),
        ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file"),
        ("a.jpg", b"%PDF-1.7", "a PDF document"),
        ("a.svg", b"<?xml version=\"1.0\"?><svg>", "an SVG drawing"),
    ] {
        std::fs::write(place.path(name), bytes).unwrap();
        place.fails(&["predict", "pretrained", name], &[name, said, "export it as PNG or JPEG"]);
    }
    // TIFF is read, unless it is cut off or of a rare kind.
    let ring = bar(1, 3);
    ring.save(place.path("ring.png")).unwrap();
    ring.save(place.path("ring.tif")).unwrap();
    let seen = |name: &str| place.json(&["predict", "pretrained", name])["predictions"][0]["top"].clone();
    assert_eq!(seen("ring.tif"), seen("ring.png"));
    let whole = std::fs::read(place.path("ring.tif")).unwrap();
    std::fs::write(place.path("half.tif"), &whole[..whole.len() / 2]).unwrap();
    place.fails(&["predict", "pretrained", "half.tif"], &["half.tif", "ends before the picture does"]);
    // The entry of the photometric interpretation, whose value of 3 is a palette.
    let entry = [6, 1, 3, 0, 1, 0, 0, 0];
    let at = whole.windows(8).position(|bytes| bytes == entry).unwrap();
    let palette = [&whole[..at + 8], &[3, 0], &whole[at + 10..]].concat();
    std::fs::write(place.path("palette.tif"), palette).unwrap();
    place.fails(&["predict", "pretrained", "palette.tif"], &["palette.tif", "unsupported", "as PNG or as JPEG"]);
}

#[test]
fn every_character_of_a_picture_is_read_in_order() {
    let place = Place::new();
    // Two rows: upright bars, which are ones, at these places.
    let places = [(30, 20), (110, 24), (190, 16), (40, 120), (150, 124)];
    let picture = GrayImage::from_fn(240, 220, |x, y| {
        let is_ink = places.iter().any(|&(left, top)| (left..left + 8).contains(&x) && (top..top + 70).contains(&y));
        Luma([if is_ink { 30 } else { 230 }])
    });
    picture.save(place.path("ones.png")).unwrap();
    let read = place.json(&["predict", "pretrained", "--each", "ones.png"]);
    let read = &read["predictions"][0];
    assert_eq!(read["text"], "11111");
    let found: Vec<_> = read["characters"].as_array().unwrap().iter().map(|c| c["box"].clone()).collect();
    let expected: Vec<_> = places.iter().map(|(left, top)| json!([left, top, 8, 70])).collect();
    assert_eq!(found, expected);
    let ended = place.run(&["predict", "pretrained", "--each", "ones.png"]);
    assert!(ended.out.starts_with("ones.png: 11111\n  1 ") && ended.out.contains("% at 110,24, 8x70"), "{}", ended.out);
    let warning = place.json(&["predict", "pretrained", "ones.png"])["predictions"][0]["warning"].clone();
    assert_eq!(warning, "5 characters are in view; crop the picture to one, or use --each");
}

/// A smooth line through random points, as thick as a pen's.
fn scribble(seed: u32) -> GrayImage {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut random = |below: f32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        below * (state >> 8) as f32 / (1 << 24) as f32
    };
    let points: Vec<[f32; 2]> =
        (0..6 + random(6.0) as usize).map(|_| [30.0 + random(240.0), 30.0 + random(240.0)]).collect();
    let mut picture = GrayImage::from_pixel(300, 300, Luma([235]));
    for at in 0..points.len() - 1 {
        let near = |offset: usize| points[(at + offset).saturating_sub(1).min(points.len() - 1)];
        let [a, b, c, d] = [near(0), near(1), near(2), near(3)];
        for step in 0..60 {
            let t = step as f32 / 60.0;
            // A Catmull-Rom spline.
            let [x, y] = [0, 1].map(|k| {
                let (second, third) = (2.0 * a[k] - 5.0 * b[k] + 4.0 * c[k] - d[k], 3.0 * (b[k] - c[k]) + d[k] - a[k]);
                0.5 * (2.0 * b[k] + (c[k] - a[k]) * t + second * t * t + third * t * t * t)
            });
            for (i, j) in (-8..=8).flat_map(|i| (-8..=8).map(move |j| (i, j))).filter(|(i, j)| i * i + j * j <= 64) {
                let (x, y) = (x as i32 + i, y as i32 + j);
                if (0..300).contains(&x) && (0..300).contains(&y) {
                    picture.put_pixel(x as u32, y as u32, Luma([40]));
                }
            }
        }
    }
    picture
}

#[test]
fn what_is_none_of_the_classes_is_noted() {
    let place = Place::new();
    std::fs::create_dir(place.path("scribbles")).unwrap();
    (0..40).for_each(|seed| scribble(seed).save(place.path(&format!("scribbles/{seed}.png"))).unwrap());
    std::fs::write(place.path("digits.idx"), content(NAMES[2])).unwrap();
    let noted = |model: &str, input: &str| {
        let told = place.json(&["predict", model, input]);
        let told = told["predictions"].as_array().unwrap().clone();
        told.iter().filter(|one| one["warning"].as_str().is_some_and(|said| said.contains("unlike"))).count()
    };
    let scribbles = noted("pretrained", "scribbles");
    assert!(scribbles >= 24, "{scribbles} of 40");
    let digits_noted = noted("pretrained", "digits.idx");
    assert!(digits_noted <= 4, "{digits_noted} of 100");
    // A model of one's own knows what it was trained on, too, and says nothing of what it cannot know.
    let train =
        ["train", "--data", &digits(), "--validation", "20", "--recipe", "fast", "--epochs", "20", "--out", "own"];
    place.json(&train);
    let [of_scribbles, of_digits] = ["scribbles", "digits.idx"].map(|input| noted("own", input));
    assert!(of_scribbles >= 3 && of_digits <= 5, "{of_scribbles} of 40, {of_digits} of 100");
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pretrained.safetensors")).unwrap();
    let bare: Vec<(String, TensorView)> = SafeTensors::deserialize(&bytes).unwrap().tensors().into_iter().collect();
    std::fs::write(place.path("bare.safetensors"), safetensors::serialize(bare, None).unwrap()).unwrap();
    assert_eq!(noted("bare.safetensors", "scribbles"), 0);
}

#[test]
fn what_is_forgotten_is_measured_and_replay_keeps_more_of_it() {
    let place = Place::new();
    bars(&place.path("bars"), ["flat", "upright"], 10);
    let old = digits();
    let tune = |epochs: &str, flags: &[&str], out: &str| {
        let tune =
            ["finetune", "pretrained", "--data", "bars", "--epochs", epochs, "--keep-testing", &old, "--out", out];
        place.run(&[&tune[..], flags, &["--json"]].concat())
    };
    tune("2", &[], "lost").failed("lost", &["--keep-testing has images of class", "flat, upright", "--replay 1"]);
    assert!(!place.path("lost").exists());
    let ended = tune("2", &["--replay", "2"], "kept");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let told: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    // Sixteen bars, and twice as many digits.
    assert_eq!(told["data"]["train"], 48);
    let share = |what: &str| told["old"][what].as_f64().unwrap();
    let pretrained = place.json(&["eval", "pretrained", "--data", &old])["accuracy"].as_f64().unwrap();
    assert_eq!(share("before"), pretrained);
    assert!(share("after") > 0.8 && share("after") <= 1.0, "{told}");
    assert_eq!(told["epochs"][1]["old_accuracy"].as_f64().unwrap(), share("after"));
    let begun = events(&place.path("kept")).into_iter().find(|event| event["event"] == "before").unwrap();
    assert_eq!(begun["accuracy"].as_f64().unwrap(), pretrained);
    // The trained model knows both, and gives the same answers when it is evaluated by itself.
    let eval = place.json(&["eval", "kept", "--data", &old]);
    assert_eq!(eval["accuracy"].as_f64().unwrap(), share("after"));
    assert_eq!(eval["per_class"].as_array().unwrap().len(), 12);
    assert_eq!(place.json(&["eval", "kept", "--data", "bars"])["total"], 4);
    // The same images are replayed when the run is resumed.
    let whole = tune("4", &["--replay", "2"], "whole");
    assert_eq!(whole.code, Some(0), "{}", whole.err);
    let resumed = place.json(&["finetune", "--resume", "kept", "--epochs", "4"]);
    assert_eq!(sha(&place.path("kept/model.safetensors")), sha(&place.path("whole/model.safetensors")));
    assert_eq!(resumed["old"]["before"].as_f64().unwrap(), pretrained);
    // The old set has no test part: it is split as when the model was trained on it, and another set at its place has no
    // accuracy before.
    bars(&place.path("split/old"), ["flat", "upright"], 30);
    // Some are in the wrong folder, so the accuracy depends on which are in the test part.
    (0..11).for_each(|number| bar(1, number).save(place.path(&format!("split/old/flat/{number:02}.png"))).unwrap());
    let old_split = [
        "train",
        "--data",
        "split/old",
        "--validation",
        "0",
        "--seed",
        "7",
        "--epochs",
        "12",
        "--lr",
        "0.1",
        "--batch",
        "8",
        "--out",
        "on-split",
    ];
    place.json(&old_split);
    let own = place.json(&["eval", "on-split", "--data", "split/old"]);
    let tune = |more: &[&str]| {
        let tune = ["finetune", "on-split", "--data", "bars", "--epochs", "1", "--lr", "1e-9"];
        place.json(&[&tune[..], more].concat())
    };
    let tuned = tune(&["--keep-testing", "split/old", "--out", "on-bars"]);
    assert_eq!(tuned["old"]["before"], own["accuracy"]);
    bars(&place.path("other/old"), ["flat", "upright"], 9);
    let resumed = place.json(&["finetune", "--resume", "on-bars", "--epochs", "2", "--keep-testing", "other/old"]);
    assert_eq!(resumed["old"]["before"], serde_json::Value::Null);
    // Only the new pictures say whether the model knows them.
    bars(&place.path("few"), ["flat", "upright"], 4);
    let ended = place.run(&[
        "finetune",
        "pretrained",
        "--data",
        "few",
        "--keep-testing",
        &old,
        "--replay",
        "20",
        "--steps",
        "1",
        "--out",
        "lr",
    ]);
    assert!(ended.code == Some(0) && ended.err.contains("adam, lr 0.001,"), "{}", ended.err);
    assert!(ended.err.contains("120 of the training images are replayed from"), "{}", ended.err);
    // Without new classes nothing has to be replayed.
    let tune = ["finetune", "pretrained", "--data", &old, "--keep-testing", &old, "--epochs", "1", "--out", "same"];
    let ended = place.run(&tune);
    assert!(
        ended.code == Some(0) && ended.out.contains("% before, ") && ended.err.contains("old set "),
        "{}",
        ended.err
    );
    let train = ["train", "--data", "bars", "--keep-testing", &old, "--out", "no"];
    place.fails(&train, &["--keep-testing applies to finetune only"]);
    let alone = place.run(&["finetune", "pretrained", "--data", "bars", "--replay", "1", "--out", "no"]);
    assert!(alone.code == Some(2) && alone.err.contains("--keep-testing <SET>"), "{}", alone.err);
}
