//! The actor tree: the root, its children, and who is started anew when one fails.

pub mod tree;
