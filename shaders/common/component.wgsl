// Element i of a vector. An index that is not a constant would make some compilers keep the vector in memory.
fn component(v: vec4f, i: u32) -> f32 {
    return select(select(v.x, v.y, i == 1u), select(v.z, v.w, i == 3u), i > 1u);
}
