//! Lists, ranks and selects adapters.

use super::GpuError;
use crate::kernels::DeviceClass;
use crate::text::Shown;
use serde::Serialize;

/// An adapter, as named in reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdapterInfo {
    pub name: String,
    /// `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: &'static str,
    /// `discrete`, `integrated`, `virtual`, `cpu` or `other`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub driver: String,
}

impl std::fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} ({}, {}", self.name, self.backend, self.kind)?;
        if !self.driver.is_empty() {
            write!(f, ", driver {}", self.driver)?;
        }
        write!(f, ")")
    }
}

impl AdapterInfo {
    pub(super) fn of(adapter: &wgpu::Adapter) -> AdapterInfo {
        let info = adapter.get_info();
        let backend = match info.backend {
            wgpu::Backend::Vulkan => "vulkan",
            wgpu::Backend::Metal => "metal",
            wgpu::Backend::Dx12 => "dx12",
            _ => "gl",
        };
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "cpu",
            wgpu::DeviceType::Other => "other",
        };
        let driver = format!("{} {}", info.driver, info.driver_info).trim().to_string();
        AdapterInfo { name: info.name, backend, kind, driver }
    }

    /// Whether this is a software rasteriser.
    pub fn is_software(&self) -> bool {
        self.kind == "cpu"
    }

    /// Device class, which selects the row of the tile table.
    pub fn class(&self) -> DeviceClass {
        match self.kind {
            "cpu" => DeviceClass::Software,
            "discrete" => DeviceClass::Discrete,
            _ => DeviceClass::Integrated,
        }
    }

    /// Returns true if the shader compiler does not unroll long loops that index private arrays, so that the arrays stay in
    /// memory. llvmpipe in Mesa 25 does not (a step of the tutorial's network then takes 1.4 to 1.7 times as long); in
    /// Mesa 22 it does. Microsoft's DXC leaves up to seven arrays in memory.
    pub(super) fn needs_unrolled_loops(&self) -> bool {
        /// The last major version of Mesa known to unroll them.
        const UNROLLS: u32 = 22;
        let version = self.driver.split_once("Mesa ").and_then(|(_, version)| version.split_once('.')?.0.parse().ok());
        self.backend == "dx12" || self.is_software() && version.is_some_and(|version: u32| version > UNROLLS)
    }

    /// Sort key, smaller is better: hardware before software, native APIs before GL.
    fn rank(&self) -> (usize, usize) {
        let kind = ["discrete", "integrated", "virtual", "other", "cpu"].iter().position(|k| *k == self.kind);
        (kind.unwrap_or(5), usize::from(self.backend == "gl"))
    }
}

/// An adapter selection, from `--adapter` or the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    Auto,
    Backend(&'static str),
    Index(usize),
    /// Case-insensitive substring of an adapter's name.
    Name(String),
    /// From the environment: any of these backends, or all if empty, and a substring of the name.
    Environment {
        backends: Vec<&'static str>,
        name: String,
    },
}

/// Parses a backend by the names that wgpu uses.
fn backend(text: &str) -> Option<&'static str> {
    match text {
        "vulkan" | "vk" => Some("vulkan"),
        "metal" | "mtl" => Some("metal"),
        "dx12" | "d3d12" => Some("dx12"),
        "gl" | "gles" | "opengl" => Some("gl"),
        _ => None,
    }
}

impl Selection {
    /// Parses `auto`, a backend, an index or a substring of a name.
    pub fn parse(text: &str) -> Selection {
        let text = text.to_lowercase();
        match (text.as_str(), backend(&text), text.parse()) {
            ("auto", ..) => Selection::Auto,
            (_, Some(backend), _) => Selection::Backend(backend),
            (_, None, Ok(index)) => Selection::Index(index),
            (_, None, Err(_)) => Selection::Name(text),
        }
    }

    /// The flag if given, else `WGPU_BACKEND` (comma-separated) and `WGPU_ADAPTER_NAME`, else `auto`.
    pub fn from_flag_or_env(flag: Option<&str>) -> Selection {
        let env = |name: &str| std::env::var(name).unwrap_or_default().to_lowercase();
        flag.map_or_else(|| Selection::from_env(&env("WGPU_BACKEND"), env("WGPU_ADAPTER_NAME")), Selection::parse)
    }

    fn from_env(backends: &str, name: String) -> Selection {
        let known: Vec<_> = backends.split(',').filter_map(|text| backend(text.trim())).collect();
        match (known.is_empty(), backends.is_empty(), name.is_empty()) {
            (true, true, true) => Selection::Auto,
            // An unknown backend matches nothing and is reported.
            (true, false, _) => Selection::Name(backends.into()),
            _ => Selection::Environment { backends: known, name },
        }
    }

