// Where an epoch stands.
struct Cursor {
    // Batches since the training began.
    step: u32,
    // The first row of this batch, and the rows of the epoch.
    start: u32,
    total: u32,
}
