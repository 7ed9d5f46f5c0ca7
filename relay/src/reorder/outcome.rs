/// What a call did, in packets. Every packet that was inserted is held, or was or will be counted once as released, late, duplicate
/// or stray.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Given to `out`.
    pub released: u32,
    /// Dropped because their turn was over.
    pub late: u32,
    /// Dropped because the same packet was there before.
    pub duplicate: u32,
    /// Dropped because their number fitted nowhere: corrupt headers.
    pub stray: u32,
    /// Numbers that were given up: nothing came under them in time.
    pub lost: u32,
    /// Times that the numbers began anew.
    pub reanchored: u32,
}
