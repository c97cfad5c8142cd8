// conv_pool_forward: convolution, bias, max-pooling and activation in one pass.
//   z[o,p,q]      = b[o] + sum over c,u,v of w[o,c,u,v] * x[n,c,p*S+u-P,q*S+v-P], where x is 0 outside its map
//   winner[n,o,i,j] = the first r * POOL + s, in row-major order, whose z[o, i*POOL + r, j*POOL + s] is largest
//   y[n,o,i,j]    = act(that z)
// Reads x (N,C,H,W), w (O,C,K,K) and b (O). Overwrites y and winner (N,O,Hp,Wp); the full map z is never stored.
// One invocation per tile_i x tile_j neighbouring cells and tile_o output channels. It holds the window of inputs under
// its cells in registers, where each input and each weight serves several sums. Each kernel row and each input channel
// is summed separately first: the rounding error then grows with K + K + C instead of K * K * C.
// Twin: src/reference/conv_pool_forward.rs
// Uses: activation, input_vectors

// The plan sets:
const batch = 64u;
const c_in = 1u;
const h_in = 28u;
const w_in = 28u;
const c_out = 10u;
const k = 5u;
const stride = 1u;
const padding = 0u;
const pool = 2u;
const tile_o = 2u;
const tile_i = 1u;
const tile_j = 2u;
const wg = 64u;

const H_OUT = ((h_in + 2u * padding - k) / stride + 1u) / pool;
const W_OUT = ((w_in + 2u * padding - k) / stride + 1u) / pool;
const TILES_I = H_OUT / tile_i;
const TILES_J = W_OUT / tile_j;
// Rows and columns of the map under the cells, and of the inputs under the map.
const HEIGHT = tile_i * pool;
const WIDTH = tile_j * pool;
const ROWS = (HEIGHT - 1u) * stride + k;
const SPAN = (WIDTH - 1u) * stride + k;
const WEIGHTS = c_out * c_in * k * k;

@group(0) @binding(0) var<uniform> x: array<vec4f, (batch * c_in * h_in * w_in + 3u) / 4u>;
@group(0) @binding(1) var<uniform> w: array<vec4f, (WEIGHTS + 3u) / 4u>;
@group(0) @binding(2) var<uniform> b: array<vec4f, (c_out + 3u) / 4u>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> winner: array<u32>;

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= batch * TILES_I * TILES_J {
        return;
    }
    let n = id.x / (TILES_I * TILES_J);
    let i = id.x / TILES_J % TILES_I * tile_i;
    let j = id.x % TILES_J * tile_j;
    let o = id.y * tile_o;

    // sum[t][r][s]: row r and column s of the map under the cells, for output channel o + t.
    var sum: array<array<array<f32, WIDTH>, HEIGHT>, tile_o>;
    for (var t = 0u; t < tile_o; t++) {
        let bias = b[(o + t) / 4u][(o + t) % 4u];
        for (var r = 0u; r < HEIGHT; r++) {
            for (var s = 0u; s < WIDTH; s++) {
                sum[t][r][s] = bias;
            }
        }
    }
    for (var c = 0u; c < c_in; c++) {
        let plane = (n * c_in + c) * h_in * w_in;
        let top = i * pool * stride - padding;
        let left = j * pool * stride - padding;
        var window = array<array<f32, SPAN>, ROWS>();
        for (var r = 0u; r < ROWS; r++) {
            for (var s = 0u; s < SPAN; s++) {
                window[r][s] = input(plane, top + r, left + s);
            }
        }
        for (var t = 0u; t < tile_o; t++) {
            let at = ((o + t) * c_in + c) * k * k;
            var weights = array<array<f32, k>, k>();
            for (var u = 0u; u < k; u++) {
                for (var v = 0u; v < k; v++) {
                    let place = at + u * k + v;
                    weights[u][v] = w[place / 4u][place % 4u];
                }
            }
            for (var r = 0u; r < HEIGHT; r++) { // unroll
                for (var s = 0u; s < WIDTH; s++) { // unroll
                    var part = 0.0;
                    for (var u = 0u; u < k; u++) {
                        var row = 0.0;
                        for (var v = 0u; v < k; v++) {
                            row += weights[u][v] * window[r * stride + u][s * stride + v];
                        }
                        part += row;
                    }
                    sum[t][r][s] += part;
                }
            }
        }
    }
    for (var t = 0u; t < tile_o; t++) {
        for (var d = 0u; d < tile_i; d++) {
            for (var e = 0u; e < tile_j; e++) {
                var best = sum[t][d * pool][e * pool];
                var place = 0u;
                for (var r = 0u; r < pool; r++) {
                    for (var s = 0u; s < pool; s++) {
                        let value = sum[t][d * pool + r][e * pool + s];
                        if value > best {
                            best = value;
                            place = r * pool + s;
                        }
                    }
                }
                let at = ((n * c_out + o + t) * H_OUT + i + d) * W_OUT + j + e;
                y[at] = act(best);
                winner[at] = place;
            }
        }
    }
}
