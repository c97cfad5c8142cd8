//! `serve`: the page to draw on.

use super::train::{loaded, path_or_pretrained};
use super::{CacheArgs, Console, DeviceArgs};
use crate::model::PRETRAINED;
use crate::serve::{Server, Shown};
use crate::text::Shown as Text;
use crate::train::{EVENTS, MODEL};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Open a page to draw on, teach and watch runs, on this machine alone
///
/// Prints an address on 127.0.0.1 and opens it in the browser. Nothing leaves the machine. Drawings that are kept are PNG files in
/// a folder for each class, which `finetune --data` takes.
#[derive(Args)]
pub struct ServeArgs {
    /// A model file, a run folder, or `pretrained` [default: the newest run under ./runs, else `pretrained`]
    ///
    /// A run may still be going on: its curves are shown as they grow, and its model as soon as there is one.
    model: Option<PathBuf>,
    /// Port to listen on; 0 is any that is free
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Do not open the browser
    #[arg(long)]
    no_open: bool,
    /// Folder for drawings that are kept
    #[arg(long, value_name = "DIR", default_value = "drawings")]
    drawings: PathBuf,
    /// Set that the model has learned from, to replay and to see what is forgotten [default: the one that it names, if it is
    /// at hand]
    #[arg(long, value_name = "SET")]
    keep_testing: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs `serve`.
///
/// # Errors
/// If the model cannot be loaded, the port is taken, or the device fails.
pub fn run(args: &ServeArgs, console: &Console) -> anyhow::Result<()> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let run = args.model.as_deref().filter(|path| path.is_dir());
    // A run has no model before its first epoch has ended.
    let waits =
        run.map(|run| run.join(MODEL)).filter(|model| model.with_file_name(EVENTS).is_file() && !model.exists());
    let (path, followed) = match waits {
        Some(model) => {
            console.note("the run has no model yet, so the pretrained network is used until it has one");
            (PathBuf::from(PRETRAINED), Some(model))
        }
        None => {
            let path = path_or_pretrained(args.model.as_deref(), console)?;
            (path.clone(), Some(path).filter(|path| path.is_file()))
        }
    };
    let (name, model) = (Text::from(&path).to_string(), loaded(&path, console)?);
    let server = Server::bind(args.port)?;
    let device = args.device.open(console)?;
    super::run::listen_for_signals(&STOP)?;
    let runs = run.map_or_else(|| Path::new("runs").to_path_buf(), |run| crate::files::folder_of(run).to_path_buf());
    let shown = Shown {
        name: name.clone(),
        model,
        followed,
        drawings: args.drawings.clone(),
        old: args.keep_testing.clone(),
        locator: args.cache.locator(),
        runs,
        run: run.map(Path::to_path_buf),
    };
    let address = server.address();
    let ready = || {
        match console.json {
            true => console.result_json(&json!({"command": "serve", "address": address, "adapter": device.info})),
            false => console.result(&address),
        }
        console.note("press Ctrl-C to end");
        if !args.no_open
            && let Err(error) = open::that_detached(&address)
        {
            console.note(format!("open this address in a browser; it could not be opened from here: {error}"));
        }
    };
    console.note(format!("model {name}"));
    server.run(&device, shown, &STOP, ready)?;
    console.note("ended");
    Ok(())
}
