// conv_backward_weight: gradient of the loss with respect to a convolution's weights and bias, in slices of the batch.
//   dw[s,o,c,u,v] = sum over n in slice s, and i,j, of dy[n,o,i,j] * x[n,c,i*S+u-P,j*S+v-P]
//   db[s,o]       = sum over n in slice s, and i,j, of dy[n,o,i,j]
// Reads dy (N,O,Ho,Wo) and x (N,C,H,W). Overwrites dw (S,O,C,K,K) and db (S,O); the update adds the slices, in order.
// One invocation per slice, o, c and u: it holds the k sums of one kernel row. Those with c = 0, u = 0 also sum the
// bias.
// Twin: src/reference/conv_backward_weight.rs

// The plan sets:
const batch = 64u;
const c_in = 10u;
const h_in = 12u;
const w_in = 12u;
const c_out = 20u;
const k = 5u;
const stride = 1u;
const padding = 0u;
const slices = 16u;

const H_OUT = (h_in + 2u * padding - k) / stride + 1u;
const W_OUT = (w_in + 2u * padding - k) / stride + 1u;
const SLICE = (batch + slices - 1u) / slices;
const WG = 64u;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;
@group(0) @binding(3) var<storage, read_write> db: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= c_out * c_in * k {
        return;
    }
    let o = id.x / (c_in * k);
    let c = id.x / k % c_in;
    let u = id.x % k;
    let slice = id.y;

    var sum: array<f32, k>;
    var sum_b = 0.0;
    for (var n = slice * SLICE; n < min(batch, (slice + 1u) * SLICE); n++) {
        for (var i = 0u; i < H_OUT; i++) {
            // Unsigned underflow above or left of the map fails the bounds check as well.
            let row = i * stride + u - padding;
            let from_row = ((n * c_in + c) * h_in + row) * w_in;
            let to_row = ((n * c_out + o) * H_OUT + i) * W_OUT;
            for (var j = 0u; j < W_OUT; j++) {
                let delta = dy[to_row + j];
                sum_b += delta;
                for (var v = 0u; v < k; v++) {
                    let column = j * stride + v - padding;
                    if padding > 0u && (row >= h_in || column >= w_in) {
                        continue;
                    }
                    sum[v] += delta * x[from_row + column];
                }
            }
        }
    }
    let at = slice * c_out * c_in * k * k + id.x * k;
    for (var v = 0u; v < k; v++) {
        dw[at + v] = sum[v];
    }
    if c == 0u && u == 0u {
        db[slice * c_out + o] = sum_b;
    }
}
