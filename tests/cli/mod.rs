//! One file per verb, named like those in `src/cli`: what is typed, what is answered, which code.

mod backup;
mod cat;
mod exit;
mod forget;
mod heal;
mod init;
mod key;
mod ledger;
#[cfg(feature = "remote")]
mod locks;
mod ls;
mod mirror;
mod parity;
mod prune;
#[cfg(feature = "remote")]
mod remote;
mod restore;
mod secret;
mod shrink;
mod snapshots;
mod verify;
