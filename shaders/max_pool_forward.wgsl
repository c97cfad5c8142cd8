// max_pool_forward: the largest value of each pool x pool cell, and its position.
//   winner[n,c,i,j] = the first r * POOL + s, in row-major order, whose x[n,c,i*POOL+r,j*POOL+s] is largest
//   y[n,c,i,j]      = that x
// Reads x (N*C,H,W). Overwrites y and winner (N*C,Hp,Wp). Rows and columns that do not fill a cell are ignored.
// One invocation per cell.
// Twin: src/reference/max_pool_forward.rs

// The plan sets:
const planes = 640u;
const h_in = 24u;
const w_in = 24u;
const pool = 2u;

const H_OUT = h_in / pool;
const W_OUT = w_in / pool;
const WG = 64u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> winner: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= planes * H_OUT * W_OUT {
        return;
    }
    let plane = id.x / (H_OUT * W_OUT);
    let i = id.x / W_OUT % H_OUT;
    let j = id.x % W_OUT;
    let corner = (plane * h_in + i * pool) * w_in + j * pool;

    var best = x[corner];
    var at = 0u;
    for (var r = 0u; r < pool; r++) {
        for (var s = 0u; s < pool; s++) {
            let value = x[corner + r * w_in + s];
            if value > best {
                best = value;
                at = r * pool + s;
            }
        }
    }
    y[id.x] = best;
    winner[id.x] = at;
}
