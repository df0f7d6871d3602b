//! Every promise to the user, one module each.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect has failed"
)]

// What every store and every decorator must do.
mod stores;
