// batch_norm_statistics: mean and variance of each channel over the images of a batch, and the running ones used in
// evaluation (S. Ioffe and C. Szegedy, Batch Normalization, 2015, in PyTorch's form).
//   mean[c] = sum over n,p of x[n,c,p] / M,  var[c] = sum over n,p of (x[n,c,p] - mean[c])^2 / M,  M = images * pixels
//   running_mean[c] = 0.9 * running_mean[c] + 0.1 * mean[c]
//   running_var[c]  = 0.9 * running_var[c] + 0.1 * var[c] * M / max(M - 1, 1)
// Reads x (N,C,P), whose rows up to the end of the set are images, and the cursor. Overwrites mean and var (C). Updates
// running_mean and running_var (C). One workgroup per channel: each invocation sums every wg-th value, and the sums are
// added in a tree whose order is the same in every run. An invocation reads at_once values before it adds the first.
// The variance is computed from differences from the mean in a second pass, because the mean of squares would lose its
// digits if the mean is large.
// Twin: src/reference/batch_norm_statistics.rs
// Uses: cursor

// The plan sets:
const batch = 64u;
const channels = 24u;
const pixels = 144u;
const wg = 64u;
const at_once = 16u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> cursor: Cursor;
@group(0) @binding(2) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> running_var: array<f32>;
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> variance: array<f32>;

var<workgroup> sums: array<f32, wg>;

// Sum over all invocations of the workgroup.
fn all(sum: f32, lane: u32) -> f32 {
    sums[lane] = sum;
    for (var half = wg / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            sums[lane] += sums[lane + half];
        }
    }
    // It is a barrier before and after: no invocation reads too early or writes the next sum too soon.
    return workgroupUniformLoad(&sums[0]);
}

// Every wg-th value of a channel starting at first; indices past the end read the last value.
fn some(c: u32, first: u32, values: u32) -> array<f32, at_once> {
    var value: array<f32, at_once>;
    for (var q = 0u; q < at_once; q++) { // unroll
        let i = min(first + q * wg, values - 1u);
        value[q] = x[(i / pixels * channels + c) * pixels + i % pixels];
    }
    return value;
}

@compute @workgroup_size(wg)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) lane: vec3u) {
    let c = id.x;
    let values = min(batch, cursor.total - cursor.start) * pixels;
    let count = f32(values);
    var sum = 0.0;
    for (var first = lane.x; first < values; first += wg * at_once) {
        let value = some(c, first, values);
        for (var q = 0u; q < at_once; q++) { // unroll
            sum += select(0.0, value[q], first + q * wg < values);
        }
    }
    let centre = all(sum, lane.x) / count;
    sum = 0.0;
    for (var first = lane.x; first < values; first += wg * at_once) {
        let value = some(c, first, values);
        for (var q = 0u; q < at_once; q++) { // unroll
            let off = select(0.0, value[q] - centre, first + q * wg < values);
            sum += off * off;
        }
    }
    let spread = all(sum, lane.x);
    if lane.x == 0u {
        mean[c] = centre;
        variance[c] = spread / count;
        running_mean[c] = 0.9 * running_mean[c] + 0.1 * centre;
        running_var[c] = 0.9 * running_var[c] + 0.1 * (spread / max(count - 1.0, 1.0));
    }
}
