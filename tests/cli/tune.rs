//! `tune`, and how the tile sizes that it finds reach a run, its recipe and its resumption.

use crate::{Place, digits, keys, sha};
use serde_json::Value;
use std::path::PathBuf;

/// The file that `tune` writes.
fn kept(place: &Place) -> PathBuf {
    std::fs::read_dir(place.path("cache/tuned")).unwrap().next().unwrap().unwrap().path()
}

/// Puts other tile sizes into that file.
fn keep(place: &Place, tiles: &str) {
    let text = std::fs::read_to_string(kept(place)).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    file["tiles"] = tiles.into();
    std::fs::write(kept(place), file.to_string()).unwrap();
}

#[test]
fn a_device_is_tuned_and_forgotten() {
    let place = Place::new();
    assert!(place.run(&["tune", "--show"]).out.contains("nothing is kept"));
    // A poor table leaves something to find, and a second or two of a small network suffice to try a few sizes.
    std::fs::write(place.path("net.toml"), "layers = [ { linear = { units = 40 } }, \"relu\" ]").unwrap();
    let tune = ["tune", "--network", "net.toml", "--seconds", "2", "--tiles", "software,fc_n=1,fc_o=1"];
    let report = place.json(&tune);
    assert_eq!(keys(&report), ["adapter", "command", "finished", "kept", "ratio", "step", "tiles", "tried"]);
    assert!(report["tried"].as_u64().unwrap() > 0, "{report}");
    let [table, tuned] = ["table", "tuned"].map(|key| report["step"][key].as_f64().unwrap());
    assert!(table > 0.0 && tuned > 0.0 && report["ratio"].as_f64().unwrap() <= 1.0, "{report}");
    assert_eq!(place.json(&["tune", "--show"])["tiles"], report["tiles"]);
    assert!(place.run(&["tune", "--reset"]).out.contains("discarded"));
    assert!(place.run(&["tune", "--show"]).out.contains("nothing is kept"));
    for wrong in
        [&["tune", "--seconds", "0"][..], &["tune", "--show", "--reset"], &["tune", "--tiles", "software,fc_m=2"]]
    {
        assert_eq!(place.run(wrong).code, Some(2), "{wrong:?}");
    }
    place.fails(&["tune", "--network", "none.toml"], &["none.toml"]);
}

#[test]
fn a_run_repeats_with_the_tile_sizes_that_it_was_tuned_to() {
    let place = Place::new();
    let digits = digits();
    place.json(&["tune", "--seconds", "1"]);
    keep(&place, "software,fc_n=4,conv_o=2");
    let train = |out: &str, more: &[&str]| {
        let args = ["train", "--data", &digits, "--epochs", "2", "--lr", "0.1", "--out", out];
        let ended = place.run(&[&args[..], more].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.err
    };
    let model = |run: &str| sha(&place.path(run).join("model.safetensors"));
    let recipe = |run: &str| std::fs::read_to_string(place.path(run).join("recipe.toml")).unwrap();

    let said = train("tuned", &[]);
    assert!(said.contains("tile sizes software,conv_o=2,fc_n=4, found by `mnist-gpu tune`"), "{said}");
    assert!(recipe("tuned").contains("tiles = \"software,conv_o=2,fc_n=4\""), "{}", recipe("tuned"));
    let said = train("table", &["--no-tuned"]);
    assert!(!said.contains("tile sizes") && recipe("table").contains("tiles = \"table\""), "{said}");

    // A run stopped half-way goes on with the sizes that it began with, whatever is kept by then.
    train("tuned-parts", &["--steps", "3"]);
    train("table-parts", &["--steps", "3", "--no-tuned"]);
    keep(&place, "software,fc_n=2");
    for run in ["tuned", "table"] {
        let parts = format!("{run}-parts");
        place.json(&["train", "--resume", &parts]);
        assert_eq!(model(run), model(&parts), "{run}");
    }
    // So does its recipe, on a machine that was tuned to other sizes or never.
    for run in ["tuned", "table"] {
        let (file, again) = (format!("{run}/recipe.toml"), format!("{run}-again"));
        place.json(&["train", "--recipe", &file, "--out", &again]);
        assert_eq!(model(run), model(&again), "{run}");
        assert_eq!(recipe(run), recipe(&again), "{run}");
        place.json(&["tune", "--reset"]);
    }
    // A flag overrides both.
    let said = train("flag", &["--recipe", "tuned/recipe.toml", "--tiles", "software,fc_n=8"]);
    assert!(said.contains("tile sizes software\n") && recipe("flag").contains("tiles = \"table\""), "{said}");
}

#[test]
fn damaged_tile_sizes_are_not_used() {
    let place = Place::new();
    let digits = digits();
    place.json(&["tune", "--seconds", "1"]);
    for (text, word) in [("{", "damaged"), ("{\"tiles\": 3}", "damaged")] {
        std::fs::write(kept(&place), text).unwrap();
        let ended = place.run(&["eval", "pretrained", "--data", &digits]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(ended.err.contains("not used") && ended.err.contains(word), "{}", ended.err);
    }
    place.json(&["tune", "--seconds", "1"]);
    keep(&place, "software,conv_o=0");
    assert!(place.run(&["eval", "pretrained", "--data", &digits]).err.contains("0 is not a valid conv_o"));
    place.json(&["train", "--data", &digits, "--epochs", "1", "--out", "run"]);
}
