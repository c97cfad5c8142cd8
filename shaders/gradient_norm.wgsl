// gradient_norm: the square of the gradient's norm, in parts.
//   part[at] = sum over the parameters i of workgroup at of (sum over slices s, in order, of grad[s,i])^2
// Reads grad, and the update's table of which parameters each workgroup has. Overwrites part (GROUPS).
// One invocation per parameter; a workgroup adds its squares in a tree, which is the same in every run. Workgroups lie in
// rows of row.
// Twin: src/reference/gradient_norm.rs
// Uses: group

// The plan sets:
const groups = 8u;
const row = 32768u;
const at_once = 16u;

const WG = 64u;

@group(0) @binding(0) var<storage, read> grad: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<Group>;
@group(0) @binding(2) var<storage, read_write> part: array<f32>;

var<workgroup> squares: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) lane: vec3u) {
    let at = id.y * row + id.x;
    // Past the end, a workgroup computes the last one again, so that every barrier is met by all.
    let group = table[min(at, groups - 1u)];
    var sum = 0.0;
    if lane.x < group.count {
        sum = folded(group, lane.x);
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
