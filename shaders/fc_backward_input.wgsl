// fc_backward_input: gradient of the loss with respect to a fully connected layer's input.
//   dx[n,i] = act'(x[n,i]) * sum over o of dy[n,o] * w[o,i]
// Reads dy (N,O), w (O,I) and x (N,I), the output of the activation below. Overwrites dx (N,I).
// One invocation per tile_i inputs and tile_n images, so that each read serves several sums. Outputs are summed tile_o at a
// time in registers.
// Twin: src/reference/fc_backward_input.rs
// Uses: activation

// The plan sets:
const batch = 64u;
const c_in = 320u;
const c_out = 50u;
const tile_n = 2u;
const tile_i = 2u;
const tile_o = 10u;
const wg = 64u;

// Distance between the inputs of one tile, so that neighbouring lanes read adjacent elements.
const LANES = c_in / tile_i;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let i = id.x % LANES;
    let n = id.x / LANES * tile_n;
    if n >= batch {
        return;
    }

    var sum: array<array<f32, tile_i>, tile_n>;
    for (var first = 0u; first < c_out; first += tile_o) {
        var delta = array<array<f32, tile_o>, tile_n>();
        for (var s = 0u; s < tile_n; s++) { // unroll
            for (var o = 0u; o < tile_o; o++) { // unroll
                let at = min(n + s, batch - 1u) * c_out + first + o;
                delta[s][o] = dy[at];
            }
        }
        for (var t = 0u; t < tile_i; t++) { // unroll
            var weight = array<f32, tile_o>();
            for (var o = 0u; o < tile_o; o++) { // unroll
                let at = (first + o) * c_in + i + t * LANES;
                weight[o] = w[at];
            }
            for (var s = 0u; s < tile_n; s++) { // unroll
                var part = 0.0;
                for (var o = 0u; o < tile_o; o++) { // unroll
                    part += delta[s][o] * weight[o];
                }
                sum[s][t] += part;
            }
        }
    }
    for (var s = 0u; s < tile_n; s++) { // unroll
        if n + s < batch {
            for (var t = 0u; t < tile_i; t++) { // unroll
                let at = (n + s) * c_in + i + t * LANES;
                dx[at] = sum[s][t] * act_derivative(x[at]);
            }
        }
    }
}
