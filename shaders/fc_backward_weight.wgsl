// fc_backward_weight: gradient of the loss with respect to a fully connected layer's weights and bias, in slices of the
// batch.
//   dw[s,o,i] = sum over n in slice s of dy[n,o] * x[n,i]
//   db[s,o]   = sum over n in slice s of dy[n,o]
// Reads dy (N,O) and x (N,I). Overwrites dw (S,O,I) and db (S,O); the update adds the slices, in order.
// One invocation per slice, tile_i inputs and tile_o outputs, so that each read serves several sums. Images are summed
// tile_n at a time in registers; those past the end of a slice count as zeros. All sum the bias, and those with i = 0 store it.
// Twin: src/reference/fc_backward_weight.rs

// The plan sets:
const batch = 64u;
const c_in = 320u;
const c_out = 50u;
const slices = 1u;
const tile_o = 2u;
const tile_i = 2u;
const tile_n = 8u;
const wg = 64u;

// Distance between the inputs of one tile, so that neighbouring lanes read adjacent elements.
const LANES = c_in / tile_i;
const SLICE = (batch + slices - 1u) / slices;
// True if every slice is full: then no image needs a bounds check.
const FULL = batch % (slices * tile_n) == 0u;

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
    var sum_b: array<f32, tile_o>;
    for (var first = slice * SLICE; first < end; first += tile_n) {
        var value = array<array<f32, tile_n>, tile_i>();
        for (var s = 0u; s < tile_i; s++) { // unroll
            for (var n = 0u; n < tile_n; n++) { // unroll
                let image = select(min(first + n, batch - 1u), first + n, FULL);
                let at = image * c_in + i + s * LANES;
                value[s][n] = x[at];
            }
        }
        for (var t = 0u; t < tile_o; t++) { // unroll
            var delta = array<f32, tile_n>();
            for (var n = 0u; n < tile_n; n++) { // unroll
                let image = select(min(first + n, batch - 1u), first + n, FULL);
                let at = image * c_out + o + t;
                delta[n] = select(0.0, dy[at], FULL || first + n < end);
                sum_b[t] += delta[n];
            }
            for (var s = 0u; s < tile_i; s++) { // unroll
                var part = 0.0;
                for (var n = 0u; n < tile_n; n++) { // unroll
                    part += delta[n] * value[s][n];
                }
                sum[t][s] += part;
            }
        }
    }
    for (var t = 0u; t < tile_o; t++) { // unroll
        for (var s = 0u; s < tile_i; s++) { // unroll
            let at = (slice * c_out + o + t) * c_in + i + s * LANES;
            dw[at] = sum[t][s];
        }
    }
    if i == 0u {
        for (var t = 0u; t < tile_o; t++) { // unroll
            let at = slice * c_out + o + t;
            db[at] = sum_b[t];
        }
    }
}
