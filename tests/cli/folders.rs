//! Folders as people have them: parts under several names, leftovers of other programs, pictures that teach nothing.

use crate::Place;
use crate::pictures::{bar, bars};
use image::GrayImage;
use serde_json::json;

#[test]
fn a_folder_for_validation_is_never_trained_on() {
    let place = Place::new();
    for part in ["train", "val", "test"] {
        bars(&place.path("parts").join(part), ["flat", "upright"], 5);
    }
    let counts = |args: &[&str], out: &str| {
        let ended = place.json(&[args, &["--data", "parts", "--epochs", "1", "--out", out]].concat());
        [&ended["data"]["train"], &ended["data"]["validation"]].map(|count| count.as_u64().unwrap())
    };
    assert_eq!(counts(&["train"], "a"), [10, 10]);
    assert_eq!(counts(&["train", "--limit", "6"], "b"), [6, 10]);
    assert_eq!(counts(&["train", "--limit", "19", "--validation", "0"], "c"), [10, 0]);
    assert_eq!(counts(&["finetune", "pretrained", "--patience", "1"], "d"), [10, 10]);
    assert_eq!(counts(&["finetune", "pretrained", "--validation", "0"], "e"), [10, 0]);
    bars(&place.path("parts/val"), ["flat", "slanted"], 1);
    place.fails(&["train", "--data", "parts", "--out", "f"], &["class \"slanted\"", "no training pictures"]);
}

