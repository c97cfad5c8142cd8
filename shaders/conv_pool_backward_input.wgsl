// conv_pool_backward_input: gradient of the loss with respect to the input of a fused convolution and max-pool.
//   dz[n,o,p,q] = dy[n,o,p/POOL,q/POOL] where (p,q) is that cell's winner, else 0
//   dx[n,c,i,j] = act'(x[n,c,i,j]) * sum over o,u,v of dz[n,o,(i+P-u)/S,(j+P-v)/S] * w[o,c,u,v], where S divides both
// Reads dy and winner (N,O,Hp,Wp), w (O,C,K,K) and x (N,C,H,W), the output of the activation below.
// Overwrites dx (N,C,H,W). The unpooled gradient dz is never stored.
// One invocation per tile_i x tile_j neighbouring blocks of pool * S rows and columns of inputs, tile_c input channels
// and every split-th output channel. For each of those it unpools the cells whose gradient reaches its blocks into
// registers, where each gradient and each weight serves several sums. A workgroup processes lanes tiles; its row 0 adds
// the sums of the other rows, in order.
// Twin: src/reference/conv_pool_backward_input.rs
// Uses: activation

// The plan sets:
const batch = 64u;
const c_in = 10u;
const h_in = 12u;
const w_in = 12u;
const c_out = 20u;
const k = 5u;
const stride = 1u;
const padding = 0u;
const pool = 2u;
const tile_c = 2u;
const tile_i = 1u;
const tile_j = 2u;
const lanes = 32u;
const split = 2u;

const H_OUT = ((h_in + 2u * padding - k) / stride + 1u) / pool;
const W_OUT = ((w_in + 2u * padding - k) / stride + 1u) / pool;
const BLOCK = pool * stride;
const H_BLOCKS = (h_in + BLOCK - 1u) / BLOCK;
const W_BLOCKS = (w_in + BLOCK - 1u) / BLOCK;
const TILES_J = W_BLOCKS / tile_j;
const TILES_OF_MAP = (H_BLOCKS / tile_i) * TILES_J;
const TILES = batch * TILES_OF_MAP;
// Cells above and to the left of a block whose gradient reaches it.
const REACH = (k - 1u - padding + BLOCK - 1u) / BLOCK;
const HEIGHT = tile_i * BLOCK;
const WIDTH = tile_j * BLOCK;
// Rows and columns of all cells whose gradient reaches the blocks.
const ROWS = REACH + (HEIGHT - 1u + padding) / BLOCK + 1u;
const CELLS = REACH + (WIDTH - 1u + padding) / BLOCK + 1u;
// Number of sums of an invocation.
const SUMS = tile_c * HEIGHT * WIDTH;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> winner: array<u32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

// The sums of rows 1 and up.
var<workgroup> parts: array<f32, max(1u, (split - 1u) * SUMS * lanes)>;

@compute @workgroup_size(lanes, split)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) lane: vec3u) {
    let mine = id.x * lanes + lane.x;
    // Invocations past the last tile repeat it, since all must reach the barrier, and store nothing.
    let tile = min(mine, TILES - 1u);
    let n = tile / TILES_OF_MAP;
    let block_i = tile % TILES_OF_MAP / TILES_J * tile_i;
    let block_j = tile % TILES_J * tile_j;
    let c = id.y * tile_c;

    // sum[t][r][s]: row r and column s of the blocks, for input channel c + t.
    var sum: array<array<array<f32, WIDTH>, HEIGHT>, tile_c>;
    for (var o = lane.y; o < c_out; o += split) {
        // dz[d][p][e][q]: row p and column q of the cell in row d and column e of those that reach the blocks.
        var dz = array<array<array<array<f32, pool>, CELLS>, pool>, ROWS>();
        for (var d = 0u; d < ROWS; d++) { // unroll
            for (var e = 0u; e < CELLS; e++) { // unroll
                // Unsigned wrap-around puts cells above or left of the map out of range too.
                let i = block_i + d - REACH;
                let j = block_j + e - REACH;
                // The read is unconditional: reads behind a branch would wait for one another.
                let inside = i < H_OUT && j < W_OUT;
                let at = select(0u, ((n * c_out + o) * H_OUT + i) * W_OUT + j, inside);
                let delta = select(0.0, dy[at], inside);
                var place = 0u;
                if pool > 1u {
                    place = winner[at];
                }
                for (var p = 0u; p < pool; p++) { // unroll
                    for (var q = 0u; q < pool; q++) { // unroll
                        dz[d][p][e][q] = select(0.0, delta, place == p * pool + q);
                    }
                }
            }
        }
        for (var t = 0u; t < tile_c; t++) { // unroll
            let at = (o * c_in + c + t) * k * k;
            var weights = array<array<f32, k>, k>();
            for (var u = 0u; u < k; u++) { // unroll
                for (var v = 0u; v < k; v++) { // unroll
                    let place = at + u * k + v;
                    weights[u][v] = w[place];
                }
            }
            for (var r = 0u; r < HEIGHT; r++) { // unroll
                for (var s = 0u; s < WIDTH; s++) { // unroll
                    // A single chain of additions over all products: however a compiler unrolls and fuses it, the
                    // rounding stays the same.
                    var part = sum[t][r][s];
                    for (var u = 0u; u < k; u++) { // unroll
                        for (var v = 0u; v < k; v++) { // unroll
                            let down = REACH * BLOCK + padding + r - u;
                            let right = REACH * BLOCK + padding + s - v;
                            if down % stride == 0u && right % stride == 0u {
                                let p = down / stride;
                                let q = right / stride;
                                part += weights[u][v] * dz[p / pool][p % pool][q / pool][q % pool];
                            }
                        }
                    }
                    sum[t][r][s] = part;
                }
            }
        }
    }
    if split > 1u {
        if lane.y > 0u {
            for (var t = 0u; t < tile_c; t++) { // unroll
                for (var r = 0u; r < HEIGHT; r++) { // unroll
                    for (var s = 0u; s < WIDTH; s++) { // unroll
                        let at = (lane.y - 1u) * SUMS + (t * HEIGHT + r) * WIDTH + s;
                        parts[at * lanes + lane.x] = sum[t][r][s];
                    }
                }
            }
        }
        workgroupBarrier();
        for (var t = 0u; t < tile_c; t++) { // unroll
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
    for (var t = 0u; t < tile_c; t++) { // unroll
        for (var r = 0u; r < HEIGHT; r++) { // unroll
            for (var s = 0u; s < WIDTH; s++) { // unroll
                let i = block_i * BLOCK + r;
                let j = block_j * BLOCK + s;
                if i < h_in && j < w_in {
                    let at = ((n * c_in + c + t) * h_in + i) * w_in + j;
                    dx[at] = sum[t][r][s] * act_derivative(x[at]);
                }
            }
        }
    }
}
