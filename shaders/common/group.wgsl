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

// The gradient of one of its parameters: the slices added up, in order.
fn folded(group: Group, lane: u32) -> f32 {
    var sum = 0.0;
    for (var s = 0u; s < group.slices; s++) {
        sum += grad[group.grad + s * group.len + lane];
    }
    return sum;
}
