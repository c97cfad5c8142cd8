//! The page about a run.

use crate::{Place, digits};
use serde_json::Value;
use std::path::Path;

/// A run on the digits, short enough to make mistakes.
fn trained(place: &Place, out: &str, args: &[&str]) -> Value {
    let digits = digits();
    place.json(&[&["train", "--data", &digits, "--epochs", "3", "--out", out], args].concat())
}

fn page(place: &Place, file: &str) -> String {
    std::fs::read_to_string(place.path(file)).unwrap()
}

/// Values of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    page.split(start.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// What must hold of every page: nothing is loaded, nothing runs, and every link leads to one place.
fn is_whole(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.len() < 2_000_000, "{} bytes", page.len());
    // Names of tags and attributes, without their values and without text.
    let tags: String = page.split('<').skip(1).map(|tag| tag.split('>').next().unwrap()).collect::<Vec<_>>().join("<");
    let tags: String = tags.split('"').step_by(2).collect();
    for foreign in ["script", "link", "iframe", "object", " on"] {
        assert!(!tags.contains(foreign), "{foreign}");
    }
    for foreign in ["http:", "https:", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let ids = values(page, "id");
    for (at, id) in ids.iter().enumerate() {
        assert!(!ids[at + 1..].contains(id), "two elements are called {id}");
    }
    let links = values(page, "href");
    assert!(links.len() >= 5);
    for link in links {
        assert!(link.strip_prefix('#').is_some_and(|id| ids.contains(&id)), "{link} leads nowhere");
    }
    let pictures = values(page, "src");
    assert!(pictures.iter().all(|picture| picture.starts_with("data:image/png;base64,")));
    assert_eq!(page.matches("<img ").count(), values(page, "alt").iter().filter(|alt| !alt.is_empty()).count());
}

#[test]
fn a_page_shows_what_eval_tells() {
    let place = Place::new();
    let train = place.run(&["train", "--data", &digits(), "--epochs", "3", "--out", "run"]);
    assert!(train.err.contains("mnist-gpu report run"), "{}", train.err);
    let told = place.json(&["report", "run"]);
    let file = Path::new("run").join("report.html");
    assert_eq!((&told["command"], &told["file"]), (&"report".into(), &file.display().to_string().into()));
    let page = page(&place, "run/report.html");
    is_whole(&page);

    let run = &told["runs"][0];
    let seen = &run["examined"];
    let eval = place.json(&["eval", "run", "--data", &digits()]);
    for key in ["correct", "total", "accuracy", "interval", "confusion"] {
        assert_eq!(seen[key], eval[key], "{key}");
    }
    assert!((seen["loss"].as_f64().unwrap() - eval["loss"].as_f64().unwrap()).abs() < 1e-6);
    let (wrong, known) = (seen["wrong"].as_array().unwrap(), eval["wrong"].as_array().unwrap());
    assert_eq!(wrong.len(), known.len());
    assert!(wrong.len() > 3, "the test needs mistakes");
    for (one, other) in wrong.iter().zip(known) {
        assert_eq!(
            [&one["index"], &one["label"], &one["predicted"]],
            [&other["index"], &other["label"], &other["predicted"]]
        );
        // Every mistake is in the cell of its label and prediction.
        let cell = format!("id=\"r0-{}-{}\"", one["label"], one["predicted"]);
        let group = page.split(cell.as_str()).nth(1).and_then(|rest| rest.split("class=\"cell").next()).unwrap();
        assert!(group.contains(&format!("alt=\"picture {}\"", one["index"])), "{one}");
        // The most confident one comes first.
        let shares = group.split("<br>").skip(1).map(|rest| rest.split(' ').next().unwrap().parse::<f64>().unwrap());
        assert!(shares.collect::<Vec<_>>().is_sorted_by(|a, b| a >= b), "{group}");
    }
    assert_eq!(run["epochs"].as_array().unwrap().len(), 3);
    assert!(page.contains(&format!("best epoch: {}", run["best"])) && page.contains("mnist-gpu train --recipe run"));
    assert_eq!(run["trained_on"], told["adapter"]);
    assert_eq!(run["layers"].as_array().unwrap().len(), 9);
    assert_eq!(seen["channels"][1]["channels"].as_array().unwrap().len(), 20);
    assert_eq!(seen["projection"]["points"].as_array().unwrap().len(), 100);
    let bins = seen["calibration"]["bins"].as_array().unwrap();
    assert_eq!(bins.iter().map(|bin| bin["images"].as_u64().unwrap()).sum::<u64>(), 100);

    // The same bytes again; and the result of `verify` once it is known.
    place.json(&["report", "run"]);
    assert_eq!(self::page(&place, "run/report.html"), page);
    assert!(page.contains("not yet with this version"));
    place.json(&["verify"]);
    let other = place.json(&["report", "run", "--out", "other.html"]);
    assert_eq!(other["runs"][0]["verified"]["passed"], other["runs"][0]["verified"]["cases"]);
    assert!(self::page(&place, "other.html").contains("cases agree with the CPU reference"));
}

