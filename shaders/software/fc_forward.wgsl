// fc_forward: fully connected layer, bias and activation.
//   y[n,o] = act(b[o] + sum over i of w[o,i] * x[n,i])
// Reads x (N,I), w (O,I) and b (O). Overwrites y (N,O).
// One invocation per tile_n images and tile_o outputs, so that each read serves several sums. Inputs are summed tile_i
// at a time in registers: the rounding error then grows with tile_i + I / tile_i instead of I. If tile_n does not
// divide the batch, its last images are computed twice and stored once.
// Twin: src/reference/fc_forward.rs
// Uses: activation

// The plan sets:
const batch = 64u;
const c_in = 320u;
const c_out = 50u;
const tile_n = 2u;
const tile_o = 1u;
const tile_i = 16u;
const wg = 64u;

@group(0) @binding(0) var<uniform> x: array<vec4f, (batch * c_in + 3u) / 4u>;
@group(0) @binding(1) var<uniform> w: array<vec4f, (c_out * c_in + 3u) / 4u>;
@group(0) @binding(2) var<uniform> b: array<vec4f, (c_out + 3u) / 4u>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let o = id.x % (c_out / tile_o) * tile_o;
    let n = id.x / (c_out / tile_o) * tile_n;
    if n >= batch {
        return;
    }

    var sum: array<array<f32, tile_o>, tile_n>;
    for (var first = 0u; first < c_in; first += tile_i) {
        var value = array<array<f32, tile_i>, tile_n>();
        for (var s = 0u; s < tile_n; s++) {
            for (var i = 0u; i < tile_i; i++) {
                let at = min(n + s, batch - 1u) * c_in + first + i;
                value[s][i] = x[at / 4u][at % 4u];
            }
        }
        for (var t = 0u; t < tile_o; t++) {
            var weight = array<f32, tile_i>();
            for (var i = 0u; i < tile_i; i++) {
                let at = (o + t) * c_in + first + i;
                weight[i] = w[at / 4u][at % 4u];
            }
            for (var s = 0u; s < tile_n; s++) {
                var part = 0.0;
                for (var i = 0u; i < tile_i; i++) {
                    part += weight[i] * value[s][i];
                }
                sum[s][t] += part;
            }
        }
    }
    for (var t = 0u; t < tile_o; t++) {
        let bias = b[(o + t) / 4u][(o + t) % 4u];
        for (var s = 0u; s < tile_n; s++) {
            if n + s < batch {
                y[(n + s) * c_out + o + t] = act(bias + sum[s][t]);
            }
        }
    }
}
