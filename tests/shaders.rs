//! Every shader of every plan, without a device: naga's validator without optional capabilities, then each language
//! that a driver receives. SPIR-V is also checked with Khronos's own validator.

use mnist_gpu::kernels::{
    Access, Activation, ConvPoolForward, ConvPoolShape, ConvShape, DeviceClass, Kernel, Spec, Tiles,
};
use mnist_gpu::optimizers::{Optimizer, UpdateShape};
use mnist_gpu::plan::shader::{self, specialise};
use mnist_gpu::plan::{Dispatch, unrolled};
use mnist_gpu::recorder::{Options, Work, record};
use mnist_gpu::verify::{STEMS, cases, networks};
use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::BoundsCheckPolicies;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Every distinct shader text: from the conformance cases, and from the plans of each network for each device class,
/// alone and side by side, and with their marked loops unrolled.
fn texts() -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let mut kernels: Vec<Kernel> =
        STEMS.iter().flat_map(|stem| cases(stem)).map(|case| case.kernel().clone()).collect();
    for (_, net) in networks() {
        for class in [DeviceClass::Software, DeviceClass::Integrated, DeviceClass::Discrete] {
            for (unfused, work) in [
                (false, Work::Train),
                (true, Work::Train),
                (false, Work::Infer),
                (false, Work::Features),
                (false, Work::TrainOnFeatures),
            ] {
                let first = [net.learning_layers()[0].clone()];
                let frozen = if matches!(work, Work::Train | Work::Infer) { vec![] } else { first.to_vec() };
                let tiles = Tiles::of(class);
                let options = Options { frozen, work, unfused, ..Options::new(64, 60_000, 55_000, tiles) };
                let plan = record(&net, &options).unwrap();
                kernels.extend(plan.steps().iter().map(|step| step.kernel.clone()));
                for steps in plan.dispatches().filter(|steps| steps.len() > 1) {
                    let dispatch = Dispatch::new(steps, |spec| spec.wgsl).unwrap();
                    texts.insert(dispatch.wgsl, dispatch.stem);
                }
            }
        }
    }
    let specs = kernels.iter().map(Kernel::spec);
    let probes = [
        (include_str!("../shaders/probes/multiply_add.wgsl").to_string(), "multiply_add"),
        (include_str!("../shaders/probes/copy.wgsl").to_string(), "copy"),
    ];
    let alone = specs.map(|spec: Spec| (specialise(&spec, spec.wgsl).unwrap(), spec.stem)).chain(probes);
    texts.extend(alone.map(|(text, stem)| (text, stem.to_string())));
    let unrolled: Vec<_> = texts.iter().map(|(text, stem)| (unrolled(stem, text).unwrap(), stem.clone())).collect();
    texts.extend(unrolled);
    texts
}

fn parsed(stem: &str, text: &str) -> (naga::Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{stem}: {}", e.emit_to_string(text)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .unwrap_or_else(|e| panic!("{stem}: {}", e.emit_to_string(text)));
    (module, info)
}

fn spirv(module: &naga::Module, info: &ModuleInfo) -> Vec<u8> {
    let options = spv::Options { lang_version: (1, 3), ..Default::default() };
    let words = spv::write_vec(module, info, &options, None).unwrap();
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Whether Khronos's validator is available. It must be if `MNIST_GPU_SPIRV_VAL=required`.
fn has_spirv_val() -> bool {
    let found = Command::new("spirv-val").arg("--version").output().is_ok();
    let required = std::env::var("MNIST_GPU_SPIRV_VAL").is_ok_and(|value| value == "required");
    assert!(found || !required, "there is no spirv-val; install spirv-tools");
    if !found {
        println!(
            "there is no spirv-val, so nothing is shown to it; install spirv-tools (Debian, Homebrew) or the Vulkan SDK"
        );
    }
    found
}

/// Runs `spirv-val` on a module and returns its error.
fn spirv_val(binary: &[u8]) -> Result<(), String> {
    let mut child = Command::new("spirv-val")
        .args(["--target-env", "vulkan1.1", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot run spirv-val: {e}; install spirv-tools"));
    child.stdin.take().unwrap().write_all(binary).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&text).into_owned()) }
}

