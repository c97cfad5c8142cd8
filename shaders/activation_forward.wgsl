// activation_forward: relu or sigmoid, element by element.
//   relu:    y = max(x, 0)
//   sigmoid: y = 1 / (1 + exp(-x))
// Reads x. Overwrites y. One invocation per element.
// Twin: src/reference/activation_forward.rs
const count = 92160u;
const activation = 1u;

const RELU = 1u;
const WG = 64u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= count {
        return;
    }
    if activation == RELU {
        y[id.x] = max(x[id.x], 0.0);
    } else {
        // Below -87.5 the exponential is near float32's largest number and y below its smallest; infinity is not WGSL.
        y[id.x] = 1.0 / (1.0 + exp(min(-x[id.x], 87.5)));
    }
}
