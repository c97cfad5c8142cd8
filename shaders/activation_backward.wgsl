// activation_backward: gradient through an activation, computed from its output.
//   dx = dy * act'(y)
// Reads dy and y. Overwrites dx. One invocation per element.
// Twin: src/reference/activation_backward.rs
// Uses: activation

// The plan sets:
const count = 92160u;

const WG = 64u;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= count {
        return;
    }
    dx[id.x] = dy[id.x] * act_derivative(y[id.x]);
}