#[test]
fn every_shader_is_valid_without_any_capability_and_becomes_what_drivers_take() {
    let (texts, judged) = (texts(), has_spirv_val());
    assert!(STEMS.iter().all(|stem| texts.values().any(|s| s == stem)));
    for (text, stem) in &texts {
        let (module, info) = parsed(stem, text);
        let shared = module.global_variables.iter().filter(|(_, var)| var.space == naga::AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(_, var)| module.types[var.ty].inner.size(module.to_ctx())).sum();
        assert!(bytes <= 16_384, "{stem} uses {bytes} bytes of workgroup memory, and WebGPU guarantees 16384\n{text}");
        let binary = spirv(&module, &info);
        if judged {
            spirv_val(&binary).unwrap_or_else(|e| panic!("{stem}: spirv-val: {e}\n{text}"));
        }

        let options = msl::Options { fake_missing_bindings: true, lang_version: (2, 0), ..Default::default() };
        let (metal, _) = msl::write_string(&module, &info, &options, &Default::default())
            .unwrap_or_else(|e| panic!("{stem}: MSL: {e}"));
        assert!(metal.contains("kernel void main_"), "{stem}: {metal}");

        let options =
            hlsl::Options { shader_model: hlsl::ShaderModel::V5_1, fake_missing_bindings: true, ..Default::default() };
        let mut direct = String::new();
        hlsl::Writer::new(&mut direct, &options, &Default::default())
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{stem}: HLSL: {e}"));
        assert!(direct.contains("[numthreads("), "{stem}: {direct}");

        let version = glsl::Version::Embedded { version: 310, is_webgl: false };
        let options = glsl::Options { version, ..Default::default() };
        let pipeline = glsl::PipelineOptions {
            shader_stage: naga::ShaderStage::Compute,
            entry_point: "main".into(),
            multiview: None,
        };
        let mut open = String::new();
        glsl::Writer::new(&mut open, &module, &info, &options, &pipeline, BoundsCheckPolicies::default())
            .and_then(|mut writer| writer.write())
            .unwrap_or_else(|e| panic!("{stem}: GLSL ES: {e}"));
        assert!(open.contains("layout(local_size_x"), "{stem}: {open}");
    }
    println!("{} texts of {} shaders", texts.len(), STEMS.len());
}

#[test]
fn spirv_val_says_no_to_what_is_broken() {
    if !has_spirv_val() {
        return;
    }
    let case = &cases("advance")[0];
    let spec = case.kernel().spec();
    let (module, info) = parsed(spec.stem, &specialise(&spec, spec.wgsl).unwrap());
    let mut binary = spirv(&module, &info);
    assert_eq!(spirv_val(&binary), Ok(()));
    binary.truncate(binary.len() - 8);
    assert!(spirv_val(&binary).is_err());
}

/// The shader is the only declaration of its bindings; the plan's ports must match it.
#[test]
fn ports_are_what_the_shaders_declare() {
    for stem in STEMS {
        for case in cases(stem) {
            let spec = case.kernel().spec();
            let slots = shader::slots(stem, &specialise(&spec, spec.wgsl).unwrap()).unwrap();
            let declared: Vec<_> = slots.iter().map(|s| (s.name.as_str(), s.writable, s.uniform)).collect();
            let ports: Vec<_> = spec.ports.iter().map(|p| (p.name, p.access != Access::Read, p.uniform)).collect();
            assert_eq!(declared, ports, "{}", case.name());
        }
    }
}

/// A size that the shader does not declare, or a constant that is not set, would leave the example value in place.
#[test]
fn sizes_and_lines_must_match() {
    let spec = cases("advance")[0].kernel().spec();
    let error = |wgsl: &str| specialise(&spec, wgsl).unwrap_err().to_string();
    let sets = "// The plan sets:\nconst";
    assert!(error(&format!("{sets} OTHER = 3u;")).contains("leaves the constant `OTHER` to the plan"));
    // Constants elsewhere are the shader's own.
    assert!(error("const batch = 3u;").contains("no line `const batch"));
    assert!(error(&format!("{sets} batch = 3u;\n\nconst other = 4u;\n{sets} batch = 5u;")).contains("`batch`"));
    assert!(specialise(&spec, &format!("{sets} batch = 3u;\n\nconst other = 4u;")).is_ok());
    assert!(error("// Uses: cursor, curses").contains("shaders/common/curses.wgsl"));
}

