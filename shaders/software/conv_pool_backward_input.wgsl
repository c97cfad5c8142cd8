// conv_pool_backward_input: gradient of the loss with respect to the input of a fused convolution and max-pool.
//   dz[n,o,p,q] = dy[n,o,p/POOL,q/POOL] where (p,q) is that cell's winner, else 0
//   dx[n,c,i,j] = act'(x[n,c,i,j]) * sum over o,u,v of dz[n,o,(i+P-u)/S,(j+P-v)/S] * w[o,c,u,v], where S divides both
// Reads dy and winner (N,O,Hp,Wp), w (O,C,K,K) and x (N,C,H,W), the output of the activation below.
// Overwrites dx (N,C,H,W). The unpooled gradient dz is never stored.
// One invocation per tile_i x tile_j neighbouring blocks of pool * S rows and columns of inputs and tile_c input
// channels. For each output channel it unpools the cells whose gradient reaches its blocks into registers, where each
// gradient and each weight serves several sums. If a tile is the whole map, compilers know which cells are outside and
// omit their products.
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
const wg = 64u;

const H_OUT = ((h_in + 2u * padding - k) / stride + 1u) / pool;
const W_OUT = ((w_in + 2u * padding - k) / stride + 1u) / pool;
const BLOCK = pool * stride;
const H_BLOCKS = (h_in + BLOCK - 1u) / BLOCK;
const W_BLOCKS = (w_in + BLOCK - 1u) / BLOCK;
// Cells above and to the left of a block whose gradient reaches it.
const REACH = (k - 1u - padding + BLOCK - 1u) / BLOCK;
const HEIGHT = tile_i * BLOCK;
const WIDTH = tile_j * BLOCK;
// Rows and columns of all cells whose gradient reaches the blocks.
const ROWS = REACH + (HEIGHT - 1u + padding) / BLOCK + 1u;
const CELLS = REACH + (WIDTH - 1u + padding) / BLOCK + 1u;
const OUTPUTS = batch * c_out * H_OUT * W_OUT;
const WEIGHTS = c_out * c_in * k * k;

@group(0) @binding(0) var<uniform> dy: array<vec4f, (OUTPUTS + 3u) / 4u>;
@group(0) @binding(1) var<uniform> winner: array<vec4u, (OUTPUTS + 3u) / 4u>;
@group(0) @binding(2) var<uniform> w: array<vec4f, (WEIGHTS + 3u) / 4u>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(wg)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= batch * (H_BLOCKS / tile_i) * (W_BLOCKS / tile_j) {
        return;
    }
    let n = id.x / ((H_BLOCKS / tile_i) * (W_BLOCKS / tile_j));
    let block_i = id.x / (W_BLOCKS / tile_j) % (H_BLOCKS / tile_i) * tile_i;
    let block_j = id.x % (W_BLOCKS / tile_j) * tile_j;
    let c = id.y * tile_c;

    // sum[t][r][s]: row r and column s of the blocks, for input channel c + t.
    var sum: array<array<array<f32, WIDTH>, HEIGHT>, tile_c>;
    for (var o = 0u; o < c_out; o++) {
        // dz[d][p][e][q]: row p and column q of the cell in row d and column e of those that reach the blocks.
        var dz = array<array<array<array<f32, pool>, CELLS>, pool>, ROWS>();
        for (var d = 0u; d < ROWS; d++) {
            for (var e = 0u; e < CELLS; e++) {
                // Unsigned wrap-around puts cells above or left of the map out of range too.
                let i = block_i + d - REACH;
                let j = block_j + e - REACH;
                var delta = 0.0;
                var place = 0u;
                if i < H_OUT && j < W_OUT {
                    let at = ((n * c_out + o) * H_OUT + i) * W_OUT + j;
                    delta = dy[at / 4u][at % 4u];
                    if pool > 1u {
                        place = winner[at / 4u][at % 4u];
                    }
                }
                for (var p = 0u; p < pool; p++) {
                    for (var q = 0u; q < pool; q++) {
                        dz[d][p][e][q] = select(0.0, delta, place == p * pool + q);
                    }
                }
            }
        }
        for (var t = 0u; t < tile_c; t++) {
            let at = (o * c_in + c + t) * k * k;
            var weights = array<array<f32, k>, k>();
            for (var u = 0u; u < k; u++) {
                for (var v = 0u; v < k; v++) {
                    let place = at + u * k + v;
                    weights[u][v] = w[place / 4u][place % 4u];
                }
            }
            for (var r = 0u; r < HEIGHT; r++) { // unroll
                for (var s = 0u; s < WIDTH; s++) { // unroll
                    // A single chain of additions over all products: whatever a compiler unrolls, omits as zero and
                    // fuses, the rounding stays the same.
                    var part = sum[t][r][s];
                    for (var u = 0u; u < k; u++) {
                        for (var v = 0u; v < k; v++) {
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
    for (var t = 0u; t < tile_c; t++) {
        for (var r = 0u; r < HEIGHT; r++) {
            for (var s = 0u; s < WIDTH; s++) {
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
