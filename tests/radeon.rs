//! What AMD's compiler makes of the shaders for GPUs: ACO, the one in Mesa's RADV driver, for Radeons that are not there.
//!
//! With `RADV_FORCE_FAMILY` the driver compiles for any Radeon without one. The shaders of the networks' training steps
//! must not spill registers or use scratch memory, must leave room for enough waves and fit the instruction cache, and
//! must not wait for their loads one by one in an innermost loop, which is what makes a shader slow that looks fine.
//!
//! Needs Mesa's Vulkan drivers on Linux; skipped without them, unless `MNIST_GPU_RADEON=required`.

#![cfg(target_os = "linux")]

use ash::vk;
use mnist_gpu::kernels::{DeviceClass, Tiles};
use mnist_gpu::model::{Architecture, Network};
use mnist_gpu::optimizers::Optimizer;
use mnist_gpu::plan::Dispatch;
use mnist_gpu::plan::shader::Slot;
use mnist_gpu::recorder::{Options, record};
use naga::back::spv;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// Where distributions list Vulkan drivers.
const DRIVERS: &str = "/usr/share/vulkan/icd.d";

/// Chip, subgroup size (0 is the driver's choice), and the least number of subgroups per SIMD. RDNA runs subgroups of 32
/// or 64, and the driver counts one of 64 twice; Vega has 64 only.
const CHIPS: [(&str, u32, u64); 4] = [("navi21", 0, 8), ("navi21", 32, 5), ("navi10", 0, 8), ("vega10", 0, 2)];

/// Instruction cache of two compute units in bytes.
const INSTRUCTIONS: u64 = 32 << 10;

/// Fewest loads per full wait in an innermost loop that loads.
const LOADS_PER_WAIT: usize = 2;

/// The shader of a dispatch.
struct Text {
    label: String,
    slots: Vec<Slot>,
    wgsl: String,
}

/// Every distinct shader of the steps of three networks.
fn texts() -> Vec<Text> {
    let mut texts = BTreeMap::new();
    for (name, batch) in [("tutorial", 64), ("tutorial", 1024), ("lenet5", 64), ("deep", 128)] {
        let network: Network = Architecture::find(name).unwrap().network([1, 28, 28], 10).unwrap();
        for (class, optimizer) in [
            (DeviceClass::Integrated, Optimizer::Sgd),
            (DeviceClass::Discrete, Optimizer::Sgd),
            (DeviceClass::Discrete, Optimizer::Adam),
            (DeviceClass::Discrete, Optimizer::Rmsprop),
        ] {
            let options = Options {
                optimizer,
                hyper: optimizer.definition().defaults,
                clip: optimizer == Optimizer::Adam,
                weighted: optimizer == Optimizer::Rmsprop,
                augment: optimizer == Optimizer::Rmsprop,
                ..Options::new(batch, 60_000, 60_000, Tiles::of(class))
            };
            for steps in record(&network, &options).unwrap().dispatches() {
                let Dispatch { label, wgsl, slots, .. } = Dispatch::new(steps, |spec| spec.wgsl).unwrap();
                let label = format!("{label} of {name}, batch {batch}, {class:?}");
                texts.entry(wgsl).or_insert((label, slots));
            }
        }
    }
    texts.into_iter().map(|(wgsl, (label, slots))| Text { label, slots, wgsl }).collect()
}

/// The SPIR-V that wgpu gives to a Vulkan 1.3 driver for trusted shaders.
fn spirv(text: &Text) -> Vec<u32> {
    let module = naga::front::wgsl::parse_str(&text.wgsl).unwrap();
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).unwrap();
    let options = spv::Options {
        lang_version: (1, 6),
        force_loop_bounding: false,
        emit_int_div_checks: false,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        ..Default::default()
    };
    spv::write_vec(&module, &info, &options, None).unwrap()
}

/// What the compiler says of a shader.
struct Compiled {
    statistics: BTreeMap<String, u64>,
    assembly: String,
}

impl Compiled {
    fn statistic(&self, name: &str) -> u64 {
        *self.statistics.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.statistics))
    }

    /// What is wrong with the shader, if anything.
    fn problems(&self, subgroups: u64) -> Vec<String> {
        let mut problems = Vec::new();
        for name in ["Spilled VGPRs", "Spilled SGPRs", "Scratch size"] {
            if self.statistic(name) > 0 {
                problems.push(format!("{name} {}", self.statistic(name)));
            }
        }
        if self.statistic("Subgroups per SIMD") < subgroups {
            let (count, registers) = (self.statistic("Subgroups per SIMD"), self.statistic("VGPRs"));
            problems.push(format!("{count} of {subgroups} subgroups per SIMD with {registers} vector registers"));
        }
        if self.statistic("Code size") > INSTRUCTIONS {
            problems.push(format!("{} bytes of code", self.statistic("Code size")));
        }
        for (header, loads, waits) in innermost_loops(&self.assembly) {
            if waits > 0 && loads < LOADS_PER_WAIT * waits {
                problems.push(format!("the loop at {header} waits {waits} times for {loads} loads"));
            }
        }
        problems
    }
}

