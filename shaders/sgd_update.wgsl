// sgd_update: folds the slices of each gradient and takes one step of SGD with momentum (PyTorch's form).
//   g = sum over slices s, in order, of grad[s]
//   v = momentum * v + g
//   w = w - rate * v
// Reads grad and the ranges, one for each tensor that learns. Updates w and v inside the ranges and nothing else.
// One invocation per parameter; a workgroup belongs to one range, found by counting groups. Groups lie in rows of row.
// Twin: src/reference/sgd_update.rs
const ranges = 8u;
const row = 32768u;

const WG = 64u;

struct Range {
    // Where the tensor starts in w and v, its length, where its gradient starts, and in how many slices that lies.
    start: u32,
    len: u32,
    grad: u32,
    slices: u32,
}

@group(0) @binding(0) var<storage, read> grad: array<f32>;
@group(0) @binding(1) var<uniform> table: array<Range, ranges>;
@group(0) @binding(2) var<uniform> hyper: array<vec4f, 1>;
@group(0) @binding(3) var<storage, read_write> w: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) lane: vec3u) {
    let group = id.y * row + id.x;
    var first = 0u;
    var at = 0u;
    while at < ranges {
        let groups = (table[at].len + WG - 1u) / WG;
        if group < first + groups {
            break;
        }
        first += groups;
        at++;
    }
    if at >= ranges {
        return;
    }
    let range = table[at];
    let i = (group - first) * WG + lane.x;
    if i >= range.len {
        return;
    }
    var g = 0.0;
    for (var s = 0u; s < range.slices; s++) {
        g += grad[range.grad + s * range.len + i];
    }
    let rate = hyper[0].x;
    let momentum = hyper[0].y;
    let velocity = momentum * v[range.start + i] + g;
    v[range.start + i] = velocity;
    w[range.start + i] -= rate * velocity;
}
