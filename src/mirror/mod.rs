//! Mirrors, without keys.