/// Innermost loops that load from memory: first block, loads, and waits for all of them. A wait that finds no load of
/// the loop under way costs only the first iteration.
fn innermost_loops(assembly: &str) -> Vec<(String, usize, usize)> {
    // A block begins with a line such as `BB12:`, and a loop ends with a branch to an earlier block or its own.
    let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in assembly.lines().map(str::trim) {
        match line.strip_suffix(':').filter(|name| name.starts_with("BB")) {
            Some(name) => blocks.push((name, Vec::new())),
            None => blocks.iter_mut().last().into_iter().for_each(|(_, lines)| lines.push(line)),
        }
    }
    let at = |name: &str| blocks.iter().position(|(of, _)| *of == name);
    let back = |(from, line): (usize, &str)| {
        let target = line.split_whitespace().find_map(at).filter(|_| line.contains("branch"));
        target.filter(|target| *target <= from).map(|target| (target, from))
    };
    let lines = blocks.iter().enumerate().flat_map(|(at, (_, lines))| lines.iter().map(move |line| (at, *line)));
    let loops: Vec<(usize, usize)> = lines.filter_map(back).collect();
    let is_innermost = |&(first, last): &(usize, usize)| {
        !loops.iter().any(|&(a, b)| (a, b) != (first, last) && first <= a && b <= last)
    };
    let counted = loops.iter().filter(|range| is_innermost(range)).map(|&(first, last)| {
        let lines = || blocks[first..=last].iter().flat_map(|(_, lines)| lines);
        let is_load = |line: &&&str| line.starts_with("buffer_load") || line.starts_with("global_load");
        let is_wait = |line: &&&str| line.starts_with("s_waitcnt") && line.contains("vmcnt(0)");
        // The second iteration finds the loads that the first one left under way.
        let (mut under_way, mut waits) = (false, 0);
        for line in lines().chain(lines()) {
            waits += usize::from(under_way && is_wait(&line));
            under_way = is_load(&line) || under_way && !is_wait(&line);
        }
        (blocks[first].0.to_string(), lines().filter(is_load).count(), waits.div_ceil(2))
    });
    counted.filter(|(_, loads, _)| *loads > 0).collect()
}

/// A chip that is not there.
struct Radeon {
    device: ash::Device,
    executables: ash::khr::pipeline_executable_properties::Device,
    // Unloads the driver when dropped.
    _entry: ash::Entry,
}

impl Radeon {
    fn open() -> Radeon {
        // SAFETY: every structure lives until the call that reads it returns, and what is asked for is what RADV offers.
        unsafe {
            let entry = ash::Entry::load().expect("libvulkan.so.1, of Debian's libvulkan1");
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let info = vk::InstanceCreateInfo::default().application_info(&application);
            let instance = entry.create_instance(&info, None).unwrap();
            let physical = instance.enumerate_physical_devices().unwrap()[0];
            let queue = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true);
            let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
            let mut statistics =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let mut v12 = vk::PhysicalDeviceVulkan12Features::default()
                .vulkan_memory_model(true)
                .vulkan_memory_model_device_scope(true);
            let mut v13 = vk::PhysicalDeviceVulkan13Features::default().subgroup_size_control(true);
            let extensions =
                [ash::khr::pipeline_executable_properties::NAME.as_ptr(), ash::ext::robustness2::NAME.as_ptr()];
            let info = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queue)
                .enabled_features(&features)
                .enabled_extension_names(&extensions)
                .push_next(&mut robust)
                .push_next(&mut statistics)
                .push_next(&mut v12)
                .push_next(&mut v13);
            let device = instance.create_device(physical, &info, None).unwrap();
            let executables = ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
            Radeon { device, executables, _entry: entry }
        }
    }

    fn compile(&self, text: &Text, subgroup: u32) -> Compiled {
        let bindings: Vec<_> = text
            .slots
            .iter()
            .map(|slot| {
                let kind = match slot.uniform {
                    true => vk::DescriptorType::UNIFORM_BUFFER,
                    false => vk::DescriptorType::STORAGE_BUFFER,
                };
                let binding = vk::DescriptorSetLayoutBinding::default().binding(slot.binding).descriptor_count(1);
                binding.stage_flags(vk::ShaderStageFlags::COMPUTE).descriptor_type(kind)
            })
            .collect();
        let code = spirv(text);
        // SAFETY: naga wrote the module for these bindings; every object is destroyed once, after its last use.
        unsafe {
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let sets = [self.device.create_descriptor_set_layout(&info, None).unwrap()];
            let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = self.device.create_pipeline_layout(&info, None).unwrap();
            let info = vk::ShaderModuleCreateInfo::default().code(&code);
            let module = self.device.create_shader_module(&info, None).unwrap();
            let mut size =
                vk::PipelineShaderStageRequiredSubgroupSizeCreateInfo::default().required_subgroup_size(subgroup);
            let mut stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(c"main");
            if subgroup > 0 {
                stage = stage.push_next(&mut size);
            }
            let info = vk::ComputePipelineCreateInfo::default()
                .flags(
                    vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                        | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
                )
                .stage(stage)
                .layout(layout);
            let pipeline = self.device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None).unwrap()[0];
            let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            let statistics = self.executables.get_pipeline_executable_statistics(&info).unwrap();
            let name =
                |s: &vk::PipelineExecutableStatisticKHR| s.name_as_c_str().unwrap().to_string_lossy().into_owned();
            let statistics = statistics.iter().map(|s| (name(s), s.value.u64)).collect();
            let assembly = self.assembly(&info);
            self.device.destroy_pipeline(pipeline, None);
            self.device.destroy_shader_module(module, None);
            self.device.destroy_pipeline_layout(layout, None);
            self.device.destroy_descriptor_set_layout(sets[0], None);
            Compiled { statistics, assembly }
        }
    }

    /// The assembly of a pipeline.
    ///
    /// # Safety
    /// The pipeline exists.
    unsafe fn assembly(&self, info: &vk::PipelineExecutableInfoKHR) -> String {
        let (get, device) = (self.executables.fp(), self.device.handle());
        let get = get.get_pipeline_executable_internal_representations_khr;
        // SAFETY: called once for the count, once for the lengths, and once for the texts, into buffers of that length.
        unsafe {
            let mut count = 0;
            get(device, info, &mut count, std::ptr::null_mut()).result().unwrap();
            let mut parts = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
            get(device, info, &mut count, parts.as_mut_ptr()).result().unwrap();
            let mut texts: Vec<Vec<u8>> = parts.iter().map(|part| vec![0; part.data_size]).collect();
            for (part, text) in parts.iter_mut().zip(&mut texts) {
                part.p_data = text.as_mut_ptr().cast();
            }
            get(device, info, &mut count, parts.as_mut_ptr()).result().unwrap();
            let is_assembly = |part: &vk::PipelineExecutableInternalRepresentationKHR| {
                part.name_as_c_str().unwrap().to_string_lossy().contains("Assembly")
            };
            let at = parts.iter().position(is_assembly).expect("the driver shows its assembly");
            String::from_utf8_lossy(&texts[at]).trim_end_matches('\0').to_string()
        }
    }
}

