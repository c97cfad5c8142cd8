// adam_update: folds the slices of each gradient and takes one step of Adam (Kingma, Ba 2015), or of AdamW (Loshchilov,
// Hutter 2019) if decoupled, in PyTorch's form.
//   g = clip * (sum over slices s, in order, of grad[s]) + decay * w
//   m = beta1 * m + (1 - beta1) * g
//   s = beta2 * s + (1 - beta2) * g * g
//   w = w - rate / (1 - beta1^t) * m / (sqrt(s) / sqrt(1 - beta2^t) + eps)
// If decoupled, decay is not added to g, and w is first multiplied by 1 - rate * decay.
// Reads grad, the table of each workgroup's parameters, and the values of step t: of_step holds rate, 1 / (1 - beta1^t) and
// sqrt(1 - beta2^t); the rate is multiplied by the group's. Updates w, m and s only where the table says.
// One invocation per parameter. Workgroups are laid out in rows of length row.
// Twin: src/reference/adam_update.rs
// Uses: group

// The plan sets:
const groups = 8u;
const row = 32768u;
const at_once = 16u;
const decoupled = 0u;

const WG = 64u;

// rest1 and rest2 are 1 - beta1 and 1 - beta2.
struct Hyper {
    beta1: f32,
    rest1: f32,
    beta2: f32,
    rest2: f32,
    eps: f32,
    decay: f32,
}

@group(0) @binding(0) var<storage, read> grad: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<Group>;
@group(0) @binding(2) var<uniform> of_step: array<vec4f, 1>;
@group(0) @binding(3) var<uniform> clip: array<vec4f, 1>;
@group(0) @binding(4) var<uniform> hyper: Hyper;
@group(0) @binding(5) var<storage, read_write> w: array<f32>;
@group(0) @binding(6) var<storage, read_write> m: array<f32>;
@group(0) @binding(7) var<storage, read_write> s: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) lane: vec3u) {
    let at = id.y * row + id.x;
    if at >= groups {
        return;
    }
    let group = table[at];
    if lane.x >= group.count {
        return;
    }
    let sum = folded(group, lane.x);
    let i = group.start + lane.x;
    let rate = of_step[0].x * group.rate;
    var weight = w[i];
    var g = clip[0].x * sum;
    if decoupled == 1u {
        weight = weight * (1.0 - rate * hyper.decay);
    } else {
        g += hyper.decay * weight;
    }
    let mean = hyper.beta1 * m[i] + hyper.rest1 * g;
    let square = hyper.beta2 * s[i] + hyper.rest2 * g * g;
    m[i] = mean;
    s[i] = square;
    w[i] = weight - rate * of_step[0].y * mean / (sqrt(square) / of_step[0].z + hyper.eps);
}
