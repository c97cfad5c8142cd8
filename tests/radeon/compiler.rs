//! Compiles shaders with Mesa's RADV driver for Radeons that are not there.

use ash::vk;
use mnist_gpu::plan::shader::Slot;
use naga::back::spv;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where distributions list Vulkan drivers.
const DRIVERS: &str = "/usr/share/vulkan/icd.d";

/// The file that names the driver, if it is installed.
pub fn driver() -> Option<PathBuf> {
    let files = std::fs::read_dir(DRIVERS).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_radv =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("radeon_icd"));
    files.into_iter().find(is_radv)
}

/// The shader of a dispatch.
pub struct Text {
    pub label: String,
    pub slots: Vec<Slot>,
    pub wgsl: String,
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
pub struct Compiled {
    pub statistics: BTreeMap<String, u64>,
    pub assembly: String,
}

impl Compiled {
    pub fn statistic(&self, name: &str) -> u64 {
        *self.statistics.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.statistics))
    }
}

/// A chip that is not there.
pub struct Radeon {
    device: ash::Device,
    executables: ash::khr::pipeline_executable_properties::Device,
    // Unloads the driver when dropped.
    _entry: ash::Entry,
}

impl Radeon {
    pub fn open() -> Radeon {
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

    pub fn compile(&self, text: &Text, subgroup: u32) -> Compiled {
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
            let made = self.device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            let pipeline = made.unwrap_or_else(|(_, error)| panic!("{}: {error}", text.label))[0];
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
