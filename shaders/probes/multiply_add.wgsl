// multiply_add: how fast a device multiplies and adds. Not part of a training step.
//   y[i] = the sum of CHAINS sums, each of rounds * UNROLL products
// with a factor of seed, and a millionth more from lane to lane.
// Reads seed (1), which the compiler cannot know. Overwrites y, one element per invocation.
// An invocation keeps CHAINS independent sums in registers, enough to hide the latency of an addition, and does nothing else.

// The plan sets:
const rounds = 64u;
const wg = 64u;

const CHAINS = 12u;
const UNROLL = 16u;

@group(0) @binding(0) var<storage, read> seed: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let factor = seed[0] + f32(id.x % 8u) * 1e-6;
    var sum: array<f32, CHAINS>;
    for (var c = 0u; c < CHAINS; c++) {
        sum[c] = f32(c);
    }
    for (var round = 0u; round < rounds; round++) {
        for (var u = 0u; u < UNROLL; u++) {
            for (var c = 0u; c < CHAINS; c++) {
                sum[c] = sum[c] * factor + 0.5;
            }
        }
    }
    var total = 0.0;
    for (var c = 0u; c < CHAINS; c++) {
        total += sum[c];
    }
    y[id.x] = total;
}
