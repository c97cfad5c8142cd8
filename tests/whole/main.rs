//! Whole steps: the reference against finite differences and PyTorch, every device against both.

#[path = "../common/devices.rs"]
mod devices;
mod play;

mod explain;
mod gradients;
mod hands;
mod oracle;
mod steps;
