// conv_pool_forward: convolution, bias, max-pooling and activation in one pass.
//   z[o,p,q]      = b[o] + sum over c,u,v of w[o,c,u,v] * x[n,c,p+u,q+v]
//   winner[n,o,i,j] = the first r * POOL + s, in row-major order, whose z[o, i*POOL + r, j*POOL + s] is largest
//   y[n,o,i,j]    = act(that z)
// Reads x (N,C,H,W), w (O,C,K,K) and b (O). Overwrites y and winner (N,O,Hp,Wp); the full map z is never stored.
// One invocation per tile_j neighbouring cells and tile_o output channels. For each row u of the kernel it reads the pool
// rows of inputs under its cells into registers; each of them, and each weight, then serves several sums. Each row of the
// kernel and each input channel is summed by itself first: the rounding error then grows with K + K + C in place of
// K * K * C.
// Twin: src/reference/conv_pool_forward.rs
const batch = 64u;
const c_in = 1u;
const h_in = 28u;
const w_in = 28u;
const c_out = 10u;
const k = 5u;
const pool = 2u;
const activation = 1u;
const tile_o = 2u;
const tile_j = 2u;
const wg = 64u;

const H_OUT = (h_in - k + 1u) / pool;
const W_OUT = (w_in - k + 1u) / pool;
const WIDTH = tile_j * pool;
const SPAN = WIDTH + k - 1u;
const WEIGHTS = c_out * c_in * k * k;
const RELU = 1u;
const SIGMOID = 2u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<uniform> w: array<vec4f, (WEIGHTS + 3u) / 4u>;
@group(0) @binding(2) var<uniform> b: array<vec4f, (c_out + 3u) / 4u>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> winner: array<u32>;

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
    if id.x >= batch * H_OUT * (W_OUT / tile_j) {
        return;
    }
    let n = id.x / (H_OUT * (W_OUT / tile_j));
    let i = id.x / (W_OUT / tile_j) % H_OUT;
    let j = id.x % (W_OUT / tile_j) * tile_j;
    let o = id.y * tile_o;

    // sum[t][r][s]: row r and column s of the map under the cells, for output channel o + t.
    var sum: array<array<array<f32, WIDTH>, pool>, tile_o>;
    for (var t = 0u; t < tile_o; t++) {
        let bias = b[(o + t) / 4u][(o + t) % 4u];
        for (var r = 0u; r < pool; r++) {
            for (var s = 0u; s < WIDTH; s++) {
                sum[t][r][s] = bias;
            }
        }
    }
    for (var c = 0u; c < c_in; c++) {
        var part: array<array<array<f32, WIDTH>, pool>, tile_o>;
        for (var u = 0u; u < k; u++) {
            var rows: array<array<f32, SPAN>, pool>;
            let corner = ((n * c_in + c) * h_in + i * pool + u) * w_in + j * pool;
            for (var r = 0u; r < pool; r++) {
                for (var s = 0u; s < SPAN; s++) {
                    rows[r][s] = x[corner + r * w_in + s];
                }
            }
            for (var t = 0u; t < tile_o; t++) {
                let at = (((o + t) * c_in + c) * k + u) * k;
                var weights: array<f32, k>;
                for (var v = 0u; v < k; v++) {
                    weights[v] = w[(at + v) / 4u][(at + v) % 4u];
                }
                for (var r = 0u; r < pool; r++) {
                    for (var s = 0u; s < WIDTH; s++) {
                        var row = 0.0;
                        for (var v = 0u; v < k; v++) {
                            row += weights[v] * rows[r][s + v];
                        }
                        part[t][r][s] += row;
                    }
                }
            }
        }
        for (var t = 0u; t < tile_o; t++) {
            for (var r = 0u; r < pool; r++) {
                for (var s = 0u; s < WIDTH; s++) {
                    sum[t][r][s] += part[t][r][s];
                }
            }
        }
    }
    for (var t = 0u; t < tile_o; t++) {
        for (var cell = 0u; cell < tile_j; cell++) {
            var best = sum[t][0][cell * pool];
            var place = 0u;
            for (var r = 0u; r < pool; r++) {
                for (var s = 0u; s < pool; s++) {
                    let value = sum[t][r][cell * pool + s];
                    if value > best {
                        best = value;
                        place = r * pool + s;
                    }
                }
            }
            let at = ((n * c_out + o + t) * H_OUT + i) * W_OUT + j + cell;
            y[at] = act(best);
            winner[at] = place;
        }
    }
}
