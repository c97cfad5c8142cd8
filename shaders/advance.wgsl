// advance: ends a step by moving the cursor to the next batch.
//   step = step + 1;  start = start + BATCH
// Updates the cursor. It is the last kernel of every step, so an unexpected step count on the host means that the
// driver abandoned the work early.
// Twin: src/reference/advance.rs
// Uses: cursor

// The plan sets:
const batch = 64u;

@group(0) @binding(0) var<storage, read_write> cursor: Cursor;

@compute @workgroup_size(1)
fn main() {
    cursor.step += 1u;
    cursor.start += batch;
}
