//! Plans, without a device: what freezing leaves out, and what no plan may do.

use mnist_gpu::kernels::{Access, Activation, DeviceClass, Kernel, SgdUpdate, Tiles};
use mnist_gpu::layers::Layer;
use mnist_gpu::model::Network;
use mnist_gpu::optimizers::Optimizer;
use mnist_gpu::plan::shader::specialise;
use mnist_gpu::plan::{Arg, Dispatch, Plan, names};
use mnist_gpu::recorder::{Options, Work, record};
use mnist_gpu::verify::{network, networks};
use std::collections::HashSet;

/// Batches of 64 images from a set of 1000, 900 per epoch, with nothing frozen.
fn options() -> Options {
    Options::new(64, 1000, 900, Tiles::of(DeviceClass::Integrated))
}

fn plan(frozen: &[&str], unfused: bool) -> Plan {
    let frozen = frozen.iter().map(|name| name.to_string()).collect();
    record(&Network::tutorial([1, 28, 28], 10).unwrap(), &Options { frozen, unfused, ..options() }).unwrap()
}

/// Every proper subset of the layers.
fn subsets() -> Vec<Vec<&'static str>> {
    let layers = ["conv1", "conv2", "fc1", "fc2"];
    (0..15).map(|bits| (0..4).filter(|i| bits >> i & 1 == 1).map(|i| layers[i]).collect()).collect()
}

#[test]
fn freezing_leaves_out_exactly_the_steps_of_the_frozen_layers() {
    let plan = plan(&["conv1", "fc1"], false);
    let labels: Vec<&str> = plan.steps().iter().map(|s| s.label.as_str()).collect();
    let after: Vec<&str> = labels.into_iter().skip_while(|label| !label.contains("loss")).collect();
    assert_eq!(after, ["fc2 and loss", "fc1 backward input", "conv2 backward weight", "update", "advance"]);
    let plan = self::plan(&["conv1", "fc1", "fc2"], false);
    let labels: Vec<&str> = plan.steps().iter().map(|s| s.label.as_str()).collect();
    let backward: Vec<&str> = labels.into_iter().filter(|label| label.contains("backward")).collect();
    let expected = ["loss backward", "fc2 backward input", "fc1 backward input", "conv2 backward weight"];
    assert_eq!(backward, expected);
}

#[test]
fn nothing_of_a_frozen_layer_is_written_whatever_is_frozen() {
    for unfused in [false, true] {
        for frozen in subsets() {
            let plan = plan(&frozen, unfused);
            for tensor in plan.steps().iter().flat_map(|s| s.tensors().1) {
                let learnable = tensor.contains(".weight") || tensor.contains(".bias");
                let of_frozen = frozen.iter().any(|layer| tensor.starts_with(&format!("{layer}.")));
                assert!(!(learnable && of_frozen), "{frozen:?}: {tensor} is written");
            }
        }
    }
}

#[test]
fn every_gradient_that_is_written_is_read() {
    for unfused in [false, true] {
        for frozen in subsets() {
            let plan = plan(&frozen, unfused);
            let read: Vec<String> = plan.steps().iter().flat_map(|s| s.tensors().0).collect();
            for tensor in plan.steps().iter().flat_map(|s| s.tensors().1).filter(|t| t.ends_with(".grad")) {
                assert!(read.contains(&tensor), "{frozen:?}: nobody reads {tensor}");
            }
        }
    }
}

#[test]
fn more_than_a_dispatch_can_do_is_told_with_what_to_change() {
    let net = Network::tutorial([1, 600, 600], 10).unwrap();
    let options = Options { batch: 2048, set: 5000, rows: 5000, ..options() };
    let text = record(&net, &Options { unfused: true, ..options.clone() }).unwrap_err().to_string();
    assert!(
        text.contains("workgroups in one direction") && text.contains("smaller `batch` than 2048, such as"),
        "{text}"
    );
    let wide = [Layer::linear(20_000), Layer::batch_norm(), Layer::linear(10)];
    let text = record(&Network::new([1, 3, 3], &wide).unwrap(), &Options { batch: 8, ..options.clone() })
        .unwrap_err()
        .to_string();
    assert!(text.contains("20000 values of") && text.contains("at most 16384"), "{text}");
    // A network with more parameters than one row of workgroups updates.
    let net = Network::tutorial([1, 300, 300], 10).unwrap();
    let plan = record(&net, &Options { batch: 2, ..options }).unwrap();
    let [x, y, _] = plan.steps().iter().find(|step| step.label == "update").unwrap().kernel.spec().workgroups;
    assert!(y > 1 && x <= 65_535 && (x * y) as usize * 64 >= net.parameter_count(), "{x} {y}");
}