#[test]
fn folders_are_known_by_what_lies_in_them() {
    let place = Place::new();
    bars(&place.path("zip/Training"), ["-1", "-2"], 4);
    bars(&place.path("zip/Test"), ["2", "10"], 3);
    bars(&place.path("zip/Training"), ["2", "10"], 4);
    // What macOS puts into an archive and onto foreign disks.
    std::fs::create_dir_all(place.path("zip/__MACOSX/Training/2")).unwrap();
    std::fs::write(place.path("zip/__MACOSX/Training/2/._00.png"), "no picture").unwrap();
    std::fs::write(place.path("zip/Training/2/._00.png"), "no picture").unwrap();
    std::fs::write(place.path("zip/Training/._sheet.png"), "no picture").unwrap();
    std::fs::create_dir_all(place.path("zip/Training/.thumbnails")).unwrap();
    let trained = place.json(&["train", "--data", "zip", "--epochs", "1", "--validation", "0", "--out", "run"]);
    assert_eq!(trained["data"], json!({"name": "zip", "train": 16, "validation": 0, "test": 6}));
    let classes = place.json(&["eval", "run", "--data", "zip"])["per_class"].clone();
    let classes: Vec<&str> = classes.as_array().unwrap().iter().map(|c| c["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["-2", "-1", "2", "10"]);
    // A class may be called what a part is, even with a stray folder beside its pictures.
    bars(&place.path("vehicles"), ["train", "car"], 5);
    std::fs::create_dir(place.path("vehicles/train/@eaDir")).unwrap();
    let trained = place.json(&["train", "--data", "vehicles", "--epochs", "1", "--out", "vehicles-run"]);
    assert_eq!(trained["data"], json!({"name": "vehicles", "train": 4, "validation": 4, "test": 2}));
}

#[test]
fn pictures_that_teach_nothing_are_told() {
    let place = Place::new();
    bars(&place.path("set"), ["flat", "upright"], 6);
    for name in ["flat/blank.png", "upright/empty.png"] {
        GrayImage::from_pixel(40, 40, image::Luma([200])).save(place.path("set").join(name)).unwrap();
    }
    let train = |data: &str, more: &[&str]| {
        place.run(
            &[&["train", "--data", data, "--epochs", "1", "--out", &format!("{data}-{}", more.len())], more].concat(),
        )
    };
    let ended = train("set", &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for word in ["pictures without ink: 2", "blank.png", "empty.png", "data show"] {
        assert!(ended.err.contains(word), "{word}: {}", ended.err);
    }
    let ended = train("set", &["--prepare", "resize"]);
    assert!(ended.code == Some(0) && !ended.err.contains("without ink"), "{}", ended.err);

    // A class of which nothing is left cannot be learned.
    bars(&place.path("gone"), ["flat", "upright"], 3);
    (0..3).for_each(|n| std::fs::write(place.path(&format!("gone/flat/{n:02}.png")), "no picture").unwrap());
    let words = ["none of the training pictures of class \"flat\"", "gone", "not a PNG, JPEG"];
    place.fails(&["train", "--data", "gone", "--skip-bad", "--out", "x"], &words);
    assert!(!place.path("x").exists());

    for part in ["train", "val", "test"] {
        bars(&place.path("parts").join(part), ["flat", "upright"], 3);
    }
    for class in ["flat", "upright"] {
        (0..3)
            .for_each(|n| std::fs::write(place.path(&format!("parts/val/{class}/{n:02}.png")), "no picture").unwrap());
    }
    let words = ["none of the validation pictures", "parts", "val/upright/02.png"];
    place.fails(&["train", "--data", "parts", "--skip-bad", "--out", "x"], &words);

    // The size of pictures that are taken as they are is that of the first that can be read; what is wrong is said at once.
    bars(&place.path("exact"), ["flat", "upright"], 6);
    (0..6).for_each(|n| {
        let path = |class: &str| place.path(&format!("exact/{class}/{n:02}.png"));
        GrayImage::from_fn(28, 28, |x, y| *bar(0, n).get_pixel(x + 6, y + 6)).save(path("flat")).unwrap();
        GrayImage::from_fn(28, 28, |x, y| *bar(1, n).get_pixel(x + 6, y + 6)).save(path("upright")).unwrap();
    });
    for bad in ["flat/00.png", "flat/01.png", "upright/02.png"] {
        std::fs::write(place.path("exact").join(bad), "no picture").unwrap();
    }
    let none = ["train", "--prepare", "none", "--data", "exact", "--epochs", "1", "--out", "exact-run"];
    place.fails(&none, &["3 of the pictures", "flat/00.png", "flat/01.png", "upright/02.png"]);
    let words = ["none of the training pictures", "00.png", "not a PNG, JPEG"];
    let all_bad = ["train", "--prepare", "none", "--skip-bad", "--data", "bad", "--out", "x"];
    std::fs::create_dir_all(place.path("bad/upright")).unwrap();
    std::fs::create_dir_all(place.path("bad/flat")).unwrap();
    for bad in ["flat/00.png", "flat/01.png", "upright/00.png", "upright/01.png"] {
        std::fs::write(place.path("bad").join(bad), "no picture").unwrap();
    }
    place.fails(&all_bad, &words);
    let trained = place.json(&[&none[..], &["--skip-bad"]].concat());
    assert_eq!(trained["data"]["skipped"], 3, "{trained}");
    let seen = place.json(&["predict", "exact-run", "exact/flat", "--skip-bad"]);
    assert_eq!((&seen["skipped"], seen["predictions"].as_array().unwrap().len()), (&2.into(), 4));
    // Nothing but bad ones is no success.
    place.fails(&["predict", "exact-run", "exact/flat/00.png", "--skip-bad"], &["flat/00.png", "not a PNG"]);
}

#[test]
fn labels_are_bytes_so_there_are_256_classes_at_most() {
    let place = Place::new();
    for class in 0..257 {
        let folder = place.path("many").join(class.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        (0..2).for_each(|n| std::fs::write(folder.join(format!("{n}.png")), "").unwrap());
    }
    place.fails(&["train", "--data", "many", "--out", "x"], &["257 classes", "at most 256"]);
    std::fs::remove_dir_all(place.path("many/256")).unwrap();
    place.fails(&["train", "--data", "many", "--out", "x"], &["512 of the pictures cannot be used", "it is empty"]);
}

/// Pictures go to the device in portions of 4,096, and a bad one in the second leaves nothing printed of the first.
#[test]
fn a_long_list_is_answered_as_a_whole() {
    let place = Place::new();
    // Short names: Windows takes 32,767 characters.
    bar(0, 1).save(place.path("b.png")).unwrap();
    std::fs::write(place.path("bad.png"), "no picture").unwrap();
    let list = [vec!["predict", "pretrained"], vec!["b.png"; 4096], vec!["bad.png"]].concat();
    place.fails(&list, &["1 of the pictures", "bad.png"]);
    let ended = place.run(&[&list[..], &["b.png", "--skip-bad"]].concat());
    assert_eq!((ended.code, ended.out.lines().count()), (Some(0), 4097), "{}", ended.err);
}

/// What `--prepare` says of a set without pictures holds for the pictures that its model is shown.
#[test]
fn a_model_knows_how_pictures_are_to_be_prepared() {
    let place = Place::new();
    let digits = crate::digits();
    place.json(&["train", "--data", &digits, "--prepare", "resize", "--epochs", "1", "--out", "run"]);
    bar(0, 1).save(place.path("bar.png")).unwrap();
    place.json(&["predict", "run", "bar.png", "--prepare", "resize"]);
    place.fails(&["predict", "run", "bar.png", "--prepare", "mnist"], &["--prepare mnist", "prepared by resize"]);
    let resumed = ["train", "--resume", "run", "--epochs", "2", "--prepare"];
    place.fails(&[&resumed[..], &["mnist"]].concat(), &["--prepare mnist", "prepared by resize"]);
    place.json(&[&resumed[..], &["resize"]].concat());
    // The recipe of a fine-tuning says the same, so that it repeats.
    place.json(&["finetune", "run", "--data", &digits, "--epochs", "1", "--out", "tuned"]);
    place.json(&["finetune", "--recipe", "tuned/recipe.toml", "--out", "again"]);
    place.fails(&["predict", "rnu", "bar.png"], &["rnu does not exist", "pretrained"]);
    place.fails(&["data", "show", &digits, "--out", "sheet.jpg"], &["sheet.jpg", ".png"]);
}
