//! What Microsoft's DXC makes of the shaders for GPUs, as wgpu's DX12 backend hands them over. It must leave no private
//! array in memory, from where a driver may or may not move it to registers.
//!
//! Needs the command `dxc` (on Linux from Microsoft's releases or the Vulkan SDK), or `MNIST_GPU_DXC=FILE`; skipped
//! without it.

use mnist_gpu::kernels::{DeviceClass, Tiles};
use mnist_gpu::model::Architecture;
use mnist_gpu::plan::{Dispatch, unrolled};
use mnist_gpu::recorder::{Options, record};
use naga::back::hlsl;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The HLSL of every distinct dispatch of three networks' steps, by its label.
fn shaders() -> BTreeMap<String, String> {
    let mut shaders = BTreeMap::new();
    for (name, batch) in [("tutorial", 64), ("tutorial", 1024), ("lenet5", 64), ("deep", 128)] {
        let network = Architecture::find(name).unwrap().network([1, 28, 28], 10).unwrap();
        for class in [DeviceClass::Integrated, DeviceClass::Discrete] {
            let plan = record(&network, &Options::new(batch, 60_000, 60_000, Tiles::of(class))).unwrap();
            for steps in plan.dispatches() {
                let dispatch = Dispatch::new(steps, |spec| spec.wgsl).unwrap();
                let text = unrolled(&dispatch.stem, &dispatch.wgsl).unwrap();
                let label = format!("{} of {name}, batch {batch}, {class:?}", dispatch.label);
                shaders.entry(direct(&text)).or_insert(label);
            }
        }
    }
    shaders.into_iter().map(|(text, label)| (label, text)).collect()
}

/// The HLSL that wgpu gives to DXC for trusted shaders.
fn direct(wgsl: &str) -> String {
    let module = naga::front::wgsl::parse_str(wgsl).unwrap();
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).unwrap();
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
        fake_missing_bindings: true,
        force_loop_bounding: false,
        restrict_indexing: false,
        zero_initialize_workgroup_memory: false,
        ..Default::default()
    };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &Default::default()).write(&module, &info, None).unwrap();
    text
}

/// Compiles a shader, and returns the number of private arrays in the result that are larger than a vector.
fn arrays(dxc: &Path, folder: &Path, text: &str) -> Result<usize, String> {
    let (from, to) = (folder.join("shader.hlsl"), folder.join("shader.ll"));
    std::fs::write(&from, text).unwrap();
    let flags = ["-T", "cs_6_0", "-E", "main", "-HV", "2018", "-no-warnings", "-Ges", "-Fc"];
    let output = Command::new(dxc).args(flags).arg(&to).arg(&from).output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let result = std::fs::read_to_string(&to).map_err(|e| e.to_string())?;
    assert!(result.contains("define void @main"), "{result}");
    // A single vector that is indexed, as `load_images` does in its table, is four elements and costs little.
    let sizes = result.split("alloca [").skip(1).filter_map(|rest| rest.split_once(" x ")?.0.parse::<u32>().ok());
    Ok(sizes.filter(|&size| size > 4).count())
}

#[test]
fn dxc_takes_every_shader_and_leaves_few_arrays() {
    let dxc = std::env::var_os("MNIST_GPU_DXC").map_or_else(|| "dxc".into(), std::path::PathBuf::from);
    if let Err(error) = Command::new(&dxc).arg("--version").output() {
        assert!(std::env::var_os("MNIST_GPU_DXC").is_none(), "{}: {error}", dxc.display());
        println!("skipped: there is no dxc; it is in Microsoft's DirectXShaderCompiler releases and in the Vulkan SDK");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut failed, mut counts) = (Vec::new(), BTreeMap::<usize, Vec<String>>::new());
    for (label, text) in shaders() {
        match arrays(&dxc, folder.path(), &text) {
            Ok(count) => counts.entry(count).or_default().push(label),
            Err(error) => failed.push(format!("{label}: {error}")),
        }
    }
    for (count, labels) in &counts {
        println!("{count} arrays larger than a vector left in {} shaders, such as {}", labels.len(), labels[0]);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let worst = counts.last_key_value().unwrap();
    assert_eq!(*worst.0, 0, "arrays are left in {:?}", worst.1);
}