/// A driver may silently leave a long loop, so the work is spread over more invocations and finally refused.
#[test]
fn no_invocation_loops_longer_than_drivers_are_trusted() {
    let layers = [Layer::batch_norm(), Layer::linear(10)];
    for class in [DeviceClass::Software, DeviceClass::Integrated, DeviceClass::Discrete] {
        let recorded = |batch: usize, pixels: usize| {
            let net = Network::new([1, pixels, 1], &layers).unwrap();
            record(&net, &Options::new(batch, batch, batch, Tiles::of(class)))
        };
        let plan = recorded(4096, 784).unwrap();
        assert!(plan.steps().iter().all(|step| step.kernel.iterations() <= 65_535), "{class:?}");
        let refused = recorded(32_768, 784).unwrap_err().to_string();
        assert!(refused.contains("the limit of 65535"), "{class:?}: {refused}");
    }
}

#[test]
fn what_is_declared_as_vectors_is_bound_in_whole_vectors() {
    use mnist_gpu::layers::Layer;
    let conv = Layer::conv(27, 5);
    let pool = Layer::max_pool(2);
    let layers = [conv.clone(), pool.clone(), conv, pool, Activation::Relu.into(), Layer::linear(10)];
    let net = Network::new([1, 28, 28], &layers).unwrap();
    let plan = record(&net, &options()).unwrap();
    let mut stored = 0;
    for step in plan.steps() {
        let spec = step.kernel.spec();
        let text = specialise(&spec, spec.wgsl).unwrap();
        for (port, arg) in spec.ports.iter().zip(&step.args) {
            let declared = text.lines().find(|line| line.contains(&format!(" {}: array<vec4", port.name)));
            if declared.is_some() {
                assert_eq!(arg.len % 4, 0, "{} {}", step.label, port.name);
                stored += usize::from(port.len % 4 != 0);
            }
        }
    }
    assert!(stored >= 4, "weights and biases of {stored} steps are no whole vectors");
    let large = plan.steps().iter().flat_map(|step| step.kernel.spec().ports).filter(|port| port.len == 18_225);
    assert!(large.clone().count() >= 2 && large.clone().all(|port| !port.uniform), "too many weights for a uniform");
}

/// The output of a frozen prefix is stored by one plan and read by the other, and neither repeats the other's work.
#[test]
fn features_are_made_by_one_plan_and_trained_on_by_another() {
    let net = Network::tutorial([1, 28, 28], 10).unwrap();
    for class in [DeviceClass::Software, DeviceClass::Integrated, DeviceClass::Discrete] {
        let of = |frozen: &[&str], work, batch| {
            let frozen = frozen.iter().map(|name| name.to_string()).collect();
            record(&net, &Options { frozen, work, batch, tiles: Tiles::of(class), ..options() }).unwrap()
        };
        let labels = |plan: &Plan| {
            let mut labels: Vec<String> = plan.steps().iter().map(|s| s.label.clone()).collect();
            labels.dedup();
            labels
        };
        let frozen = ["conv1", "conv2"];
        let made = labels(&of(&frozen, Work::Features, 64));
        assert_eq!(made, ["load images", "conv1 forward", "conv2 forward", "advance"]);
        let (on, whole) = (of(&frozen, Work::TrainOnFeatures, 64), of(&frozen, Work::Train, 64));
        assert_eq!(labels(&on)[..3], ["load features", "rates", "fc1 forward"]);
        assert_eq!(labels(&on)[2..], labels(&whole)[4..]);
        // There are no features if the first layer learns.
        assert_eq!(labels(&of(&["conv2"], Work::TrainOnFeatures, 64)), labels(&of(&["conv2"], Work::Train, 64)));
        // A batch that can be trained on images can be trained on features.
        of(&["conv1"], Work::Train, 8192);
        of(&["conv1"], Work::TrainOnFeatures, 8192);
    }
}

