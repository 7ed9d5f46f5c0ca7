//! The relay's program: wiring only.

fn main() {}
