//! zstd into a bounded output.
