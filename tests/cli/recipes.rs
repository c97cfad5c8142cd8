//! Recipes: every optimizer and schedule repeats, resumes and is written down, to the same bits.

use crate::{Place, digits, sha};

const RECIPES: [&[&str]; 6] = [
    &["--optimizer", "adam", "--schedule", "one-cycle", "--lr", "0.01", "--clip", "1"],
    &["--optimizer", "adamw", "--schedule", "cosine", "--warmup", "0.5"],
    &["--optimizer", "rmsprop", "--lr", "0.001", "--momentum", "0.5", "--schedule", "step:1:0.5"],
    &["--nesterov", "--momentum", "0.9", "--weight-decay", "5e-4"],
    &["--class-weights", "balanced", "--label-smoothing", "0.1"],
    &["--dropout", "0.25", "--label-smoothing", "0.1", "--augment", "digits", "--lr", "0.05"],
];

#[test]
fn every_recipe_repeats_and_resumes_to_the_same_bits() {
    let digits = digits();
    for recipe in RECIPES {
        let place = Place::new();
        let model = |run: &str| sha(&place.path(run).join("model.safetensors"));
        let train = |out: &str, more: &[&str]| {
            let args = ["train", "--data", &digits, "--epochs", "3", "--seed", "3", "--out", out];
            place.json(&[&args, recipe, more].concat())
        };
        let whole = train("whole", &[]);
        // In the middle of the second of three epochs.
        train("parts", &["--steps", "4"]);
        assert_ne!(model("whole"), model("parts"));
        place.json(&["train", "--resume", "parts"]);
        assert_eq!(model("whole"), model("parts"), "{recipe:?}, resumed");
        let again = place.json(&["train", "--recipe", "whole/recipe.toml", "--out", "again"]);
        assert_eq!(whole["test"], again["test"]);
        for file in ["model.safetensors", "recipe.toml"] {
            assert_eq!(
                sha(&place.path("whole").join(file)),
                sha(&place.path("again").join(file)),
                "{recipe:?}: {file}"
            );
        }
        // A flag beats the recipe.
        place.json(&["train", "--recipe", "whole/recipe.toml", "--seed", "4", "--out", "other"]);
        assert_ne!(model("whole"), model("other"));
    }
}

#[test]
fn a_schedule_that_knows_its_end_is_not_stretched() {
    let place = Place::new();
    let digits = digits();
    place.json(&["train", "--data", &digits, "--epochs", "2", "--schedule", "cosine", "--steps", "3", "--out", "run"]);
    place.fails(&["train", "--resume", "run", "--epochs", "4"], &["schedule cosine", "2 epochs", "--init run"]);
    place.json(&["train", "--resume", "run"]);
    place.json(&["train", "--data", &digits, "--epochs", "1", "--schedule", "step:1:0.5", "--out", "steps"]);
    place.json(&["train", "--resume", "steps", "--epochs", "2"]);
}

/// What a recipe says does not stand in the way of a flag that says otherwise.
#[test]
fn flags_beat_a_recipe() {
    let place = Place::new();
    let digits = digits();
    let train = |out: &str, more: &[&str]| {
        place.json(&[&["train", "--data", &digits, "--epochs", "1", "--out", out], more].concat());
        let text = std::fs::read_to_string(place.path(out).join("recipe.toml")).unwrap();
        text.parse::<toml::Table>().unwrap()
    };
    // Another optimizer brings its own defaults along.
    let adam = train("adam", &["--recipe", "tutorial", "--optimizer", "adam"]);
    assert_eq!((adam["lr"].as_float(), adam["momentum"].as_float()), (Some(0.001), Some(0.0)));
    let rmsprop = train("rmsprop", &["--recipe", "adam/recipe.toml", "--optimizer", "rmsprop"]);
    assert_eq!((rmsprop["lr"].as_float(), rmsprop["beta2"].as_float()), (Some(0.01), Some(0.99)));
    let slower = train("slower", &["--recipe", "rmsprop/recipe.toml", "--lr", "0.002"]);
    assert_eq!((&slower["optimizer"], slower["lr"].as_float()), (&rmsprop["optimizer"], Some(0.002)));
    // A rate that belongs to no optimizer counts with any.
    std::fs::write(place.path("rate.toml"), "lr = 0.03").unwrap();
    let rate = train("rate", &["--recipe", "rate.toml", "--optimizer", "adam"]);
    assert_eq!(rate["lr"].as_float(), Some(0.03));
    // The same optimizer, said again, changes nothing.
    assert_eq!(train("same", &["--recipe", "slower/recipe.toml", "--optimizer", "rmsprop"]), slower);
    // What a flag belongs to may stand in the recipe.
    train("taught", &["--teacher", "adam"]);
    assert_eq!(train("less", &["--recipe", "taught/recipe.toml", "--alpha", "0.25"])["alpha"].as_float(), Some(0.25));
    let alone = ["train", "--data", &digits, "--recipe", "tutorial", "--alpha", "0.5", "--out", "x"];
    place.fails(&alone, &["--alpha", "--teacher"]);
    let alone = ["train", "--data", &digits, "--recipe", "tutorial", "--unfreeze-rate", "0.5", "--out", "x"];
    place.fails(&alone, &["--unfreeze-rate", "--unfreeze-after"]);
    assert!(!place.path("x").exists());
}

