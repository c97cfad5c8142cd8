pub mod gpu;
pub mod model;
pub mod plan;
pub mod random;
pub mod reference;
pub mod verify;
