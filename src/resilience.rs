//! What whoever must not stop needs: when and how often something is started anew, what health says meanwhile, and
//! tasks that do not end unnoticed. Knows no actor, so that the actors, the tree above them and the gateway can use it.

pub mod health;
pub mod policy;
pub mod tasks;
