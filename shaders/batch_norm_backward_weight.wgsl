// batch_norm_backward_weight: gradients of the loss with respect to the scale and shift of each normalised channel.
//   dw[c] = sum over n,p of dy[n,c,p] * (x[n,c,p] - mean[c]) / sqrt(variance[c] + 1e-5)
//   db[c] = sum over n,p of dy[n,c,p]
// Reads dy and x (N,C,P), and the batch's mean and variance (C). Overwrites dw and db (C). In rows that are not images,
// dy is 0. One workgroup per channel, which sums as in batch_norm_statistics.
// Twin: src/reference/batch_norm_backward_weight.rs
// Uses: component

// The plan sets:
const batch = 64u;
const channels = 24u;
const pixels = 144u;
const wg = 64u;
const at_once = 16u;

const VALUES = batch * pixels;
const EPS = 1e-5;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<uniform> mean: array<vec4f, (channels + 3u) / 4u>;
@group(0) @binding(3) var<uniform> variance: array<vec4f, (channels + 3u) / 4u>;
@group(0) @binding(4) var<storage, read_write> dw: array<f32>;
@group(0) @binding(5) var<storage, read_write> db: array<f32>;

var<workgroup> sums: array<vec2f, wg>;

@compute @workgroup_size(wg)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) lane: vec3u) {
    let c = id.x;
    let centre = component(mean[c / 4u], c % 4u);
    var sum = vec2f();
    for (var first = lane.x; first < VALUES; first += wg * at_once) {
        var delta = array<f32, at_once>();
        var value = array<f32, at_once>();
        for (var q = 0u; q < at_once; q++) { // unroll
            let i = min(first + q * wg, VALUES - 1u);
            let at = (i / pixels * channels + c) * pixels + i % pixels;
            delta[q] = select(0.0, dy[at], first + q * wg < VALUES);
            value[q] = x[at];
        }
        for (var q = 0u; q < at_once; q++) { // unroll
            sum += vec2f(delta[q] * (value[q] - centre), delta[q]);
        }
    }
    sums[lane.x] = sum;
    for (var half = wg / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane.x < half {
            sums[lane.x] += sums[lane.x + half];
        }
    }
    if lane.x == 0u {
        dw[c] = sums[0].x / sqrt(component(variance[c / 4u], c % 4u) + EPS);
        db[c] = sums[0].y;
    }
}