/// If a tensor does not fit a uniform, software rasterisers run the text for GPUs.
#[test]
fn software_devices_read_from_storage_what_is_too_large_for_a_uniform() {
    let software = Tiles::of(DeviceClass::Software);
    for (c_out, uniform) in [(20, true), (66, false)] {
        let conv = ConvShape {
            batch: 1,
            c_in: 10,
            h_in: 12,
            w_in: 12,
            c_out,
            k: 5,
            stride: 1,
            padding: 0,
            activation: Activation::Relu,
            activation_in: Activation::Relu,
        };
        let spec = Kernel::from(ConvPoolForward(ConvPoolShape { conv, pool: 2 }, software)).spec();
        assert!(spec.ports.iter().filter(|port| port.access == Access::Read).all(|port| port.uniform == uniform));
        let text = specialise(&spec, spec.wgsl).unwrap();
        assert_eq!(text.contains("var<uniform> w: array<vec4f"), uniform, "{text}");
    }
}

/// A variable declared in a loop is zero at the start of each iteration, but one compiler clears it only once (Tint, as
/// naga did once: wgpu#9489). An initialiser avoids that.
#[test]
fn no_variable_in_a_loop_goes_without_an_initialiser() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let folders = [root.clone(), root.join("common"), root.join("software"), root.join("probes")];
    let files = folders.into_iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let shaders: Vec<_> = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    assert!(shaders.len() > STEMS.len());
    for path in shaders {
        let found = uninitialised_in_loops(&std::fs::read_to_string(&path).unwrap());
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
    let bad = "fn f() {\n  var a: f32;\n  for (var i = 0u; i < 2u; i++) {\n    if b {\n      var c: f32;\n    }\n  }\n  var d: f32;\n}";
    assert_eq!(uninitialised_in_loops(bad), ["var c: f32;"]);
}

/// Lines that declare a variable inside a loop without a value.
fn uninitialised_in_loops(wgsl: &str) -> Vec<String> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for line in wgsl.lines().map(|line| line.split("//").next().unwrap_or("").trim()) {
        let is_loop = ["for ", "while ", "loop "].iter().any(|word| line.starts_with(word));
        if line.starts_with("var ") && !line.contains('=') && open.contains(&true) {
            found.push(line.to_string());
        }
        for c in line.chars() {
            match c {
                '{' => open.push(is_loop),
                '}' => drop(open.pop()),
                _ => {}
            }
        }
    }
    found
}

/// An optimizer's constants have the same names in its shader, in the same order.
#[test]
fn optimizers_and_their_shaders_name_the_same_constants() {
    for optimizer in Optimizer::ALL {
        let definition = optimizer.definition();
        let shape = UpdateShape { ranges: Vec::new(), parameters: 0, gradients: 0, at_once: 1 };
        let spec = (definition.kernel)(shape, &definition.defaults).spec();
        let module = naga::front::wgsl::parse_str(&spec.text()).unwrap();
        let of_hyper = |(_, of): (_, &naga::Type)| match &of.inner {
            naga::TypeInner::Struct { members, .. } if of.name.as_deref() == Some("Hyper") => Some(members.clone()),
            _ => None,
        };
        let members = module.types.iter().find_map(of_hyper).unwrap();
        let named: Vec<_> = members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset)).collect();
        let expected: Vec<_> = definition.hyper.iter().copied().zip((0..).step_by(4)).collect();
        assert_eq!(named, expected, "{optimizer}");
        let mut said: Vec<_> = (definition.constants)(&definition.defaults).into_iter().map(|(name, _)| name).collect();
        said.sort_unstable();
        let mut hyper = definition.hyper.to_vec();
        hyper.sort_unstable();
        assert_eq!(said, hyper, "{optimizer}");
    }
}
