// Position in an epoch.
struct Cursor {
    // Number of batches since training began.
    step: u32,
    // First row of this batch, and number of rows of the epoch.
    start: u32,
    total: u32,
}
