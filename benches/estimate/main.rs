//! Estimates how long a training step takes on Radeons that are not there: `cargo bench --bench estimate`, or with tile
//! sizes, `cargo bench --bench estimate -- discrete,conv_o=4`.
//!
//! Mesa's RADV driver compiles the shaders of each dispatch, and the model in `wave.rs` times a wave, with the iterations
//! that the plan's sizes give each loop. This serves to compare shaders; it is no measurement.
//!
//! Needs Mesa's Vulkan drivers on Linux.

#[path = "../../tests/radeon/assembly.rs"]
mod assembly;
#[path = "../../tests/radeon/compiler.rs"]
mod compiler;
mod wave;

use assembly::Assembly;
use compiler::{Radeon, Text};
use mnist_gpu::kernels::{Kernel, Tiles};
use mnist_gpu::model::Architecture;
use mnist_gpu::optimizers::UpdateShape;
use mnist_gpu::plan::{Dispatch, Step, joined};
use mnist_gpu::recorder::{Options, record};
use std::process::Command;
use wave::{Cycles, cycles};

/// Name, compute units and clock in GHz.
const CARDS: [(&str, u64, f64); 2] = [("RX 6800 XT", 72, 2.25), ("RX 6600", 28, 2.49)];
/// Invocations of a wave.
const LANES: u64 = 64;
/// Waves that a vector unit holds at most.
const RESIDENT: u64 = 16;
/// Microseconds from one dispatch to the next that needs it, as measured on an H100.
const LAUNCH: f64 = 2.0;
/// Vector units of a compute unit.
const UNITS: u64 = 2;

fn main() {
    const CHILD: &str = "--on-a-chip";
    let args: Vec<String> = std::env::args().skip(1).collect();
    let tiles = args.iter().find(|arg| !arg.starts_with('-')).map_or("discrete", |tiles| tiles);
    let tiles = tiles.to_string().try_into().unwrap_or_else(|error| panic!("{error}"));
    if args.iter().any(|arg| arg == CHILD) {
        return estimates(&Radeon::open(), tiles);
    }
    let driver = compiler::driver().expect("RADV, which Debian has in mesa-vulkan-drivers");
    // The driver reads its environment when it is loaded.
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(&args).arg(CHILD).env("VK_DRIVER_FILES", driver).env("RADV_FORCE_FAMILY", "navi21");
    assert!(child.status().unwrap().success(), "the compiler failed");
}

/// Prints the estimates of three networks' steps, dispatch by dispatch.
fn estimates(radeon: &Radeon, tiles: Tiles) {
    for (name, batch) in [("tutorial", 64), ("tutorial", 1024), ("deep", 128)] {
        let network = Architecture::find(name).unwrap().network([1, 28, 28], 10).unwrap();
        let plan = record(&network, &Options::new(batch, 60_000, 60_000, tiles)).unwrap();
        let mut sums = [0.0; CARDS.len()];
        println!("{name}, a batch of {batch}, estimated us on {} and {}", CARDS[0].0, CARDS[1].0);
        for steps in plan.dispatches() {
            let parts: Vec<Part> = steps.iter().map(|step| Part::of(radeon, step)).collect();
            let times = CARDS.map(|(_, units, clock)| time(&parts, units) / clock * 1e-3);
            let label = joined(steps, |step| &step.label);
            println!("{label:46} {:8.1} {:8.1}", times[0], times[1]);
            sums.iter_mut().zip(times).for_each(|(sum, time)| *sum += time);
        }
        let dispatches = plan.dispatches().len();
        println!("{:46} {:8.1} {:8.1}", "all kernels", sums[0], sums[1]);
        let with = sums.map(|sum| sum + LAUNCH * dispatches as f64);
        println!(
            "{:46} {:8.1} {:8.1}\n",
            format!("with {LAUNCH} us for each of {dispatches} dispatches"),
            with[0],
            with[1]
        );
    }
}

/// A step of a dispatch.
struct Part {
    waves: u64,
    cycles: Cycles,
    /// Waves that a vector unit holds.
    resident: u64,
}

impl Part {
    fn of(radeon: &Radeon, step: &Step) -> Part {
        let Dispatch { label, wgsl, slots, workgroups, .. } =
            Dispatch::new(std::slice::from_ref(step), |spec| spec.wgsl).unwrap();
        let compiled = radeon.compile(&Text { label, slots, wgsl: wgsl.clone() }, LANES as u32);
        let assembly = Assembly::of(&compiled.assembly);
        let module = naga::front::wgsl::parse_str(&wgsl).unwrap();
        let invocations: u64 = module.entry_points[0].workgroup_size.iter().map(|&n| u64::from(n)).product();
        let groups: u64 = workgroups.iter().map(|&n| u64::from(n)).product();
        let trips = left(trips(&step.kernel), assembly.loops.len(), &step.label);
        // The driver counts a wave of 64 twice.
        let resident = (compiled.statistic("Subgroups per SIMD") / 2).clamp(1, RESIDENT);
        Part { waves: groups * invocations.div_ceil(LANES), cycles: cycles(&assembly, &trips, LANES), resident }
    }
}

