//! Every promise to the user, one module each.

mod sources;
mod target;
