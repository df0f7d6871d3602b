//! The folder that restore writes into.
