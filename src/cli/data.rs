//! `data`: the known data sets, where they come from and where they are stored.

use super::{CacheArgs, Console, flags::parser, show::ShowArgs};
use crate::data::{Check, Checking, Fetcher, File, KNOWN, Known, Part, Pictures, find, is_right};
use crate::settings::CLASSES;
use crate::text::{Shown, nearest};
use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// List, download, describe and show data sets
#[derive(Args)]
#[command(subcommand_required = true)]
pub struct DataArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List the data sets known by name, and which are downloaded
    List(CacheArgs),
    /// Download a data set into the cache
    Fetch {
        /// A name from `data list`
        name: String,
        #[command(flatten)]
        cache: CacheArgs,
    },
    /// Print the source, licence, hashes and location of data sets
    Info {
        /// A name from `data list`, or a folder [default: all known sets]
        name: Option<PathBuf>,
        /// Number of classes of a folder [default: highest label + 1]
        #[arg(long, value_name = "N", value_parser = parser::<usize>(CLASSES))]
        classes: Option<usize>,
        #[command(flatten)]
        cache: CacheArgs,
    },
    Show(Box<ShowArgs>),
}

/// Runs `data`.
///
/// # Errors
/// If the set is unknown or unavailable.
pub fn run(args: &DataArgs, console: &Console) -> anyhow::Result<()> {
    match &args.what {
        What::List(cache) => list(cache, console),
        What::Fetch { name, cache } => fetch(name, cache, console),
        What::Show(args) => super::show::run(args, console),
        What::Info { name, classes, cache } => info(name.as_deref(), *classes, cache, console),
    }
}

/// The state of a set in the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Whole,
    Damaged,
    Not,
}

impl Here {
    fn of(known: &Known, cache: &CacheArgs) -> Here {
        let Ok(folder) = cache.locator().cache().map(|cache| cache.join(known.folder)) else { return Here::Not };
        let look = |file: &File| is_right(&folder.join(file.name), file, Checking::Changes);
        let wrong: Vec<Option<String>> = known.files.iter().filter_map(|file| look(file).err()).collect();
        match (wrong.is_empty(), wrong.iter().any(Option::is_some)) {
            (true, _) => Here::Whole,
            (false, true) => Here::Damaged,
            (false, false) => Here::Not,
        }
    }

    fn say(self) -> &'static str {
        match self {
            Here::Whole => "downloaded",
            Here::Damaged => "damaged",
            Here::Not => "not downloaded",
        }
    }
}

fn list(cache: &CacheArgs, console: &Console) -> anyhow::Result<()> {
    if console.json {
        let sets: Vec<Value> = KNOWN
            .iter()
            .map(|k| json!({"name": k.name, "title": k.title, "licence": k.licence, "here": Here::of(k, cache) == Here::Whole}))
            .chain([json!({"name": "synthetic", "title": SYNTHETIC, "licence": OURS, "here": true})])
            .collect();
        console.result_json(&json!({"command": "data list", "sets": sets}));
        return Ok(());
    }
    for known in &KNOWN {
        let place = Here::of(known, cache).say();
        console.result(format!("{:15} {:48} {:14} {place}", known.name, known.title, known.licence));
    }
    console.result(format!("{:15} {SYNTHETIC:48} {OURS:14} available", "synthetic"));
    Ok(())
}

const SYNTHETIC: &str = "digits drawn by this program";
const OURS: &str = "built in";

fn fetch(name: &str, cache: &CacheArgs, console: &Console) -> anyhow::Result<()> {
    let names = KNOWN.map(|known| known.name);
    let known =
        find(name).with_context(|| format!("no data set {name:?} can be downloaded{}", nearest(name, &names)))?;
    let root = cache.locator().cache()?;
    let folder = root.join(known.folder);
    anyhow::ensure!(!cache.offline, "--offline forbids downloading {name}");
    let fetched =
        Fetcher::default().fetch(known, &folder, Checking::Content, &|f, got, of| console.fetching(f, got, of));
    console.clear_bar();
    let fetched = fetched?;
    if console.json {
        let value =
            json!({"command": "data fetch", "name": name, "folder": folder.display().to_string(), "fetched": fetched});
        console.result_json(&value);
    } else {
        console.result(format!("{name} is in {} ({fetched} files downloaded, all verified)", Shown::from(&folder)));
    }
    Ok(())
}

fn info(name: Option<&Path>, asked: Option<usize>, cache: &CacheArgs, console: &Console) -> anyhow::Result<()> {
    let root = cache.locator().cache()?;
    let known: Vec<&Known> = match name {
        None => KNOWN.iter().collect(),
        Some(name) => name.to_str().and_then(find).into_iter().collect(),
    };
    if known.is_empty() {
        let source = cache.locate(name.unwrap_or(Path::new("")), Pictures::default(), console)?;
        let (train, test) = (source.load(Part::Train)?.set, source.load(Part::Test)?.set);
        let size = [train.images.height, train.images.width];
        let classes = source.classes(&train, &test, asked)?;
        if let Some(oddity) = classes.oddity() {
            console.warn(oddity);
        }
        let classes = classes.count;
        let (images, tests) = (train.labels.len(), test.labels.len());
        if console.json {
            let mut said = json!({
                "command": "data info", "name": source.name, "place": source.place(), "train": images, "test": tests,
                "size": size, "classes": classes,
            });
            super::add_passed_over(&mut said, &source);
            console.result_json(&said);
        } else {
            console.result(format!(
                "{}: {images} training and {tests} test images, {}x{} pixels, {classes} classes; {}",
                source.name,
                size[0],
                size[1],
                source.place()
            ));
        }
        return Ok(());
    }
    if console.json {
        let sets: Vec<Value> = known.iter().map(|k| describe(k, &root, Here::of(k, cache) == Here::Whole)).collect();
        console.result_json(&json!({"command": "data info", "sets": sets}));
        return Ok(());
    }
    for k in known {
        console.result(format!("{}: {}", k.name, k.title));
        console.result(format!("  licence   {}", k.licence));
        console.result(format!("  cite      {}", k.citation));
        let place = Shown::from(&root.join(k.folder));
        let state = match Here::of(k, cache) {
            Here::Whole => String::new(),
            other => format!(" ({})", other.say()),
        };
        console.result(format!("  location  {place}{state}"));
        k.mirrors.iter().for_each(|mirror| console.result(format!("  mirror    {mirror}")));
        k.files.iter().for_each(|file| console.result(format!("  {:28} {}", file.name, hash(file.check).1)));
    }
    Ok(())
}

/// The key of a hash in JSON, and the hash as text.
fn hash(check: Check) -> (&'static str, String) {
    match check {
        Check::Sha256(hex) => ("sha256", format!("SHA-256 of the content {hex}")),
        Check::Md5(hex) => ("md5", format!("MD5 of the file {hex}")),
        Check::Unpacked => ("unpacked", "verified with its archive".into()),
    }
}

fn describe(known: &Known, root: &Path, here: bool) -> Value {
    let files: Vec<Value> = known
        .files
        .iter()
        .map(|file| match file.check {
            Check::Sha256(hex) | Check::Md5(hex) => json!({"name": file.name, hash(file.check).0: hex}),
            Check::Unpacked => json!({"name": file.name}),
        })
        .collect();
    json!({
        "name": known.name, "title": known.title, "licence": known.licence, "citation": known.citation,
        "mirrors": known.mirrors, "folder": root.join(known.folder).display().to_string(), "here": here, "files": files,
    })
}
