// activation_forward: standalone activation, applied element by element.
//   y = act(x)
// Reads x. Overwrites y. One invocation per element.
// Twin: src/reference/activation_forward.rs
// Uses: activation

// The plan sets:
const count = 92160u;

const WG = 64u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= count {
        return;
    }
    y[id.x] = act(x[id.x]);
}
