//! Content-defined cuts.
