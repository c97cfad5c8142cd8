// gradient_clip: factor that limits the gradient's norm to limit (PyTorch's clip_grad_norm_).
//   clip = min(1, limit / (sqrt(sum over workgroups of part) + 1e-6))
// Reads part (GROUPS) and limit. Overwrites clip.
// One workgroup: each invocation adds every 64th part, in order, and the workgroup adds their sums in a tree.
// Twin: src/reference/gradient_clip.rs

// The plan sets:
const groups = 8u;
const at_once = 16u;

const WG = 64u;

@group(0) @binding(0) var<storage, read> part: array<f32>;
@group(0) @binding(1) var<uniform> limit: array<vec4f, 1>;
@group(0) @binding(2) var<storage, read_write> clip: array<f32>;

var<workgroup> sums: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_id) lane: vec3u) {
    var sum = 0.0;
    for (var first = lane.x; first < groups; first += WG * at_once) {
        var value = array<f32, at_once>();
        for (var q = 0u; q < at_once; q++) { // unroll
            value[q] = part[min(first + q * WG, groups - 1u)];
        }
        for (var q = 0u; q < at_once; q++) { // unroll
            sum += select(0.0, value[q], first + q * WG < groups);
        }
    }
    sums[lane.x] = sum;
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane.x < half {
            sums[lane.x] += sums[lane.x + half];
        }
    }
    if lane.x == 0u {
        clip[0] = min(1.0, limit[0].x / (sqrt(sums[0]) + 1e-6));
    }
}