#[test]
fn a_run_writes_its_page_and_two_runs_are_compared() {
    let place = Place::new();
    let first = trained(&place, "a", &["--report"]);
    assert_eq!(first["page"], Path::new("a").join("report.html").display().to_string());
    let written = page(&place, "a/report.html");
    is_whole(&written);
    trained(&place, "b", &["--lr", "0.05", "--validation", "0", "--seed", "3"]);
    let told = place.json(&["report", "a", "b"]);
    assert_eq!((told["file"].as_str(), told["runs"].as_array().unwrap().len()), (Some("report.html"), 2));
    // Without validation images there is no best epoch and no temperature.
    assert_eq!(
        (&told["runs"][1]["best"], &told["runs"][1]["examined"]["calibration"]["temperature"]),
        (&Value::Null, &Value::Null)
    );
    let both = page(&place, "report.html");
    is_whole(&both);
    let differences = both.split("id=\"results\"").next().unwrap();
    for word in
        ["2 runs compared", "<code>lr</code>", "<td>0.01</td><td>0.05</td>", "<code>seed</code>", "more right", ", p "]
    {
        assert!(differences.contains(word), "{word}: {differences}");
    }
    assert!(!differences.contains("<code>batch</code>"), "the batch is the same in both");
    // What was written beside the run is as it was.
    assert_eq!(page(&place, "a/report.html"), written);
}

#[test]
fn names_of_classes_and_files_are_text_and_nothing_else() {
    let place = Place::new();
    let evil = "<b onclick=x>&\"'";
    for (class, up) in [(evil, false), ("up", true)] {
        let folder = place.path("set").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for shift in 0..12_u32 {
            let bar = image::GrayImage::from_fn(28, 28, |x, y| {
                let (along, across) = if up { (y, x) } else { (x, y) };
                let is_ink = (4..24).contains(&along) && (8 + shift % 6..12 + shift % 6).contains(&across);
                image::Luma([if is_ink { 255 } else { 0 }])
            });
            // One bar has the wrong label.
            let class = if shift == 7 { if up { evil } else { "up" } } else { class };
            let folder = place.path("set").join(class);
            std::fs::create_dir_all(&folder).unwrap();
            bar.save(folder.join(format!("{}{shift}<i>.png", u8::from(up)))).unwrap();
        }
    }
    place.json(&["train", "--data", "set", "--epochs", "30", "--lr", "0.1", "--validation", "4", "--out", "run"]);
    let told = place.json(&["report", "run"]);
    let page = page(&place, "run/report.html");
    is_whole(&page);
    assert!(!page.contains("<b ") && !page.contains("<i>") && page.contains("&lt;b onclick=x&gt;&amp;&quot;"));
    // The wrong labels are found wherever they were not trained on, by the names of their files.
    for doubt in told["runs"][0]["examined"]["suspects"].as_array().unwrap() {
        assert!(doubt["file"].as_str().unwrap().contains("7<i>.png"), "{doubt}");
    }
}

#[test]
fn a_run_that_was_stopped_is_repeated_up_to_there() {
    let place = Place::new();
    trained(&place, "run", &["--steps", "7"]);
    let told = place.json(&["report", "run"])["runs"][0].clone();
    assert_eq!((&told["ended"], &told["steps"]), (&false.into(), &7.into()));
    let repeat = told["repeat"].as_str().unwrap();
    assert!(repeat.ends_with(" --steps 7"), "{repeat}");
    assert!(page(&place, "run/report.html").contains("stopped before the end of 3 epochs"));
    let words: Vec<&str> = repeat.split(' ').skip(1).chain(["--out", "again"]).collect();
    assert_eq!(place.run(&words).code, Some(0));
    assert_eq!(crate::sha(&place.path("run/model.safetensors")), crate::sha(&place.path("again/model.safetensors")));
}

#[test]
fn without_its_data_a_run_has_a_page_without_pictures() {
    let place = Place::new();
    let set = place.digits("set");
    place.json(&["train", "--data", &set, "--epochs", "1", "--out", "run"]);
    std::fs::rename(&set, place.path("moved")).unwrap();
    let ended = place.run(&["report", "run"]);
    assert!(
        ended.code == Some(0) && ended.err.contains("no pictures") && ended.err.contains("--data"),
        "{}",
        ended.err
    );
    let page = page(&place, "run/report.html");
    is_whole(&page);
    assert!(page.contains("The pictures are missing") && page.contains("id=\"training\"") && !page.contains("<img"));
    // Given the new place, it has them; given another set, it fails.
    let told = place.json(&["report", "run", "--data", "moved"]);
    assert_eq!(told["runs"][0]["examined"]["total"], 100);
    place.fails(&["report", "run", "--data", "synthetic:300"], &["run", "the data of run has changed"]);
    place.fails(&["report", "run", "--data", "nowhere"], &["no data set \"nowhere\""]);
}

#[test]
fn what_is_no_run_has_no_page_and_no_file_is_lost() {
    let place = Place::new();
    place.fails(&["report"], &["no run under"]);
    place.fails(&["report", "nowhere"], &["nowhere", "not a run folder"]);
    place.fails(&["report", "pretrained"], &["pretrained", "not a run folder"]);
    trained(&place, "run", &[]);
    std::fs::write(place.path("mine.html"), "mine").unwrap();
    place.fails(&["report", "run", "--out", "mine.html"], &["mine.html exists", "--out"]);
    assert_eq!(page(&place, "mine.html"), "mine");
    std::fs::write(place.path("run/report.html"), "mine").unwrap();
    place.fails(&["report", "run"], &["exists and is not a report"]);
    std::fs::remove_file(place.path("run/report.html")).unwrap();
    std::fs::remove_file(place.path("run/events.jsonl")).unwrap();
    place.fails(&["report", "run"], &["no report of run", "events.jsonl"]);
    std::fs::remove_file(place.path("run/resume.safetensors")).unwrap();
    place.fails(&["report", "run"], &["no report of run", "resume.safetensors"]);
}
