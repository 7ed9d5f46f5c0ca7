//! The AWS in memory refuses what the local AWS refuses, in the same words.
