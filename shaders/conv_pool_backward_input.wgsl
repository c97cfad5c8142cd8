// conv_pool_backward_input: gradient of the loss with respect to the input of a fused convolution and max-pool.
//   dz[n,o,p,q] = dy[n,o,p/POOL,q/POOL] where (p,q) is that cell's winner, else 0
//   dx[n,c,i,j] = act'(x[n,c,i,j]) * sum over o,u,v of dz[n,o,i-u,j-v] * w[o,c,u,v]
// Reads dy and winner (N,O,Hp,Wp), w (O,C,K,K) and x (N,C,H,W), the output of the activation below.
// Overwrites dx (N,C,H,W). The unpooled gradient dz is never stored.
// One invocation per tile_j neighbouring pool x pool blocks of inputs and tile_c input channels. For each row u of the
// kernel it unpools the pool rows of dz that reach its blocks into registers; each of them, and each weight, then serves
// several sums.
// Twin: src/reference/conv_pool_backward_input.rs
const batch = 64u;
const c_in = 10u;
const h_in = 12u;
const w_in = 12u;
const c_out = 20u;
const k = 5u;
const pool = 2u;
const activation_in = 1u;
const tile_c = 2u;
const tile_j = 2u;

const H_OUT = (h_in - k + 1u) / pool;
const W_OUT = (w_in - k + 1u) / pool;
const H_BLOCKS = (h_in + pool - 1u) / pool;
const W_BLOCKS = (w_in + pool - 1u) / pool;
// Cells to the left of a block whose gradient reaches it.
const REACH = (k - 1u + pool - 1u) / pool;
const CELLS = REACH + tile_j;
const SPAN = CELLS * pool;
const WIDTH = tile_j * pool;
const TILE = pool * WIDTH;
const RELU = 1u;
const SIGMOID = 2u;
const WG = 64u;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> winner: array<u32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

fn act_derivative(y: f32) -> f32 {
    if activation_in == RELU {
        return select(0.0, 1.0, y > 0.0);
    }
    if activation_in == SIGMOID {
        return y * (1.0 - y);
    }
    return 1.0;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= batch * H_BLOCKS * (W_BLOCKS / tile_j) {
        return;
    }
    let n = id.x / (H_BLOCKS * (W_BLOCKS / tile_j));
    let block_i = id.x / (W_BLOCKS / tile_j) % H_BLOCKS;
    let block_j = id.x % (W_BLOCKS / tile_j) * tile_j;
    let c = id.y * tile_c;

    // sum[t, r, s]: row r and column s of the blocks, for input channel c + t.
    var sum: array<f32, tile_c * TILE>;
    for (var o = 0u; o < c_out; o++) {
        for (var u = 0u; u < k; u++) {
            var dz: array<f32, pool * SPAN>;
            for (var r = 0u; r < pool; r++) {
                // Unsigned wrap-around puts what lies above or left of the map out of range too.
                let p = block_i * pool + r - u;
                for (var s = 0u; s < CELLS; s++) {
                    let j = block_j + s - REACH;
                    var delta = 0.0;
                    var place = 0u;
                    if p < H_OUT * pool && j < W_OUT {
                        let at = ((n * c_out + o) * H_OUT + p / pool) * W_OUT + j;
                        delta = dy[at];
                        place = winner[at];
                    }
                    for (var q = 0u; q < pool; q++) {
                        dz[r * SPAN + s * pool + q] = select(0.0, delta, place == p % pool * pool + q);
                    }
                }
            }
            for (var t = 0u; t < tile_c; t++) {
                let at = ((o * c_in + c + t) * k + u) * k;
                for (var v = 0u; v < k; v++) {
                    let weight = w[at + v];
                    for (var r = 0u; r < pool; r++) {
                        for (var s = 0u; s < WIDTH; s++) {
                            sum[t * TILE + r * WIDTH + s] += weight * dz[r * SPAN + REACH * pool + s - v];
                        }
                    }
                }
            }
        }
    }
    for (var t = 0u; t < tile_c; t++) {
        for (var r = 0u; r < pool; r++) {
            for (var s = 0u; s < WIDTH; s++) {
                let i = block_i * pool + r;
                let j = block_j * pool + s;
                if i < h_in && j < w_in {
                    let at = ((n * c_in + c + t) * h_in + i) * w_in + j;
                    dx[at] = sum[t * TILE + r * WIDTH + s] * act_derivative(x[at]);
                }
            }
        }
    }
}
