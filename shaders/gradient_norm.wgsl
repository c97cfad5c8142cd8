// gradient_norm: the square of the gradient's norm, in parts.
//   part[at] = sum over the parameters i of workgroup at of (sum over slices s, in order, of grad[s,i])^2
// Reads grad, and the update's table of which parameters each workgroup has. Overwrites part (GROUPS).
// One invocation per parameter; a workgroup adds its squares in a tree, which is the same in every run. Workgroups lie in
// rows of row.
// Twin: src/reference/gradient_norm.rs
const groups = 8u;
const row = 32768u;

const WG = 64u;

struct Group {
    start: u32,
    // How many parameters it has, and where their gradient starts.
    count: u32,
    grad: u32,
    // Elements of a slice, and slices, which lie one behind the other.
    len: u32,
    slices: u32,
    rate: f32,
    // Fills the row: @size would not reach GLSL.
    unused: vec2u,
}

@group(0) @binding(0) var<storage, read> grad: array<f32>;
@group(0) @binding(1) var<uniform> table: array<Group, groups>;
@group(0) @binding(2) var<storage, read_write> part: array<f32>;

var<workgroup> squares: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) lane: vec3u) {
    let at = id.y * row + id.x;
    // Past the end, a workgroup computes the last one again, so that every barrier is met by all.
    let group = table[min(at, groups - 1u)];
    var sum = 0.0;
    if lane.x < group.count {
        for (var s = 0u; s < group.slices; s++) {
            sum += grad[group.grad + s * group.len + lane.x];
        }
    }
    squares[lane.x] = sum * sum;
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane.x < half {
            squares[lane.x] += squares[lane.x + half];
        }
    }
    if lane.x == 0u && at < groups {
        part[at] = squares[0];
    }
}
