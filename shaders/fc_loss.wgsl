// fc_loss: the last fully connected layer of a training step, softmax cross-entropy, and all gradients, in one pass.
//   z[n,o]    = b[o] + sum over i of w[o,i] * x[n,i]
//   loss[start+n], and d[n,o], its gradient with respect to z[n,o]: as in cross_entropy_forward and cross_entropy_backward
//   dx[n,i]   = act'(x[n,i]) * sum over o of d[n,o] * w[o,i]
//   dw[s,o,i] = sum over n in slice s of d[n,o] * x[n,i]
//   db[s,o]   = sum over n in slice s of d[n,o]
// Reads x (N,I), the output of the activation below, w (O,I), b (O), and what the loss reads. Writes rows start .. start + n
// of loss, and overwrites dx (N,I), dw (S,O,I) and db (S,O); the update adds the slices, in order. z and d are never stored.
// One workgroup per slice, which holds w and tile_n images at a time in workgroup memory. One invocation per logit of
// these images, then per wg-th input gradient and weight.
// Twin: src/reference/fc_loss.rs
// Uses: activation, component, cursor, loss

// The plan sets:
const batch = 64u;
const c_in = 50u;
const classes = 10u;
const weighted = 0u;
const slices = 16u;
const tile_n = 4u;
const tile_i = 10u;
const wg = 64u;

// Name of the workgroup size in common/loss.wgsl.
const WG = wg;

const SLICE = (batch + slices - 1u) / slices;
const LOGITS = tile_n * classes;
const WEIGHTS = classes * c_in;
// Number of inputs, and of weights, that an invocation loads.
const INPUTS_EACH = (tile_n * c_in + wg - 1u) / wg;
const WEIGHTS_EACH = (WEIGHTS + wg - 1u) / wg;
// An odd distance between rows puts them in different banks.
const STRIDE = c_in | 1u;
const_assert LOGITS <= wg;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<uniform> b: array<vec4f, (classes + 3u) / 4u>;
@group(0) @binding(3) var<storage, read> labels: array<u32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<uniform> cursor: Cursor;
@group(0) @binding(6) var<uniform> smoothing: array<vec4f, 1>;
@group(0) @binding(7) var<uniform> weights: array<vec4f, (classes + 3u) / 4u>;
@group(0) @binding(8) var<storage, read_write> loss: array<f32>;
@group(0) @binding(9) var<storage, read_write> dx: array<f32>;
@group(0) @binding(10) var<storage, read_write> dw: array<f32>;
@group(0) @binding(11) var<storage, read_write> db: array<f32>;

// Both have room for the excess loads of the last invocations.
var<workgroup> inputs: array<f32, ((INPUTS_EACH * wg - 1u) / c_in + 1u) * STRIDE>;
var<workgroup> matrix: array<f32, ((WEIGHTS_EACH * wg - 1u) / c_in + 1u) * STRIDE>;
var<workgroup> logits: array<f32, LOGITS>;
var<workgroup> deltas: array<f32, LOGITS>;

@compute @workgroup_size(wg)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let rows = min(batch, cursor.total - cursor.start);
    var scale = 1.0;
    if weighted == 1u {
        scale = f32(rows) / weight_of_batch(lane, rows);
    }
    var weight = array<f32, WEIGHTS_EACH>();
    for (var e = 0u; e < WEIGHTS_EACH; e++) { // unroll
        weight[e] = w[min(lane + e * wg, WEIGHTS - 1u)];
    }
    for (var e = 0u; e < WEIGHTS_EACH; e++) { // unroll
        let a = lane + e * wg;
        matrix[a / c_in * STRIDE + a % c_in] = weight[e];
    }

    // The logit of this invocation: image n of the tile, and class o.
    let n = min(lane, LOGITS - 1u) / classes;
    let o = min(lane, LOGITS - 1u) % classes;
    let bias = component(b[o / 4u], o % 4u);
    var sum: array<f32, WEIGHTS_EACH>;
    var sum_b = 0.0;
    let end = min(batch, (id.x + 1u) * SLICE);
    for (var first = id.x * SLICE; first < end; first += tile_n) {
        let row = cursor.start + first + n;
        let counts = first + n < end && row < cursor.total;
        let label = labels[order[min(row, cursor.total - 1u)]];
        var value = array<f32, INPUTS_EACH>();
        for (var e = 0u; e < INPUTS_EACH; e++) { // unroll
            let a = lane + e * wg;
            value[e] = x[min(first + a / c_in, batch - 1u) * c_in + a % c_in];
        }
        for (var e = 0u; e < INPUTS_EACH; e++) { // unroll
            let a = lane + e * wg;
            inputs[a / c_in * STRIDE + a % c_in] = value[e];
        }
        workgroupBarrier();

        var z = bias;
        for (var i = 0u; i < c_in; i += tile_i) {
            var left = array<f32, tile_i>();
            var right = array<f32, tile_i>();
            for (var q = 0u; q < tile_i; q++) { // unroll
                left[q] = matrix[o * STRIDE + i + q];
                right[q] = inputs[n * STRIDE + i + q];
            }
            for (var q = 0u; q < tile_i; q++) { // unroll
                z += left[q] * right[q];
            }
        }
        if lane < LOGITS {
            logits[lane] = z;
        }
        workgroupBarrier();

        var best = logits[n * classes];
        for (var j = 1u; j < classes; j++) {
            best = max(best, logits[n * classes + j]);
        }
        var exponentials = 0.0;
        var all = 0.0;
        for (var j = 0u; j < classes; j++) {
            exponentials += exp(logits[n * classes + j] - best);
            all += logits[n * classes + j];
        }
        if lane < LOGITS {
            let d = loss_gradient(o, label, exp(z - best) / exponentials, sum_of_targets(label), scale) / f32(rows);
            deltas[lane] = select(0.0, d, counts);
        }
        if lane < LOGITS && o == 0u && counts {
            let own = logits[n * classes + label];
            var value = log(exponentials) + (best - own) + smoothing[0].x * (own - all / f32(classes));
            if weighted == 1u {
                value = 0.0;
                for (var j = 0u; j < classes; j++) {
                    value += weighted_target(j, label) * (log(exponentials) + (best - logits[n * classes + j]));
                }
                value *= scale;
            }
            loss[row] = value;
        }
        workgroupBarrier();

        for (var e = 0u; e < INPUTS_EACH; e++) { // unroll
            let a = lane + e * wg;
            let s = a / c_in;
            let i = a % c_in;
            if s < tile_n && first + s < end {
                var d = 0.0;
                for (var j = 0u; j < classes; j++) {
                    d += deltas[s * classes + j] * matrix[j * STRIDE + i];
                }
                dx[(first + s) * c_in + i] = d * act_derivative(inputs[s * STRIDE + i]);
            }
        }
        for (var e = 0u; e < WEIGHTS_EACH; e++) { // unroll
            let a = min(lane + e * wg, WEIGHTS - 1u);
            for (var s = 0u; s < tile_n; s++) { // unroll
                sum[e] += deltas[s * classes + a / c_in] * inputs[s * STRIDE + a % c_in];
            }
        }
        for (var s = 0u; s < tile_n; s++) { // unroll
            sum_b += deltas[s * classes + min(lane, classes - 1u)];
        }
        // The next tile overwrites the inputs.
        workgroupBarrier();
    }
    for (var e = 0u; e < WEIGHTS_EACH; e++) { // unroll
        let a = lane + e * wg;
        if a < WEIGHTS {
            dw[id.x * WEIGHTS + a] = sum[e];
        }
    }
    if lane < classes {
        db[id.x * classes + lane] = sum_b;
    }
}
