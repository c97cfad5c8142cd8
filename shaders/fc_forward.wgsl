// fc_forward: fully connected layer, bias and activation.
//   y[n,o] = act(b[o] + sum over i of w[o,i] * x[n,i])
// Reads x (N,I), w (O,I) and b (O). Overwrites y (N,O).
// One invocation per tile_n images and tile_o outputs, so that each read serves several sums. The last images of a batch
// that tile_n does not divide are computed twice and stored once.
// Twin: src/reference/fc_forward.rs
const batch = 64u;
const c_in = 320u;
const c_out = 50u;
const activation = 1u;
const tile_n = 2u;
const tile_o = 1u;
const wg = 64u;

// Inputs are summed in blocks: the rounding error then grows with BLOCK + I / BLOCK in place of I.
const BLOCK = 16u;
const RELU = 1u;
const SIGMOID = 2u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn act(z: f32) -> f32 {
    if activation == RELU {
        return max(z, 0.0);
    }
    if activation == SIGMOID {
        // The bound is explained in activation_forward.wgsl.
        return 1.0 / (1.0 + exp(min(-z, 87.5)));
    }
    return z;
}

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let o = id.x % (c_out / tile_o) * tile_o;
    let n = id.x / (c_out / tile_o) * tile_n;
    if n >= batch {
        return;
    }

    var sum: array<array<f32, tile_o>, tile_n>;
    for (var first = 0u; first < c_in; first += BLOCK) {
        var part: array<array<f32, tile_o>, tile_n>;
        for (var i = first; i < min(first + BLOCK, c_in); i++) {
            var value: array<f32, tile_n>;
            for (var s = 0u; s < tile_n; s++) {
                value[s] = x[min(n + s, batch - 1u) * c_in + i];
            }
            for (var t = 0u; t < tile_o; t++) {
                let weight = w[(o + t) * c_in + i];
                for (var s = 0u; s < tile_n; s++) {
                    part[s][t] += weight * value[s];
                }
            }
        }
        for (var s = 0u; s < tile_n; s++) {
            for (var t = 0u; t < tile_o; t++) {
                sum[s][t] += part[s][t];
            }
        }
    }
    for (var t = 0u; t < tile_o; t++) {
        let bias = b[o + t];
        for (var s = 0u; s < tile_n; s++) {
            if n + s < batch {
                y[(n + s) * c_out + o + t] = act(bias + sum[s][t]);
            }
        }
    }
}
