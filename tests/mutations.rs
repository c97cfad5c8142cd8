//! Broken kernels are caught: each shader is given small faults, one at a time, and its conformance cases must notice.
//!
//! A fault is a piece of text that stands in the shader exactly once, and what takes its place: a dropped term, a shifted
//! index, a wrong bound. One that survives means that the cases of that kernel lack something; add a case, not an excuse.

#[path = "common/devices.rs"]
mod devices;

use mnist_gpu::verify::{STEMS, cases, run};

/// Shader, text, replacement.
const FAULTS: &[(&str, &str, &str)] = &[
    ("load_images", "let row = cursor.start + n;", "let row = n;"),
    ("load_images", "if row >= cursor.total {", "if row > cursor.total {"),
    ("load_images", "(image + p) % 4u * 8u", "p % 4u * 8u"),
    ("load_images", "if p >= end {", "if p > end {"),
    ("load_images", "let first = id.x * tile_p;", "let first = id.x * 4u;"),
    ("load_images", "y[n * pixels + p] = 0.0;", ""),
    ("load_images", "table[byte / 4u][byte % 4u]", "table[byte / 4u][byte & 2u]"),
    ("load_features", "let row = cursor.start + n;", "let row = n;"),
    ("load_features", "if row >= cursor.total {", "if row > cursor.total {"),
    ("load_features", "order[row] * len", "row * len"),
    ("load_features", "features[image + i + t * LANES]", "features[image + i + t]"),
    ("load_features", "y[n * len + i + t * LANES] = 0.0;", ""),
    ("augment_images", "let row = cursor.start + n;", "let row = n;"),
    ("augment_images", "if row >= cursor.total {", "if row > cursor.total {"),
    ("augment_images", "order[row]", "row"),
    ("augment_images", "+ places[row])", "+ row + 0u * places[row])"),
    ("augment_images", "+ u32(augment[0].y))", ")"),
    ("augment_images", "(x_at >> 5u) & 255", "0"),
    ("augment_images", "+ 32768) >> 16u", ") >> 16u"),
    (
        "augment_images",
        "for (var e = 0; e < 2; e++) {\n        let twice",
        "for (var e = 0; e < 1; e++) {\n        let twice",
    ),
    ("augment_images", "- t3 / 6", ""),
    ("augment_images", "+ t4 / 24", ""),
    ("augment_images", "(s * slant + c * scale_y) >> 14u", "(c * scale_y) >> 14u"),
    ("augment_images", "below(base, 8u, 2) == 1", "true"),
    ("augment_images", "i < erased_i + erased_h", "i <= erased_i + erased_h"),
    ("augment_images", "(W - 1) * 4096 + shift_x", "W * 4096 + shift_x"),
    ("augment_images", "bend(base, i, j, 1u)", "bend(base, i, j, 0u)"),
    ("augment_images", "u32((u + e) * 8 + v)", "u32((u + e) * 7 + v)"),
    ("augment_images", "j >= W {", "j > W {"),
    ("dropout", "if i >= count {", "if i + 1u >= count {"),
    ("dropout", "drawn < percent", "drawn <= percent"),
    ("dropout", "x[i] * SCALE", "x[i]"),
    ("dropout", "+ cursor.step)", "+ cursor.step * 0u)"),
    ("dropout", "+ layer)", ")"),
    ("dropout", "base + i * 0x9e3779b9u", "base + i"),
    ("batch_norm_statistics", "min(batch, cursor.total - cursor.start)", "batch"),
    ("batch_norm_statistics", "\n    sum = 0.0;\n", "\n"),
    ("batch_norm_statistics", "let count = f32(values);", "let count = f32(batch * pixels);"),
    ("batch_norm_statistics", "max(count - 1.0, 1.0)", "count"),
    ("batch_norm_statistics", "= 0.9 * running_mean[c] + 0.1 * centre", "= 0.1 * running_mean[c] + 0.9 * centre"),
    ("batch_norm_statistics", "0.1 * (spread", "0.9 * (spread"),
    ("batch_norm_statistics", "sums[lane] += sums[lane + half];", "sums[lane] = sums[lane + half];"),
    ("batch_norm_statistics", "        workgroupBarrier();\n", ""),
    ("batch_norm_statistics", "workgroupUniformLoad(&sums[0])", "sums[0]"),
    (
        "batch_norm_statistics",
        "lane.x; i < values; i += wg) {\n        let off",
        "lane.x; i < values; i += 1u) {\n        let off",
    ),
    ("batch_norm_forward", "+ EPS", ""),
    ("batch_norm_forward", "- centre) + shift", "- centre)"),
    ("batch_norm_forward", "y[p] = act(", "y[p] = ("),
    ("batch_norm_forward", "let c = plane % channels;", "let c = (plane + 1u) % channels;"),
    ("batch_norm_forward", "id.x % TILES * tile_p", "id.x % TILES"),
    ("batch_norm_backward_weight", "sum += vec2f", "sum = vec2f"),
    ("batch_norm_backward_weight", "(x[at] - centre), delta", "x[at], delta"),
    ("batch_norm_backward_weight", "sums[0].x / sqrt(variance[c / 4u][c % 4u] + EPS)", "sums[0].x"),
    ("batch_norm_backward_weight", "var i = lane.x;", "var i = lane.x + 1u;"),
    ("batch_norm_backward_weight", "        workgroupBarrier();\n", ""),
    ("batch_norm_backward_input", "(shift + slope", "(slope"),
    ("batch_norm_backward_input", "shift + slope * (value - centre)", "shift"),
    ("batch_norm_backward_input", "/ deviation / count", "/ count"),
    ("batch_norm_backward_input", "if plane / channels < images {", "if plane / channels < padded {"),
    ("batch_norm_backward_input", "f32(images * pixels)", "f32(padded * pixels)"),
    ("batch_norm_backward_input", "* act_derivative(value)", ""),
    ("batch_norm_backward_input", "let scale = w[c / 4u][c % 4u] / deviation;", "let scale = 1.0 / deviation;"),
    ("cross_entropy_forward", "smoothing[0].x * (label - all / f32(classes))", "0.0 * smoothing[0].x"),
    ("cross_entropy_forward", "all / f32(classes)", "all"),
    ("cross_entropy_backward", "let share = e / f32(classes);", "let share = 0.0;"),
    ("cross_entropy_backward", "1.0 - e + share", "1.0 - e"),
    ("conv_forward", "+ i + u) * w_in + j + v]", "+ i + u) * w_in + j]"),
    ("conv_forward", "sum[t] = b[o + t];", "sum[t] = 0.0;"),
    ("conv_forward", "w[(((o + t) * c_in + c) * k + u) * k + v]", "w[(((o + t) * c_in + c) * k + v) * k + u]"),
    ("conv_forward", "return max(z, 0.0);", "return z;"),
    ("conv_backward_input", "i - u < H_OUT", "i - u <= H_OUT"),
    ("conv_backward_input", "for (var o = 0u; o < c_out; o++)", "for (var o = 1u; o < c_out; o++)"),
    ("conv_backward_input", "sum[t] * act_derivative(x[at])", "sum[t]"),
    ("conv_backward_input", "return y * (1.0 - y);", "return y * (1.0 + y);"),
    ("conv_backward_weight", "n < min(batch, (slice + 1u) * SLICE)", "n < (slice + 1u) * SLICE"),
    ("conv_backward_weight", "for (var i = 0u; i < H_OUT; i++)", "for (var i = 1u; i < H_OUT; i++)"),
    ("conv_backward_weight", "sum_b += delta;", ""),
    ("conv_backward_weight", "x[from_row + j + v]", "x[from_row + j]"),
    ("conv_pool_forward", "if value > best {", "if value >= best {"),
    ("conv_pool_forward", "sum[t][r][s] = bias;", "sum[t][r][s] = 0.0;"),
    ("conv_pool_forward", "weights[u][v] * window[r + u][s + v]", "weights[u][v] * window[r + u][s]"),
    ("conv_pool_forward", "place = r * pool + s;", "place = s * pool + r;"),
    ("conv_pool_forward", "y[at] = act(best);", "y[at] = best;"),
    ("conv_pool_forward", "* W_OUT + j + e;", "* W_OUT + j;"),
    ("conv_pool_forward", "let place = at + u * k + v;", "let place = at + v * k + u;"),
    ("conv_pool_forward", "sum[t][d * pool + r]", "sum[t][r]"),
    ("conv_pool_backward_input", "place == p * pool + q", "place == q * pool + p"),
    ("conv_pool_backward_input", "if i < H_OUT && j < W_OUT {", "if i < H_OUT && j <= W_OUT {"),
    ("conv_pool_backward_input", "weights[u][v] * dz", "weights[v][u] * dz"),
    ("conv_pool_backward_input", "% (H_BLOCKS / tile_i) * tile_i", "% (H_BLOCKS / tile_i)"),
    ("conv_pool_backward_input", "if i < h_in && j < w_in {", "if i < h_in {"),
    ("conv_pool_backward_input", "sum[t][r][s] * act_derivative(x[at / 4u][at % 4u])", "sum[t][r][s]"),
    ("conv_pool_backward_weight", "window[r][s + pool]", "window[r][s]"),
    ("conv_pool_backward_weight", "place == r * pool + s", "place == s * pool + r"),
    ("conv_pool_backward_weight", "sum_b[t] += delta;", "sum_b[t] = delta;"),
    ("conv_pool_backward_weight", "dw_in[at / 4u][at % 4u] + sum", "sum"),
    ("conv_pool_backward_weight", "db_in[unit / 4u][unit % 4u] + sum_b[t]", "sum_b[t]"),
    ("conv_pool_backward_weight", "var row = slice * SLICE; row", "var row = slice * SLICE + 1u; row"),
    ("conv_pool_backward_weight", "row < min(ROWS, (slice + 1u) * SLICE)", "row < (slice + 1u) * SLICE"),
    ("conv_pool_backward_weight", "+ i * pool) * w_in;", "+ i) * w_in;"),
    ("max_pool_forward", "if value > best {", "if value >= best {"),
    ("max_pool_forward", "var best = x[corner];", "var best = 0.0;"),
    ("max_pool_forward", "at = r * pool + s;", "at = r + s;"),
    ("max_pool_forward", "(plane * h_in + i * pool)", "(plane * H_OUT * pool + i * pool)"),
    ("max_pool_backward", "if i < H_OUT && j < W_OUT {", "if i < H_OUT {"),
    ("max_pool_backward", "p % pool * pool + q % pool", "q % pool * pool + p % pool"),
    ("max_pool_backward", "var delta = 0.0;", "var delta = dy[0];"),
    ("activation_forward", "max(x[id.x], 0.0)", "x[id.x]"),
    ("activation_forward", "min(-x[id.x], 87.5)", "min(x[id.x], 87.5)"),
    ("activation_forward", "if id.x >= count {", "if id.x + 1u >= count {"),
    ("activation_backward", "out > 0.0", "out > 0.5"),
    ("activation_backward", "(1.0 - out)", "(1.0 + out)"),
    ("activation_backward", "select(0.0, dy[id.x], out > 0.0)", "dy[id.x]"),
    ("fc_forward", "act(bias + sum[s][t])", "act(sum[s][t])"),
    ("fc_forward", "if n + s < batch {", "if n + s + 1u < batch {"),
    ("fc_forward", "first += tile_i", "first += tile_i + 1u"),
    ("fc_forward", "min(n + s, batch - 1u)", "n"),
    ("fc_backward_input", "first < c_out;", "first + tile_o < c_out;"),
    ("fc_backward_input", "(first + o) * c_in + i + t * LANES", "(first + o) * c_in + i + t"),
    ("fc_backward_input", "sum[s][t] * act_derivative(x[at / 4u][at % 4u])", "sum[s][t]"),
    ("fc_backward_input", "return select(0.0, 1.0, y > 0.0);", "return select(0.0, 1.0, y >= 0.0);"),
    ("fc_backward_weight", "let end = min(batch, (slice + 1u) * SLICE);", "let end = (slice + 1u) * SLICE;"),
    ("fc_backward_weight", "let at = (slice * c_out + o + t) * c_in", "let at = (o + t) * c_in"),
    ("fc_backward_weight", "dw_in[at / 4u][at % 4u] + sum[t][s]", "sum[t][s]"),
    ("fc_backward_weight", "* c_in + i + s * LANES;\n                value", "* c_in + i + s;\n                value"),
    ("fc_backward_weight", "FULL || first + n < end)", "true)"),
    ("fc_backward_weight", "let at = slice * c_out + o + t;", "let at = o + t;"),
    ("fc_backward_weight", "db_in[at / 4u][at % 4u] + sum_b", "sum_b"),
    ("cross_entropy_forward", "if x[n * classes + j] > best {", "if x[n * classes + j] >= best {"),
    ("cross_entropy_forward", "exp(x[n * classes + j] - best)", "exp(x[n * classes + j])"),
    ("cross_entropy_forward", "labels[order[row]]", "labels[row]"),
    ("cross_entropy_forward", "loss[row] =", "loss[n] ="),
    ("cross_entropy_forward", "probability[row] = 1.0 / sum;", "probability[row] = sum;"),
    ("cross_entropy_backward", "let rows = min(batch, cursor.total - cursor.start);", "let rows = batch;"),
    ("cross_entropy_backward", "n >= batch || row", "row"),
    ("cross_entropy_backward", "select(share, 1.0 - e + share, j == label)", "share"),
    ("cross_entropy_backward", "labels[order[row]]", "labels[row]"),
    ("cross_entropy_backward", "sum += exp(x[n * classes + j] - best);", "sum += exp(x[n * classes + j]);"),
    ("cross_entropy_backward", "dx[n * classes + j] = 0.0;", ""),
    ("sgd_update", "s < group.slices;", "s < 1u;"),
    ("sgd_update", "s * group.len", "s"),
    ("sgd_update", "if lane.x >= group.count {", "if lane.x > group.count {"),
    ("sgd_update", "id.y * row + id.x", "id.x"),
    ("sgd_update", "rates[cursor[0].y / batch]", "rates[cursor[0].y / batch / steps]"),
    ("sgd_update", " * group.rate;", ";"),
    ("sgd_update", "clip[0].x * sum", "sum + 0.0 * clip[0].x"),
    ("sgd_update", "momentum * v[i] + g", "v[i] + g"),
    ("sgd_update", "+ decay * before", ""),
    ("sgd_update", "g + momentum * velocity, nesterov == 1u", "velocity, nesterov == 1u"),
    ("sgd_update", "nesterov == 1u", "nesterov != 1u"),
    ("adam_update", "slice < group.slices;", "slice < 1u;"),
    ("adam_update", "slice * group.len", "slice"),
    ("adam_update", "if lane.x >= group.count {", "if lane.x > group.count {"),
    ("adam_update", "id.y * row + id.x", "id.x"),
    ("adam_update", "rates[cursor[0].y / batch]", "rates[cursor[0].y / batch / steps]"),
    ("adam_update", " * group.rate;", ";"),
    ("adam_update", "clip[0].x * sum", "sum + 0.0 * clip[0].x"),
    ("adam_update", "g += decay * weight;", ""),
    ("adam_update", "weight * (1.0 - rate * decay)", "weight"),
    ("adam_update", "hyper[0].w * g * g", "hyper[0].w * g"),
    ("adam_update", "hyper[0].x * m[i]", "hyper[0].y * m[i]"),
    ("adam_update", "sqrt(square) / of_step.z", "sqrt(square)"),
    ("adam_update", "rate * of_step.y * mean", "rate * mean"),
    ("adam_update", "of_step.z + eps", "of_step.z"),
    ("adam_update", "s[i] = square;", ""),
    ("rmsprop_update", "slice < group.slices;", "slice < 1u;"),
    ("rmsprop_update", "slice * group.len", "slice"),
    ("rmsprop_update", "if lane.x >= group.count {", "if lane.x > group.count {"),
    ("rmsprop_update", "id.y * row + id.x", "id.x"),
    ("rmsprop_update", "rates[cursor[0].y / batch]", "rates[cursor[0].y / batch / steps]"),
    ("rmsprop_update", " * group.rate;", ";"),
    ("rmsprop_update", "clip[0].x * sum", "sum + 0.0 * clip[0].x"),
    ("rmsprop_update", "+ decay * before", ""),
    ("rmsprop_update", "hyper[0].y * g * g", "hyper[0].y * g"),
    ("rmsprop_update", "momentum * v[i]", "v[i]"),
    ("rmsprop_update", "(sqrt(square) + eps)", "sqrt(square + eps)"),
    ("rmsprop_update", "s[i] = square;", ""),
    ("distillation_backward", "let rows = min(batch, cursor.total - cursor.start);", "let rows = batch;"),
    ("distillation_backward", "n >= batch || row", "row"),
    ("distillation_backward", "labels[order[row]]", "labels[row]"),
    ("distillation_backward", "(1.0 - a) * own", "own"),
    ("distillation_backward", "a * t * (soft - taught)", "a * (soft - taught)"),
    (
        "distillation_backward",
        "soft_sum += exp((x[n * classes + j] - best) / t);",
        "soft_sum += exp(x[n * classes + j] - best);",
    ),
    (
        "distillation_backward",
        "taught_sum += exp((z[n * classes + j] - best_z) / t);",
        "taught_sum += exp((z[n * classes + j] - best) / t);",
    ),
    ("distillation_backward", "select(share, 1.0 - e + share, j == label)", "select(0.0, 1.0 - e, j == label)"),
    ("gradient_norm", "if lane.x < group.count {", "if lane.x <= group.count {"),
    ("gradient_norm", "s < group.slices;", "s < 1u;"),
    ("gradient_norm", "sum * sum", "sum"),
    ("gradient_norm", "var half = WG / 2u;", "var half = WG / 4u;"),
    ("gradient_norm", "id.y * row + id.x", "id.x"),
    ("gradient_norm", "        workgroupBarrier();\n", ""),
    ("gradient_clip", "at += WG", "at += 2u * WG"),
    ("gradient_clip", "var half = WG / 2u;", "var half = WG / 4u;"),
    ("gradient_clip", "min(1.0, limit[0].x / (sqrt(sums[0]) + 1e-6))", "limit[0].x / (sqrt(sums[0]) + 1e-6)"),
    ("gradient_clip", "sqrt(sums[0])", "sums[0]"),
    ("gradient_clip", "        workgroupBarrier();\n", ""),
    ("advance", "cursor.step += 1u;", "cursor.step = 1u;"),
    ("advance", "cursor.start += batch;", "cursor.start = batch;"),
    ("advance", "cursor.start += batch;", "cursor.start += batch - 1u;"),
];

