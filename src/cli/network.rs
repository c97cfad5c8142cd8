//! `network`: the layers of a network, with their shapes and costs.

use super::Console;
use crate::kernels::{DeviceClass, Tiles};
use crate::model::{Architecture, Model, Network, names_model};
use crate::plan::names;
use crate::recorder::{Options, record};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Print a network: layers, shapes, parameters, multiply-adds, memory
#[derive(Args)]
pub struct NetworkArgs {
    /// tutorial, lenet5, deep, a TOML file with a list of layers, or a model
    #[arg(default_value = "tutorial", value_name = "NAME|FILE|MODEL")]
    what: PathBuf,
    /// Height and width of the images; ignored for a model
    #[arg(long, value_name = "HxW", default_value = "28x28", value_parser = size)]
    input: [usize; 2],
    /// Number of classes; ignored for a model
    #[arg(long, value_name = "N", default_value_t = 10)]
    classes: usize,
    /// Images per batch, for the memory that training needs
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    batch: u32,
}

fn size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once('x').and_then(|(h, w)| Some([h.parse().ok()?, w.parse().ok()?]));
    sides.ok_or_else(|| "it takes a height and a width, such as 28x28".into())
}

/// Runs `network`.
///
/// # Errors
/// If there is no such network, or a layer does not fit its input.
pub fn run(args: &NetworkArgs, console: &Console) -> anyhow::Result<()> {
    let network = find(args)?;
    let memory = memory(&network, args.batch as usize)?;
    let costs: Vec<[usize; 2]> =
        network.nodes().iter().map(|node| [network.parameters_of(&node.name), node.multiply_adds()]).collect();
    let [parameters, multiply_adds] = [0, 1].map(|at| costs.iter().map(|cost| cost[at]).sum::<usize>());
    if console.json {
        let layers: Vec<Value> = network
            .nodes()
            .iter()
            .zip(&costs)
            .map(|(node, [parameters, multiply_adds])| {
                json!({
                    "name": node.name, "kind": node.layer.kind(), "output": node.output, "parameters": parameters,
                    "multiply_adds": multiply_adds,
                })
            })
            .collect();
        console.result_json(&json!({
            "command": "network", "layers": layers, "parameters": parameters, "multiply_adds": multiply_adds,
            "memory": {"batch": args.batch, "bytes": memory},
        }));
        return Ok(());
    }
    let shape = |[c, h, w]: [usize; 3]| format!("{c}x{h}x{w}");
    let row = |[name, what, output, parameters, multiply_adds]: [&str; 5], wide: usize| {
        let text = format!("{name:10} {what:wide$} {output:>12} {parameters:>12} {multiply_adds:>14}");
        console.result(text.trim_end());
    };
    let wide = network.nodes().iter().map(|node| node.layer.describe().len()).fold(18, usize::max);
    row(["layer", "", "output", "parameters", "multiply-adds"], wide);
    row(["input", "", &shape(network.input()), "", ""], wide);
    for (node, cost) in network.nodes().iter().zip(&costs) {
        let [parameters, multiply_adds] = cost.map(|cost| cost.to_string());
        row([&node.name, &node.layer.describe(), &shape(node.output), &parameters, &multiply_adds], wide);
    }
    row(["total", "", "", &parameters.to_string(), &multiply_adds.to_string()], wide);
    let megabytes = memory as f64 / 1e6;
    console.result(format!(
        "training needs {megabytes:.1} MB of device memory with a batch of {}, plus the data",
        args.batch
    ));
    Ok(())
}

fn find(args: &NetworkArgs) -> anyhow::Result<Network> {
    let path = &args.what;
    if names_model(path) || path.is_dir() {
        return Ok(Model::load(path)?.network);
    }
    let input = [1, args.input[0], args.input[1]];
    Ok(Architecture::find(&args.what)?.network(input, args.classes)?)
}

/// Bytes of all buffers of a training step, except those of the data.
fn memory(network: &Network, batch: usize) -> anyhow::Result<usize> {
    let plan = record(network, &Options::new(batch, batch, batch, Tiles::of(DeviceClass::Integrated)))?;
    let of_data = |name: &str| [names::IMAGES, names::LABELS, names::ORDER].contains(&name);
    Ok(plan.buffers.iter().filter(|buffer| !of_data(&buffer.name)).map(|buffer| 4 * buffer.len).sum())
}
