//! What every mirror carries for a person without this program.
//!
//! [`README`] speaks to someone who has found the folder, perhaps years later. [`FORMAT`] is the normative description
//! of every byte; where it and the code disagree, one of them has a bug. Both lie at the top of each mirror as they are.

/// `README.txt`: what the folder is and how to get the files back.
pub const README: &str = include_str!("README.txt");

/// `FORMAT.txt`: format version 1, enough to write a reader from.
pub const FORMAT: &str = include_str!("FORMAT.txt");

/// Every such file with its name at the top of a mirror.
pub const FILES: [(&str, &str); 2] = [("README.txt", README), ("FORMAT.txt", FORMAT)];
