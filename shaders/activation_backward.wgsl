// activation_backward: gradient through relu or sigmoid, from the activation's output.
//   relu:    dx = dy where y > 0, else 0
//   sigmoid: dx = dy * y * (1 - y)
// Reads dy and y. Overwrites dx. One invocation per element.
// Twin: src/reference/activation_backward.rs
const count = 92160u;
const activation = 1u;

const RELU = 1u;
const WG = 64u;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= count {
        return;
    }
    let out = y[id.x];
    if activation == RELU {
        dx[id.x] = select(0.0, dy[id.x], out > 0.0);
    } else {
        dx[id.x] = dy[id.x] * out * (1.0 - out);
    }
}
