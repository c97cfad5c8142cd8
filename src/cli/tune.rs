//! `tune`: measures which tile sizes suit this device, and keeps them.

use super::tuned::Tuned;
use super::{Console, DeviceArgs, flags::parser, kept};
use crate::bench::{self, Setting};
use crate::kernels::Tiles;
use crate::model::{Architecture, Network};
use crate::settings::Count;
use crate::text::Shown;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Measure which tile sizes suit this device best, and use them from now on
///
/// Starts from the table of the device's class, or --tiles, and changes one size at a time, as long as training steps become
/// faster. Every change must agree with the CPU reference for these networks; `verify` checks others. The result is kept
/// for this adapter, driver and version of the program in the cache folder (MNIST_GPU_CACHE, or the platform's). Every
/// command uses it unless --no-tuned or --tiles is given. A run records its sizes, so that it repeats to the same bits
/// whatever is found later.
#[derive(Args)]
pub struct TuneArgs {
    /// Network whose training step is measured: tutorial, lenet5, deep, or a file as for `train`; may be repeated
    #[arg(long, value_name = "NAME|FILE", default_value = "tutorial")]
    network: Vec<PathBuf>,
    /// Images per batch
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    batch: u32,
    /// Maximum duration
    #[arg(long, value_name = "N", default_value = "50", value_parser = parser::<usize>(Count(1, 86_400)))]
    seconds: usize,
    /// Print what is kept for this device
    #[arg(long, conflicts_with_all = ["reset", "network", "batch", "seconds"])]
    show: bool,
    /// Discard what is kept for this device
    #[arg(long, conflicts_with_all = ["network", "batch", "seconds"])]
    reset: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs `tune`.
///
/// # Errors
/// Unknown networks, errors of the device, or a cache folder that cannot be written.
pub fn run(args: &TuneArgs, console: &Console) -> anyhow::Result<()> {
    // The search starts from the table.
    let device = args.device.open_untuned(console)?;
    if args.reset {
        let path = kept::discard::<Tuned>(&device.info)?;
        let text = match &path {
            Some(path) => format!("discarded {}", Shown::from(path)),
            None => "nothing is kept for this device".into(),
        };
        let report = json!({"command": "tune", "adapter": device.info, "kept": null, "discarded": path.is_some()});
        return done(console, &text, &report);
    }
    let table = Tiles::of(device.info.class());
    if args.show {
        let kept = kept::load::<Tuned>(&device.info)?;
        let text = match &kept {
            Some(kept) => format!(
                "{}\nmeasured with {}, batch {}: {:.3} of the time of a step with the table",
                changes(kept.tiles, table),
                kept.networks.join(", "),
                kept.batch,
                kept.ratio
            ),
            None => "nothing is kept for this device; run `mnist-gpu tune` to measure it".into(),
        };
        let tiles = kept.map(|kept| kept.tiles);
        let changes = tiles.map(|tiles| object(tiles, table));
        let report = json!({"command": "tune", "adapter": device.info, "kept": changes, "tiles": tiles});
        return done(console, &text, &report);
    }

    let names: Vec<String> = args.network.iter().map(|path| Shown::from(path).to_string()).collect();
    let networks = args.network.iter().map(|path| Ok(Architecture::find(path)?.network([1, 28, 28], 10)?));
    let networks: Vec<Network> = networks.collect::<anyhow::Result<_>>()?;
    let setting = |network| Setting {
        network,
        batch: args.batch as usize,
        tiles: device.tiles,
        unfused: false,
        runs: 1,
        kernels: false,
    };
    let settings: Vec<Setting> = networks.iter().map(setting).collect();
    let limit = Duration::from_secs(args.seconds as u64);
    let tell = |candidate: &str, elapsed: Duration, ratio: f64| {
        let template = "{msg:28} [{bar:30}] {percent:>3} %";
        let message = format!("{candidate:20} {ratio:.3}");
        console.bar("tune", elapsed.as_millis() as u64, Some(limit.as_millis() as u64), template, message);
    };
    // A folder that cannot be written is reported before anything is measured.
    kept::prepare::<Tuned>()?;
    let found = bench::tune(&device, &settings, table, limit, tell);
    console.clear_bar();
    let found = found?;
    for wrong in &found.wrong {
        console.warn(format!("not used, since it differs from the reference: {wrong}"));
    }
    if !found.finished {
        console.note(format!("time ran out after {} candidates; --seconds sets another limit", found.tried));
    }
    let tuned = Tuned { tiles: found.tiles, networks: names, batch: args.batch as usize, ratio: found.ratio };
    let path = kept::save(&device.info, &tuned)?;
    let text = match found.tiles == table {
        true => format!("no faster sizes than those of the table were found; candidates tried: {}", found.tried),
        false => format!(
            "{}\na step takes {:.3} of the time ({:.0} instead of {:.0} us); kept in {}",
            changes(found.tiles, table),
            found.ratio,
            1e6 * found.seconds[1],
            1e6 * found.seconds[0],
            Shown::from(&path)
        ),
    };
    let report = json!({
        "command": "tune",
        "adapter": device.info,
        "kept": object(found.tiles, table),
        "tiles": found.tiles,
        "tried": found.tried,
        "finished": found.finished,
        "step": {"table": found.seconds[0], "tuned": found.seconds[1]},
        "ratio": found.ratio,
    });
    done(console, &text, &report)
}

fn done(console: &Console, text: &str, report: &serde_json::Value) -> anyhow::Result<()> {
    match console.json {
        true => console.result_json(report),
        false => console.result(text),
    }
    Ok(())
}

/// Tile sizes that differ from the table.
fn changes(tiles: Tiles, table: Tiles) -> String {
    let changes = tiles.differences(table);
    match changes.is_empty() {
        true => "no faster sizes than those of the table".into(),
        false => changes.iter().map(|(entry, value)| format!("{entry}={value}")).collect::<Vec<_>>().join(", "),
    }
}

fn object(tiles: Tiles, table: Tiles) -> serde_json::Value {
    tiles
        .differences(table)
        .into_iter()
        .map(|(entry, value)| (entry.to_string(), serde_json::Value::from(value)))
        .collect()
}
