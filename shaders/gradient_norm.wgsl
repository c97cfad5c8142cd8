// gradient_norm: squared norm of the gradient, as partial sums.
//   part[at] = sum over the parameters i of workgroup at of (sum over slices s, in order, of grad[s,i])^2
// Reads grad, and the update's table of each workgroup's parameters. Overwrites part (GROUPS).
// One invocation per parameter; a workgroup adds its squares in a tree whose order is the same in every run.
// Workgroups are laid out in rows of length row.
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
    // A workgroup past the end repeats the last one, so that all invocations reach every barrier.
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
