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

/// Print the steps of a batch; needs no device
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
    /// as discrete,conv_o=5
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
            .dispatches()
            .enumerate()
            .flat_map(|(at, steps)| steps.iter().map(move |step| (at + 1, step)))
            .map(|(dispatch, step)| {
                let ((reads, writes), spec) = (step.tensors(), step.kernel.spec());
                json!({
                    "dispatch": dispatch,
                    "kernel": spec.stem,
                    "label": step.label,
                    "workgroups": spec.workgroups,
                    "reads": reads,
                    "writes": writes,
                })
            })
            .collect();
        console.result_json(&json!({"command": "plan", "batch": args.batch, "frozen": frozen, "steps": steps}));
        return Ok(());
    }
    for (at, steps) in plan.dispatches().enumerate() {
        for (beside, step) in steps.iter().enumerate() {
            let ((reads, writes), spec) = (step.tensors(), step.kernel.spec());
            let groups = spec.workgroups.map(|g| g.to_string()).join("x");
            // Steps that run side by side have one number.
            let number = if beside == 0 { (at + 1).to_string() } else { "+".into() };
            console.result(format!("{number:>2}  {:22} {:26} {groups:>12}", step.label, spec.stem));
            console.result(format!("      reads  {}", reads.join(" ")));
            console.result(format!("      writes {}", writes.join(" ")));
        }
    }
    Ok(())
}