/// `finetune` keeps a network, and its recipe says which.
#[test]
fn a_recipe_of_a_fine_tuning_is_that_of_its_network() {
    let place = Place::new();
    let digits = digits();
    let tune = |model: &str, out: &str, more: &[&str]| {
        place.json(&[&["finetune", model, "--data", &digits, "--epochs", "1", "--out", out], more].concat());
        let text = std::fs::read_to_string(place.path(out).join("recipe.toml")).unwrap();
        text.parse::<toml::Table>().unwrap()
    };
    assert_eq!(tune("pretrained", "fast", &["--recipe", "fast"])["network"].as_str(), Some("tutorial"));
    place.json(&["train", "--data", &digits, "--network", "deep", "--epochs", "1", "--out", "deep"]);
    let deep = tune("deep", "deep-tuned", &["--recipe", "best"]);
    assert_eq!((deep["network"].as_str(), deep["batch"].as_integer()), (Some("deep"), Some(128)));
    let activation = ["finetune", "pretrained", "--data", &digits, "--activation", "sigmoid", "--out", "x"];
    place.fails(&activation, &["--activation does not apply to finetune"]);
    // The network inside the program is a start like any other.
    place.json(&["train", "--data", &digits, "--init", "pretrained", "--epochs", "1", "--out", "from"]);
}

#[test]
fn a_bad_recipe_says_what_is_wrong_where() {
    let place = Place::new();
    let digits = digits();
    let bad = |text: &str, words: &[&str]| {
        std::fs::write(place.path("bad.toml"), text).unwrap();
        place.fails(
            &["train", "--data", &digits, "--recipe", "bad.toml", "--out", "run"],
            &[&["bad.toml"], words].concat(),
        );
        assert!(!place.path("run").exists());
    };
    bad("wieght-decay = 0.1", &["unknown key \"wieght-decay\"", "did you mean \"weight-decay\"?"]);
    bad("zzz = 1", &["unknown key \"zzz\"", "known are", "optimizer"]);
    bad("epochs = 3\nlr = \"fast\"", &["line 2", "lr"]);
    bad("lr = -1.0", &["lr", "above 0"]);
    bad("batch = 0", &["batch", "1 to 65535"]);
    bad("epochs = 0", &["epochs"]);
    bad("patience = 0", &["patience", "whole number from 1"]);
    bad("epochs = 1000000001", &["epochs", "whole number from 1 to 1000000000"]);
    bad("lr = 1e300", &["lr", "above 0"]);
    bad("rates = \"conv1=1e-320\"", &["line 1", "factors above 0"]);
    bad("schedule = \"up\"", &["no schedule", "one-cycle"]);
    bad("augment = \"spin=3\"", &["line 1", "spin", "rotate"]);
    bad("dropout = 1.0", &["dropout", "below 1"]);
    bad("optimizer = \"adagrad\"", &["line 1", "there is no \"adagrad\""]);
    bad("epochs 3", &["line 1"]);
    bad("[for.deep]\nlr = -1.0", &["line 2", "lr", "above 0"]);
    bad("[for.deep]\nbacth = 3", &["unknown key \"bacth\"", "did you mean \"batch\"?"]);
    bad("[for.deeep]\nbatch = 3", &["line 1", "\"deeep\"", "did you mean \"deep\"?"]);
    bad("[for.deep]\nnetwork = \"lenet5\"", &["line 1", "another network"]);
    bad("[for.deep.for.deep]\nbatch = 3", &["line 1", "unknown key \"for\""]);
    place.fails(&["train", "--data", &digits, "--recipe", "none.toml"], &["none.toml"]);
    place.fails(&["train", "--data", &digits, "--recipe", "fst"], &["recipe fst; did you mean \"fast\"?"]);
    let adam = ["train", "--data", &digits, "--optimizer", "adam"];
    place.fails(&[&adam[..], &["--nesterov"]].concat(), &["--nesterov", "sgd"]);
    place.fails(&[&adam[..], &["--momentum", "0.9"]].concat(), &["--momentum", "--beta1"]);
}
