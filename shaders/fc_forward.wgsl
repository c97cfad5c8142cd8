// fc_forward: fully connected layer, bias and activation.
//   y[n,o] = act(b[o] + sum over i of w[o,i] * x[n,i])
// Reads x (N,I), w (O,I) and b (O). Overwrites y (N,O).
// One workgroup per tile_n images and tile_o outputs. Its invocations are laid out along the inputs, so that neighbours
// read adjacent elements of x and w, and each sums every wg-th product of all tile_n * tile_o results. These partial
// sums are then added in workgroup memory, first by HELPERS invocations per result, then by one.
// Twin: src/reference/fc_forward.rs
// Uses: activation

// The plan sets:
const batch = 64u;
const c_in = 320u;
const c_out = 50u;
const tile_n = 4u;
const tile_o = 4u;
const wg = 64u;

const RESULTS = tile_n * tile_o;
const HELPERS = max(1u, wg / RESULTS);
// Distance between the parts of neighbouring results, chosen to avoid bank conflicts.
const STRIDE = wg + HELPERS;
const_assert RESULTS <= wg;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

var<workgroup> parts: array<f32, RESULTS * STRIDE>;
var<workgroup> sums: array<f32, RESULTS * HELPERS>;

@compute @workgroup_size(wg)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n = id.y * tile_n;
    let o = id.x * tile_o;
    var sum: array<array<f32, tile_o>, tile_n>;
    for (var i = lane; i < c_in; i += wg) {
        // Rows past the last are clamped to it, and not stored.
        var value = array<f32, tile_n>();
        for (var s = 0u; s < tile_n; s++) { // unroll
            value[s] = x[min(n + s, batch - 1u) * c_in + i];
        }
        for (var t = 0u; t < tile_o; t++) { // unroll
            let weight = w[min(o + t, c_out - 1u) * c_in + i];
            for (var s = 0u; s < tile_n; s++) { // unroll
                sum[s][t] += weight * value[s];
            }
        }
    }
    for (var s = 0u; s < tile_n; s++) { // unroll
        for (var t = 0u; t < tile_o; t++) { // unroll
            parts[(s * tile_o + t) * STRIDE + lane] = sum[s][t];
        }
    }
    workgroupBarrier();
    let helper = lane % HELPERS;
    for (var result = lane / HELPERS; result < RESULTS; result += wg / HELPERS) {
        var part = 0.0;
        for (var q = helper; q < wg; q += HELPERS) {
            part += parts[result * STRIDE + q];
        }
        sums[result * HELPERS + helper] = part;
    }
    workgroupBarrier();
    let row = n + lane / tile_o;
    let column = o + lane % tile_o;
    if lane < RESULTS && row < batch && column < c_out {
        var total = b[column];
        for (var q = 0u; q < HELPERS; q++) {
            total += sums[lane * HELPERS + q];
        }
        y[row * c_out + column] = act(total);
    }
}
