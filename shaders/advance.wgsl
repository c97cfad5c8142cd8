// advance: ends a step by moving the cursor to the next batch.
//   step = step + 1;  start = start + BATCH
// Updates the cursor. It is the last kernel of every step, so a step count that the host does not expect means that the
// driver gave up on the work before its end.
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