/// Cycles of kernels that run side by side: those of the slowest wave, of all waves in the room that there is, or those
/// that the vector units, the caches or the workgroup memory are busy.
fn time(parts: &[Part], units: u64) -> f64 {
    let resident = parts.iter().map(|part| part.resident).min().unwrap_or(1);
    let slowest = parts.iter().map(|part| part.cycles.latency).max().unwrap_or(0) as f64;
    let each = |of: fn(&Cycles) -> u64, places: u64| {
        parts.iter().map(|part| of(&part.cycles) as f64 * (part.waves as f64 / places as f64)).sum::<f64>()
    };
    let waiting = each(|cycles| cycles.latency, units * UNITS * resident);
    let vector = each(|cycles| cycles.vector, units * UNITS);
    let cache = each(|cycles| cycles.cache, units);
    let workgroup = each(|cycles| cycles.workgroup, units);
    slowest.max(waiting).max(vector).max(cache).max(workgroup)
}

/// Iterations of the loops that are left of a shader's: compilers unroll the shortest.
fn left(mut trips: Vec<u64>, loops: usize, label: &str) -> Vec<u64> {
    while trips.len() > loops {
        let shortest = (0..trips.len()).min_by_key(|&at| trips[at]).unwrap();
        trips.remove(shortest);
    }
    assert_eq!(trips.len(), loops, "{label}: loops of the shader without iterations");
    trips
}

/// Iterations of a kernel's loops whose bodies may not be unrolled, in the order of its shader. Loops that only the end
/// of a set reaches have none.
fn trips(kernel: &Kernel) -> Vec<u64> {
    let spec = kernel.spec();
    let constant = |name: &str| {
        let found = spec.constants.iter().find(|(of, _)| *of == name);
        u64::from(found.unwrap_or_else(|| panic!("{} has no {name}", spec.stem)).1)
    };
    let per = |all: u64, each: u64| all.div_ceil(each);
    let slices = |shape: &UpdateShape| shape.ranges.iter().map(|range| u64::from(range.slices)).max().unwrap_or(1);
    // A channel's values, and the tree that adds the sums of the invocations.
    let batch_norm = || {
        let values = constant("batch") * constant("pixels");
        vec![per(values, constant("wg") * constant("at_once")), constant("wg").ilog2().into()]
    };
    match kernel {
        Kernel::LoadImages(_) => vec![0, constant("tile_p") / 4],
        Kernel::StepRates(_) | Kernel::Advance(_) => vec![],
        Kernel::ConvPoolForward(_) => vec![per(constant("c_in"), constant("split"))],
        Kernel::ConvPoolBackwardInput(_) => vec![per(constant("c_out"), constant("split"))],
        Kernel::ConvPoolBackwardWeight(kernel) => {
            let shape = &kernel.0;
            let [tile_o, tile_c, tile_i, tile_j, k, wg] =
                ["tile_o", "tile_c", "tile_i", "tile_j", "k", "wg"].map(constant);
            let rows = per(u64::from(shape.conv.batch * shape.h_out()), constant("slices"));
            let height = u64::from(shape.h_out());
            // A tile ends with its image.
            let tiles = if tile_i >= height { per(rows, height) } else { per(rows, tile_i) };
            let lanes = tile_o * tile_c * k;
            let shares = wg / lanes;
            let cells = (tile_i * tile_j).div_ceil(shares * 4);
            let columns = per(shape.w_out().into(), tile_j);
            let mut trips = vec![tiles, columns, cells, per(lanes * k, wg)];
            // A loop of one iteration over the columns is none.
            if columns == 1 {
                trips.remove(1);
            }
            trips
        }
        Kernel::FcForward(_) => {
            let [results, wg] = [constant("tile_n") * constant("tile_o"), constant("wg")];
            let helpers = wg / results;
            vec![per(constant("c_in"), wg), per(results, wg / helpers), wg / helpers]
        }
        Kernel::BatchNormStatistics(_) => [batch_norm(), batch_norm()].concat(),
        Kernel::BatchNormBackwardWeight(_) => batch_norm(),
        Kernel::BatchNormForward(_) | Kernel::BatchNormBackwardInput(_) => vec![],
        Kernel::FcBackwardInput(_) => vec![per(constant("c_out"), constant("tile_o"))],
        Kernel::FcBackwardWeight(_) => vec![per(per(constant("batch"), constant("slices")), constant("tile_n"))],
        Kernel::FcLoss(_) => {
            let tiles = per(per(constant("batch"), constant("slices")), constant("tile_n"));
            // A short sum is unrolled.
            let long = constant("c_in") > 64;
            [tiles].into_iter().chain(long.then(|| constant("c_in") / constant("tile_i"))).collect()
        }
        Kernel::CrossEntropyForward(_) | Kernel::CrossEntropyBackward(_) => vec![constant("classes"); 3],
        Kernel::SgdUpdate(kernel) => vec![per(slices(&kernel.0), constant("at_once"))],
        other => panic!("{}: iterations are not known", other.stem()),
    }
}