    fn matches(&self, index: usize, info: &AdapterInfo) -> bool {
        match self {
            Selection::Auto => true,
            Selection::Backend(backend) => info.backend == *backend,
            Selection::Index(wanted) => index == *wanted,
            Selection::Name(part) => info.name.to_lowercase().contains(part),
            Selection::Environment { backends, name } => {
                (backends.is_empty() || backends.contains(&info.backend)) && info.name.to_lowercase().contains(name)
            }
        }
    }

    fn wanted(&self) -> String {
        match self {
            Selection::Auto => "auto".into(),
            Selection::Backend(backend) => (*backend).into(),
            Selection::Index(index) => index.to_string(),
            Selection::Name(name) => name.clone(),
            Selection::Environment { backends, name } => {
                format!("WGPU_BACKEND={} WGPU_ADAPTER_NAME={name}", backends.join(","))
            }
        }
    }
}

/// All adapters of this machine with compute shaders, in a fixed order.
pub fn adapters() -> Vec<(wgpu::Adapter, AdapterInfo)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12 | wgpu::Backends::GL;
    let instance = wgpu::Instance::new(descriptor);
    pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()))
        .into_iter()
        .filter(|adapter| adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS))
        .map(|adapter| {
            let info = AdapterInfo::of(&adapter);
            (adapter, info)
        })
        .collect()
}

/// Index of the selected adapter.
pub fn default_index(selection: &Selection, infos: &[AdapterInfo]) -> Option<usize> {
    let matching = infos.iter().enumerate().filter(|(index, info)| selection.matches(*index, info));
    matching.min_by_key(|(_, info)| info.rank()).map(|(index, _)| index)
}

/// The selected adapter.
///
/// # Errors
/// If no adapter matches; the message lists those available.
pub(super) fn choose(selection: &Selection) -> Result<(wgpu::Adapter, AdapterInfo), GpuError> {
    let mut found = adapters();
    let infos: Vec<AdapterInfo> = found.iter().map(|(_, info)| info.clone()).collect();
    match default_index(selection, &infos) {
        Some(index) => Ok(found.swap_remove(index)),
        None => Err(GpuError::NoAdapter {
            wanted: selection.wanted().into(),
            found: infos.iter().enumerate().map(|(i, info)| Shown::new(format_args!("{i}: {info}"))).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, backend: &'static str, kind: &'static str) -> AdapterInfo {
        AdapterInfo { name: name.into(), backend, kind, driver: String::new() }
    }

    #[test]
    fn newer_software_drivers_of_mesa_and_dx12_need_unrolled_loops() {
        let needs = |kind, driver: &str| {
            AdapterInfo { driver: driver.into(), ..info("", "vulkan", kind) }.needs_unrolled_loops()
        };
        assert!(needs("cpu", "llvmpipe Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6)"));
        assert!(needs("cpu", "4.5 (Core Profile) Mesa 24.2.8"));
        assert!(!needs("cpu", "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)"));
        assert!(AdapterInfo { backend: "dx12", ..info("", "dx12", "integrated") }.needs_unrolled_loops());
        assert!(!needs("cpu", "SwiftShader driver") && !needs("discrete", "radv Mesa 25.0.7"));
    }

    #[test]
    fn auto_takes_discrete_then_integrated_then_software() {
        let all = [
            info("llvmpipe", "vulkan", "cpu"),
            info("UHD 620", "gl", "integrated"),
            info("UHD 620", "vulkan", "integrated"),
            info("RTX 4060", "vulkan", "discrete"),
        ];
        assert_eq!(default_index(&Selection::Auto, &all), Some(3));
        assert_eq!(default_index(&Selection::Auto, &all[..3]), Some(2));
        assert_eq!(default_index(&Selection::Auto, &all[..1]), Some(0));
        assert_eq!(default_index(&Selection::Auto, &[]), None);
        assert_eq!(default_index(&Selection::parse("gl"), &all), Some(1));
        assert_eq!(default_index(&Selection::parse("1"), &all), Some(1));
        assert_eq!(default_index(&Selection::parse("LLVM"), &all), Some(0));
        assert_eq!(default_index(&Selection::parse("dx12"), &all), None);
        assert_eq!(default_index(&Selection::parse("4"), &all), None);
        let env = |backends, name: &str| default_index(&Selection::from_env(backends, name.into()), &all);
        assert_eq!((env("", ""), env("opengl", ""), env("gl, vulkan", "uhd")), (Some(3), Some(1), Some(2)));
        assert_eq!((env("gl", "uhd"), env("gl", "rtx"), env("", "llvm")), (Some(1), None, Some(0)));
    }
}
