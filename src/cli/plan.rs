//! `plan`: the steps of a batch.

use super::{Console, flags::parser};
use crate::kernels::Tiles;
use crate::model::Architecture;
use crate::recorder::{Options, Work, record};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Names of layers.
type Layers = Vec<String>;

/// Print the steps of a batch; needs no device. Steps that run side by side in one dispatch share a number
#[derive(Args)]
pub struct PlanArgs {
    /// Network: tutorial, lenet5, deep, or a file as for `train`
    #[arg(long, value_name = "NAME|FILE", default_value = "tutorial")]
    network: PathBuf,
    /// Layers to freeze, separated by commas, or none
    #[arg(long, value_name = "LAYERS", default_value = "none", value_parser = parser::<Layers>(()))]
    freeze: Layers,
    /// Images per batch
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    batch: u32,
    /// Only the forward pass and the loss
    #[arg(long)]
    inference: bool,
    /// Use separate steps for pooling and activations
    #[arg(long)]
    unfused: bool,
    /// Device class, which determines kernels and tile sizes: software, integrated or discrete, optionally with other sizes, such
    /// as discrete,conv_o=5; with per_dispatch=1, every step has a dispatch of its own
    #[arg(long, value_name = "CLASS", default_value = "integrated")]
    class: Tiles,
}

/// Runs `plan`.
///
/// # Errors
/// If the network or a layer to freeze does not exist.
pub fn run(args: &PlanArgs, console: &Console) -> anyhow::Result<()> {
    /// Number of training images of MNIST.
    const SET: usize = 60_000;
    let network = Architecture::find(&args.network)?.network([1, 28, 28], 10)?;
    let frozen = &args.freeze;
    network.check_frozen(frozen)?;
    let options = Options {
        frozen: frozen.clone(),
        work: if args.inference { Work::Infer } else { Work::Train },
        unfused: args.unfused,
        ..Options::new(args.batch as usize, SET, SET, args.class)
    };
    let plan = record(&network, &options)?;
    if console.json {
        let steps: Vec<_> = plan
            .steps()
            .iter()
            .map(|step| {
                let ((reads, writes), spec) = (step.tensors(), step.kernel.spec());
                json!({
                    "kernel": spec.stem,
                    "label": step.label,
                    "workgroups": spec.workgroups,
                    "reads": reads,
                    "writes": writes,
                })
            })
            .collect();
        // How many of the steps run side by side in each dispatch.
        let dispatches: Vec<usize> = plan.dispatches().map(<[_]>::len).collect();
        let plan = json!({
            "command": "plan", "batch": args.batch, "frozen": frozen, "steps": steps, "dispatches": dispatches,
        });
        console.result_json(&plan);
        return Ok(());
    }
    for (at, steps) in plan.dispatches().enumerate() {
        for (beside, step) in steps.iter().enumerate() {
            let ((reads, writes), spec) = (step.tensors(), step.kernel.spec());
            let groups = spec.workgroups.map(|g| g.to_string()).join("x");
            let number = if beside == 0 { (at + 1).to_string() } else { "+".into() };
            console.result(format!("{number:>2}  {:22} {:26} {groups:>12}", step.label, spec.stem));
            console.result(format!("      reads  {}", reads.join(" ")));
            console.result(format!("      writes {}", writes.join(" ")));
        }
    }
    Ok(())
}
