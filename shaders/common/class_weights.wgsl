// Targets of weighted classes. Used if the shader's constant weighted is 1.
// Labels that an invocation reads before it uses the first.
const READS = 4u;

var<workgroup> shares: array<f32, WG>;

fn class_weight(c: u32) -> f32 {
    return weights[c / 4u][c % 4u];
}

// Target of a class: the smoothed target, times the weight of the class that it comes from.
fn weighted_target(c: u32, label: u32) -> f32 {
    let e = smoothing[0].x;
    return e / f32(classes) * class_weight(c) + select(0.0, (1.0 - e) * class_weight(label), c == label);
}

// Sum of the weights of the batch's labels. Each workgroup computes all of it, in the same order.
fn weight_of_batch(lane: u32, rows: u32) -> f32 {
    var share = 0.0;
    for (var first = lane; first < rows; first += READS * WG) {
        var label = array<u32, READS>();
        for (var q = 0u; q < READS; q++) {
            label[q] = order[cursor.start + min(first + q * WG, rows - 1u)];
        }
        for (var q = 0u; q < READS; q++) {
            label[q] = labels[label[q]];
        }
        for (var q = 0u; q < READS; q++) {
            share += select(0.0, class_weight(label[q]), first + q * WG < rows);
        }
    }
    shares[lane] = share;
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < WG; i++) {
        sum += shares[i];
    }
    return sum;
}
