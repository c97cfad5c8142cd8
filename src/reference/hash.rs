//! The hash from which kernels draw random numbers (C. Wellons, Prospecting for Hash Functions, 2018: `lowbias32`).

/// Mixes 32 bits, so that the hashes of neighbouring values are unrelated.
pub fn hash(v: u32) -> u32 {
    let x = (v ^ (v >> 16)).wrapping_mul(0x7feb_352d);
    let x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}