#[test]
fn every_fault_is_caught() {
    // Run-time checks keep a fault from reaching beyond its buffers.
    let devices = devices::every(&[true]);
    let mut survivors = Vec::new();
    for (device, (stem, text, replacement)) in
        devices.iter().flat_map(|device| FAULTS.iter().map(move |fault| (device, fault)))
    {
        let caught = cases(stem).into_iter().find_map(|case| {
            let wgsl = case.kernel().spec().wgsl;
            assert_eq!(wgsl.matches(text).count(), 1, "{stem}: {text:?} must stand there exactly once");
            let judgement = run(device, &case, Some(&wgsl.replace(text, replacement)));
            let failure = judgement.unwrap_or_else(|e| panic!("{stem}: {text:?} to {replacement:?}: {e}")).failure;
            failure.map(|failure| (case.name().to_string(), failure))
        });
        match caught {
            Some((case, failure)) => println!("{stem}: {text:?} to {replacement:?}: caught by {case}: {failure}"),
            None => survivors.push(format!("{}: {stem}: {text:?} to {replacement:?}", device.info)),
        }
    }
    assert!(survivors.is_empty(), "{} survive:\n{}", survivors.len(), survivors.join("\n"));
}

/// Each barrier of each shader is missed where it is missing.
#[test]
fn every_barrier_has_a_fault() {
    for stem in STEMS {
        let wgsl = cases(stem)[0].kernel().spec().wgsl;
        for barrier in ["workgroupBarrier()", "workgroupUniformLoad("] {
            let faults =
                FAULTS.iter().filter(|(of, text, to)| *of == stem && text.contains(barrier) && !to.contains(barrier));
            assert_eq!(faults.count(), wgsl.matches(barrier).count(), "{stem}: {barrier}");
        }
    }
}

#[test]
fn every_shader_has_three_faults() {
    for stem in STEMS {
        let faults = FAULTS.iter().filter(|(of, ..)| *of == stem).count();
        assert!(faults >= 3, "{stem} has {faults}");
    }
}
