//! The verbs, functions over an open repository, in order: a verb may use those above it.

pub mod credits;
pub mod open;

pub mod by;
pub mod carry;
pub mod keys_and_marks;
pub mod reach;
pub mod sync;

pub mod parity;

pub mod backup;
pub mod cat;
pub mod record;
pub mod restore;
pub mod verify;

pub mod retention;

pub mod guard;

pub mod forget;
pub mod heal;
pub mod undelete;

pub mod prune;
