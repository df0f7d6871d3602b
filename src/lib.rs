//! heirloom keeps a device's personal data in a content-addressed, encrypted repository on several mirrors at once.
//!
//! This page is the map. A module imports from lower floors only; `tests/tidy.rs` reads the groups below and holds
//! every file to them. Absent on purpose: a prelude, re-exports, a `utils`, globals, and any printing below `ui`.

// 0 words: std only, not even each other.
pub mod error;
pub mod id;
pub mod limits;
pub mod name;
pub mod siphash;
pub mod units;

// 1 tools: bytes in, bytes out.
pub mod chunker;
pub mod compress;
pub mod crypto;
#[cfg(feature = "remote")]
pub mod dav;
pub mod erasure;
pub mod host;
pub mod monitor;

// 2 format: what lies on a mirror.
pub mod format;
pub mod rescue;

// 3 edges: the outside world.
pub mod device;
pub mod source;
pub mod store;
pub mod target;

// 4 keepers.
pub mod mirror;
pub mod repo;

// 5 ops: the verbs.
pub mod ops;

// 6 faces.
pub mod config;
pub mod ui;

// 7 cli.
pub mod cli;