#[test]
fn radeons_run_every_shader_well() {
    let drivers = std::fs::read_dir(DRIVERS).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_radv =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("radeon_icd"));
    let Some(driver) = drivers.into_iter().find(is_radv) else {
        let required = std::env::var("MNIST_GPU_RADEON").is_ok_and(|value| value == "required");
        assert!(!required, "there is no RADV driver; install mesa-vulkan-drivers");
        println!("skipped: there is no RADV driver; on Debian it is in mesa-vulkan-drivers");
        return;
    };
    // The driver reads its environment when it is loaded, so each chip has a process of its own.
    let mut failed = String::new();
    for (chip, subgroup, subgroups) in CHIPS {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "on_one_chip", "--nocapture"])
            .env("VK_DRIVER_FILES", &driver)
            .env("RADV_FORCE_FAMILY", chip)
            .env("MESA_SHADER_CACHE_DISABLE", "1")
            .env("MNIST_GPU_SUBGROUPS", format!("{subgroup} {subgroups}"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().filter(|line| line.starts_with(chip));
        lines.for_each(|line| println!("{line}"));
        if !output.status.success() {
            failed += &format!("{text}\n{}\n", String::from_utf8_lossy(&output.stderr));
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

#[test]
#[ignore = "run by the test above, once for each chip"]
fn on_one_chip() {
    let chip = std::env::var("RADV_FORCE_FAMILY").expect("the name of a chip");
    let subgroups = std::env::var("MNIST_GPU_SUBGROUPS").expect("size and number of subgroups");
    let (size, number) = subgroups.split_once(' ').unwrap();
    let (size, number) = (size.parse().unwrap(), number.parse().unwrap());
    let (radeon, texts) = (Radeon::open(), texts());
    let mut problems = 0;
    for text in &texts {
        let compiled = radeon.compile(text, size);
        for problem in compiled.problems(number) {
            println!("{chip}, subgroups of {size}: {}: {problem}", text.label);
            problems += 1;
        }
    }
    println!("{chip}, subgroups of {size}: {} shaders, {problems} problems", texts.len());
    assert_eq!(problems, 0);
}

/// The check of loops finds a loop that waits for each load.
#[test]
fn a_loop_that_waits_for_each_load_is_seen() {
    let assembly = "BB0:\n s_branch BB1\nBB1:\n buffer_load_dword v1\n s_waitcnt vmcnt(0)\n s_cbranch_scc0 BB1\nBB2:\n \
                    buffer_load_dword v1\n buffer_load_dword v2\n buffer_load_dword v3\n s_waitcnt vmcnt(0)\n \
                    s_cbranch_scc0 BB2\nBB3:\n s_waitcnt vmcnt(0)\n buffer_load_dword v1\n buffer_load_dword v2\n \
                    s_waitcnt vmcnt(0)\n s_cbranch_scc0 BB3\nBB4:\n s_endpgm";
    assert_eq!(innermost_loops(assembly), [("BB1".into(), 1, 1), ("BB2".into(), 3, 1), ("BB3".into(), 2, 1)]);
}
