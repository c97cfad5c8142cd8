// max_pool_backward: passes each cell's gradient to its winner.
//   dx[n,c,p,q] = dy[n,c,p/POOL,q/POOL] where (p,q) is that cell's winner, else 0
// Reads dy and winner (N*C,Hp,Wp). Overwrites dx (N*C,H,W); inputs outside all cells get 0.
// One invocation per input.
// Twin: src/reference/max_pool_backward.rs

// The plan sets:
const planes = 640u;
const h_in = 24u;
const w_in = 24u;
const pool = 2u;

const H_OUT = h_in / pool;
const W_OUT = w_in / pool;
const WG = 64u;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> winner: array<u32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= planes * h_in * w_in {
        return;
    }
    let plane = id.x / (h_in * w_in);
    let p = id.x / w_in % h_in;
    let q = id.x % w_in;
    let i = p / pool;
    let j = q / pool;

    var delta = 0.0;
    if i < H_OUT && j < W_OUT {
        let cell = (plane * H_OUT + i) * W_OUT + j;
        if winner[cell] == p % pool * pool + q % pool {
            delta = dy[cell];
        }
    }
    dx[id.x] = delta;
}