/// Fifty images are seven parts of eight if a whole batch would not fit a uniform.
#[test]
fn parts_cover_a_padded_batch_and_add_to_the_part_before() {
    let net = Network::tutorial([1, 28, 28], 10).unwrap();
    let tiles = Tiles::of(DeviceClass::Software);
    let plan = record(&net, &Options { batch: 50, tiles, ..options() }).unwrap();
    let steps = |label: &str| plan.steps().iter().filter(|s| s.label == label).collect::<Vec<_>>();
    // The input gradient gathers from smaller tensors alone.
    for (label, parts) in [("conv2 forward", 7), ("conv2 backward weight", 7), ("conv2 backward input", 2)] {
        assert_eq!(steps(label).len(), parts, "{label}");
    }
    for step in plan.steps() {
        for (port, arg) in step.kernel.spec().ports.iter().zip(&step.args) {
            let of_images = arg.tensors[0].ends_with(".out") || arg.tensors[0].ends_with(".out.grad");
            // The input gradient reads each x once, for a derivative, and from storage.
            let once = step.kernel.stem() == "conv_pool_backward_input" && port.name == "x";
            if step.kernel.stem().starts_with("conv_pool") && of_images && port.access == Access::Read && !once {
                assert!(port.uniform, "{} {}", step.label, port.name);
            }
        }
    }
    let starts: Vec<usize> = steps("conv2 forward").iter().map(|s| s.args[0].start).collect();
    assert_eq!(starts, (0..7).map(|part| part * 8 * 1440).collect::<Vec<_>>());
    let out = &plan.buffers()[plan.buffer("conv2.out").unwrap()];
    assert_eq!(out.len, 56 * 320);

    let Kernel::SgdUpdate(SgdUpdate(shape, _)) = &plan.steps()[plan.steps().len() - 2].kernel else {
        panic!("no update")
    };
    let range = shape.ranges.iter().find(|r| r.len == 5000).unwrap();
    let buffer = |arg: &Arg| plan.buffers()[arg.buffer].name.as_str();
    let carried = steps("conv2 backward weight");
    assert_eq!(buffer(&carried[0].args[3]), names::ZEROS);
    assert_eq!(buffer(&carried[6].args[5]), names::GRADIENTS);
    for (before, after) in carried.iter().zip(&carried[1..]) {
        // Weights, then biases: each part reads what the previous one wrote, and writes to the other buffer.
        for (read, written) in [(3, 5), (4, 6)] {
            let (left, taken, next) = (&before.args[written], &after.args[read], &after.args[written]);
            assert_eq!((left.buffer, left.start, left.len), (taken.buffer, taken.start, taken.len));
            assert!(taken.buffer != next.buffer && taken.start == next.start);
        }
    }
    assert_eq!(carried[6].args[5].start, range.grad as usize);
    assert!(carried[6].args[5].len >= (range.slices * range.len) as usize);
}

/// Sixteen parts of four images each pay off for 65,536 weights but not for four million.
#[test]
fn parts_do_not_carry_more_than_they_save() {
    let dispatches = |units| {
        let layers = [Layer::linear(units), Activation::Relu.into(), Layer::linear(10)];
        let net = Network::new([1, 64, 64], &layers).unwrap();
        let tiles = Tiles::of(DeviceClass::Software);
        let plan = record(&net, &Options { tiles, ..options() }).unwrap();
        plan.steps().iter().filter(|s| s.label == "fc1 backward weight").count()
    };
    assert_eq!((dispatches(16), dispatches(1024)), (16, 1));
}

#[test]
fn every_binding_fits_its_buffer_and_the_limits_of_webgpu() {
    let net = Network::tutorial([1, 28, 28], 10).unwrap();
    let classes = [DeviceClass::Software, DeviceClass::Integrated, DeviceClass::Discrete].map(Tiles::of);
    for (unfused, tiles, batch) in
        [false, true].into_iter().flat_map(|u| classes.into_iter().flat_map(move |t| [(u, t, 64), (u, t, 50)]))
    {
        let plan = record(&net, &Options { unfused, tiles, batch, ..options() }).unwrap();
        for step in plan.steps() {
            let spec = step.kernel.spec();
            let uniforms = spec.ports.iter().filter(|port| port.uniform).count();
            assert!(spec.ports.len() - uniforms <= 8 && uniforms <= 12, "{}", step.label);
            for (port, arg) in spec.ports.iter().zip(&step.args) {
                let buffer = &plan.buffers()[arg.buffer];
                assert!(arg.start % 64 == 0 && arg.start + arg.len <= buffer.len, "{} {}", step.label, port.name);
                assert!(arg.len >= port.len && port.element == buffer.element, "{} {}", step.label, port.name);
            }
        }
    }
}

/// Mean and variance are those of the batch if the layer learns, and the running ones if it is frozen, in evaluation
/// and in a teacher; only a layer that learns computes batch statistics.
#[test]
fn a_normalisation_takes_the_statistics_that_its_work_calls_for() {
    let net = network("batch-norm").unwrap();
    let taught = Options { teacher: Some(net.clone()), ..options() };
    let frozen = Options { frozen: net.convolutions(), ..options() };
    let infer = Options { work: Work::Infer, ..options() };
    let read = |options: &Options, step: &str| {
        let plan = record(&net, options).unwrap();
        let step = plan.steps().iter().find(|s| s.label == step).unwrap_or_else(|| panic!("no {step}"));
        step.args[3].tensors.concat()
    };
    assert_eq!(read(&options(), "bn1 forward"), "bn1.mean");
    assert_eq!(read(&frozen, "bn1 forward"), "bn1.running_mean");
    assert_eq!(read(&frozen, "bn4 forward"), "bn4.mean");
    assert_eq!(read(&infer, "bn4 forward"), "bn4.running_mean");
    assert_eq!(read(&taught, "teacher.bn4 forward"), "teacher.bn4.running_mean");
    let measured = |options: &Options| {
        let plan = record(&net, options).unwrap();
        plan.steps().iter().filter(|s| s.kernel.stem() == "batch_norm_statistics").count()
    };
    assert_eq!([measured(&options()), measured(&frozen), measured(&infer), measured(&taught)], [4, 1, 0, 4]);
}

