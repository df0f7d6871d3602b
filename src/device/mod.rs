//! What this device keeps between runs.
