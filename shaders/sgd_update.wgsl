// sgd_update: folds the slices of each gradient and takes one step of SGD with momentum (PyTorch's form).
//   g = sum over slices s, in order, of grad[s]
//   v = momentum * v + g
//   w = w - rate * v
// Reads grad, and a table of which parameters each workgroup has. Updates w and v there and nowhere else.
// One invocation per parameter. Workgroups lie in rows of row.
// Twin: src/reference/sgd_update.rs
const groups = 8u;
const row = 32768u;

const WG = 64u;

struct Group {
    // Its first parameter in w and v, how many it has, and where their gradient starts.
    start: u32,
    count: u32,
    grad: u32,
    // Elements of a slice, and slices, which lie one behind the other.
    len: u32,
    slices: u32,
    // Fills the row: @size would not reach GLSL.
    unused: vec2u,
}

@group(0) @binding(0) var<storage, read> grad: array<f32>;
@group(0) @binding(1) var<uniform> table: array<Group, groups>;
@group(0) @binding(2) var<uniform> hyper: array<vec4f, 1>;
@group(0) @binding(3) var<storage, read_write> w: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) lane: vec3u) {
    let at = id.y * row + id.x;
    if at >= groups {
        return;
    }
    let group = table[at];
    if lane.x >= group.count {
        return;
    }
    var g = 0.0;
    for (var s = 0u; s < group.slices; s++) {
        g += grad[group.grad + s * group.len + lane.x];
    }
    let i = group.start + lane.x;
    let rate = hyper[0].x;
    let momentum = hyper[0].y;
    let velocity = momentum * v[i] + g;
    v[i] = velocity;
    w[i] -= rate * velocity;
}
