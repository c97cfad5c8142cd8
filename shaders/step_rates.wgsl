// step_rates: copies the learning rate of this step, and two values of the optimizer that depend on the step.
//   rate = rates[start / BATCH]
// Reads the cursor, and rates, which holds four values for each batch of an epoch. Overwrites rate (4).
// The update reads its rate from here, so that the cursor may advance beside it.
// Twin: src/reference/step_rates.rs
// Uses: cursor

// The plan sets:
const batch = 64u;

const WG = 64u;

@group(0) @binding(0) var<storage, read> cursor: Cursor;
@group(0) @binding(1) var<storage, read> rates: array<f32>;
@group(0) @binding(2) var<storage, read_write> rate: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
    if lane < 4u {
        rate[lane] = rates[cursor.start / batch * 4u + lane];
    }
}
