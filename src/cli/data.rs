//! `data`: what data sets there are, where they come from and where they lie.

use super::{CacheArgs, Console, show::ShowArgs};
use crate::data::{Check, Fetcher, KNOWN, Known, Part, find};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// List, fetch and describe data sets
#[derive(Args)]
#[command(subcommand_required = true)]
pub struct DataArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The sets known by name, and which are here
    List(CacheArgs),
    /// Fetch a set into the cache
    Fetch {
        /// A name of `data list`
        name: String,
        #[command(flatten)]
        cache: CacheArgs,
    },
    /// Source, licence, hashes, and where a set lies
    Info {
        /// A name of `data list`, or a folder [default: all known sets]
        name: Option<String>,
        #[command(flatten)]
        cache: CacheArgs,
    },
    Show(ShowArgs),
}

/// Runs `data`.
///
/// # Errors
/// An unknown set, or one that is not to be had.
pub fn run(args: &DataArgs, console: &Console) -> anyhow::Result<()> {
    match &args.what {
        What::List(cache) => list(cache, console),
        What::Fetch { name, cache } => fetch(name, cache, console),
        What::Show(args) => super::show::run(args, console),
        What::Info { name, cache } => info(name.as_deref(), cache, console),
    }
}

/// Whether all files are there; their content is checked when they are used.
fn is_here(known: &Known, cache: &CacheArgs) -> bool {
    let folder = cache.locator().cache().map(|cache| cache.join(known.folder));
    folder.is_ok_and(|folder| known.files.iter().all(|file| folder.join(file.name).is_file()))
}

fn list(cache: &CacheArgs, console: &Console) -> anyhow::Result<()> {
    if console.json {
        let sets: Vec<Value> = KNOWN
            .iter()
            .map(|k| json!({"name": k.name, "title": k.title, "licence": k.licence, "here": is_here(k, cache)}))
            .chain([json!({"name": "synthetic", "title": SYNTHETIC, "licence": OURS, "here": true})])
            .collect();
        console.result_json(&json!({"command": "data list", "sets": sets}));
        return Ok(());
    }
    for known in &KNOWN {
        let place = if is_here(known, cache) { "here" } else { "not fetched" };
        console.result(format!("{:15} {:48} {:14} {place}", known.name, known.title, known.licence));
    }
    console.result(format!("{:15} {SYNTHETIC:48} {OURS:14} here", "synthetic"));
    Ok(())
}

const SYNTHETIC: &str = "digits drawn by this program";
const OURS: &str = "built in";

fn fetch(name: &str, cache: &CacheArgs, console: &Console) -> anyhow::Result<()> {
    let known = find(name).ok_or_else(|| crate::data::DataError::Unknown(name.into()))?;
    let root = cache.locator().cache()?;
    let folder = root.join(known.folder);
    anyhow::ensure!(!cache.offline, "--offline forbids to fetch {name}");
    let fetched = Fetcher::default().fetch(known, &folder, &|f, got, of| console.fetching(f, got, of));
    console.clear_bar();
    let fetched = fetched?;
    if console.json {
        let value =
            json!({"command": "data fetch", "name": name, "folder": folder.display().to_string(), "fetched": fetched});
        console.result_json(&value);
    } else {
        console.result(format!("{name} lies in {} ({fetched} files fetched, all checked)", folder.display()));
    }
    Ok(())
}

fn info(name: Option<&str>, cache: &CacheArgs, console: &Console) -> anyhow::Result<()> {
    let locator = cache.locator();
    let root = locator.cache()?;
    let known: Vec<&Known> = match name {
        None => KNOWN.iter().collect(),
        Some(name) => find(name).into_iter().collect(),
    };
    if known.is_empty() {
        let source = locator.locate(name.unwrap_or_default(), &|_, _, _| {})?;
        let (train, test) = (source.load(Part::Train)?.set, source.load(Part::Test)?.set);
        let size = [train.images.height, train.images.width];
        let classes = crate::data::class_count(&source.name, &train.labels)?;
        let (images, tests) = (train.labels.len(), test.labels.len());
        if console.json {
            console.result_json(&json!({
                "command": "data info", "name": source.name, "place": source.place(), "train": images, "test": tests,
                "size": size, "classes": classes,
            }));
        } else {
            console.result(format!(
                "{}: {images} images to train on and {tests} to test, {}x{} pixels, {classes} classes; {}",
                source.name,
                size[0],
                size[1],
                source.place()
            ));
        }
        return Ok(());
    }
    if console.json {
        let sets: Vec<Value> = known.iter().map(|k| describe(k, &root, is_here(k, cache))).collect();
        console.result_json(&json!({"command": "data info", "sets": sets}));
        return Ok(());
    }
    for k in known {
        console.result(format!("{}: {}", k.name, k.title));
        console.result(format!("  licence   {}", k.licence));
        console.result(format!("  cite      {}", k.citation));
        let place = root.join(k.folder);
        console.result(format!(
            "  lies in   {}{}",
            place.display(),
            if is_here(k, cache) { "" } else { " (not fetched)" }
        ));
        k.mirrors.iter().for_each(|mirror| console.result(format!("  mirror    {mirror}")));
        k.files.iter().for_each(|file| console.result(format!("  {:28} {}", file.name, hash(file.check).1)));
    }
    Ok(())
}

/// The kind of a hash, and the hash with its kind.
fn hash(check: Check) -> (&'static str, String) {
    match check {
        Check::Sha256(hex) => ("sha256", format!("SHA-256 of the content {hex}")),
        Check::Md5(hex) => ("md5", format!("MD5 of the file {hex}")),
        Check::Unpacked => ("unpacked", "checked in its archive".into()),
    }
}

fn describe(known: &Known, root: &std::path::Path, here: bool) -> Value {
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
