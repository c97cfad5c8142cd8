// A row of the update table: the parameters that a workgroup updates.
struct Group {
    // Its first parameter in the arena, how many it has, and where their gradient starts.
    start: u32,
    count: u32,
    grad: u32,
    // Elements of a slice, and slices, which lie one behind the other.
    len: u32,
    slices: u32,
    // Factor of the step's learning rate.
    rate: f32,
    // Fills the row: @size would not reach GLSL.
    unused: vec2u,
}

// The gradient of one of its parameters: the slices added up, in order. So many are read before the first is used that a GPU
// waits for memory once for all of them.
fn folded(group: Group, lane: u32) -> f32 {
    var sum = 0.0;
    for (var s = 0u; s < group.slices; s += at_once) {
        var slice = array<f32, at_once>();
        for (var q = 0u; q < at_once; q++) {
            slice[q] = grad[group.grad + min(s + q, group.slices - 1u) * group.len + lane];
        }
        for (var q = 0u; q < at_once; q++) {
            sum += select(0.0, slice[q], s + q < group.slices);
        }
    }
    return sum;
}
