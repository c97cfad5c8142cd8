// Element of the channel plane of x that starts at plane, or 0 in the padding. Rows above and columns left of the map
// underflow and are therefore out of range too. The read is unconditional: reads behind a branch would wait for one
// another.
fn input(plane: u32, row: u32, column: u32) -> f32 {
    let inside = padding == 0u || (row < h_in && column < w_in);
    return select(0.0, x[select(0u, plane + row * w_in + column, inside)], inside);
}
