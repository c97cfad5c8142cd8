// conv_pool_forward: convolution, bias, max-pooling and activation in one pass.
//   z[o,p,q]      = b[o] + sum over c,u,v of w[o,c,u,v] * x[n,c,p*S+u-P,q*S+v-P], where x is 0 outside its map
//   winner[n,o,i,j] = the first r * POOL + s, in row-major order, whose z[o, i*POOL + r, j*POOL + s] is largest
//   y[n,o,i,j]    = act(that z)
// Reads x (N,C,H,W), w (O,C,K,K) and b (O). Overwrites y and winner (N,O,Hp,Wp); the full map z is never stored.
// One invocation per tile_i x tile_j neighbouring cells, tile_o output channels and every split-th input channel. It
// holds the window of inputs under its cells in registers, where each input and each weight serves several sums. Each
// kernel row and each input channel is summed separately first: the rounding error then grows with K + K + C instead of
// K * K * C. A workgroup processes lanes tiles; its row 0 adds the sums of the other rows, in order.
// Twin: src/reference/conv_pool_forward.rs
// Uses: activation, input

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
const lanes = 32u;
const split = 2u;

const H_OUT = ((h_in + 2u * padding - k) / stride + 1u) / pool;
const W_OUT = ((w_in + 2u * padding - k) / stride + 1u) / pool;
const TILES_I = H_OUT / tile_i;
const TILES_J = W_OUT / tile_j;
const TILES = batch * TILES_I * TILES_J;
// Rows and columns of the map under the cells, and of the inputs under the map.
const HEIGHT = tile_i * pool;
const WIDTH = tile_j * pool;
const ROWS = (HEIGHT - 1u) * stride + k;
const SPAN = (WIDTH - 1u) * stride + k;
// Number of sums of an invocation.
const SUMS = tile_o * HEIGHT * WIDTH;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> winner: array<u32>;

// The sums of rows 1 and up.
var<workgroup> parts: array<f32, max(1u, (split - 1u) * SUMS * lanes)>;

@compute @workgroup_size(lanes, split)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) lane: vec3u) {
    let mine = id.x * lanes + lane.x;
    // Invocations past the last tile repeat it, since all must reach the barrier, and store nothing.
    let tile = min(mine, TILES - 1u);
    let n = tile / (TILES_I * TILES_J);
    let i = tile / TILES_J % TILES_I * tile_i;
    let j = tile % TILES_J * tile_j;
    let o = id.y * tile_o;

    // sum[t][r][s]: row r and column s of the map under the cells, for output channel o + t.
    var sum: array<array<array<f32, WIDTH>, HEIGHT>, tile_o>;
    for (var t = 0u; t < tile_o; t++) { // unroll
        let bias = select(0.0, b[o + t], lane.y == 0u);
        for (var r = 0u; r < HEIGHT; r++) { // unroll
            for (var s = 0u; s < WIDTH; s++) { // unroll
                sum[t][r][s] = bias;
            }
        }
    }
    for (var c = lane.y; c < c_in; c += split) {
        let plane = (n * c_in + c) * h_in * w_in;
        let top = i * pool * stride - padding;
        let left = j * pool * stride - padding;
        var window = array<array<f32, SPAN>, ROWS>();
        for (var r = 0u; r < ROWS; r++) { // unroll
            for (var s = 0u; s < SPAN; s++) { // unroll
                window[r][s] = input(plane, top + r, left + s);
            }
        }
        for (var t = 0u; t < tile_o; t++) { // unroll
            let at = ((o + t) * c_in + c) * k * k;
            var weights = array<array<f32, k>, k>();
            for (var u = 0u; u < k; u++) { // unroll
                for (var v = 0u; v < k; v++) { // unroll
                    let place = at + u * k + v;
                    weights[u][v] = w[place];
                }
            }
            for (var r = 0u; r < HEIGHT; r++) { // unroll
                for (var s = 0u; s < WIDTH; s++) { // unroll
                    var part = 0.0;
                    for (var u = 0u; u < k; u++) { // unroll
                        var row = 0.0;
                        for (var v = 0u; v < k; v++) { // unroll
                            row += weights[u][v] * window[r * stride + u][s * stride + v];
                        }
                        part += row;
                    }
                    sum[t][r][s] += part;
                }
            }
        }
    }
    if split > 1u {
        if lane.y > 0u {
            for (var t = 0u; t < tile_o; t++) { // unroll
                for (var r = 0u; r < HEIGHT; r++) { // unroll
                    for (var s = 0u; s < WIDTH; s++) { // unroll
                        let at = (lane.y - 1u) * SUMS + (t * HEIGHT + r) * WIDTH + s;
                        parts[at * lanes + lane.x] = sum[t][r][s];
                    }
                }
            }
        }
        workgroupBarrier();
        for (var t = 0u; t < tile_o; t++) { // unroll
            for (var r = 0u; r < HEIGHT; r++) { // unroll
                for (var s = 0u; s < WIDTH; s++) { // unroll
                    for (var q = 0u; q < split - 1u; q++) {
                        let at = q * SUMS + (t * HEIGHT + r) * WIDTH + s;
                        sum[t][r][s] += parts[at * lanes + lane.x];
                    }
                }
            }
        }
    }
    if mine >= TILES || lane.y > 0u {
        return;
    }
    for (var t = 0u; t < tile_o; t++) { // unroll
        for (var d = 0u; d < tile_i; d++) { // unroll
            for (var e = 0u; e < tile_j; e++) { // unroll
                var best = sum[t][d * pool][e * pool];
                var place = 0u;
                for (var r = 0u; r < pool; r++) { // unroll
                    for (var s = 0u; s < pool; s++) { // unroll
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
