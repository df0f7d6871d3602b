//! Every promise to the user, one module each.

// What every store and every decorator must do.
mod stores;
