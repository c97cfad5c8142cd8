// conv_forward: convolution (cross-correlation), bias and activation.
//   y[n,o,i,j] = act(b[o] + sum over c,u,v of w[o,c,u,v] * x[n,c,i*S+u-P,j*S+v-P]), where x is 0 outside its map
// Reads x (N,C,H,W), w (O,C,K,K) and b (O). Overwrites y (N,O,Ho,Wo).
// One invocation per pixel and tile_o output channels, so that each read of x serves tile_o sums. Each input channel is
// summed separately first: the rounding error then grows with K * K + C instead of K * K * C.
// Twin: src/reference/conv_forward.rs
// Uses: activation

// The plan sets:
const batch = 64u;
const c_in = 1u;
const h_in = 28u;
const w_in = 28u;
const c_out = 10u;
const k = 5u;
const stride = 1u;
const padding = 0u;
const tile_o = 2u;

const H_OUT = (h_in + 2u * padding - k) / stride + 1u;
const W_OUT = (w_in + 2u * padding - k) / stride + 1u;
const WG = 64u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= batch * H_OUT * W_OUT {
        return;
    }
    let n = id.x / (H_OUT * W_OUT);
    let i = id.x / W_OUT % H_OUT;
    let j = id.x % W_OUT;
    let o = id.y * tile_o;

    var sum: array<f32, tile_o>;
    for (var t = 0u; t < tile_o; t++) {
        sum[t] = b[o + t];
    }
    for (var c = 0u; c < c_in; c++) {
        var part = array<f32, tile_o>();
        for (var u = 0u; u < k; u++) {
            for (var v = 0u; v < k; v++) {
                // Unsigned underflow above or left of the map fails the bounds check as well.
                let row = i * stride + u - padding;
                let column = j * stride + v - padding;
                if padding > 0u && (row >= h_in || column >= w_in) {
                    continue;
                }
                let value = x[((n * c_in + c) * h_in + row) * w_in + column];
                for (var t = 0u; t < tile_o; t++) {
                    part[t] += w[(((o + t) * c_in + c) * k + u) * k + v] * value;
                }
            }
        }
        for (var t = 0u; t < tile_o; t++) {
            sum[t] += part[t];
        }
    }
    for (var t = 0u; t < tile_o; t++) {
        y[((n * c_out + o + t) * H_OUT + i) * W_OUT + j] = act(sum[t]);
    }
}
