// fc_backward_weight: gradient of the loss with respect to a fully connected layer's weights and bias, in slices of the
// batch.
//   dw[s,o,i] = sum over n in slice s of dy[n,o] * x[n,i]
//   db[s,o]   = sum over n in slice s of dy[n,o]
// Reads dy (N,O) and x (N,I). Overwrites dw (S,O,I) and db (S,O); the update adds the slices, in order.
// One invocation per slice, tile_i inputs and tile_o outputs, so that each read serves several sums. Those of i = 0 also
// sum the bias.
// Twin: src/reference/fc_backward_weight.rs
const batch = 64u;
const c_in = 320u;
const c_out = 50u;
const slices = 1u;
const tile_o = 2u;
const tile_i = 2u;
const wg = 64u;

// The inputs of one tile lie this far apart, so that neighbouring lanes read neighbours.
const LANES = c_in / tile_i;
const SLICE = (batch + slices - 1u) / slices;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;
@group(0) @binding(3) var<storage, read_write> db: array<f32>;

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= LANES * (c_out / tile_o) {
        return;
    }
    let i = id.x % LANES;
    let o = id.x / LANES * tile_o;
    let slice = id.y;
    let end = min(batch, (slice + 1u) * SLICE);

    var sum: array<array<f32, tile_i>, tile_o>;
    for (var n = slice * SLICE; n < end; n++) {
        var value: array<f32, tile_i>;
        for (var s = 0u; s < tile_i; s++) {
            value[s] = x[n * c_in + i + s * LANES];
        }
        for (var t = 0u; t < tile_o; t++) {
            let delta = dy[n * c_out + o + t];
            for (var s = 0u; s < tile_i; s++) {
                sum[t][s] += delta * value[s];
            }
        }
    }
    for (var t = 0u; t < tile_o; t++) {
        for (var s = 0u; s < tile_i; s++) {
            dw[(slice * c_out + o + t) * c_in + i + s * LANES] = sum[t][s];
        }
    }
    if i == 0u {
        for (var t = 0u; t < tile_o; t++) {
            var sum_b = 0.0;
            for (var n = slice * SLICE; n < end; n++) {
                sum_b += dy[n * c_out + o + t];
            }
            db[slice * c_out + o + t] = sum_b;
        }
    }
}
