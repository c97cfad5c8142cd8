//! `adapters`: the adapters of this machine.

use super::Console;
use crate::gpu::{AdapterInfo, Selection, adapters, default_index};
use clap::Args;
use serde_json::json;

/// List the adapters of this machine and mark the default
#[derive(Args)]
pub struct AdaptersArgs {}

/// Runs `adapters`.
///
/// # Errors
/// If there is no adapter.
pub fn run(_: &AdaptersArgs, console: &Console) -> anyhow::Result<()> {
    let found = adapters();
    let infos: Vec<AdapterInfo> = found.iter().map(|(_, info)| info.clone()).collect();
    let default = default_index(&Selection::Auto, &infos);
    anyhow::ensure!(
        default.is_some(),
        "this machine has no adapter; install a graphics driver (on Debian or Ubuntu without a GPU: `apt-get install \
         mesa-vulkan-drivers`)"
    );
    if console.json {
        let list: Vec<_> = infos
            .iter()
            .enumerate()
            .map(|(index, info)| {
                json!({
                    "index": index,
                    "default": Some(index) == default,
                    "name": info.name,
                    "backend": info.backend,
                    "type": info.kind,
                    "driver": info.driver,
                })
            })
            .collect();
        console.result_json(&json!({"command": "adapters", "adapters": list}));
        return Ok(());
    }
    for (index, (adapter, info)) in found.iter().enumerate() {
        let mark = if Some(index) == default { "*" } else { " " };
        let binding = adapter.limits().max_storage_buffer_binding_size >> 20;
        console.result(format!("{mark} {index}  {info}; keeps data sets of up to {binding} MiB, streams larger ones"));
    }
    console.note("* is the default (--adapter auto)");
    Ok(())
}
