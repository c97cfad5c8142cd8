// Element of the channel plane of x that starts at plane, or 0 in the padding. Rows above and columns left of the map
// underflow and fail the bounds check as well.
fn input(plane: u32, row: u32, column: u32) -> f32 {
    if padding > 0u && (row >= h_in || column >= w_in) {
        return 0.0;
    }
    let at = plane + row * w_in + column;
    return x[at / 4u][at % 4u];
}
