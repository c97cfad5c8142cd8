// advance: ends a step by moving the cursor to the next batch.
//   step = step + 1;  start = start + BATCH
// Updates the cursor. It is in the last dispatch of every step, so an unexpected step count on the host means that the
// driver abandoned the work early. One invocation works; the others let it run beside another kernel.
// Twin: src/reference/advance.rs
// Uses: cursor

// The plan sets:
const batch = 64u;

const WG = 64u;

@group(0) @binding(0) var<storage, read_write> cursor: Cursor;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
    if lane == 0u {
        cursor.step += 1u;
        cursor.start += batch;
    }
}
