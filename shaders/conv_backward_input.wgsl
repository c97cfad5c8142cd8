// conv_backward_input: gradient of the loss with respect to a convolution's input.
//   dx[n,c,i,j] = act'(x[n,c,i,j]) * sum over o,u,v of dy[n,o,(i+P-u)/S,(j+P-v)/S] * w[o,c,u,v],
//     where S divides both and dy is 0 outside its map
// Reads dy (N,O,Ho,Wo), w (O,C,K,K) and x (N,C,H,W), the output of the activation below. Overwrites dx (N,C,H,W).
// One invocation per pixel and tile_c input channels, so that each read of dy serves tile_c sums.
// Twin: src/reference/conv_backward_input.rs
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
const tile_c = 2u;

const H_OUT = (h_in + 2u * padding - k) / stride + 1u;
const W_OUT = (w_in + 2u * padding - k) / stride + 1u;
const WG = 64u;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= batch * h_in * w_in {
        return;
    }
    let n = id.x / (h_in * w_in);
    let i = id.x / w_in % h_in;
    let j = id.x % w_in;
    let c = id.y * tile_c;

    var sum: array<f32, tile_c>;
    for (var o = 0u; o < c_out; o++) {
        for (var u = 0u; u < k; u++) {
            for (var v = 0u; v < k; v++) {
                // Unsigned underflow above or left of the map fails the bounds check as well.
                let p = i + padding - u;
                let q = j + padding - v;
                if p % stride == 0u && p / stride < H_OUT && q % stride == 0u && q / stride < W_OUT {
                    let delta = dy[((n * c_out + o) * H_OUT + p / stride) * W_OUT + q / stride];
                    for (var t = 0u; t < tile_c; t++) {
                        sum[t] += delta * w[((o * c_in + c + t) * k + u) * k + v];
                    }
                }
            }
        }
    }
    for (var t = 0u; t < tile_c; t++) {
        let at = ((n * c_in + c + t) * h_in + i) * w_in + j;
        dx[at] = sum[t] * act_derivative(x[at]);
    }
}
