// sgd_update: folds the slices of each gradient and takes one step of SGD with momentum (PyTorch's form).
//   g = clip * (sum over slices s, in order, of grad[s]) + decay * w
//   v = momentum * v + g
//   w = w - rate * v, or w - rate * (g + momentum * v) with nesterov
// Reads grad, the table of each workgroup's parameters, and the step's rate: rates[step].x times the group's. Updates w
// and v only where the table says.
// One invocation per parameter. Workgroups are laid out in rows of length row.
// Twin: src/reference/sgd_update.rs
// Uses: group

// The plan sets:
const groups = 8u;
const row = 32768u;
const at_once = 16u;
const nesterov = 0u;

const WG = 64u;

struct Hyper {
    momentum: f32,
    decay: f32,
}

@group(0) @binding(0) var<storage, read> grad: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<Group>;
@group(0) @binding(2) var<uniform> of_step: array<vec4f, 1>;
@group(0) @binding(3) var<uniform> clip: array<vec4f, 1>;
@group(0) @binding(4) var<uniform> hyper: Hyper;
@group(0) @binding(5) var<storage, read_write> w: array<f32>;
@group(0) @binding(6) var<storage, read_write> v: array<f32>;

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
    let sum = folded(group, lane.x);
    let i = group.start + lane.x;
    let rate = of_step[0].x * group.rate;
    let before = w[i];
    let g = clip[0].x * sum + hyper.decay * before;
    let velocity = hyper.momentum * v[i] + g;
    v[i] = velocity;
    w[i] = before - rate * select(velocity, g + hyper.momentum * velocity, nesterov == 1u);
}