#[test]
fn steps_that_do_not_need_each_other_share_a_dispatch_on_a_gpu() {
    let net = Network::tutorial([1, 28, 28], 10).unwrap();
    let labels = |plan: &Plan| {
        let joined = |steps: &[mnist_gpu::plan::Step]| steps.iter().map(|s| &*s.label).collect::<Vec<_>>().join(" + ");
        plan.dispatches().map(joined).collect::<Vec<_>>()
    };
    for class in [DeviceClass::Integrated, DeviceClass::Discrete] {
        let plan = record(&net, &Options { tiles: Tiles::of(class), ..options() }).unwrap();
        let expected = [
            "load images + rates",
            "conv1 forward",
            "conv2 forward",
            "fc1 forward",
            "fc2 and loss",
            "fc1 backward weight + fc1 backward input",
            "conv2 backward weight + conv2 backward input",
            "conv1 backward weight",
            "update + advance",
        ];
        assert_eq!(labels(&plan), expected, "{class:?}");
        let alone = plan.clone().one_by_one();
        assert_eq!((alone.dispatches().len(), alone.steps()), (plan.steps().len(), plan.steps()));
        let tiles = Tiles::of(class).with("per_dispatch", 1);
        let chain = record(&net, &Options { tiles, ..options() }).unwrap();
        assert_eq!((chain.dispatches().len(), chain.steps().len()), (17, 17));
        // Where the last layer does not learn, its loss is separate, and shares a dispatch with its gradient.
        let frozen =
            record(&net, &Options { tiles: Tiles::of(class), frozen: vec!["fc2".into()], ..options() }).unwrap();
        assert!(labels(&frozen).contains(&"loss forward + loss backward".to_string()));
    }
    let software = record(&net, &Options { tiles: Tiles::of(DeviceClass::Software), ..options() }).unwrap();
    assert_eq!(software.dispatches().len(), software.steps().len());
}

/// Judged by the names of tensors, whereas the plan goes by buffers and ranges.
#[test]
fn steps_of_a_dispatch_neither_depend_on_each_other_nor_exceed_what_webgpu_guarantees() {
    let mut shared = 0;
    for (name, net) in networks() {
        for class in DeviceClass::ALL {
            let tiles = Tiles::of(class).with("per_dispatch", 4);
            for (unfused, optimizer) in [(false, Optimizer::Sgd), (true, Optimizer::Adam), (false, Optimizer::Rmsprop)]
            {
                let hyper = optimizer.definition().defaults;
                let clip = optimizer == Optimizer::Adam;
                let plan = record(&net, &Options { unfused, tiles, optimizer, hyper, clip, ..options() }).unwrap();
                assert_eq!(plan.dispatches().flatten().count(), plan.steps().len());
                for steps in plan.dispatches().filter(|steps| steps.len() > 1) {
                    shared += 1;
                    for (at, step) in steps.iter().enumerate() {
                        let (reads, writes) = step.tensors();
                        let mine: HashSet<&String> = reads.iter().chain(&writes).collect();
                        for other in steps.iter().enumerate().filter(|(of, _)| *of != at).map(|(_, other)| other) {
                            // Parts of a batch write different rows of one tensor.
                            let written = other.tensors().1.into_iter().filter(|_| other.label != step.label);
                            let both: Vec<_> = written.filter(|tensor| mine.contains(tensor)).collect();
                            assert!(both.is_empty(), "{name}, {class:?}: {} and {}: {both:?}", step.label, other.label);
                        }
                    }
                    let dispatch = Dispatch::new(steps, |spec| spec.wgsl).unwrap();
                    let uniforms = dispatch.slots.iter().filter(|slot| slot.uniform).count();
                    assert!(dispatch.slots.len() - uniforms <= 8 && uniforms <= 12, "{}", dispatch.label);
                    assert_eq!(dispatch.slots.len(), dispatch.args.len());
                    assert!(dispatch.workgroups[0] <= 65_535, "{}", dispatch.label);
                }
            }
        }
    }
    assert!(shared > 500, "{shared} dispatches of several steps");
}
